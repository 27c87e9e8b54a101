//! Weights of particles by tiles, their sums and prefix sums.

use crate::math;
use crate::sim::particles::TILE;

/// Prefix sums of a tile are made in so many parts side by side: a chain of additions waits for
/// itself.
const PARTS: usize = 8;
const PART: usize = TILE / PARTS;

/// A number for each particle of a tile.
pub(crate) type Row = [f64; TILE];

/// The weights of tile number `.0` in the unit of its [`TileSum`]: where they stand, or written to
/// `.1`; places without a particle have none.
pub(crate) type Source<'a> = &'a (dyn Fn(usize, &mut Row) -> Option<&'a Row> + Sync);

/// The sum of the weights of a tile, and its place among all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TileSum {
    /// Logarithm of the unit of the tile's weights.
    log_unit: f64,
    sum: f64,
    squares: f64,
    /// What the weights are multiplied by in sums over tiles.
    pub(super) scale: f64,
    /// Scaled sum over the tiles before this one, and with it.
    pub(super) before: f64,
    pub(super) through: f64,
}

/// Sums over all tiles, in units of the largest unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Total {
    log_unit: f64,
    pub(super) sum: f64,
    squares: f64,
}

impl Total {
    /// The logarithm of the sum of the weights.
    pub(crate) fn log_sum(self) -> f64 {
        self.log_unit + self.sum.ln()
    }

    /// The effective sample size `(sum w)^2 / sum w^2`.
    pub(crate) fn effective_size(self) -> f64 {
        self.sum * self.sum / self.squares
    }
}

impl TileSum {
    /// That of a tile without weight.
    pub(crate) const ZERO: Self = Self {
        log_unit: 0.0,
        sum: 0.0,
        squares: 0.0,
        scale: 1.0,
        before: 0.0,
        through: 0.0,
    };

    /// The sum of `weights`.
    #[inline(always)]
    pub(super) fn of(weights: &Row) -> Self {
        let mut sums = [0.0; PARTS];
        for place in 0..PART {
            for part in 0..PARTS {
                sums[part] += weights[part * PART + place];
            }
        }
        // As in `prefix_sums`, to the last bit.
        let sum = sums[1..].iter().fold(sums[0], |before, sum| sum + before);
        Self { sum, ..Self::ZERO }
    }

    /// Write the exponentials of `log_weights` over the largest of them into `weights`, and sum
    /// them up.
    #[inline(always)]
    pub(crate) fn of_exponentials<const FMA: bool>(log_weights: &[f64], weights: &mut Row) -> Self {
        let log_unit = extreme(log_weights, f64::NEG_INFINITY, |a, b| a > b);
        let smallest = extreme(log_weights, f64::INFINITY, |a, b| a < b);
        // Where no particle has a weight every difference would be NaN.
        let unit = if log_unit == f64::NEG_INFINITY {
            0.0
        } else {
            log_unit
        };
        // A time step changes weights by little.
        if unit - smallest <= math::SHORT {
            for (weight, log_weight) in weights.iter_mut().zip(log_weights) {
                *weight = math::short_exp::<FMA>(log_weight - unit);
            }
        } else {
            for (weight, log_weight) in weights.iter_mut().zip(log_weights) {
                *weight = math::exp::<FMA>(log_weight - unit);
            }
        }
        weights[log_weights.len()..].fill(0.0);
        let mut squares = [0.0; PARTS];
        for weights in weights.as_chunks::<PARTS>().0 {
            for (square, weight) in squares.iter_mut().zip(weights) {
                *square += weight * weight;
            }
        }
        Self {
            log_unit,
            squares: squares.iter().sum(),
            ..Self::of(weights)
        }
    }
}

/// The one of `values` that `wins` over all others; `none` where there are none.
#[inline(always)]
fn extreme(values: &[f64], none: f64, wins: impl Fn(f64, f64) -> bool) -> f64 {
    let mut best = [none; PARTS];
    let (blocks, rest) = values.as_chunks::<PARTS>();
    for block in blocks {
        for (best, &value) in best.iter_mut().zip(block) {
            *best = if wins(value, *best) { value } else { *best };
        }
    }
    let better = |a, &b| if wins(b, a) { b } else { a };
    best.iter().chain(rest).fold(none, better)
}

/// Write the sum of the weights up to each.
///
/// A particle of weight zero has the same as the one before it, to the last bit.
#[inline(always)]
pub(super) fn prefix_sums(weights: &Row, result: &mut Row) {
    let mut sums = [0.0; PARTS];
    for place in 0..PART {
        for part in 0..PARTS {
            sums[part] += weights[part * PART + place];
            result[part * PART + place] = sums[part];
        }
    }
    let mut before = sums[0];
    for part in 1..PARTS {
        for sum in &mut result[part * PART..][..PART] {
            *sum += before;
        }
        before = result[part * PART + PART - 1];
    }
}

/// Bring the sums of the tiles to one unit and add them up.
pub(crate) fn total(sums: &mut [TileSum]) -> Total {
    let units = sums.iter().map(|tile| tile.log_unit);
    let log_unit = units.fold(f64::NEG_INFINITY, f64::max);
    let [mut sum, mut squares] = [0.0; 2];
    for tile in sums {
        tile.scale = if tile.log_unit == log_unit {
            1.0
        } else {
            (tile.log_unit - log_unit).exp()
        };
        tile.before = sum;
        // The very expression of the last place, so that nothing falls between two tiles.
        sum += tile.sum * tile.scale;
        tile.through = sum;
        squares += tile.squares * tile.scale * tile.scale;
    }
    Total {
        log_unit,
        sum,
        squares,
    }
}
