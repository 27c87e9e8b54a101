//! The public solver: points or a matrix in, a certified plan out.

use super::auction::{Opening, Outcome, auction};
use super::blocks::{Blocks, Values};
use super::candidates::{merge, nearest};
use super::certify::{Certificate, Claim, certify_matrix, certify_points};
use super::cost::{Cost, Metric, Pair, Rise};
use super::frame::Frame;
use super::ground::Ground;
use super::guess::{Guess, guess};
use super::line;
use super::masses::Masses;
use super::priced::nearest_cost;
use super::pricing;
use super::simplex::BasicArc;
use super::single::Single;
use super::solve::{Basis, Solution, Start, solve};
use super::violation::Duals;
use crate::domain::Domain;
use crate::{Control, Error, Result, pool};

/// A warm start keeps the old basis while points have moved, in the root of the mean square, by
/// less than this many distances between a source and its nearest target: first where an auction
/// can start from the old duals instead, then where only a cold solve can. Pivots after a move,
/// and the cost of each, grow faster than the bids of an auction. Measured at 500 to 3500 points.
const TREE_RANGE: (f64, f64) = (0.35, 1.0);

/// The same for the sum of all moves since the points were put in order: boxes around neighbours
/// have grown by then.
const DRIFT_RANGE: f64 = 2.0;

/// An auction starts from the old duals while points have moved by less than this many distances
/// to the nearest target.
const PRICE_RANGE: f64 = 4.0;

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

/// What a later problem of the same size can start from.
#[derive(Debug, Clone)]
pub struct WarmStart {
    order: [Vec<u32>; 2],
    /// The points in the frame they were solved in: row-major in input order.
    points: [Vec<f64>; 2],
    frame: Frame,
    dim: usize,
    ground: Ground,
    masses: Masses,
    /// Cost between a source and its nearest target, in the median.
    nearest: f64,
    /// How far points have moved since they were put in order.
    drift: f64,
    basis: Basis,
}

/// Transport problem between two clouds.
#[derive(Debug, Clone, Copy)]
pub struct PointProblem<'a> {
    /// Sources, row-major `(n, dim)`.
    pub x: &'a [f64],
    /// Targets, row-major `(m, dim)`.
    pub y: &'a [f64],
    /// Dimension.
    pub dim: usize,
    /// Distance that the cost is made of.
    pub metric: Metric,
    /// Free space or torus.
    pub domain: &'a Domain,
    /// Marginals.
    pub masses: &'a Masses,
}

/// Solve `problem` exactly.
///
/// A `warm_start` of a problem with the same sizes, metric and domain saves most of the work when
/// the points have moved little; it is left alone when it would not pay. `max_pivots` bounds the
/// work; when it runs out the error tells the gap that is left. One axis is solved by sorting,
/// without pivots and with nothing for a later problem to start from.
pub fn emd(
    problem: &PointProblem<'_>,
    warm_start: Option<&WarmStart>,
    max_pivots: Option<u64>,
    control: &Control,
) -> Result<(Plan, Option<WarmStart>)> {
    check_points(problem)?;
    let ground = Ground {
        metric: problem.metric,
        domain: problem.domain.clone(),
    };
    let dim = problem.dim;
    let mut points = [problem.x.to_vec(), problem.y.to_vec()];
    for side in &mut points {
        ground.wrap_all(side, dim);
    }
    let scale = ground.largest_cost([&points[0], &points[1]], dim);
    if !scale.is_finite() {
        return Err(Error::OutOfRange {
            name: "x, y",
            expected: "points whose squared distances are finite numbers",
            got: scale,
        });
    }
    if dim == 1 {
        return Ok((
            sorted(&points, &ground, problem.masses, scale, control)?,
            None,
        ));
    }
    let mut reuse = warm_start
        .filter(|warm| warm.is_alike(problem, &ground, &points))
        .map_or(Reuse::Nothing, |warm| warm.reuse(&points, problem.masses));
    let warm = !matches!(reuse, Reuse::Nothing);
    let (frame, framed) = reuse.take_framed(&points, dim, &ground, problem.masses);
    let cost = match &reuse {
        Reuse::Tree { warm, .. } => PointCost::with_order(&framed, dim, &ground, &warm.order),
        _ => PointCost::new(&framed, dim, &ground),
    };
    let ordered = cost.ordered_masses(problem.masses);
    let (nearest, drift) = match &reuse {
        Reuse::Tree { warm, moved, .. } => (warm.nearest, warm.drift + moved),
        _ => (nearest_cost(&cost.single), 0.0),
    };
    let start = reuse.start(&cost, &ordered, nearest);
    let Solution {
        basis,
        pivots,
        rounds,
    } = solve(&cost, &ordered, &start, max_pivots, control)?;

    let order = [cost.x.order.clone(), cost.y.order.clone()];
    let mut u = scatter(&basis.u, &order[0]);
    let mut v = scatter(&basis.v, &order[1]);
    for (side, duals) in [&mut u, &mut v].into_iter().enumerate() {
        let terms = frame.separable_terms(side, &points, &framed);
        for (dual, term) in duals.iter_mut().zip(terms) {
            *dual += term;
        }
    }
    let entries = entries(&basis, &order);
    let plan = certified(
        entries,
        u,
        v,
        problem.masses,
        pivots,
        rounds,
        warm,
        |claim| {
            let duals = Duals {
                points: &points,
                framed: &framed,
                order: &order,
                frame: &frame,
                values: [claim.u, claim.v],
                dim,
                ground: &ground,
            };
            certify_points(claim, &duals, scale, control)
        },
    )?;
    let warm = WarmStart {
        order,
        points: framed,
        frame,
        dim,
        ground,
        masses: ordered,
        nearest,
        drift,
        basis,
    };
    Ok((plan, Some(warm)))
}

