//! Srinivasan sampling process.

use super::counts::Draw;
use super::for_each;
use super::weights::{Total, WeightTile};
use crate::sim::particles::TILE;
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
pub(super) fn ssp(draw: Draw, tiles: &mut [WeightTile], total: Total) {
    let rate = draw.offspring as f64 / total.sum;
    let mut left: Vec<Fraction> = vec![
        Fraction {
            particle: 0,
            size: 0.0
        };
        tiles.len()
    ];
    let mut parts: Vec<_> = tiles.iter_mut().zip(&mut left).collect();
    for_each(&mut parts, |index, (tile, left)| {
        **left = vectorise(WithinTile {
            index,
            tile,
            draw,
            rate,
        });
    });

    let stream = draw.stream.fold(5);
    let mut held = left[0];
    for (index, &next) in left.iter().enumerate().skip(1) {
        let [u, _] = stream.uniforms(index as u32, draw.step, 0);
        let (settled, one, kept) = meet(held, next, u);
        tiles[settled / TILE].counts[settled % TILE] += u32::from(one);
        held = kept;
    }
    // All fractions add up to a whole number, so the last one is 0 or 1 but for rounding.
    let settled: usize = tiles.iter().map(WeightTile::offspring).sum();
    if settled < draw.offspring {
        tiles[held.particle / TILE].counts[held.particle % TILE] += 1;
    }
}

struct WithinTile<'a> {
    index: usize,
    tile: &'a mut WeightTile,
    draw: Draw,
    rate: f64,
}

impl Vectorised for WithinTile<'_> {
    type Output = Fraction;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> Fraction {
        let mut uniforms = [0.0; TILE];
        self.draw.uniforms(self.index, &mut uniforms);
        let rate = self.rate * self.tile.scale;
        let mut fractions = [0.0; TILE];
        for lane in 0..TILE {
            let expected = self.tile.weights[lane] * rate;
            let floor = expected.floor();
            self.tile.counts[lane] = super::counts::whole(floor);
            fractions[lane] = expected - floor;
        }
        let mut held = Fraction {
            particle: 0,
            size: fractions[0],
        };
        for lane in 1..TILE {
            let next = Fraction {
                particle: lane,
                size: fractions[lane],
            };
            let (settled, one, kept) = meet(held, next, uniforms[lane]);
            self.tile.counts[settled] += u32::from(one);
            held = kept;
        }
        Fraction {
            particle: self.index * TILE + held.particle,
            ..held
        }
    }
}

/// Who of two is settled, whether with an offspring, and who goes on with how much.
#[inline(always)]
fn meet(a: Fraction, b: Fraction, u: f64) -> (usize, bool, Fraction) {
    let sum = a.size + b.size;
    let one = sum >= 1.0;
    // Below 1, a goes on with probability a / (a + b). From 1 on, a is settled with probability
    // (1 - b) / (2 - a - b).
    let a_goes_on = if one {
        u * (2.0 - sum) >= 1.0 - b.size
    } else {
        // A fraction of zero is settled, whatever rounding does to the product.
        u * sum < a.size || b.size == 0.0
    };
    let size = if one { sum - 1.0 } else { sum };
    let (kept, settled) = if a_goes_on { (a, b) } else { (b, a) };
    (settled.particle, one, Fraction { size, ..kept })
}
