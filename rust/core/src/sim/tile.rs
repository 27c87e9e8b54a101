//! Particles in the layout and the units of the pair loop.

use super::lanes::Real;
use crate::{Error, Result};

/// Particles in a tile: the coordinates and forces of two tiles stay in the L1 cache, a meeting
/// takes some tens of microseconds, and 15 000 particles give some thirty meetings a round.
pub(super) const TILE: usize = 256;

/// Clouds and regularisations below this length, or wider than its inverse, have forces that
/// leave the range of `f64`.
const MIN_LENGTH: f64 = 1e-60;

/// A value per particle of a tile, on its own cache lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Block<T>(pub(super) [T; TILE]);

impl<T: Real> Block<T> {
    pub(super) fn zero() -> Self {
        Self([T::from_f64(0.0); TILE])
    }
}

/// Some particles, filled up with massless copies of one of them.
pub(super) struct Tile<T, const D: usize> {
    pub(super) coordinates: [Block<T>; D],
    pub(super) mass: Block<T>,
    pub(super) len: usize,
}

impl<T: Real, const D: usize> Tile<T, D> {
    pub(super) fn new(points: &[[f64; D]], frame: &Frame<D>) -> Self {
        let mut tile = Self {
            coordinates: [Block::zero(); D],
            mass: Block::zero(),
            len: points.len(),
        };
        for index in 0..TILE {
            let point = points.get(index).unwrap_or(&points[0]);
            for (axis, x) in point.iter().enumerate() {
                let scaled = (x - frame.origin[axis]) * frame.scale;
                tile.coordinates[axis].0[index] = T::from_f64(scaled);
            }
            tile.mass.0[index] = T::from_f64(if index < points.len() { 1.0 } else { 0.0 });
        }
        tile
    }

    pub(super) fn is_full(&self) -> bool {
        self.len == TILE
    }
}

/// Where the scaled coordinates have their origin, and their scale.
pub(super) struct Frame<const D: usize> {
    origin: [f64; D],
    pub(super) scale: f64,
}

impl<const D: usize> Frame<D> {
    /// The frame of a cloud; `None` where there are no points.
    pub(super) fn new<T: Real>(points: &[[f64; D]], delta: f64) -> Result<Option<Self>> {
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

    /// The square of the regularisation length in scaled units.
    pub(super) fn square<T: Real>(&self, delta: f64) -> T {
        T::from_f64(
            (delta * self.scale)
                .powi(2)
                .max(T::RANGE.least_square.to_f64()),
        )
    }
}
