//! Values of the targets and limits of the sources, in single precision.

use pulp::Simd;

use super::super::lanes::LANES;
use super::Single;

/// Rounding of a number to single precision, relative.
const ROUNDING: f64 = 0.5 * f32::EPSILON as f64;

/// A value for every target, with the largest in every group and stack; negative infinity beyond
/// the last.
#[derive(Debug, Clone)]
pub(crate) struct SingleValues {
    pub(super) targets: Vec<f32>,
    pub(super) groups: Vec<f32>,
    pub(super) stacks: Vec<f32>,
    /// What their sizes stay within.
    size: f64,
}

impl SingleValues {
    /// Value of a target.
    #[inline(always)]
    pub(crate) fn of(&self, target: u32) -> f32 {
        self.targets[target as usize]
    }

    /// Make a value less.
    #[inline(always)]
    pub(crate) fn lower<S: Simd>(&mut self, simd: S, target: u32, by: f32) {
        let (target, group) = (target as usize, target as usize / LANES);
        let before = self.targets[target];
        self.targets[target] = before - by;
        if before < self.groups[group] {
            return;
        }
        self.groups[group] = largest(simd, &self.targets[group * LANES..][..LANES]);
        let stack = group / LANES;
        if before == self.stacks[stack] {
            self.stacks[stack] = largest(simd, &self.groups[stack * LANES..][..LANES]);
        }
    }
}

impl Single {
    /// Values of the targets, given as costs.
    pub(crate) fn values(&self, values: &[f64]) -> SingleValues {
        let maxima = |values: &[f32]| -> Vec<f32> {
            let maximum = |values: &[f32]| values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            padded(values.chunks_exact(LANES).map(maximum).collect())
        };
        let targets = padded(values.iter().map(|value| self.number(*value)).collect());
        let groups = maxima(&targets);
        let size = values.iter().fold(0.0, |size: f64, v| size.max(v.abs()));
        SingleValues {
            stacks: maxima(&groups),
            targets,
            groups,
            size: size / self.unit,
        }
    }

    /// Limits that `cost - value` in here stays below wherever the true one stays below
    /// `limits + slack`.
    ///
    /// With the rounding `e` and coordinates up to `R`, a difference of two coordinates is wrong
    /// by at most `6 e R`, the shorter way round a period included. Of a distance up to one in `d`
    /// dimensions that makes `12 sqrt(d) e R` in its square, and less in itself; the sum over the
    /// axes adds `(d + 2) e`, values and limits a few times their size. Twice all that is safe.
    /// There are limits for whole blocks, beyond the last source negative infinity.
    pub(crate) fn limits(&self, limits: &[f64], slack: f64, values: &SingleValues) -> Vec<f32> {
        let largest = limits.iter().fold(0.0, |size: f64, u| size.max(u.abs()));
        let dim = self.dim as f64;
        let sizes = values.size + (largest + slack.abs()) / self.unit;
        let terms = 12.0 * dim.sqrt() * self.reach + dim + 6.0 + 4.0 * sizes;
        let margin = (2.0 * ROUNDING * terms) as f32;
        let limits = limits.iter();
        padded(
            limits
                .map(|limit| self.number(limit + slack) + margin)
                .collect(),
        )
    }
}

pub(super) fn padded(mut values: Vec<f32>) -> Vec<f32> {
    values.resize(values.len().next_multiple_of(LANES), f32::NEG_INFINITY);
    values
}

/// The largest of sixteen numbers.
#[inline(always)]
fn largest<S: Simd>(simd: S, numbers: &[f32]) -> f32 {
    let (numbers, _) = S::as_simd_f32s(numbers);
    let none = simd.splat_f32s(f32::NEG_INFINITY);
    simd.reduce_max_f32s(numbers.iter().fold(none, |a, &b| simd.max_f32s(a, b)))
}
