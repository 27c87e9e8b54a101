//! A proof of optimality that trusts nothing of the solver.
//!
//! A plan with the right marginals costs at least `sum a u + sum b v` for any duals with
//! `u_i + v_j <= c_ij`. So marginals, cost, duals and the largest violation over *all* pairs,
//! each computed here from the input, bound the distance to the optimum.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::blocks::LANES;
use super::cost::Metric;
use super::ground::Ground;
use crate::domain::Domain;
use crate::{Control, Result, simd};

/// Rows per task.
const CHUNK: usize = 64;

/// What a plan and its duals prove.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Certificate {
    /// Cost of the plan, `sum mass * c`.
    pub primal: f64,
    /// Value of the duals, `sum a u + sum b v`.
    pub dual: f64,
    /// `max_ij (u_i + v_j - c_ij)`; not above zero (but for rounding) when the duals are feasible.
    pub max_violation: f64,
    /// Largest difference of a marginal of the plan from the mass it should have.
    pub marginal_residual: f64,
    /// Largest cost that a pair may have: what "small" refers to.
    pub cost_scale: f64,
}

impl Certificate {
    /// Distance of the plan's cost to the dual value.
    #[must_use]
    pub fn gap(&self) -> f64 {
        (self.primal - self.dual).abs()
    }
}

/// A plan as a list, with its marginals and duals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) rows: &'a [u32],
    pub(crate) columns: &'a [u32],
    pub(crate) mass: &'a [f64],
    pub(crate) a: &'a [f64],
    pub(crate) b: &'a [f64],
    pub(crate) u: &'a [f64],
    pub(crate) v: &'a [f64],
}

impl Claim<'_> {
    fn certificate(
        &self,
        cost: impl Fn(usize, usize) -> f64,
        max_violation: f64,
        cost_scale: f64,
    ) -> Certificate {
        let mut left_a = self.a.to_vec();
        let mut left_b = self.b.to_vec();
        let mut primal = 0.0;
        for ((&i, &j), &mass) in self.rows.iter().zip(self.columns).zip(self.mass) {
            let (i, j) = (i as usize, j as usize);
            primal += mass * cost(i, j);
            left_a[i] -= mass;
            left_b[j] -= mass;
        }
        let dual = dot(self.a, self.u) + dot(self.b, self.v);
        let marginal_residual = left_a
            .iter()
            .chain(&left_b)
            .fold(0.0, |worst: f64, left| worst.max(left.abs()));
        Certificate {
            primal,
            dual,
            max_violation,
            marginal_residual,
            cost_scale,
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Certify a plan between points (row-major, wrapped where the domain is periodic).
pub(crate) fn certify_points(
    claim: &Claim<'_>,
    (x, y): (&[f64], &[f64]),
    dim: usize,
    ground: &Ground,
    cost_scale: f64,
    control: &Control,
) -> Result<Certificate> {
    let lanes = Lanes::new(y, claim.v, dim);
    let worst: Vec<Result<f64>> = x
        .par_chunks(CHUNK * dim)
        .zip(claim.u.par_chunks(CHUNK))
        .map(|(points, u)| {
            control.check()?;
            Ok(simd::arch().dispatch(MaxViolation {
                lanes: &lanes,
                points,
                u,
                ground,
            }))
        })
        .collect();
    let mut max_violation = f64::NEG_INFINITY;
    for value in worst {
        max_violation = max_violation.max(value?);
    }
    let cost = |i: usize, j: usize| ground.cost(&x[i * dim..][..dim], &y[j * dim..][..dim]);
    Ok(claim.certificate(cost, max_violation, cost_scale))
}

/// Certify a plan for an explicit cost matrix (row-major).
pub(crate) fn certify_matrix(
    claim: &Claim<'_>,
    costs: &[f64],
    cost_scale: f64,
    control: &Control,
) -> Result<Certificate> {
    let m = claim.v.len();
    let mut max_violation = f64::NEG_INFINITY;
    for (row, &u) in costs.chunks_exact(m).zip(claim.u) {
        control.check()?;
        for (&cost, &v) in row.iter().zip(claim.v) {
            max_violation = max_violation.max(u + v - cost);
        }
    }
    Ok(claim.certificate(|i, j| costs[i * m + j], max_violation, cost_scale))
}

/// Targets and their duals, sixteen at a time; unused lanes can violate nothing.
struct Lanes {
    dim: usize,
    points: Vec<f64>,
    v: Vec<f64>,
}

impl Lanes {
    fn new(y: &[f64], v: &[f64], dim: usize) -> Self {
        let count = v.len().div_ceil(LANES);
        let mut points = vec![0.0; count * dim * LANES];
        for (j, point) in y.chunks_exact(dim).enumerate() {
            for (axis, &coordinate) in point.iter().enumerate() {
                points[((j / LANES) * dim + axis) * LANES + j % LANES] = coordinate;
            }
        }
        let mut padded = v.to_vec();
        padded.resize(count * LANES, f64::NEG_INFINITY);
        Self {
            dim,
            points,
            v: padded,
        }
    }
}

/// The largest violation of some sources, compiled for every instruction set.
struct MaxViolation<'a> {
    lanes: &'a Lanes,
    points: &'a [f64],
    u: &'a [f64],
    ground: &'a Ground,
}

impl WithSimd for MaxViolation<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let Self {
            lanes,
            points,
            u,
            ground,
        } = self;
        let mut worst = [f64::NEG_INFINITY; LANES];
        for (point, &u) in points.chunks_exact(lanes.dim).zip(u) {
            for (block, v) in lanes
                .points
                .chunks_exact(lanes.dim * LANES)
                .zip(lanes.v.chunks_exact(LANES))
            {
                let mut cost = [0.0; LANES];
                for axis in 0..lanes.dim {
                    let lane = &block[axis * LANES..][..LANES];
                    let x = point[axis];
                    match &ground.domain {
                        Domain::Free => {
                            for (cost, &y) in cost.iter_mut().zip(lane) {
                                *cost += (x - y) * (x - y);
                            }
                        }
                        Domain::Periodic(periods) => {
                            for (cost, &y) in cost.iter_mut().zip(lane) {
                                let gap = (x - y).abs();
                                let gap = gap.min(periods[axis] - gap);
                                *cost += gap * gap;
                            }
                        }
                    }
                }
                if ground.metric == Metric::Euclidean {
                    for cost in &mut cost {
                        *cost = cost.sqrt();
                    }
                }
                for ((worst, &cost), &v) in worst.iter_mut().zip(&cost).zip(v) {
                    let violation = u + v - cost;
                    *worst = if violation > *worst {
                        violation
                    } else {
                        *worst
                    };
                }
            }
        }
        worst.into_iter().fold(f64::NEG_INFINITY, f64::max)
    }
}