/// Solve a problem on one axis.
fn sorted(
    points: &[Vec<f64>; 2],
    ground: &Ground,
    masses: &Masses,
    scale: f64,
    control: &Control,
) -> Result<Plan> {
    let found = line::solve(points, ground, masses, control)?;
    // The certificate prunes by duals that vary little, which this frame makes them.
    let frame = Frame::new(points, 1, ground, masses);
    let framed = frame.apply(points);
    certified(
        split(&found.entries),
        found.u,
        found.v,
        masses,
        0,
        0,
        false,
        |claim| {
            let duals = Duals {
                points,
                framed: &framed,
                order: &found.order,
                frame: &frame,
                values: [claim.u, claim.v],
                dim: 1,
                ground,
            };
            certify_points(claim, &duals, scale, control)
        },
    )
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
    certified(
        entries(&basis, &order),
        u,
        v,
        masses,
        pivots,
        rounds,
        false,
        |claim| {
            certify_matrix(
                claim,
                costs,
                cost.upper_bound().max(cost.least.abs()),
                control,
            )
        },
    )
}

fn check_points(problem: &PointProblem<'_>) -> Result<()> {
    let PointProblem {
        x,
        y,
        dim,
        domain,
        masses,
        ..
    } = *problem;
    for (name, points, mass_name, mass) in [("x", x, "a", &masses.a), ("y", y, "b", &masses.b)] {
        if points.is_empty() || dim == 0 {
            return Err(Error::Empty { name });
        }
        if let Some((index, &value)) = points.iter().enumerate().find(|(_, x)| !x.is_finite()) {
            return Err(Error::NotFinite { name, index, value });
        }
        if points.len() / dim != mass.len() {
            return Err(Error::ShapeMismatch {
                name: mass_name,
                expected: format!("{} masses, one per point of {name}", points.len() / dim),
                got: mass.len().to_string(),
            });
        }
    }
    match domain {
        Domain::Periodic(periods) if periods.len() != dim => Err(Error::ShapeMismatch {
            name: "period",
            expected: format!("one period per axis ({dim})"),
            got: periods.len().to_string(),
        }),
        _ => Ok(()),
    }
}

type Entries = (Vec<u32>, Vec<u32>, Vec<i64>);

/// The arcs of a basis that carry flow, in input order.
fn entries(basis: &Basis, order: &[Vec<u32>; 2]) -> Entries {
    let mut entries: Vec<BasicArc> = basis
        .arcs
        .iter()
        .filter(|arc| arc.2 > 0)
        .map(|&(i, j, flow)| (order[0][i as usize], order[1][j as usize], flow))
        .collect();
    entries.sort_unstable();
    split(&entries)
}

fn split(entries: &[BasicArc]) -> Entries {
    (
        entries.iter().map(|entry| entry.0).collect(),
        entries.iter().map(|entry| entry.1).collect(),
        entries.iter().map(|entry| entry.2).collect(),
    )
}

