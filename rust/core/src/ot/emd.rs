//! The public solver: points in, a certified plan out.

use super::certify::certify_points;
use super::cost::Metric;
use super::frame::Frame;
use super::ground::Ground;
use super::line;
use super::masses::Masses;
use super::plan::{Entries, Unproved};
use super::point_cost::PointCost;
use super::priced::nearest_cost;
use super::solve::{Solution, solve};
use super::violation::Duals;
use super::warm::{Reuse, scatter};
use crate::domain::Domain;
use crate::{Control, Error, Result};

pub use super::matrix::emd_matrix;
pub use super::plan::Plan;
pub use super::warm::WarmStart;

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
    let plan = Unproved {
        entries: Entries::of_basis(&basis, &order),
        u,
        v,
        pivots,
        rounds,
        warm,
    };
    let plan = plan.certified(problem.masses, |claim| {
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
    })?;
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

/// Points of both sides together from which on a second thread brings more than it costs to wake
/// it. Measured between 500 and 10 000 points a side.
const SEVERAL: usize = 6000;

/// Whether several threads solve a problem of this size sooner than the calling one alone. The plan
/// is the same.
#[must_use]
pub fn several_pay(sources: usize, targets: usize) -> bool {
    sources + targets >= SEVERAL
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
    let plan = Unproved {
        entries: Entries::new(&found.entries),
        u: found.u,
        v: found.v,
        pivots: 0,
        rounds: 0,
        warm: false,
    };
    plan.certified(masses, |claim| {
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
    })
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
