//! The geometry of a cost: metric and domain.

use crate::domain::{Domain, wrap};

use super::cost::Metric;
use super::lanes::LANES;

/// The geometry of a cost: metric and domain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ground {
    pub(crate) metric: Metric,
    pub(crate) domain: Domain,
}

impl Ground {
    /// Period of an axis; infinite in free space.
    #[inline(always)]
    pub(crate) fn period(&self, axis: usize) -> f64 {
        match &self.domain {
            Domain::Free => f64::INFINITY,
            Domain::Periodic(periods) => periods[axis],
        }
    }

    /// Take coordinates (row-major, dimension `dim`) to their representatives in the box.
    pub(crate) fn wrap_all(&self, points: &mut [f64], dim: usize) {
        if let Domain::Periodic(periods) = &self.domain {
            for point in points.chunks_exact_mut(dim) {
                for (x, &period) in point.iter_mut().zip(periods) {
                    *x = wrap(*x, period);
                }
            }
        }
    }

    /// A cost that no pair of a point of one cloud (row-major) and one of the other exceeds.
    pub(crate) fn largest_cost(&self, [x, y]: [&[f64]; 2], dim: usize) -> f64 {
        let [x, y] = [x, y].map(|side| ranges(side, dim));
        let squared = (0..dim)
            .map(|axis| {
                let ((low_x, high_x), (low_y, high_y)) = (x[axis], y[axis]);
                let span = (high_x - low_y).max(high_y - low_x);
                span.min(0.5 * self.period(axis)).powi(2)
            })
            .sum();
        self.metric.of_squared(squared)
    }

    /// Cost of two points.
    pub(crate) fn cost(&self, x: &[f64], y: &[f64]) -> f64 {
        let mut squared = 0.0;
        match &self.domain {
            Domain::Free => {
                for (&x, &y) in x.iter().zip(y) {
                    squared += (x - y) * (x - y);
                }
            }
            Domain::Periodic(periods) => {
                for ((&x, &y), &period) in x.iter().zip(y).zip(periods) {
                    let gap = shortest((x - y).abs(), period);
                    squared += gap * gap;
                }
            }
        }
        self.metric.of_squared(squared)
    }

    /// Add the square of a distance along `axis` to every lane, `gap` being the plain one and
    /// `behind` the one that passes the end of the period.
    #[inline(always)]
    pub(crate) fn add_squares(
        &self,
        axis: usize,
        sums: &mut [f64; LANES],
        gap: impl Fn(usize) -> f64,
        behind: impl Fn(usize, f64) -> f64,
    ) {
        match &self.domain {
            Domain::Free => {
                for (lane, sum) in sums.iter_mut().enumerate() {
                    let gap = gap(lane);
                    *sum += gap * gap;
                }
            }
            Domain::Periodic(periods) => {
                let period = periods[axis];
                for (lane, sum) in sums.iter_mut().enumerate() {
                    let gap = gap(lane).min(behind(lane, period));
                    *sum += gap * gap;
                }
            }
        }
    }

    /// Turn squared distances into costs.
    #[inline(always)]
    pub(crate) fn finish(&self, squared: &mut [f64; LANES]) {
        if self.metric == Metric::Euclidean {
            for cost in squared {
                *cost = cost.sqrt();
            }
        }
    }
}

/// The least and the largest coordinate of every axis.
fn ranges(points: &[f64], dim: usize) -> Vec<(f64, f64)> {
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); dim];
    for point in points.chunks_exact(dim) {
        for ((low, high), &x) in ranges.iter_mut().zip(point) {
            *low = if x < *low { x } else { *low };
            *high = if x > *high { x } else { *high };
        }
    }
    ranges
}

/// Distance on one axis: the shorter way round.
#[inline(always)]
fn shortest(distance: f64, period: f64) -> f64 {
    distance.min(period - distance)
}
