//! The forces between two tiles: the inner loops of the pair sum.
//!
//! Rows are particles of one tile, columns registers of particles of the other. A few rows at a
//! time pass over the columns twice: first for the squared distances, then for the forces. The
//! chain of operations of a pair is longer than a processor can look ahead; cut in two, its
//! halves overlap with those of other pairs, which is worth more than the stores and loads in
//! between.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Arch, NullaryFnOnce};

use super::kernel::Law;
use super::lanes::{Lanes, Real};
use super::tile::{Block, TILE, Tile};
use crate::simd;

/// Rows of a meeting that share the loads and stores of a column.
const ROWS: usize = 4;

/// The forces on the particles of `a` and of `b` by each other; all of `a`'s places are taken.
///
/// `d` is the square of the regularisation.
pub(super) fn meet<T: Real, W: Law, const D: usize>(
    a: &Tile<T, D>,
    b: &Tile<T, D>,
    d: T,
) -> [[Block<T>; D]; 2] {
    debug_assert!(a.is_full());
    dispatch::<T, W, D>(a, b, false, d)
}

/// The forces between the particles of a tile, as two parts to be added.
pub(super) fn meet_itself<T: Real, W: Law, const D: usize>(
    tile: &Tile<T, D>,
    d: T,
) -> [[Block<T>; D]; 2] {
    dispatch::<T, W, D>(tile, tile, true, d)
}

fn dispatch<T: Real, W: Law, const D: usize>(
    a: &Tile<T, D>,
    b: &Tile<T, D>,
    same: bool,
    d: T,
) -> [[Block<T>; D]; 2] {
    macro_rules! meeting {
        ($simd:expr) => {
            Meeting::<_, W, D> {
                lanes: T::on($simd),
                a,
                b,
                same,
                d,
                law: PhantomData,
            }
        };
    }
    match simd::arch() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(simd) => simd.vectorize(meeting!(simd)),
        #[cfg(target_arch = "x86_64")]
        Arch::V3(simd) => simd.vectorize(meeting!(simd)),
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(simd) => simd.vectorize(meeting!(simd)),
        _ => meeting!(pulp::Scalar).call(),
    }
}

/// All pairs of a particle of `a` and one of `b`, or all pairs within a tile.
struct Meeting<'a, L: Lanes, W, const D: usize> {
    lanes: L,
    a: &'a Tile<L::Element, D>,
    b: &'a Tile<L::Element, D>,
    same: bool,
    d: L::Element,
    law: PhantomData<W>,
}

/// A vector of registers for each of some rows.
type Rows<L, const D: usize> = [[<L as Lanes>::Register; D]; ROWS];

/// The squared distances between some rows and the particles of a tile.
type Distances<L> = [Block<<L as Lanes>::Element>; ROWS];

impl<L: Lanes, W: Law, const D: usize> NullaryFnOnce for Meeting<'_, L, W, D> {
    type Output = [[Block<L::Element>; D]; 2];

    #[inline(always)]
    fn call(self) -> Self::Output {
        let mut on_a = [Block::zero(); D];
        let mut on_b = [Block::zero(); D];
        let mut distances = [Block::zero(); ROWS];
        let width = size_of::<L::Register>() / size_of::<L::Element>();
        // The last column may hold massless particles; further ones hold nothing else.
        let (full, all) = (self.b.len / width, self.b.len.div_ceil(width));
        for first in (0..self.a.len).step_by(ROWS) {
            // Within a tile each pair counts once: rows meet the columns behind their own. In
            // their own they meet each other, each from its side.
            let own = if self.same {
                first / width..(first + ROWS).div_ceil(width).min(all)
            } else {
                0..0
            };
            let behind = own.end;
            let full = full.max(behind);
            let x = self.rows(first);
            let mut force = [[self.lanes.splat(L::Element::from_f64(0.0)); D]; ROWS];
            self.measure(&x, own.start..all, &mut distances);
            self.attract::<false, true>(&x, &distances, own, &mut force, &mut on_b);
            self.attract::<true, false>(&x, &distances, behind..full, &mut force, &mut on_b);
            self.attract::<true, true>(&x, &distances, full..all, &mut force, &mut on_b);
            for r in 0..ROWS {
                for axis in 0..D {
                    on_a[axis].0[first + r] = self.lanes.sum(force[r][axis]);
                }
            }
        }
        [on_a, on_b]
    }
}

impl<L: Lanes, W: Law, const D: usize> Meeting<'_, L, W, D> {
    /// The coordinates of some rows, each spread over a register.
    #[inline(always)]
    fn rows(&self, first: usize) -> Rows<L, D> {
        let mut x = [[self.lanes.splat(L::Element::from_f64(0.0)); D]; ROWS];
        for r in 0..ROWS {
            for axis in 0..D {
                x[r][axis] = self.lanes.splat(self.a.coordinates[axis].0[first + r]);
            }
        }
        x
    }

    /// The squared distances between some rows and columns.
    #[inline(always)]
    fn measure(&self, x: &Rows<L, D>, columns: Range<usize>, distances: &mut Distances<L>) {
        let lanes = self.lanes;
        let least = lanes.splat(L::Element::RANGE.least);
        let y = self.b.coordinates.each_ref().map(|y| L::registers(&y.0));
        let distances = distances.each_mut().map(|s| L::registers_mut(&mut s.0));
        for column in within::<L>(columns) {
            for r in 0..ROWS {
                let mut s = least;
                for axis in 0..D {
                    let offset = lanes.sub(y[axis][column], x[r][axis]);
                    s = lanes.mul_add(offset, offset, s);
                }
                distances[r][column] = s;
            }
        }
    }

    /// Add the forces between some rows and columns. `MUTUAL`: those on the columns, too.
    /// `WEIGHTED`: some particles of the columns are massless.
    #[inline(always)]
    fn attract<const MUTUAL: bool, const WEIGHTED: bool>(
        &self,
        x: &Rows<L, D>,
        distances: &Distances<L>,
        columns: Range<usize>,
        on_rows: &mut Rows<L, D>,
        on_b: &mut [Block<L::Element>; D],
    ) {
        let lanes = self.lanes;
        let d = lanes.splat(self.d);
        let y = self.b.coordinates.each_ref().map(|y| L::registers(&y.0));
        let mass = L::registers(&self.b.mass.0);
        let distances = distances.each_ref().map(|s| L::registers(&s.0));
        let on_b = on_b.each_mut().map(|force| L::registers_mut(&mut force.0));
        for column in within::<L>(columns) {
            let mut factor = [d; ROWS];
            for r in 0..ROWS {
                factor[r] = W::factor(lanes, distances[r][column], d);
                if WEIGHTED {
                    factor[r] = lanes.mul(factor[r], mass[column]);
                }
            }
            for axis in 0..D {
                let mut on_column = on_b[axis][column];
                for r in 0..ROWS {
                    let offset = lanes.sub(y[axis][column], x[r][axis]);
                    let force = lanes.mul(factor[r], offset);
                    on_rows[r][axis] = lanes.add(on_rows[r][axis], force);
                    if MUTUAL {
                        on_column = lanes.sub(on_column, force);
                    }
                }
                if MUTUAL {
                    on_b[axis][column] = on_column;
                }
            }
        }
    }
}

/// The same columns, with an end that the compiler knows to lie in the tile.
#[inline(always)]
fn within<L: Lanes>(columns: Range<usize>) -> Range<usize> {
    let count = TILE * size_of::<L::Element>() / size_of::<L::Register>();
    columns.start..columns.end.min(count)
}
