//! An optimal plan, and how a basis becomes one.

use super::certify::{Certificate, Claim};
use super::masses::Masses;
use super::simplex::BasicArc;
use super::solve::Basis;
use crate::Result;

/// An optimal plan with its proof.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Source of every entry; entries are sorted by source, then target.
    pub rows: Vec<u32>,
    /// Target of every entry.
    pub columns: Vec<u32>,
    /// Mass of every entry, positive.
    pub mass: Vec<f64>,
    /// Dual of every source.
    pub u: Vec<f64>,
    /// Dual of every target.
    pub v: Vec<f64>,
    /// Proof of optimality.
    pub certificate: Certificate,
    /// Pivots of the simplex.
    pub pivots: u64,
    /// Rounds of pricing.
    pub rounds: u32,
    /// Whether a warm start was used.
    pub warm: bool,
}

/// A plan without proof, in input order.
pub(crate) struct Unproved {
    pub(crate) entries: Entries,
    pub(crate) u: Vec<f64>,
    pub(crate) v: Vec<f64>,
    pub(crate) pivots: u64,
    pub(crate) rounds: u32,
    pub(crate) warm: bool,
}

impl Unproved {
    /// The plan with its proof, if `certify` gives one.
    pub(crate) fn certified(
        self,
        masses: &Masses,
        certify: impl FnOnce(&Claim<'_>) -> Result<Certificate>,
    ) -> Result<Plan> {
        let Self {
            entries,
            u,
            v,
            pivots,
            rounds,
            warm,
        } = self;
        let in_units = |units: &[i64]| -> Vec<f64> {
            units
                .iter()
                .map(|&unit| unit as f64 * masses.unit)
                .collect()
        };
        let Entries {
            rows,
            columns,
            flows,
        } = entries;
        let mass = in_units(&flows);
        let certificate = certify(&Claim {
            rows: &rows,
            columns: &columns,
            mass: &mass,
            a: &in_units(&masses.a),
            b: &in_units(&masses.b),
            u: &u,
            v: &v,
        })?;
        Ok(Plan {
            rows,
            columns,
            mass,
            u,
            v,
            certificate,
            pivots,
            rounds,
            warm,
        })
    }
}

/// What a plan carries, by source and target.
pub(crate) struct Entries {
    rows: Vec<u32>,
    columns: Vec<u32>,
    flows: Vec<i64>,
}

impl Entries {
    /// Arcs in their order.
    pub(crate) fn new(arcs: &[BasicArc]) -> Self {
        Self {
            rows: arcs.iter().map(|arc| arc.0).collect(),
            columns: arcs.iter().map(|arc| arc.1).collect(),
            flows: arcs.iter().map(|arc| arc.2).collect(),
        }
    }

    /// The arcs of a basis that carry flow, in input order.
    pub(crate) fn of_basis(basis: &Basis, order: &[Vec<u32>; 2]) -> Self {
        let mut entries: Vec<BasicArc> = basis
            .arcs
            .iter()
            .filter(|arc| arc.2 > 0)
            .map(|&(i, j, flow)| (order[0][i as usize], order[1][j as usize], flow))
            .collect();
        entries.sort_unstable();
        Self::new(&entries)
    }
}
