//! Tiled pair sums: `F_j = sum_i g(|x_i - x_j|^2) (x_i - x_j)` over all particles.
//!
//! Particles are cut into tiles of [`TILE`], stored as structures of arrays. Each pair of tiles is
//! visited once and serves both, since the force on one particle is the opposite of the force on
//! the other. The pairs of tiles follow the schedule of a round-robin tournament: in each round
//! every tile meets one other, so the meetings of a round write to disjoint memory and run in
//! parallel, and every tile adds up its meetings in the order of the rounds. Neither the tiles
//! nor the order depend on the number of threads, so the sums do not either, to the last bit.
//!
//! Coordinates are scaled by a power of two, which is exact, so that no intermediate of a force
//! law leaves the range of its type (see [`Range`]).

#![allow(
    clippy::inline_always,
    reason = "a call that is not inlined loses the instruction set"
)]

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

use super::kernel::{Blob, Green4d, Kernel, Law, Plummer, Printed};
use super::lanes::{Double, Inverses, Lanes, Real, Single};
use crate::{Control, Error, Result, simd};

/// Particles in a tile: the coordinates and forces of two tiles stay in the L1 cache, a meeting
/// takes some tens of microseconds, and 15 000 particles give some thirty meetings a round.
const TILE: usize = 256;

/// Rows of a meeting that share the loads and stores of a column.
const ROWS: usize = 2;

/// Clouds and regularisations below this length, or wider than its inverse, have forces that
/// leave the range of `f64`.
const MIN_LENGTH: f64 = 1e-60;

/// The arithmetic of the pair sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 64 bits.
    Double,
    /// 32 bits within a meeting of two tiles, 64 bits across meetings.
    Single,
}

/// What acts between two particles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Force {
    /// The law.
    pub kernel: Kernel,
    /// Its regularisation length.
    pub delta: f64,
    /// Its arithmetic.
    pub precision: Precision,
}

/// The number of meetings among `particles`, which is how far [`attraction`] advances its control.
#[must_use]
pub(super) fn meetings(particles: usize) -> u64 {
    let tiles = particles.div_ceil(TILE) as u64;
    tiles * (tiles + 1) / 2
}

/// For each point the sum of the attractions `g(|x_i - x_j|^2) (x_i - x_j)` by all others.
///
/// Runs on the current rayon pool; takes `n^2 / 2` evaluations of the force law.
pub fn attraction<const D: usize>(
    points: &[[f64; D]],
    force: &Force,
    control: &Control,
) -> Result<Vec<[f64; D]>> {
    match force.precision {
        Precision::Double => with_law::<f64, D>(points, force, control),
        Precision::Single => with_law::<f32, D>(points, force, control),
    }
}

fn with_law<T: Element, const D: usize>(
    points: &[[f64; D]],
    force: &Force,
    control: &Control,
) -> Result<Vec<[f64; D]>> {
    match force.kernel {
        Kernel::Printed | Kernel::Literal => tournament::<T, Printed, D>(points, force, control),
        Kernel::Blob => tournament::<T, Blob, D>(points, force, control),
        Kernel::Plummer => tournament::<T, Plummer, D>(points, force, control),
        Kernel::Green4d => tournament::<T, Green4d, D>(points, force, control),
    }
}

/// Limits that keep every intermediate of the force laws in range.
///
/// The laws multiply up to `s (s + D)^4`, with `s` a squared distance and `D` the square of the
/// regularisation. Coordinates are scaled so that the cloud's widest axis, or `delta` where that
/// is wider, is at most `2^extent`: products stay below the largest number. `s` starts at `least`
/// and `D` is at least `least_square`: products stay normal. In scaled lengths both lie far
/// below the spacing of coordinates of that size.
struct Range<T> {
    extent: i32,
    least: T,
    least_square: T,
}

/// An element type with its range and its lanes for each instruction set.
trait Element: Real {
    const RANGE: Range<Self>;
    type On<S: Inverses>: Lanes<Element = Self>;
    fn lanes<S: Inverses>(simd: S) -> Self::On<S>;
}

