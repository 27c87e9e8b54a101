//! The order of a space-filling curve.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use std::f64::consts::TAU;

use crate::sim::expression::Array;
use crate::sim::particles::TILE;
use crate::simd::Vectorised;

/// The places on a Hilbert curve of the particles of a tile.
pub(super) struct Places<'a, const D: usize> {
    pub(super) x: &'a [Array; D],
    pub(super) keys: &'a mut [u32; TILE],
}

impl<const D: usize> Vectorised for Places<'_, D> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for lane in 0..TILE {
            let point = std::array::from_fn(|axis| self.x[axis][lane] * (1.0 / TAU));
            self.keys[lane] = hilbert::<D>(point);
        }
    }
}

/// The place on a Hilbert curve of a point of the unit cube, to ten bits an axis.
///
/// J. Skilling, "Programming the Hilbert curve", AIP Conference Proceedings 707 (2004); without
/// branches, so that it vectorises.
#[inline(always)]
pub(super) fn hilbert<const D: usize>(point: [f64; D]) -> u32 {
    const BITS: u32 = 10;
    const { assert!(D as u32 * BITS <= u32::BITS) };
    // The position of `bit` says whether: all ones, or none.
    let ones = |x: u32, bit: u32| (x >> bit & 1).wrapping_neg();
    let mut x = point.map(|x| (x * f64::from(1 << BITS)) as i32 as u32 & ((1 << BITS) - 1));
    for bit in (1..BITS).rev() {
        let below = (1 << bit) - 1;
        for axis in 0..D {
            let set = ones(x[axis], bit);
            let swap = (x[0] ^ x[axis]) & below & !set;
            x[0] ^= swap | below & set;
            x[axis] ^= swap;
        }
    }
    for axis in 1..D {
        x[axis] ^= x[axis - 1];
    }
    let mut flips = 0;
    for bit in (1..BITS).rev() {
        flips ^= ((1 << bit) - 1) & ones(x[D - 1], bit);
    }
    let mut key = 0;
    for bit in (0..BITS).rev() {
        for coordinate in x {
            key = key << 1 | (coordinate ^ flips) >> bit & 1;
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_goes_from_neighbour_to_neighbour() {
        let cells = 64;
        let at = |cell: u32| (f64::from(cell) + 0.5) / f64::from(cells);
        let mut points: Vec<[f64; 2]> = (0..cells * cells)
            .map(|cell| [at(cell / cells), at(cell % cells)])
            .collect();
        points.sort_unstable_by_key(|point| hilbert(*point));
        for pair in points.windows(2) {
            let step: f64 = (0..2)
                .map(|axis| (pair[1][axis] - pair[0][axis]).abs())
                .sum();
            assert!((step * f64::from(cells) - 1.0).abs() < 1e-9);
        }
    }
}
