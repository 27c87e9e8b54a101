//! Numbers of offspring by systematic, stratified and killing resampling, and the choice of all.

use super::multinomial::multinomial;
use super::ssp::ssp;
use super::weights::{Total, WeightTile, total};
use super::{Scheme, for_each};
use crate::rng::Stream;
use crate::sim::particles::TILE;
use crate::simd::{Vectorised, vectorise};

/// One drawing of offspring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw {
    /// How many particles there are.
    pub(crate) particles: usize,
    /// How many there will be.
    pub(crate) offspring: usize,
    /// Where random numbers come from,
    pub(crate) stream: Stream,
    /// and which of them.
    pub(crate) step: u32,
}

impl Draw {
    /// Write the numbers of offspring into `tiles`, whose sums are `total`.
    ///
    /// Weights and sums are used up by residual resampling.
    pub(crate) fn counts(self, scheme: Scheme, tiles: &mut [WeightTile], total: Total) {
        match scheme {
            Scheme::Systematic => {
                let [u, _] = self.stream.uniforms(0, self.step, 0);
                for_each(tiles, |_, tile| {
                    vectorise(Strata {
                        tile,
                        total,
                        draw: self,
                        place: Some(u),
                    })
                });
            }
            Scheme::Stratified => {
                for_each(tiles, |_, tile| {
                    vectorise(Strata {
                        tile,
                        total,
                        draw: self,
                        place: None,
                    })
                });
            }
            Scheme::Multinomial => {
                for_each(tiles, |_, tile| tile.counts.fill(0));
                multinomial(self, tiles, total);
            }
            Scheme::Residual => self.residual(tiles, total),
            Scheme::Ssp => ssp(self, tiles, total),
            Scheme::Killing => self.killing(tiles, total),
        }
    }

    fn residual(self, tiles: &mut [WeightTile], sum: Total) {
        let rate = self.offspring as f64 / sum.sum;
        for_each(tiles, |_, tile| {
            let rate = rate * tile.scale;
            for lane in 0..TILE {
                let expected = tile.weights[lane] * rate;
                tile.counts[lane] = expected as u32;
                tile.weights[lane] = expected - expected.floor();
            }
            tile.log_unit = 0.0;
            tile.add_up();
        });
        let settled: usize = tiles.iter().map(WeightTile::offspring).sum();
        // The floors add up to at most m, since they are whole numbers and their arguments add up
        // to m but for rounding.
        let rest = self.offspring - settled;
        if rest > 0 {
            let remaining = total(tiles);
            let draw = Self {
                offspring: rest,
                ..self
            };
            multinomial(draw, tiles, remaining);
        }
    }

    fn killing(self, tiles: &mut [WeightTile], total: Total) {
        for_each(tiles, |index, tile| {
            vectorise(Survivors {
                index,
                tile,
                draw: self,
            })
        });
        let survivors: usize = tiles.iter().map(WeightTile::offspring).sum();
        let draw = Self {
            offspring: self.offspring - survivors,
            stream: self.stream.fold(1),
            ..self
        };
        if draw.offspring > 0 {
            multinomial(draw, tiles, total);
        }
    }
}

/// Points at one place of each of `m` equal strata, or at a place of its own in each.
struct Strata<'a> {
    tile: &'a mut WeightTile,
    total: Total,
    draw: Draw,
    place: Option<f64>,
}

impl Strata<'_> {
    /// Points up to the scaled sum `sum` of weights.
    #[inline(always)]
    fn points(&self, sum: f64) -> f64 {
        let m = self.draw.offspring as f64;
        let position = sum * (m / self.total.sum);
        let stratum = position.floor();
        let place = match self.place {
            Some(place) => place,
            None => self.draw.stream.uniform_in_lanes(stratum, self.draw.step),
        };
        let points = if position - stratum > place {
            stratum + 1.0
        } else {
            stratum
        };
        // Rounding must not lose the last one.
        if sum >= self.total.sum { m } else { points }
    }
}

impl Vectorised for Strata<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let [before, scale] = [self.tile.before, self.tile.scale];
        let mut points = [0.0; TILE];
        for lane in 0..TILE {
            points[lane] = self.points(before + self.tile.sums[lane] * scale);
        }
        let mut previous = self.points(before);
        for lane in 0..TILE {
            self.tile.counts[lane] = whole(points[lane] - previous);
            previous = points[lane];
        }
    }
}

/// Every particle of a tile survives with probability weight over largest weight.
struct Survivors<'a> {
    index: usize,
    tile: &'a mut WeightTile,
    draw: Draw,
}

impl Vectorised for Survivors<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let mut uniforms = [0.0; TILE];
        self.draw.uniforms(self.index, &mut uniforms);
        for lane in 0..TILE {
            let survives = uniforms[lane] < self.tile.weights[lane] * self.tile.scale;
            self.tile.counts[lane] = u32::from(survives);
        }
    }
}

impl Draw {
    /// One uniform number for every place of tile `index`.
    #[inline(always)]
    pub(super) fn uniforms(self, index: usize, uniforms: &mut [f64; TILE]) {
        const HALF: usize = TILE / 2;
        let (u, v) = uniforms.split_at_mut(HALF);
        let (u, v) = (u.as_chunks_mut::<HALF>().0, v.as_chunks_mut::<HALF>().0);
        let first = (index * HALF) as u32;
        self.stream
            .fill_uniforms(first, self.step, 0, [&mut u[0], &mut v[0]]);
    }
}

/// A whole number from 0 to 2^32 - 1, in a way that vectorises.
#[inline(always)]
pub(super) fn whole(number: f64) -> u32 {
    (number + 4_503_599_627_370_496.0).to_bits() as u32
}