impl Element for f64 {
    // 2^-400 (2^-150)^4 = 2^-1000
    const RANGE: Range<Self> = Range {
        extent: 0,
        least: f64::from_bits((1023 - 400) << 52),
        least_square: f64::from_bits((1023 - 150) << 52),
    };
    type On<S: Inverses> = Double<S>;
    fn lanes<S: Inverses>(simd: S) -> Double<S> {
        Double(simd)
    }
}

impl Element for f32 {
    // 2^-60 (2^-16)^4 = 2^-124, and (4 2^22) (5 2^22)^4 < 2^122
    const RANGE: Range<Self> = Range {
        extent: 11,
        least: f32::from_bits((127 - 60) << 23),
        least_square: f32::from_bits((127 - 16) << 23),
    };
    type On<S: Inverses> = Single<S>;
    fn lanes<S: Inverses>(simd: S) -> Single<S> {
        Single(simd)
    }
}

/// A value per particle of a tile, on its own cache lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Block<T>([T; TILE]);

impl<T: Real> Block<T> {
    fn zero() -> Self {
        Self([T::from_f64(0.0); TILE])
    }
}

/// Some particles, filled up with massless copies of one of them.
struct Tile<T, const D: usize> {
    coordinates: [Block<T>; D],
    mass: Block<T>,
    len: usize,
}

impl<T: Real, const D: usize> Tile<T, D> {
    fn new(points: &[[f64; D]], origin: &[f64; D], scale: f64) -> Self {
        let mut tile = Self {
            coordinates: [Block::zero(); D],
            mass: Block::zero(),
            len: points.len(),
        };
        for index in 0..TILE {
            let point = points.get(index).unwrap_or(&points[0]);
            for axis in 0..D {
                tile.coordinates[axis].0[index] = T::from_f64((point[axis] - origin[axis]) * scale);
            }
            tile.mass.0[index] = T::from_f64(if index < points.len() { 1.0 } else { 0.0 });
        }
        tile
    }

    fn is_full(&self) -> bool {
        self.len == TILE
    }
}

/// A tile in the tournament, with the force on it so far.
struct Player<'a, T, const D: usize> {
    tile: &'a Tile<T, D>,
    index: usize,
    force: Box<[[f64; TILE]; D]>,
}

impl<T: Real, const D: usize> Player<'_, T, D> {
    fn collect(&mut self, partial: &[Block<T>; D]) {
        for (total, partial) in self.force.iter_mut().zip(partial) {
            for (total, &partial) in total.iter_mut().zip(&partial.0) {
                *total += partial.to_f64();
            }
        }
    }
}

fn tournament<T: Element, W: Law, const D: usize>(
    points: &[[f64; D]],
    force: &Force,
    control: &Control,
) -> Result<Vec<[f64; D]>> {
    let Some(frame) = Frame::new::<T>(points, force.delta)? else {
        return Ok(Vec::new());
    };
    let tiles: Vec<Tile<T, D>> = points
        .par_chunks(TILE)
        .map(|chunk| Tile::new(chunk, &frame.origin, frame.scale))
        .collect();
    let mut players: Vec<Option<Player<T, D>>> = tiles
        .iter()
        .enumerate()
        .map(|(index, tile)| {
            Some(Player {
                tile,
                index,
                force: Box::new([[0.0; TILE]; D]),
            })
        })
        .collect();
    let square = T::from_f64(
        (force.delta * frame.scale)
            .powi(2)
            .max(T::RANGE.least_square.to_f64()),
    );

    players.par_iter_mut().flatten().try_for_each(|player| {
        control.check()?;
        let partial = meet_itself::<T, W, D>(player.tile, square);
        player.collect(&partial);
        control.advance(1);
        Ok(())
    })?;

    // The circle method: the first player stays, the others move on by one place each round, and
    // each plays the one opposite. An empty place makes the number even.
    if players.len() % 2 == 1 {
        players.push(None);
    }
    for _ in 1..players.len() {
        let (near, far) = players.split_at_mut(tiles.len().div_ceil(2));
        near.par_iter_mut()
            .zip(far.par_iter_mut().rev())
            .try_for_each(|meeting| {
                if let (Some(a), Some(b)) = meeting {
                    control.check()?;
                    let [on_a, on_b] = meet::<T, W, D>(a.tile, b.tile, square);
                    a.collect(&on_a);
                    b.collect(&on_b);
                    control.advance(1);
                }
                Ok(())
            })?;
        players[1..].rotate_right(1);
    }

    let unscale = frame.scale.powi(force.kernel.decay());
    let mut result = vec![[0.0; D]; points.len()];
    for player in players.into_iter().flatten() {
        let rows = &mut result[player.index * TILE..][..player.tile.len];
        for (index, row) in rows.iter_mut().enumerate() {
            *row = std::array::from_fn(|axis| player.force[axis][index] * unscale);
        }
    }
    Ok(result)
}

