//! Weights of particles, their sums and prefix sums.

use super::super::particles::{TILE, tiles};
use crate::math;

/// Prefix sums of a tile are made in so many parts side by side: a chain of additions waits for
/// itself.
const PARTS: usize = 8;
const PART: usize = TILE / PARTS;

/// The weights of a tile of particles, and how many offspring they get.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(crate) struct WeightTile {
    /// Weights over `exp(log_unit)`; places beyond the last particle have none.
    pub(super) weights: [f64; TILE],
    /// Sum of `weights` up to each.
    pub(super) sums: [f64; TILE],
    /// Offspring of each.
    pub(super) counts: [u32; TILE],
    pub(super) log_unit: f64,
    /// What `weights` are multiplied by in sums over tiles.
    pub(super) scale: f64,
    /// Scaled sum over the tiles before this one, and with it.
    pub(super) before: f64,
    pub(super) through: f64,
}

/// Sums over all tiles, in units of the largest weight.
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

impl WeightTile {
    fn empty() -> Self {
        Self {
            weights: [0.0; TILE],
            sums: [0.0; TILE],
            counts: [0; TILE],
            log_unit: 0.0,
            scale: 1.0,
            before: 0.0,
            through: 0.0,
        }
    }

    /// Tiles for `particles`, with weights zero.
    pub(crate) fn of(particles: usize) -> Vec<Self> {
        vec![Self::empty(); tiles(particles)]
    }

    /// Take the weights `exp(log_weights)`, of which the first are those of particles.
    #[inline(always)]
    pub(crate) fn set_exponentials<const FMA: bool>(&mut self, log_weights: &[f64]) {
        let mut largest = [f64::NEG_INFINITY; PARTS];
        for lanes in log_weights.chunks_exact(PARTS) {
            for lane in 0..PARTS {
                largest[lane] = if lanes[lane] > largest[lane] {
                    lanes[lane]
                } else {
                    largest[lane]
                };
            }
        }
        let rest = log_weights.chunks_exact(PARTS).remainder();
        let unit = largest
            .iter()
            .chain(rest)
            .fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        self.log_unit = unit;
        // Without a particle of positive weight every difference would be NaN.
        let unit = if unit == f64::NEG_INFINITY { 0.0 } else { unit };
        for (weight, log_weight) in self.weights.iter_mut().zip(log_weights) {
            *weight = math::exp::<FMA>(log_weight - unit);
        }
        self.weights[log_weights.len()..].fill(0.0);
        self.add_up();
    }

    /// Take `weights`, in units of `unit`.
    #[inline(always)]
    pub(crate) fn set(&mut self, weights: &[f64], unit: f64) {
        self.log_unit = 0.0;
        for (place, weight) in self.weights.iter_mut().zip(weights) {
            *place = weight / unit;
        }
        self.weights[weights.len()..].fill(0.0);
        self.add_up();
    }

    #[inline(always)]
    pub(super) fn add_up(&mut self) {
        let mut sums = [0.0; PARTS];
        for place in 0..PART {
            for part in 0..PARTS {
                sums[part] += self.weights[part * PART + place];
                self.sums[part * PART + place] = sums[part];
            }
        }
        let mut before = sums[0];
        for part in 1..PARTS {
            for place in 0..PART {
                self.sums[part * PART + place] += before;
            }
            before = self.sums[part * PART + PART - 1];
        }
    }

    /// Offspring of all particles of the tile.
    pub(super) fn offspring(&self) -> usize {
        self.counts.iter().map(|&count| count as usize).sum()
    }

    fn squares(&self) -> f64 {
        let mut sums = [0.0; PARTS];
        for lanes in self.weights.chunks_exact(PARTS) {
            for lane in 0..PARTS {
                sums[lane] += lanes[lane] * lanes[lane];
            }
        }
        sums.iter().sum()
    }
}

/// Bring the sums of the tiles to one unit and add them up.
pub(crate) fn total(tiles: &mut [WeightTile]) -> Total {
    let log_unit = tiles
        .iter()
        .map(|tile| tile.log_unit)
        .fold(f64::NEG_INFINITY, f64::max);
    let [mut sum, mut squares] = [0.0; 2];
    for tile in tiles {
        tile.scale = if tile.log_unit == log_unit {
            1.0
        } else {
            (tile.log_unit - log_unit).exp()
        };
        tile.before = sum;
        // The very expression of the last place, so that nothing falls between two tiles.
        sum += tile.sums[TILE - 1] * tile.scale;
        tile.through = sum;
        squares += tile.squares() * tile.scale * tile.scale;
    }
    Total {
        log_unit,
        sum,
        squares,
    }
}
