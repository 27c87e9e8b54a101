//! Clouds, cold and warm, and matrices.

use proptest::prelude::*;
use twostep_core::domain::Domain;
use twostep_core::ot::emd::PointProblem;
use twostep_core::ot::{Masses, Metric, Plan, WarmStart, emd, emd_matrix};
use twostep_core::{Error, Result, pool};

use crate::config;
use crate::draws::{Law, Numbers, Weights, laws, weights};
use crate::proof::Claim;
use crate::watch::in_time;

/// A problem, and what happens to it before it is solved again and again.
#[derive(Debug, Clone)]
struct Recipe {
    seed: u64,
    dim: usize,
    sizes: [usize; 2],
    laws: [Law; 2],
    weights: Weights,
    metric: Metric,
    period: Option<f64>,
    steps: Vec<Step>,
}

/// A change of the problem.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Sources, targets or both move by this part of their own extent.
    Move(f64, [bool; 2]),
    /// The sources are drawn anew.
    Redraw,
    /// The masses are drawn anew.
    Reweigh,
    /// Some sources jump onto targets.
    Collapse,
}

fn steps() -> impl Strategy<Value = Step> {
    let moves = prop::sample::select(vec![0.0, 1e-12, 1e-6, 1e-3, 0.02, 0.2, 3.0]);
    prop_oneof![
        6 => (moves, any::<[bool; 2]>()).prop_map(|(scale, sides)| Step::Move(scale, sides)),
        1 => Just(Step::Redraw),
        1 => Just(Step::Reweigh),
        1 => Just(Step::Collapse),
    ]
}

fn sizes() -> impl Strategy<Value = [usize; 2]> {
    let size = prop_oneof![6 => 1..40_usize, 3 => 40..250_usize, 1 => 250..800_usize];
    (size.clone(), size, any::<bool>()).prop_map(|(n, m, same)| [n, if same { n } else { m }])
}

prop_compose! {
    fn recipes()(
        seed in any::<u64>(),
        dim in prop::sample::select(vec![1_usize, 2, 2, 3, 3, 4, 5, 8]),
        sizes in sizes(),
        laws in [laws(), laws()],
        weights in weights(),
        metric in prop::sample::select(vec![
            Metric::SqEuclidean, Metric::SqEuclidean, Metric::SqEuclidean, Metric::Euclidean,
        ]),
        period in prop::sample::select(vec![None, None, None, Some(1.0), Some(2.5), Some(7.0)]),
        steps in prop::collection::vec(steps(), 0..5),
    ) -> Recipe {
        Recipe { seed, dim, sizes, laws, weights, metric, period, steps }
    }
}

/// The problem as it stands after some steps.
struct State {
    points: [Vec<f64>; 2],
    masses: [Vec<f64>; 2],
}

impl Recipe {
    fn start(&self) -> State {
        let mut numbers = Numbers::new(self.seed, 0);
        State {
            points: [0, 1].map(|side| numbers.points(self.laws[side], self.sizes[side], self.dim)),
            masses: self.masses(&mut numbers),
        }
    }

    fn masses(&self, numbers: &mut Numbers) -> [Vec<f64>; 2] {
        let [a, b] = self.sizes.map(|n| numbers.masses(self.weights, n));
        let (sum_a, sum_b) = (a.iter().sum::<f64>(), b.iter().sum::<f64>());
        // Counts whose totals happen to agree stay whole numbers.
        if sum_a == sum_b {
            return [a, b];
        }
        [(a, sum_a), (b, sum_b)].map(|(mass, sum)| mass.iter().map(|m| m / sum).collect())
    }

    fn apply(&self, number: usize, state: &mut State) {
        let mut numbers = Numbers::new(self.seed, 1 + number as u64);
        match self.steps[number] {
            Step::Move(scale, sides) => {
                for (points, _) in state.points.iter_mut().zip(sides).filter(|(_, side)| *side) {
                    let extent = points.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                    for x in points {
                        *x += scale * extent * numbers.normal();
                    }
                }
            }
            Step::Redraw => {
                state.points[0] = numbers.points(self.laws[0], self.sizes[0], self.dim);
            }
            Step::Reweigh => state.masses = self.masses(&mut numbers),
            Step::Collapse => {
                let [n, m] = self.sizes;
                for i in 0..n {
                    let target = numbers.below(4 * m);
                    if target < m {
                        let (row, onto) = (i * self.dim, target * self.dim);
                        for axis in 0..self.dim {
                            state.points[0][row + axis] = state.points[1][onto + axis];
                        }
                    }
                }
            }
        }
    }

    fn solve(
        &self,
        state: &State,
        warm: Option<&WarmStart>,
        max_pivots: Option<u64>,
        threads: usize,
    ) -> Result<(Plan, Option<WarmStart>)> {
        let periods = self.period.map(|period| vec![period; self.dim]);
        let domain = periods.map_or(Domain::Free, Domain::Periodic);
        let masses = Masses::new(&state.masses[0], &state.masses[1])?;
        let problem = PointProblem {
            x: &state.points[0],
            y: &state.points[1],
            dim: self.dim,
            metric: self.metric,
            domain: &domain,
            masses: &masses,
        };
        let pool = pool::pool(Some(threads))?;
        in_time(|control| pool.install(|| emd(&problem, warm, max_pivots, control)))
    }

