//! Column generation: the simplex on a few arcs, then all pairs priced, until none is violated.

use super::auction::{Opening, Outcome};
use super::cost::{Cost, FixedPoint, Pair, Pricing, Rise};
use super::guess::Guess;
use super::initial::{complete, greedy};
use super::masses::Masses;
use super::simplex::{BasicArc, Simplex};
use crate::{Control, Error, Result};

/// Nearest targets per source and nearest sources per target among the first candidates.
const CHEAPEST: (usize, usize) = (8, 4);

/// Violated pairs that a source may add in one round: more would be obsolete before they enter.
const ADDED_PER_SOURCE: usize = 4;

/// Candidates per node that a later solve starts with. A sequence of warm solves finds new ones at
/// every step: this bounds its memory, and is enough that it does not have to find them again.
const KEPT_PER_NODE: usize = 20;

/// Where a solve starts from.
pub(crate) enum Start<'a> {
    /// From nothing.
    Cold,
    /// From the duals and candidates of a problem of the same sizes.
    Duals(&'a Basis),
    /// From the prices that an auction begins with; from nothing, where there is no auction.
    Prices(Opening),
    /// From the whole basis of a problem with the same masses.
    Tree(&'a Basis),
}

/// An optimal basis: all that a warm start needs.
#[derive(Debug, Clone)]
pub(crate) struct Basis {
    pub(crate) arcs: Vec<BasicArc>,
    /// Nodes that hang on the artificial root.
    hanging: Vec<u32>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) u: Vec<f64>,
    pub(crate) v: Vec<f64>,
}

/// What a solve did.
pub(crate) struct Solution {
    pub(crate) basis: Basis,
    pub(crate) pivots: u64,
    pub(crate) rounds: u32,
}

/// Solve the problem to optimality.
pub(crate) fn solve(
    cost: &impl Cost,
    masses: &Masses,
    start: &Start<'_>,
    max_pivots: Option<u64>,
    control: &Control,
) -> Result<Solution> {
    let fixed = FixedPoint::for_cost(cost);
    let integer_cost = |i: usize, j: usize| fixed.encode(cost.cost(i, j));
    let limit = max_pivots.unwrap_or(u64::MAX);
    let mut simplex = started(cost, masses, start, fixed, control)?;
    let mut rounds = 0;
    let mut priced: Option<Priced> = None;
    loop {
        rounds += 1;
        let pivots_before = simplex.pivots();
        let outcome = simplex.optimise(limit, control);
        let now = Duals::of(&simplex, cost);
        let (u, v) = now.decoded(fixed);
        if let Err(Error::IterationLimit { limit, .. }) = outcome {
            let gap = gap(cost, masses, &u, &v, control)?;
            return Err(Error::IterationLimit { limit, gap });
        }
        outcome?;
        let rise = priced.as_ref().map(|priced| priced.rise(&now));
        let pricing = Pricing {
            u: &u,
            v: &v,
            tolerance: fixed.decode(1),
            per_source: ADDED_PER_SOURCE,
            rise: rise.as_ref(),
        };
        let violated = cost.violations(&pricing, control)?;
        // A pair that is violated by less than the costs are rounded makes no pivot.
        let stalled = rounds > 1 && simplex.pivots() == pivots_before;
        if violated.is_empty() || stalled {
            let basis = Basis {
                arcs: simplex.basis(),
                hanging: simplex.hanging(),
                pairs: simplex.pairs(KEPT_PER_NODE * (cost.sources() + cost.targets())),
                u,
                v,
            };
            return Ok(Solution {
                basis,
                pivots: simplex.pivots(),
                rounds,
            });
        }
        simplex.add_arcs(&violated, integer_cost);
        priced = Some(Priced::new(now, &violated));
    }
}

fn started(
    cost: &impl Cost,
    masses: &Masses,
    start: &Start<'_>,
    fixed: FixedPoint,
    control: &Control,
) -> Result<Simplex> {
    let (n, m) = (cost.sources(), cost.targets());
    let integer_cost = |i: usize, j: usize| fixed.encode(cost.cost(i, j));
    let all_nodes = 0..(n + m) as u32;
    let (mut simplex, pairs) = match start {
        Start::Tree(basis) => {
            let hanging = basis
                .hanging
                .iter()
                .map(|&node| (node, potential(basis, n, node, fixed)));
            (
                Simplex::new(n, m, &basis.arcs, hanging, integer_cost),
                basis.pairs.clone(),
            )
        }
        Start::Duals(basis) => {
            let Basis { u, v, pairs, .. } = basis;
            return Ok(guided(cost, masses, (u, v), pairs, None, fixed));
        }
        Start::Cold | Start::Prices(_) => {
            let opening = match start {
                Start::Prices(opening) => Some(opening),
                _ => None,
            };
            if masses.are_one_unit()
                && let Some(outcome) = cost.auction(opening, control)?
            {
                return Ok(matched(cost, masses, outcome, fixed));
            }
            if let Some(Guess { u, v, pairs, plan }) = cost.guess(masses, control)? {
                return Ok(guided(cost, masses, (&u, &v), &pairs, plan, fixed));
            }
            let pairs = cost.cheapest(CHEAPEST.0, CHEAPEST.1, control)?;
            let plan = greedy(masses, &pairs, integer_cost);
            let mut cheapest = vec![i64::MAX; n + m];
            for &(i, j) in &pairs {
                let cost = integer_cost(i as usize, j as usize);
                cheapest[i as usize] = cheapest[i as usize].min(cost);
            }
            let hanging = all_nodes.map(|node| {
                let least = cheapest[node as usize];
                (node, if least == i64::MAX { 0 } else { least })
            });
            (Simplex::new(n, m, &plan, hanging, integer_cost), pairs)
        }
    };
    simplex.add_arcs(&pairs, integer_cost);
    Ok(simplex)
}