/// Where the scaled coordinates have their origin, and their scale.
struct Frame<const D: usize> {
    origin: [f64; D],
    scale: f64,
}

impl<const D: usize> Frame<D> {
    /// The frame of a cloud; `None` where there are no points.
    fn new<T: Element>(points: &[[f64; D]], delta: f64) -> Result<Option<Self>> {
        let Some(first) = points.first() else {
            return Ok(None);
        };
        let (mut low, mut high) = (*first, *first);
        for (index, point) in points.iter().enumerate() {
            for axis in 0..D {
                let value = point[axis];
                if !value.is_finite() {
                    let index = index * D + axis;
                    return Err(Error::NotFinite {
                        name: "positions",
                        index,
                        value,
                    });
                }
                low[axis] = low[axis].min(value);
                high[axis] = high[axis].max(value);
            }
        }
        let extent = low
            .iter()
            .zip(&high)
            .fold(delta, |extent, (low, high)| extent.max(high - low));
        if !(MIN_LENGTH..=1.0 / MIN_LENGTH).contains(&extent) {
            let (name, expected) = ("positions", "an extent between 1e-60 and 1e60");
            return Err(Error::OutOfRange {
                name,
                expected,
                got: extent,
            });
        }
        let scale = f64::from(T::RANGE.extent - extent.log2().ceil() as i32).exp2();
        // Moving the origin rounds: it is worth it only where the type is coarser than f64.
        let origin = if size_of::<T>() < size_of::<f64>() {
            std::array::from_fn(|axis| low[axis].midpoint(high[axis]))
        } else {
            [0.0; D]
        };
        Ok(Some(Self { origin, scale }))
    }
}

/// The forces between the particles of one tile.
fn meet_itself<T: Element, W: Law, const D: usize>(tile: &Tile<T, D>, square: T) -> [Block<T>; D] {
    let [force, _] = if tile.is_full() {
        dispatch::<T, W, D, false, false>(tile, tile, square)
    } else {
        dispatch::<T, W, D, false, true>(tile, tile, square)
    };
    force
}

/// The forces on the particles of `a` and of `b` by each other.
fn meet<T: Element, W: Law, const D: usize>(
    a: &Tile<T, D>,
    b: &Tile<T, D>,
    square: T,
) -> [[Block<T>; D]; 2] {
    if a.is_full() && b.is_full() {
        dispatch::<T, W, D, true, false>(a, b, square)
    } else {
        dispatch::<T, W, D, true, true>(a, b, square)
    }
}

fn dispatch<T: Element, W: Law, const D: usize, const MUTUAL: bool, const WEIGHTED: bool>(
    a: &Tile<T, D>,
    b: &Tile<T, D>,
    square: T,
) -> [[Block<T>; D]; 2] {
    match simd::arch() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(simd) => simd.vectorize(Meeting::<_, W, D, MUTUAL, WEIGHTED>::new(
            T::lanes(simd),
            a,
            b,
            square,
        )),
        #[cfg(target_arch = "x86_64")]
        Arch::V3(simd) => simd.vectorize(Meeting::<_, W, D, MUTUAL, WEIGHTED>::new(
            T::lanes(simd),
            a,
            b,
            square,
        )),
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(simd) => simd.vectorize(Meeting::<_, W, D, MUTUAL, WEIGHTED>::new(
            T::lanes(simd),
            a,
            b,
            square,
        )),
        _ => Meeting::<_, W, D, MUTUAL, WEIGHTED>::new(T::lanes(pulp::Scalar), a, b, square).call(),
    }
}

