//! Systematic and stratified resampling: a point in each of `m` equal strata of the cumulative
//! weights.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use super::Scheme;
use super::counts::{Counts, Draw, whole};
use super::weights::{Row, TileSum, prefix_sums};
use crate::sim::particles::{TILE, for_each_tile};
use crate::simd::{Vectorised, vectorise};

/// Strata whose places are looked up: those of a tile, unless its weights are far above the mean.
const TABLE: usize = 2 * TILE;

/// Count the points in the part of every particle.
pub(super) fn strata(draw: Draw<'_>, scheme: Scheme, sums: &mut [TileSum], counts: &mut [Counts]) {
    let points = Points::new(draw, scheme);
    for_each_tile(
        sums,
        counts,
        Scratch::default,
        |index, sum, counts, scratch| {
            points.count(index, sum, scratch, counts);
        },
    );
}

/// What is needed to count the points of a tile.
pub(super) struct Scratch {
    weights: Row,
    sums: Row,
    places: [f64; TABLE],
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            weights: [0.0; TILE],
            sums: [0.0; TILE],
            places: [0.0; TABLE],
        }
    }
}

/// The points of a drawing.
#[derive(Clone, Copy)]
pub(super) enum Points<'a> {
    /// At the same place in all strata.
    Systematic(Draw<'a>, f64),
    /// At a place of its own in each.
    Stratified(Draw<'a>),
}

impl<'a> Points<'a> {
    pub(super) fn new(draw: Draw<'a>, scheme: Scheme) -> Self {
        if scheme == Scheme::Systematic {
            Self::Systematic(draw, draw.stream.uniforms(0, draw.step, 0)[0])
        } else {
            Self::Stratified(draw)
        }
    }

    /// How many lie below the scaled sum `sum` of weights.
    pub(super) fn below(self, sum: f64) -> usize {
        let points = match self {
            Self::Systematic(draw, place) => below_systematic(draw, place, sum),
            Self::Stratified(draw) => {
                let position = sum * draw.rate();
                let place = draw
                    .stream
                    .uniform_in_lanes(whole(position.floor()), draw.step);
                below_stratified(draw, place, sum)
            }
        };
        points as usize
    }

    /// How many lie in the part of every particle of tile `index`.
    pub(super) fn count(
        self,
        index: usize,
        sum: &TileSum,
        scratch: &mut Scratch,
        counts: &mut Counts,
    ) {
        let (Self::Systematic(draw, _) | Self::Stratified(draw)) = self;
        let Scratch {
            weights,
            sums,
            places,
        } = scratch;
        vectorise(OfTile {
            points: self,
            before: self.below(sum.before) as u32,
            sum,
            weights: draw.weights(index, weights),
            sums,
            places,
            counts,
        });
    }
}

/// Points below the scaled sum `sum` of weights, at `place` in all strata.
#[inline(always)]
fn below_systematic(draw: Draw<'_>, place: f64, sum: f64) -> f64 {
    all_or(draw, sum, (sum * draw.rate() - place).ceil())
}

/// The same with `place` in the stratum where `sum` ends.
#[inline(always)]
fn below_stratified(draw: Draw<'_>, place: f64, sum: f64) -> f64 {
    let position = sum * draw.rate();
    let stratum = position.floor();
    let one = if position - stratum > place { 1.0 } else { 0.0 };
    all_or(draw, sum, stratum + one)
}

/// Rounding must not lose the last point, nor find one more.
#[inline(always)]
fn all_or(draw: Draw<'_>, sum: f64, points: f64) -> f64 {
    let all = draw.offspring as f64;
    if sum >= draw.total.sum || points > all {
        all
    } else {
        points
    }
}

struct OfTile<'a, 'b> {
    points: Points<'b>,
    /// Points below the tile's first particle.
    before: u32,
    sum: &'a TileSum,
    weights: &'a Row,
    sums: &'a mut Row,
    places: &'a mut [f64; TABLE],
    counts: &'a mut Counts,
}

impl Vectorised for OfTile<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self { sums, counts, .. } = self;
        let TileSum {
            before,
            scale,
            through,
            ..
        } = *self.sum;
        prefix_sums(self.weights, sums);
        for sum in &mut *sums {
            *sum = before + *sum * scale;
        }
        // First the points below the end of every particle.
        match self.points {
            Points::Systematic(draw, place) => {
                for lane in 0..TILE {
                    counts[lane] = whole(below_systematic(draw, place, sums[lane]));
                }
            }
            Points::Stratified(draw) => {
                let stratum = |sum: f64| whole((sum * draw.rate()).floor());
                let first = stratum(before) / 2;
                let blocks = (stratum(through) / 2 - first) as usize + 1;
                for lane in 0..TILE {
                    counts[lane] = stratum(sums[lane]);
                }
                let mut own = [0.0; TILE];
                if blocks <= TABLE / 2 {
                    let (even, odd) = self.places.split_at_mut(TABLE / 2);
                    let places = [&mut even[..blocks], &mut odd[..blocks]];
                    draw.stream.fill_uniforms(first, draw.step, 0, places);
                    for lane in 0..TILE {
                        let stratum = counts[lane];
                        let place = stratum % 2 * (TABLE / 2) as u32 + (stratum / 2 - first);
                        own[lane] = self.places[place as usize % TABLE];
                    }
                } else {
                    for lane in 0..TILE {
                        own[lane] = draw.stream.uniform_in_lanes(counts[lane], draw.step);
                    }
                }
                for lane in 0..TILE {
                    counts[lane] = whole(below_stratified(draw, own[lane], sums[lane]));
                }
            }
        }
        for lane in (1..TILE).rev() {
            counts[lane] -= counts[lane - 1];
        }
        counts[0] -= self.before;
    }
}