/// The simplex with a plan along pairs that are nearly tight with the given duals: every
/// component of it hangs on the root by the dual of its first node.
fn guided(
    cost: &impl Cost,
    masses: &Masses,
    (u, v): (&[f64], &[f64]),
    pairs: &[Pair],
    plan: Option<Vec<BasicArc>>,
    fixed: FixedPoint,
) -> Simplex {
    let (n, m) = (cost.sources(), cost.targets());
    let integer_cost = |i: usize, j: usize| fixed.encode(cost.cost(i, j));
    let plan = plan.unwrap_or_else(|| {
        greedy(masses, pairs, |i, j| {
            fixed.encode_signed(cost.cost(i, j) - u[i] - v[j])
        })
    });
    let potentials = u.iter().copied().chain(v.iter().map(|v| -v));
    let hanging = (0..).zip(potentials.map(|dual| fixed.encode_signed(dual)));
    let mut simplex = Simplex::new(n, m, &plan, hanging, integer_cost);
    simplex.add_arcs(pairs, integer_cost);
    simplex
}

/// The simplex at the end of an auction: every matched pair hangs on the root by itself.
fn matched(cost: &impl Cost, masses: &Masses, outcome: Outcome, fixed: FixedPoint) -> Simplex {
    let (n, m) = (cost.sources(), cost.targets());
    let Outcome {
        matching,
        prices,
        pairs,
    } = outcome;
    let integer_cost = |i: usize, j: usize| fixed.encode(cost.cost(i, j));
    let plan = complete(masses, &matching);
    let hanging = (0..m).map(|j| ((n + j) as u32, fixed.encode_signed(prices[j])));
    let mut simplex = Simplex::new(n, m, &plan, hanging, integer_cost);
    simplex.add_arcs(&pairs, integer_cost);
    simplex
}

/// The potential that a node has by the duals of a basis.
fn potential(basis: &Basis, sources: usize, node: u32, fixed: FixedPoint) -> i64 {
    let node = node as usize;
    if node < sources {
        fixed.encode_signed(basis.u[node])
    } else {
        fixed.encode_signed(-basis.v[node - sources])
    }
}

/// Integer duals.
struct Duals {
    u: Vec<i64>,
    v: Vec<i64>,
}

impl Duals {
    fn of(simplex: &Simplex, cost: &impl Cost) -> Self {
        let sources = 0..cost.sources();
        let targets = 0..cost.targets();
        Self {
            u: sources.map(|i| simplex.source_dual(i)).collect(),
            v: targets.map(|j| simplex.target_dual(j)).collect(),
        }
    }

    /// The duals as numbers. A constant may be moved from one side to the other: the one that
    /// makes those of the targets smallest leaves the least to rounding.
    fn decoded(&self, fixed: FixedPoint) -> (Vec<f64>, Vec<f64>) {
        let least = self.v.iter().copied().min().unwrap_or(0);
        let largest = self.v.iter().copied().max().unwrap_or(0);
        let middle = i64::midpoint(least, largest);
        (
            self.u.iter().map(|u| fixed.decode(u + middle)).collect(),
            self.v.iter().map(|v| fixed.decode(v - middle)).collect(),
        )
    }
}

/// The duals at which all pairs were priced.
struct Priced {
    duals: Duals,
    /// Whether a source may have more violated pairs than were found.
    crowded: Vec<bool>,
}

impl Priced {
    fn new(duals: Duals, violated: &[Pair]) -> Self {
        let mut crowded = vec![false; duals.u.len()];
        for pairs in violated.chunk_by(|one, other| one.0 == other.0) {
            crowded[pairs[0].0 as usize] = pairs.len() >= ADDED_PER_SOURCE;
        }
        Self { duals, crowded }
    }

    fn rise(&self, now: &Duals) -> Rise {
        let rises = |now: &[i64], before: &[i64]| -> Vec<f64> {
            let both = now.iter().zip(before);
            both.map(|(now, before)| (now - before) as f64).collect()
        };
        let mut u = rises(&now.u, &self.duals.u);
        for (rise, _) in u.iter_mut().zip(&self.crowded).filter(|entry| *entry.1) {
            *rise = f64::INFINITY;
        }
        Rise {
            u,
            v: rises(&now.v, &self.duals.v),
        }
    }
}

/// How far the cost of a plan with complementary duals can be from the optimum.
fn gap(cost: &impl Cost, masses: &Masses, u: &[f64], v: &[f64], control: &Control) -> Result<f64> {
    let pricing = Pricing {
        u,
        v,
        tolerance: 0.0,
        per_source: 1,
        rise: None,
    };
    let worst = cost.violations(&pricing, control)?;
    Ok(worst
        .into_iter()
        .map(|(i, j)| (i as usize, j as usize))
        .map(|(i, j)| masses.a[i] as f64 * masses.unit * (u[i] + v[j] - cost.cost(i, j)))
        .sum())
}
