//! A proof of optimality that trusts nothing of the solver.
//!
//! A plan with the right marginals costs at least `sum a u + sum b v` for any duals with
//! `u_i + v_j <= c_ij`. So marginals, cost, duals and the largest violation over *all* pairs,
//! each computed here from points or costs, bound the distance to the optimum. What rules pairs out
//! is the search that pricing uses too, on numbers of its own. Masses are those of [`Masses`],
//! within `2^-60` of their total of what was given.
//!
//! [`Masses`]: super::masses::Masses

use super::violation::Duals;
use crate::{Control, Result};

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

/// Certify a plan between points; `duals` holds what the claim does, in the order of the solver.
pub(crate) fn certify_points(
    claim: &Claim<'_>,
    duals: &Duals<'_>,
    cost_scale: f64,
    control: &Control,
) -> Result<Certificate> {
    let Duals {
        points: [x, y],
        dim,
        ground,
        ..
    } = *duals;
    let cost = |i: usize, j: usize| ground.cost(&x[i * dim..][..dim], &y[j * dim..][..dim]);
    let carried = claim
        .rows
        .iter()
        .zip(claim.columns)
        .map(|(&i, &j)| (i as usize, j as usize))
        .map(|(i, j)| claim.u[i] + claim.v[j] - cost(i, j))
        .fold(f64::NEG_INFINITY, f64::max);
    let max_violation = duals.largest_violation(carried, control)?;
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
