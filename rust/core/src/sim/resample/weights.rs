//! Weights of particles by tiles, their sums and prefix sums.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use crate::math;
use crate::sim::particles::TILE;
use crate::simd::add_up;

/// Sums of a tile are made in so many parts side by side: a chain of additions waits for itself.
const PARTS: usize = 32;

/// The weights of a tile are whole numbers up to `2^FIXED` where sums over them have to be exact.
const FIXED: u64 = 51;

/// Weights of a tile that are all smaller count as none, beside those of other tiles.
const LEAST: f64 = f64::from_bits((1023 - 900) << 52);

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
    pub(super) largest: f64,
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
        largest: 0.0,
        scale: 1.0,
        before: 0.0,
        through: 0.0,
    };

    pub(super) fn is_finite(self) -> bool {
        self.sum.is_finite()
    }

    /// The sum of `weights`, and the smallest of them.
    #[inline(always)]
    pub(super) fn of(weights: &Row) -> (Self, f64) {
        let mut sums = [0.0; PARTS];
        let mut largest = [0.0; PARTS];
        let mut smallest = [0.0; PARTS];
        for weights in weights.as_chunks::<PARTS>().0 {
            for part in 0..PARTS {
                let weight = weights[part];
                sums[part] += weight;
                largest[part] = if weight > largest[part] {
                    weight
                } else {
                    largest[part]
                };
                smallest[part] = if weight < smallest[part] {
                    weight
                } else {
                    smallest[part]
                };
            }
        }
        let sum = fold(sums, |a, b| a + b);
        let largest = fold(largest, |a, b| if a > b { a } else { b });
        let smallest = fold(smallest, |a, b| if a < b { a } else { b });
        let sum = Self {
            sum: if largest < LEAST { 0.0 * sum } else { sum },
            largest,
            ..Self::ZERO
        };
        (sum, smallest)
    }

    /// Write the exponentials of `log_weights`, which are finite, over the largest of them into
    /// `weights`, and sum them up.
    #[inline(always)]
    pub(crate) fn of_exponentials<const FMA: bool>(log_weights: &[f64], weights: &mut Row) -> Self {
        let [smallest, log_unit] = extremes(log_weights);
        // A time step changes weights by little.
        if log_unit - smallest <= math::SHORT {
            for (weight, log_weight) in weights.iter_mut().zip(log_weights) {
                *weight = math::short_exp::<FMA>(log_weight - log_unit);
            }
        } else {
            for (weight, log_weight) in weights.iter_mut().zip(log_weights) {
                *weight = math::exp::<FMA>(log_weight - log_unit);
            }
        }
        weights[log_weights.len()..].fill(0.0);
        let [mut sums, mut squares] = [[0.0; PARTS]; 2];
        for weights in weights.as_chunks::<PARTS>().0 {
            for part in 0..PARTS {
                let weight = weights[part];
                sums[part] += weight;
                squares[part] = math::mul_add::<FMA, _>(weight, weight, squares[part]);
            }
        }
        Self {
            log_unit,
            sum: fold(sums, |a, b| a + b),
            squares: fold(squares, |a, b| a + b),
            largest: 1.0,
            ..Self::ZERO
        }
    }
}

/// All `parts` in one, by halves.
#[inline(always)]
fn fold(mut parts: [f64; PARTS], join: impl Fn(f64, f64) -> f64) -> f64 {
    let mut half = PARTS / 2;
    while half > 0 {
        for part in 0..half {
            parts[part] = join(parts[part], parts[part + half]);
        }
        half /= 2;
    }
    parts[0]
}

/// The smallest and the largest of `values`.
#[inline(always)]
fn extremes(values: &[f64]) -> [f64; 2] {
    let less = |a: f64, b: f64| if b < a { b } else { a };
    let more = |a: f64, b: f64| if b > a { b } else { a };
    let mut smallest = [f64::INFINITY; PARTS];
    let mut largest = [f64::NEG_INFINITY; PARTS];
    let (blocks, rest) = values.as_chunks::<PARTS>();
    for block in blocks {
        for part in 0..PARTS {
            smallest[part] = less(smallest[part], block[part]);
            largest[part] = more(largest[part], block[part]);
        }
    }
    let [smallest, largest] = [fold(smallest, less), fold(largest, more)];
    rest.iter().fold([smallest, largest], |[a, b], &value| {
        [less(a, value), more(b, value)]
    })
}

/// Write the scaled sum of all weights up to each of a tile; `whole` is a place for others.
///
/// A particle of weight zero has the same as the one before it, to the last bit: within the tile
/// whole numbers are added, which are the same in whatever order that is done.
#[inline(always)]
pub(super) fn prefix_sums(weights: &Row, tile: &TileSum, whole: &mut [u64; TILE], sums: &mut Row) {
    let exponent = (tile.largest.to_bits() >> 52).clamp(123, 2045);
    let fixed = f64::from_bits((1023 + FIXED + 1023 - exponent) << 52);
    to_fixed(weights, fixed, whole);
    add_up(whole);
    let all = whole[TILE - 1];
    let scale = tile.scale / fixed;
    for lane in 0..TILE {
        let sum = tile.before + whole[lane] as i64 as f64 * scale;
        let sum = if sum < tile.through {
            sum
        } else {
            tile.through
        };
        sums[lane] = if whole[lane] == all {
            tile.through
        } else {
            sum
        };
    }
}

/// Write weights times `scale` as whole numbers; those are up to `2^52`.
#[inline(always)]
pub(super) fn to_fixed(weights: &Row, scale: f64, whole: &mut [u64; TILE]) {
    // Added to a smaller number, which is then rounded and stands in the lowest bits.
    const ROUND: f64 = 4_503_599_627_370_496.0; // 2^52
    for lane in 0..TILE {
        whole[lane] = (weights[lane] * scale + ROUND).to_bits() - ROUND.to_bits();
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
