//! Systematic and stratified resampling: a point in each of `m` equal strata of the cumulative
//! weights.

use super::Scheme;
use super::counts::{Counts, Draw, whole};
use super::weights::{Row, TileSum, prefix_sums};
use crate::sim::particles::{TILE, for_each_tile};
use crate::simd::{Vectorised, vectorise};

/// Count the points in the part of every particle.
pub(super) fn strata(draw: Draw<'_>, scheme: Scheme, sums: &mut [TileSum], counts: &mut [Counts]) {
    let points = Points::new(draw, scheme);
    for_each_tile(
        sums,
        counts,
        || [0.0; TILE],
        |index, sum, counts, weights| {
            (draw.source)(index, weights);
            points.count(sum, weights, counts);
        },
    );
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
            Self::Systematic(draw, place) => below::<false>(draw, place, sum),
            Self::Stratified(draw) => below::<true>(draw, 0.0, sum),
        };
        points as usize
    }

    /// How many lie in the part of every particle of a tile.
    pub(super) fn count(self, sum: &TileSum, weights: &Row, counts: &mut Counts) {
        vectorise(OfTile {
            points: self,
            sum,
            weights,
            counts,
        });
    }
}

/// Points below the scaled sum `sum` of weights, at `place` in all strata or, `OWN`, not.
#[inline(always)]
fn below<const OWN: bool>(draw: Draw<'_>, place: f64, sum: f64) -> f64 {
    let position = sum * draw.rate();
    let stratum = position.floor();
    let place = if OWN {
        draw.stream.uniform_in_lanes(stratum, draw.step)
    } else {
        place
    };
    let points = if position - stratum > place {
        stratum + 1.0
    } else {
        stratum
    };
    // Rounding must not lose the last one.
    if sum >= draw.total.sum {
        draw.offspring as f64
    } else {
        points
    }
}

struct OfTile<'a> {
    points: Points<'a>,
    sum: &'a TileSum,
    weights: &'a Row,
    counts: &'a mut Counts,
}

impl Vectorised for OfTile<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let TileSum { before, scale, .. } = *self.sum;
        let sums = prefix_sums(self.weights);
        // The first place holds what lies before the tile.
        let mut points = [0.0; TILE + 1];
        match self.points {
            Points::Systematic(draw, place) => {
                points[0] = below::<false>(draw, place, before);
                for lane in 0..TILE {
                    points[lane + 1] = below::<false>(draw, place, before + sums[lane] * scale);
                }
            }
            Points::Stratified(draw) => {
                points[0] = below::<true>(draw, 0.0, before);
                for lane in 0..TILE {
                    points[lane + 1] = below::<true>(draw, 0.0, before + sums[lane] * scale);
                }
            }
        }
        for lane in 0..TILE {
            self.counts[lane] = whole(points[lane + 1] - points[lane]);
        }
    }
}
