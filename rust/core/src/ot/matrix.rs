//! The solver for an explicit cost matrix.

use super::auction::{Opening, Outcome};
use super::candidates::merge;
use super::certify::certify_matrix;
use super::cost::{Cost, Pair, Pricing};
use super::guess::Guess;
use super::masses::Masses;
use super::plan::{Entries, Plan, Unproved};
use super::solve::{Solution, Start, solve};
use crate::{Control, Error, Result, pool};

/// Entries of a matrix from which on a second thread brings more than it costs to wake it.
const SEVERAL: usize = 1 << 18;

/// Whether several threads solve the problem of a matrix with so many entries sooner than the
/// calling one alone. The plan is the same.
#[must_use]
pub fn several_pay_on_matrix(entries: usize) -> bool {
    entries >= SEVERAL
}

/// Solve the transport problem of an explicit cost matrix (row-major `(n, m)`, any finite real
/// entries).
pub fn emd_matrix(
    costs: &[f64],
    masses: &Masses,
    max_pivots: Option<u64>,
    control: &Control,
) -> Result<Plan> {
    let cost = MatrixCost::new(costs, masses.a.len(), masses.b.len())?;
    let Solution {
        basis,
        pivots,
        rounds,
    } = solve(&cost, masses, &Start::Cold, max_pivots, control)?;
    let order = [identity(cost.n), identity(cost.m)];
    let u: Vec<f64> = basis.u.iter().map(|u| u + cost.least).collect();
    let v = basis.v.clone();
    let plan = Unproved {
        entries: Entries::of_basis(&basis, &order),
        u,
        v,
        pivots,
        rounds,
        warm: false,
    };
    let scale = cost.upper_bound().max(cost.least.abs());
    plan.certified(masses, |claim| certify_matrix(claim, costs, scale, control))
}

fn identity(count: usize) -> Vec<u32> {
    (0..count as u32).collect()
}

/// Costs of an explicit matrix, shifted so that the least is zero.
struct MatrixCost<'a> {
    costs: &'a [f64],
    n: usize,
    m: usize,
    least: f64,
    largest: f64,
}

impl<'a> MatrixCost<'a> {
    fn new(costs: &'a [f64], n: usize, m: usize) -> Result<Self> {
        if costs.len() != n * m {
            return Err(Error::ShapeMismatch {
                name: "M",
                expected: format!("{n} x {m} entries, one per pair of masses"),
                got: costs.len().to_string(),
            });
        }
        let (mut least, mut largest) = (f64::INFINITY, f64::NEG_INFINITY);
        for (index, &value) in costs.iter().enumerate() {
            if !value.is_finite() {
                return Err(Error::NotFinite {
                    name: "M",
                    index,
                    value,
                });
            }
            least = least.min(value);
            largest = largest.max(value);
        }
        if !(largest - least).is_finite() {
            return Err(Error::OutOfRange {
                name: "M",
                expected: "entries whose differences are finite numbers",
                got: largest,
            });
        }
        Ok(Self {
            costs,
            n,
            m,
            least,
            largest,
        })
    }

    /// The `k` smallest of `cost(index) - value(index)` that stay below `limit`.
    fn k_best(count: usize, k: usize, limit: f64, reduced: impl Fn(usize) -> f64) -> Vec<u32> {
        let mut best: Vec<(f64, u32)> = (0..count)
            .map(|index| (reduced(index), index as u32))
            .filter(|entry| entry.0 < limit)
            .collect();
        if best.len() > k {
            best.select_nth_unstable_by(k, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            best.truncate(k);
        }
        best.into_iter().map(|(_, index)| index).collect()
    }
}

impl Cost for MatrixCost<'_> {
    fn sources(&self) -> usize {
        self.n
    }

    fn targets(&self) -> usize {
        self.m
    }

    #[inline(always)]
    fn cost(&self, source: usize, target: usize) -> f64 {
        self.costs[source * self.m + target] - self.least
    }

    fn upper_bound(&self) -> f64 {
        self.largest - self.least
    }

    fn cheapest(
        &self,
        per_source: usize,
        per_target: usize,
        control: &Control,
    ) -> Result<Vec<Pair>> {
        let by_source = pairs_of(self.n, control, |i| {
            Self::k_best(self.m, per_source, f64::INFINITY, |j| self.cost(i, j))
        })?;
        let by_target = pairs_of(self.m, control, |j| {
            Self::k_best(self.n, per_target, f64::INFINITY, |i| self.cost(i, j))
        })?;
        Ok(merge(by_source, by_target))
    }

    fn auction(&self, _: Option<&Opening>, _: &Control) -> Result<Option<Outcome>> {
        Ok(None)
    }

    fn guess(&self, _: &Masses, _: &Control) -> Result<Option<Guess>> {
        Ok(None)
    }

    fn violations(&self, pricing: &Pricing<'_>, control: &Control) -> Result<Vec<Pair>> {
        let Pricing { u, v, .. } = *pricing;
        pairs_of(self.n, control, |i| {
            let limit = u[i] - pricing.tolerance;
            Self::k_best(self.m, pricing.per_source, limit, |j| {
                self.cost(i, j) - v[j]
            })
        })
    }
}

/// `(index, other)` for all others that `find` gives for every index, in order.
fn pairs_of(
    count: usize,
    control: &Control,
    find: impl Fn(usize) -> Vec<u32> + Sync,
) -> Result<Vec<Pair>> {
    let found = pool::in_order(count, |index| -> Result<Vec<u32>> {
        control.check()?;
        Ok(find(index))
    });
    let mut pairs = Vec::new();
    for (index, others) in found.into_iter().enumerate() {
        pairs.extend(others?.into_iter().map(|other| (index as u32, other)));
    }
    Ok(pairs)
}