#[allow(clippy::too_many_arguments)]
fn certified(
    (rows, columns, flows): Entries,
    u: Vec<f64>,
    v: Vec<f64>,
    masses: &Masses,
    pivots: u64,
    rounds: u32,
    warm: bool,
    certify: impl FnOnce(&Claim<'_>) -> Result<Certificate>,
) -> Result<Plan> {
    let in_units = |units: &[i64]| -> Vec<f64> {
        units
            .iter()
            .map(|&unit| unit as f64 * masses.unit)
            .collect()
    };
    let (a, b, mass) = (in_units(&masses.a), in_units(&masses.b), in_units(&flows));
    let certificate = certify(&Claim {
        rows: &rows,
        columns: &columns,
        mass: &mass,
        a: &a,
        b: &b,
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

fn identity(count: usize) -> Vec<u32> {
    (0..count as u32).collect()
}

/// `result[order[k]] = values[k]`.
fn scatter(values: &[f64], order: &[u32]) -> Vec<f64> {
    let mut result = vec![0.0; values.len()];
    for (&value, &index) in values.iter().zip(order) {
        result[index as usize] = value;
    }
    result
}

impl WarmStart {
    /// Whether this start belongs to a problem of the same kind.
    fn is_alike(
        &self,
        problem: &PointProblem<'_>,
        ground: &Ground,
        points: &[Vec<f64>; 2],
    ) -> bool {
        self.dim == problem.dim
            && self.ground == *ground
            && (0..2).all(|side| self.points[side].len() == points[side].len())
    }

    /// What of this start pays for points that have moved.
    fn reuse(&self, points: &[Vec<f64>; 2], masses: &Masses) -> Reuse<'_> {
        let framed = self.frame.apply(points);
        let moved = self.root_mean_square_move(&framed);
        let spacing = self.ground.metric.distance(self.nearest);
        let auction = masses.are_one_unit() && self.masses.are_one_unit();
        let (range, drift) = if auction {
            (TREE_RANGE.0, DRIFT_RANGE)
        } else {
            (TREE_RANGE.1, f64::INFINITY)
        };
        if moved <= range * spacing && self.drift + moved <= drift * spacing {
            Reuse::Tree {
                warm: self,
                framed,
                moved,
            }
        } else if auction && moved <= PRICE_RANGE * spacing {
            Reuse::Prices(self)
        } else {
            Reuse::Nothing
        }
    }

    /// Root of the mean squared move of the side that moved more, relative to the other side.
    fn root_mean_square_move(&self, points: &[Vec<f64>; 2]) -> f64 {
        (0..2)
            .map(|side| {
                let count = points[side].len() / self.dim;
                let total: f64 = points[side]
                    .chunks_exact(self.dim)
                    .zip(self.points[side].chunks_exact(self.dim))
                    .map(|(now, before)| match self.ground.metric {
                        Metric::SqEuclidean => self.ground.cost(now, before),
                        Metric::Euclidean => self.ground.cost(now, before).powi(2),
                    })
                    .sum();
                (total / count as f64).sqrt()
            })
            .fold(0.0, f64::max)
    }
}

/// What a solve takes over from an earlier one.
enum Reuse<'a> {
    Nothing,
    /// The duals of the targets.
    Prices(&'a WarmStart),
    /// All of it; the points in the old frame, and how far they have moved.
    Tree {
        warm: &'a WarmStart,
        framed: [Vec<f64>; 2],
        moved: f64,
    },
}

impl<'a> Reuse<'a> {
    /// The frame of a solve, and the points in it; once.
    fn take_framed(
        &mut self,
        points: &[Vec<f64>; 2],
        dim: usize,
        ground: &Ground,
        masses: &Masses,
    ) -> (Frame, [Vec<f64>; 2]) {
        // A frame that is kept keeps the duals what they were.
        if let Reuse::Tree { warm, framed, .. } = self {
            return (warm.frame.clone(), std::mem::take(framed));
        }
        let frame = Frame::new(points, dim, ground, masses);
        let framed = frame.apply(points);
        (frame, framed)
    }

    /// Where a solve starts; `nearest` is the cost to the nearest target.
    fn start(&self, cost: &PointCost<'_>, masses: &Masses, nearest: f64) -> Start<'a> {
        match *self {
            Reuse::Tree { warm, .. } if warm.masses == *masses => Start::Tree(&warm.basis),
            Reuse::Tree { warm, .. } => Start::Duals(&warm.basis),
            Reuse::Prices(warm) => {
                let values = scatter(&warm.basis.v, &warm.order[1]);
                let in_order = cost.y.order.iter().map(|&index| values[index as usize]);
                Start::Prices(Opening {
                    values: in_order.collect(),
                    nearest,
                })
            }
            Reuse::Nothing => Start::Cold,
        }
    }
}

/// Costs between two clouds, by place.
struct PointCost<'a> {
    x: Blocks,
    y: Blocks,
    single: Single,
    ground: &'a Ground,
    bound: f64,
}

impl<'a> PointCost<'a> {
    fn new(points: &[Vec<f64>; 2], dim: usize, ground: &'a Ground) -> Self {
        Self::of_blocks(
            Blocks::new(&points[0], dim),
            Blocks::new(&points[1], dim),
            ground,
        )
    }

    fn with_order(
        points: &[Vec<f64>; 2],
        dim: usize,
        ground: &'a Ground,
        order: &[Vec<u32>; 2],
    ) -> Self {
        Self::of_blocks(
            Blocks::with_order(&points[0], dim, order[0].clone()),
            Blocks::with_order(&points[1], dim, order[1].clone()),
            ground,
        )
    }

    fn of_blocks(x: Blocks, y: Blocks, ground: &'a Ground) -> Self {
        let bound = ground.largest_cost([x.rows(), y.rows()], x.dim());
        Self {
            single: Single::new(x.rows(), y.rows(), x.dim(), ground),
            x,
            y,
            ground,
            bound,
        }
    }

    fn ordered_masses(&self, masses: &Masses) -> Masses {
        let gather = |units: &[i64], order: &[u32]| {
            order.iter().map(|&index| units[index as usize]).collect()
        };
        Masses {
            a: gather(&masses.a, &self.x.order),
            b: gather(&masses.b, &self.y.order),
            unit: masses.unit,
        }
    }
}

impl PointCost<'_> {
    fn priced(
        &self,
        rise: Option<&Rise>,
        duals: (&[f64], &[f64]),
        tolerance: f64,
        per_source: usize,
        control: &Control,
    ) -> Result<Vec<Pair>> {
        pricing::violations(
            &self.single,
            [&self.x, &self.y],
            self.ground,
            rise,
            duals,
            tolerance,
            per_source,
            control,
        )
    }
}

fn no_values(points: &Blocks) -> Values {
    Values::new(&vec![0.0; points.len()])
}

impl Cost for PointCost<'_> {
    fn sources(&self) -> usize {
        self.x.len()
    }

    fn targets(&self) -> usize {
        self.y.len()
    }

    #[inline(always)]
    fn cost(&self, source: usize, target: usize) -> f64 {
        self.ground.cost(self.x.point(source), self.y.point(target))
    }

    fn upper_bound(&self) -> f64 {
        self.bound
    }

    fn cheapest(
        &self,
        per_source: usize,
        per_target: usize,
        control: &Control,
    ) -> Result<Vec<Pair>> {
        let forward = nearest(
            &self.x,
            &self.y,
            self.ground,
            &no_values(&self.y),
            per_source,
            control,
        )?;
        let backward = nearest(
            &self.y,
            &self.x,
            self.ground,
            &no_values(&self.x),
            per_target,
            control,
        )?;
        Ok(merge(forward, backward))
    }

    fn auction(&self, opening: Option<&Opening>, control: &Control) -> Result<Option<Outcome>> {
        auction(&self.single, opening, control).map(Some)
    }

    fn guess(&self, masses: &Masses, control: &Control) -> Result<Option<Guess>> {
        guess(&self.x, &self.y, self.ground, masses, control)
    }

    fn violations(
        &self,
        u: &[f64],
        v: &[f64],
        tolerance: f64,
        per_source: usize,
        control: &Control,
    ) -> Result<Vec<Pair>> {
        self.priced(None, (u, v), tolerance, per_source, control)
    }

    fn violations_since(
        &self,
        rise: &Rise,
        u: &[f64],
        v: &[f64],
        tolerance: f64,
        per_source: usize,
        control: &Control,
    ) -> Result<Vec<Pair>> {
        self.priced(Some(rise), (u, v), tolerance, per_source, control)
    }
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

    fn violations(
        &self,
        u: &[f64],
        v: &[f64],
        tolerance: f64,
        per_source: usize,
        control: &Control,
    ) -> Result<Vec<Pair>> {
        pairs_of(self.n, control, |i| {
            Self::k_best(self.m, per_source, u[i] - tolerance, |j| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_reused_the_cost_is_that_of_a_cold_solve() {
        let count = 300;
        let cloud =
            |step: f64| -> Vec<f64> { (0..3 * count).map(|k| (k as f64 * step).fract()).collect() };
        let (start, target) = (cloud(0.819_172_513), cloud(0.671_043_607));
        let weights: Vec<f64> = (0..count)
            .map(|k| (1.0 + (k % 7) as f64) / 1197.0)
            .collect();
        let masses = [
            Masses::uniform(count, count).expect("sizes"),
            Masses::new(&weights, &weights).expect("balanced"),
        ];
        for masses in &masses {
            let solve = |x: &[f64], warm: Option<&WarmStart>| {
                let problem = PointProblem {
                    x,
                    y: &target,
                    dim: 3,
                    metric: Metric::SqEuclidean,
                    domain: &Domain::Free,
                    masses,
                };
                emd(&problem, warm, None, &Control::new()).expect("solved")
            };
            let warm = solve(&start, None).1.expect("three axes");
            let spacing = warm.nearest.sqrt();
            // The tree, the duals alone (for equal masses), nothing.
            for (spacings, is_warm) in [(0.1, true), (1.5, masses.are_one_unit()), (10.0, false)] {
                let moved = |(k, x): (usize, &f64)| x + spacings * spacing * (k as f64).sin();
                let x: Vec<f64> = start.iter().enumerate().map(moved).collect();
                let (again, cold) = (solve(&x, Some(&warm)).0, solve(&x, None).0);
                assert_eq!(again.warm, is_warm, "{spacings}");
                let [again, cold] = [again.certificate, cold.certificate];
                assert!((again.primal - cold.primal).abs() < 1e-13);
                assert!(again.gap() < 1e-13, "{again:?}");
                assert!(again.max_violation < 1e-13, "{again:?}");
            }
        }
    }

    #[test]
    fn pairs_whose_duals_have_not_risen_need_no_second_look() {
        let count = 400;
        let cloud =
            |step: f64| -> Vec<f64> { (0..3 * count).map(|k| (k as f64 * step).fract()).collect() };
        let points = [cloud(0.819_172_513), cloud(0.671_043_607)];
        let ground = Ground {
            metric: Metric::SqEuclidean,
            domain: Domain::Free,
        };
        let cost = PointCost::new(&points, 3, &ground);
        let masses = Masses::uniform(count, count).expect("sizes");
        let control = Control::new();
        let solved = solve(&cost, &masses, &Start::Cold, None, &control).expect("solved");
        let Basis { u, v, .. } = solved.basis;
        // Up and down, here and there; the sum of both may vanish.
        let change = |k: usize, step: usize| ((k / step % 5) as f64 - 2.0) * 2.0_f64.powi(-12);
        let rise = Rise {
            u: (0..count).map(|i| change(i, 16)).collect(),
            v: (0..count).map(|j| change(j, 40)).collect(),
        };
        let sum = |duals: &[f64], rise: &[f64]| -> Vec<f64> {
            duals
                .iter()
                .zip(rise)
                .map(|(dual, rise)| dual + rise)
                .collect()
        };
        let (u, v) = (sum(&u, &rise.u), sum(&v, &rise.v));
        let all = cost.violations(&u, &v, 1e-12, 400, &control);
        let risen = cost.violations_since(&rise, &u, &v, 1e-12, 400, &control);
        let all = all.expect("not cancelled");
        assert!(all.len() > count / 4, "{} pairs", all.len());
        assert_eq!(risen.expect("not cancelled"), all);
        let still = Rise {
            u: vec![0.0; count],
            v: vec![0.0; count],
        };
        let none = cost.violations_since(&still, &u, &v, 1e-12, 400, &control);
        assert!(none.expect("not cancelled").is_empty());
    }

    #[test]
    fn a_long_drift_keeps_few_candidates() {
        let count = 200;
        let cloud =
            |step: f64| -> Vec<f64> { (0..3 * count).map(|k| (k as f64 * step).fract()).collect() };
        let (start, target) = (cloud(0.819_172_513), cloud(0.671_043_607));
        let masses = Masses::uniform(count, count).expect("sizes");
        let mut warm: Option<WarmStart> = None;
        let mut warm_solves = 0;
        for step in 0..150 {
            let moved = |(k, x): (usize, &f64)| x + 0.5 * (0.02 * f64::from(step) + k as f64).sin();
            let x: Vec<f64> = start.iter().enumerate().map(moved).collect();
            let problem = PointProblem {
                x: &x,
                y: &target,
                dim: 3,
                metric: Metric::SqEuclidean,
                domain: &Domain::Free,
                masses: &masses,
            };
            let solved = emd(&problem, warm.as_ref(), None, &Control::new()).expect("solved");
            warm_solves += u32::from(solved.0.warm);
            warm = solved.1;
        }
        assert!(warm_solves > 140, "{warm_solves}");
        let candidates = warm.expect("three axes").basis.pairs.len();
        assert!(candidates <= 20 * 2 * count, "{candidates}");
    }
}