    /// Check a plan; `earlier` is the largest cost scale of the problems that it started from. Their
    /// coordinates are used further, and round as they did, also where all points have met since.
    fn prove(&self, state: &State, plan: &Plan, earlier: f64) {
        let [x, y] = &state.points;
        let claim = Claim {
            a: &state.masses[0],
            b: &state.masses[1],
            rows: &plan.rows,
            columns: &plan.columns,
            mass: &plan.mass,
            u: &plan.u,
            v: &plan.v,
            scale: plan.certificate.cost_scale,
            rounding: self.rounding(state) + 16.0 * f64::EPSILON * earlier,
        };
        let cost = claim.prove(|i, j| self.cost(&x[i * self.dim..], &y[j * self.dim..]));
        let certificate = &plan.certificate;
        let total: f64 = state.masses[0].iter().sum();
        let allowed = claim.allowed();
        assert!((certificate.primal - cost).abs() <= allowed * total);
        assert!(certificate.gap() <= allowed * total, "{certificate:?}");
        assert!(certificate.max_violation <= allowed, "{certificate:?}");
    }

    /// By how much a cost changes where coordinates are rounded: what is left of costs that are
    /// zero, and where a point is taken to its place on the torus.
    fn rounding(&self, state: &State) -> f64 {
        let far = |points: &[f64]| points.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let shift = 4.0 * f64::EPSILON * far(&state.points[0]).max(far(&state.points[1]));
        let gap = self.period.map_or(0.0, |period| 2.0 * period);
        shift * (gap + shift) * self.dim as f64
    }

    fn cost(&self, x: &[f64], y: &[f64]) -> f64 {
        let squared: f64 = (0..self.dim)
            .map(|axis| {
                let gap = self.period.map_or(x[axis] - y[axis], |period| {
                    let gap = (x[axis].rem_euclid(period) - y[axis].rem_euclid(period)).abs();
                    gap.min(period - gap)
                });
                gap * gap
            })
            .sum();
        match self.metric {
            Metric::SqEuclidean => squared,
            Metric::Euclidean => squared.sqrt(),
        }
    }
}

/// Everything of a plan that a number of threads could change.
fn bits(plan: &Plan) -> (Vec<u32>, Vec<u32>, Vec<u64>) {
    let numbers = plan.mass.iter().chain(&plan.u).chain(&plan.v);
    (
        plan.rows.clone(),
        plan.columns.clone(),
        numbers.map(|number| number.to_bits()).collect(),
    )
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn clouds_are_solved_exactly_cold_and_through_warm_starts(recipe in recipes()) {
        let mut state = recipe.start();
        let (plan, mut warm) = recipe.solve(&state, None, None, 1).expect("a plan");
        recipe.prove(&state, &plan, 0.0);
        let mut earlier = plan.certificate.cost_scale;
        let (again, _) = recipe.solve(&state, None, None, 2).expect("a plan");
        prop_assert_eq!(bits(&plan), bits(&again));
        for number in 0..recipe.steps.len() {
            recipe.apply(number, &mut state);
            let solved = |threads| recipe.solve(&state, warm.as_ref(), None, threads);
            let (plan, next) = solved(1).expect("a plan");
            recipe.prove(&state, &plan, earlier);
            earlier = earlier.max(plan.certificate.cost_scale);
            let (again, _) = solved(2).expect("a plan");
            prop_assert_eq!(bits(&plan), bits(&again));
            warm = next;
        }
    }

    #[test]
    fn a_budget_of_pivots_ends_in_a_plan_or_in_its_gap(
        recipe in recipes(),
        budget in 0..200_u64,
    ) {
        let state = recipe.start();
        match recipe.solve(&state, None, Some(budget), 1) {
            Ok((plan, _)) => recipe.prove(&state, &plan, 0.0),
            Err(Error::IterationLimit { limit, gap }) => {
                prop_assert_eq!(limit, budget);
                prop_assert!(gap.is_finite() && gap >= 0.0);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn matrices_of_any_costs_are_solved_exactly(
        seed in any::<u64>(),
        sizes in sizes(),
        kind in weights(),
        spread in prop::sample::select(vec![1.0, 3.0, 1e3, 1e6]),
        whole in any::<bool>(),
    ) {
        let mut numbers = Numbers::new(seed, 0);
        let [n, m] = sizes;
        let costs: Vec<f64> = (0..n * m)
            .map(|_| {
                let cost = spread * (numbers.uniform() - 0.3);
                if whole { cost.round() } else { cost }
            })
            .collect();
        let [a, b] = sizes.map(|size| {
            let mass = numbers.masses(kind, size);
            let sum = mass.iter().sum::<f64>();
            mass.iter().map(|m| m / sum).collect::<Vec<_>>()
        });
        let masses = Masses::new(&a, &b).expect("masses");
        let plan = in_time(|control| emd_matrix(&costs, &masses, None, control)).expect("a plan");
        let claim = Claim {
            a: &a,
            b: &b,
            rows: &plan.rows,
            columns: &plan.columns,
            mass: &plan.mass,
            u: &plan.u,
            v: &plan.v,
            scale: plan.certificate.cost_scale,
            rounding: 0.0,
        };
        claim.prove(|i, j| costs[i * m + j]);
    }
}
