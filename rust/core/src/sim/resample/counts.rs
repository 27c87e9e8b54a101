//! One drawing of numbers of offspring.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use super::Scheme;
use super::multinomial::{add_multinomial, multinomial};
use super::ssp::ssp;
use super::strata::strata;
use super::weights::{Row, Source, TileSum, Total, total};
use crate::rng::Stream;
use crate::sim::particles::{TILE, for_each_tile};
use crate::simd::{Aligned, Vectorised, vectorise};

/// Numbers of offspring of the particles of a tile.
pub(crate) type Counts = Aligned<[u32; TILE]>;

/// One drawing.
#[derive(Clone, Copy)]
pub(crate) struct Draw<'a> {
    /// The weights.
    pub(crate) source: Source<'a>,
    /// Their sum.
    pub(crate) total: Total,
    /// The largest weight, in the unit of the sums.
    pub(crate) largest: f64,
    /// How many particles there are.
    pub(crate) particles: usize,
    /// How many there will be.
    pub(crate) offspring: usize,
    /// Where random numbers come from,
    pub(crate) stream: Stream,
    /// and which of them.
    pub(crate) step: u32,
}

impl<'a> Draw<'a> {
    /// The weights of tile `index`; `scratch` is a place for them.
    pub(super) fn weights<'b>(self, index: usize, scratch: &'b mut Row) -> &'b Row
    where
        'a: 'b,
    {
        match (self.source)(index, scratch) {
            Some(weights) => weights,
            None => scratch,
        }
    }

    /// The same, written to `weights`.
    pub(super) fn copy_weights(self, index: usize, weights: &mut Row) {
        if let Some(source) = (self.source)(index, weights) {
            *weights = *source;
        }
    }

    /// Write the numbers of offspring.
    pub(crate) fn counts(self, scheme: Scheme, sums: &mut [TileSum], counts: &mut [Counts]) {
        match scheme {
            Scheme::Systematic | Scheme::Stratified => strata(self, scheme, sums, counts),
            Scheme::Multinomial => multinomial(self, sums, counts),
            Scheme::Residual => self.residual(sums, counts),
            Scheme::Ssp => ssp(self, sums, counts),
            Scheme::Killing => self.killing(sums, counts),
        }
    }

    /// Expected offspring per unit of weight, sums over tiles being in such units.
    pub(super) fn rate(self) -> f64 {
        self.offspring as f64 / self.total.sum
    }

    fn residual(self, sums: &[TileSum], counts: &mut [Counts]) {
        let rates: Vec<f64> = sums.iter().map(|sum| sum.scale * self.rate()).collect();
        let split = |index: usize, weights: &mut Row, floors: Option<&mut Counts>| {
            self.copy_weights(index, weights);
            vectorise(Split {
                weights,
                rate: rates[index],
                floors,
            })
        };
        let mut remaining = vec![TileSum::ZERO; sums.len()];
        for_each_tile(
            counts,
            &mut remaining,
            || [0.0; TILE],
            |index, counts, sum, weights| *sum = split(index, weights, Some(counts)),
        );
        // The floors add up to at most m, since they are whole numbers and their arguments add up
        // to m but for rounding.
        let rest = self.offspring - offspring(counts);
        let fractions = |index: usize, weights: &mut Row| {
            split(index, weights, None);
            None
        };
        let draw = Draw {
            source: &fractions,
            total: total(&mut remaining),
            offspring: rest,
            ..self
        };
        add_multinomial(draw, &mut remaining, counts);
    }

    fn killing(self, sums: &mut [TileSum], counts: &mut [Counts]) {
        for_each_tile(
            sums,
            counts,
            || [0.0; TILE],
            |index, sum, counts, weights| {
                vectorise(Survivors {
                    index,
                    weights: self.weights(index, weights),
                    scale: sum.scale / self.largest,
                    counts,
                    draw: self,
                });
            },
        );
        let draw = Self {
            offspring: self.offspring - offspring(counts),
            stream: self.stream.fold(1),
            ..self
        };
        add_multinomial(draw, sums, counts);
    }

    /// One uniform number for every place of tile `index`.
    #[inline(always)]
    pub(super) fn uniforms(self, index: usize) -> Row {
        let mut uniforms = [0.0; TILE];
        let (u, v) = uniforms.split_at_mut(TILE / 2);
        let first = (index * TILE / 2) as u32;
        self.stream.fill_uniforms(first, self.step, 0, [u, v]);
        uniforms
    }
}

/// Offspring of all particles.
pub(super) fn offspring(counts: &[Counts]) -> usize {
    counts.iter().map(of_tile).sum()
}

/// Offspring of the particles of a tile.
pub(super) fn of_tile(counts: &Counts) -> usize {
    vectorise(OfTile(counts)) as usize
}

struct OfTile<'a>(&'a Counts);

impl Vectorised for OfTile<'_> {
    type Output = u32;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> u32 {
        let mut sum = 0;
        for lane in 0..TILE {
            sum += self.0[lane];
        }
        sum
    }
}

/// A whole number from 0 to 2^32 - 1, in a way that vectorises.
#[inline(always)]
pub(super) fn whole(number: f64) -> u32 {
    (number + 4_503_599_627_370_496.0).to_bits() as u32
}

/// Expected offspring, cut into whole numbers and fractions, which replace the weights.
pub(super) struct Split<'a> {
    pub(super) weights: &'a mut Row,
    pub(super) rate: f64,
    pub(super) floors: Option<&'a mut Counts>,
}

impl Vectorised for Split<'_> {
    type Output = TileSum;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> TileSum {
        if let Some(floors) = self.floors {
            for (floor, weight) in floors.iter_mut().zip(&*self.weights) {
                *floor = whole((weight * self.rate).floor());
            }
        }
        for weight in &mut *self.weights {
            let expected = *weight * self.rate;
            *weight = expected - expected.floor();
        }
        TileSum::of(self.weights).0
    }
}

/// Every particle of a tile survives with probability weight over largest weight.
struct Survivors<'a, 'b> {
    index: usize,
    weights: &'a Row,
    scale: f64,
    counts: &'a mut Counts,
    draw: Draw<'b>,
}

impl Vectorised for Survivors<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let uniforms = self.draw.uniforms(self.index);
        for lane in 0..TILE {
            self.counts[lane] = u32::from(uniforms[lane] < self.weights[lane] * self.scale);
        }
    }
}