/// All pairs of a particle of `a` (rows) and one of `b` (columns).
///
/// `MUTUAL`: the columns feel the opposite force. `WEIGHTED`: a tile is filled up.
struct Meeting<'a, L: Lanes, W, const D: usize, const MUTUAL: bool, const WEIGHTED: bool> {
    lanes: L,
    a: &'a Tile<L::Element, D>,
    b: &'a Tile<L::Element, D>,
    square: L::Element,
    law: std::marker::PhantomData<W>,
}

impl<'a, L, W, const D: usize, const MUTUAL: bool, const WEIGHTED: bool>
    Meeting<'a, L, W, D, MUTUAL, WEIGHTED>
where
    L: Lanes<Element: Element>,
    W: Law,
{
    #[inline(always)]
    fn new(
        lanes: L,
        a: &'a Tile<L::Element, D>,
        b: &'a Tile<L::Element, D>,
        square: L::Element,
    ) -> Self {
        Self {
            lanes,
            a,
            b,
            square,
            law: std::marker::PhantomData,
        }
    }

    /// The contribution of some rows; their own force is returned, the columns' is added.
    #[inline(always)]
    fn rows(&self, first: usize, on_b: &mut [Block<L::Element>; D]) -> [[L::Register; D]; ROWS] {
        let lanes = self.lanes;
        let square = lanes.splat(self.square);
        let least = lanes.splat(L::Element::RANGE.least);
        let zero = lanes.splat(L::Element::from_f64(0.0));
        let row = |block: &Block<L::Element>, row| lanes.splat(block.0[first + row]);
        let x: [[_; D]; ROWS] =
            std::array::from_fn(|r| std::array::from_fn(|axis| row(&self.a.coordinates[axis], r)));
        let row_mass: [_; ROWS] = std::array::from_fn(|r| row(&self.a.mass, r));
        let columns: [_; D] = std::array::from_fn(|axis| L::registers(&self.b.coordinates[axis].0));
        let column_mass = L::registers(&self.b.mass.0);
        let on_b = on_b.each_mut().map(|block| L::registers_mut(&mut block.0));

        let mut on_rows = [[zero; D]; ROWS];
        for column in 0..column_mass.len() {
            let y: [_; D] = std::array::from_fn(|axis| columns[axis][column]);
            let mut on_column: [_; D] = std::array::from_fn(|axis| on_b[axis][column]);
            for r in 0..ROWS {
                let offset: [_; D] = std::array::from_fn(|axis| lanes.sub(y[axis], x[r][axis]));
                let s = offset.iter().fold(least, |s, &dx| lanes.mul_add(dx, dx, s));
                let mut factor = W::factor(lanes, s, square);
                if WEIGHTED {
                    factor = lanes.mul(factor, lanes.mul(row_mass[r], column_mass[column]));
                }
                for axis in 0..D {
                    on_rows[r][axis] = lanes.mul_add(factor, offset[axis], on_rows[r][axis]);
                    if MUTUAL {
                        on_column[axis] = lanes.neg_mul_add(factor, offset[axis], on_column[axis]);
                    }
                }
            }
            if MUTUAL {
                for axis in 0..D {
                    on_b[axis][column] = on_column[axis];
                }
            }
        }
        on_rows
    }
}

impl<L, W, const D: usize, const MUTUAL: bool, const WEIGHTED: bool> NullaryFnOnce
    for Meeting<'_, L, W, D, MUTUAL, WEIGHTED>
where
    L: Lanes<Element: Element>,
    W: Law,
{
    type Output = [[Block<L::Element>; D]; 2];

    #[inline(always)]
    fn call(self) -> Self::Output {
        let mut on_a = [Block::zero(); D];
        let mut on_b = [Block::zero(); D];
        for first in (0..self.a.len).step_by(ROWS) {
            let on_rows = self.rows(first, &mut on_b);
            for (r, force) in on_rows.iter().enumerate() {
                for (axis, &component) in force.iter().enumerate() {
                    on_a[axis].0[first + r] = self.lanes.sum(component);
                }
            }
        }
        [on_a, on_b]
    }
}
