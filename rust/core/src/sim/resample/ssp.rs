//! Srinivasan sampling process.

use std::hint::select_unpredictable;

use super::counts::{Counts, Draw, Split, offspring};
use super::weights::{Row, TileSum};
use crate::sim::particles::{TILE, for_each_tile};
use crate::simd::{Vectorised, vectorise};

/// A particle and the part of an offspring that it still may get.
#[derive(Debug, Clone, Copy)]
struct Fraction {
    particle: usize,
    size: f64,
}

/// Numbers of offspring by the Srinivasan sampling process.
///
/// Of two fractions one becomes 0 or 1 and the other keeps what their sum needs, with the
/// probabilities that leave both expectations as they were. Fractions meet within each tile
/// first, and those that are left over in the order of the tiles.
pub(super) fn ssp(draw: Draw<'_>, sums: &[TileSum], counts: &mut [Counts]) {
    let nobody = Fraction {
        particle: 0,
        size: 0.0,
    };
    let mut left = vec![nobody; sums.len()];
    for_each_tile(
        &mut left,
        counts,
        || [0.0; TILE],
        |index, left, counts, weights| {
            draw.copy_weights(index, weights);
            let rate = sums[index].scale * draw.rate();
            *left = vectorise(WithinTile {
                index,
                weights,
                rate,
                counts,
                draw,
            });
        },
    );

    let stream = draw.stream.fold(5);
    let mut held = left[0];
    for (index, &next) in left.iter().enumerate().skip(1) {
        let [u, _] = stream.uniforms(index as u32, draw.step, 0);
        let (settled, one, kept) = meet(held, next, u);
        counts[settled / TILE][settled % TILE] += u32::from(one);
        held = kept;
    }
    // All fractions add up to a whole number, so the last one is 0 or 1 but for rounding.
    if offspring(counts) < draw.offspring {
        counts[held.particle / TILE][held.particle % TILE] += 1;
    }
}

struct WithinTile<'a, 'b> {
    index: usize,
    weights: &'a mut Row,
    rate: f64,
    counts: &'a mut Counts,
    draw: Draw<'b>,
}

impl Vectorised for WithinTile<'_, '_> {
    type Output = Fraction;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> Fraction {
        let Self {
            index,
            weights,
            rate,
            counts,
            draw,
        } = self;
        let uniforms = draw.uniforms(index);
        let split = Split {
            weights: &mut *weights,
            rate,
            floors: Some(&mut *counts),
        };
        split.run::<FMA>();
        let mut held = Fraction {
            particle: 0,
            size: weights[0],
        };
        for lane in 1..TILE {
            let next = Fraction {
                particle: lane,
                size: weights[lane],
            };
            let (settled, one, kept) = meet(held, next, uniforms[lane]);
            counts[settled] += u32::from(one);
            held = kept;
        }
        Fraction {
            particle: index * TILE + held.particle,
            ..held
        }
    }
}

/// Who of two is settled, whether with an offspring, and who goes on with how much.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "a lazy operator is a branch that cannot be predicted"
)]
#[inline(always)]
fn meet(a: Fraction, b: Fraction, u: f64) -> (usize, bool, Fraction) {
    let sum = a.size + b.size;
    let one = sum >= 1.0;
    // Below 1, a goes on with probability a / (a + b). From 1 on, a is settled with probability
    // (1 - b) / (2 - a - b).
    // Nothing here can be predicted: both values are cheaper than a wrong branch. A fraction of
    // zero is settled, whatever rounding does to the product.
    let above = u * (2.0 - sum) >= 1.0 - b.size;
    let below = (u * sum < a.size) | (b.size == 0.0);
    let a_goes_on = (one & above) | (!one & below);
    let size = select_unpredictable(one, sum - 1.0, sum);
    let kept = select_unpredictable(a_goes_on, a.particle, b.particle);
    let settled = select_unpredictable(a_goes_on, b.particle, a.particle);
    let kept = Fraction {
        particle: kept,
        size,
    };
    (settled, one, kept)
}
