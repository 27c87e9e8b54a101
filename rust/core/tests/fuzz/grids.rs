//! Grids, cold and warm, beside the solver of matrices.

use proptest::prelude::*;
use twostep_core::grid::{Grid, GridPlan, WarmGrid, grid_w2};
use twostep_core::ot::{Masses, emd_matrix};
use twostep_core::pool;

use crate::config;
use crate::draws::Numbers;
use crate::proof::Claim;
use crate::watch::in_time;

/// Two weighted grids, and how often their weights change.
#[derive(Debug, Clone)]
struct Recipe {
    seed: u64,
    bins: Vec<usize>,
    widths: Vec<f64>,
    periodic: bool,
    whole: bool,
    occupied: [f64; 2],
    changes: Vec<f64>,
}

prop_compose! {
    fn recipes()(dim in 1..=4_usize)(
        seed in any::<u64>(),
        bins in prop::collection::vec(1..[40_usize, 14, 7, 5][dim - 1], dim),
        widths in prop_oneof![
            2 => prop::sample::select(vec![1.0, 0.1, 3e-7]).prop_map(move |w| vec![w; dim]),
            1 => prop::collection::vec(0.05..20.0_f64, dim),
            1 => prop::collection::vec(prop::sample::select(vec![1.0, 1e-4, 1e-9]), dim),
        ],
        periodic in any::<bool>(),
        whole in any::<bool>(),
        occupied in prop::sample::select(vec![[1.0, 1.0], [0.5, 0.5], [0.05, 1.0], [0.1, 0.1]]),
        changes in prop::collection::vec(
            prop::sample::select(vec![0.0, 0.01, 0.1, 0.5, 1.0]), 0..4,
        ),
    ) -> Recipe {
        Recipe { seed, bins, widths, periodic, whole, occupied, changes }
    }
}

impl Recipe {
    fn cells(&self) -> usize {
        self.bins.iter().product()
    }

    fn grid(&self) -> Grid {
        let ends: Vec<f64> = self
            .bins
            .iter()
            .zip(&self.widths)
            .map(|(&count, width)| count as f64 * width)
            .collect();
        let grid = if self.periodic {
            Grid::torus(&ends, &self.bins)
        } else {
            Grid::new(&vec![0.0; ends.len()], &ends, &self.bins)
        };
        grid.expect("a grid")
    }

    /// Draw the weight of a cell.
    fn weight(&self, numbers: &mut Numbers, occupied: f64) -> f64 {
        if numbers.uniform() >= occupied {
            0.0
        } else if self.whole {
            1.0 + numbers.below(20) as f64
        } else {
            numbers.uniform()
        }
    }

    fn weights(&self, numbers: &mut Numbers) -> [Vec<f64>; 2] {
        self.occupied.map(|occupied| {
            let mut weights: Vec<f64> = (0..self.cells())
                .map(|_| self.weight(numbers, occupied))
                .collect();
            weights[numbers.below(self.cells())] = 1.0;
            weights
        })
    }

    fn change(&self, number: usize, weights: &mut [Vec<f64>; 2]) {
        let mut numbers = Numbers::new(self.seed, 1 + number as u64);
        for (side, occupied) in weights.iter_mut().zip(self.occupied) {
            for weight in side.iter_mut() {
                if numbers.uniform() < self.changes[number] {
                    *weight = self.weight(&mut numbers, occupied);
                }
            }
            side[numbers.below(self.cells())] = 2.0;
        }
    }

    /// Squared distance of two flat cells along the axes, in units of length squared.
    fn cost(&self, mut from: u64, mut to: u64) -> f64 {
        let mut sum = 0.0;
        for (&count, width) in self.bins.iter().zip(&self.widths).rev() {
            let (i, j) = (from % count as u64, to % count as u64);
            (from, to) = (from / count as u64, to / count as u64);
            let gap = i.abs_diff(j);
            let gap = if self.periodic {
                gap.min(count as u64 - gap)
            } else {
                gap
            };
            sum += (gap as f64 * width).powi(2);
        }
        sum
    }

    fn prove(&self, weights: &[Vec<f64>; 2], plan: &GridPlan) {
        let [x, y] = &plan.cells;
        let [a, b] = [(x, &weights[0]), (y, &weights[1])].map(|(cells, weights)| {
            let total: f64 = weights.iter().sum();
            let occupied = cells.iter().map(|&cell| weights[cell as usize] / total);
            occupied.collect::<Vec<_>>()
        });
        let claim = Claim {
            a: &a,
            b: &b,
            rows: &plan.rows,
            columns: &plan.columns,
            mass: &plan.mass,
            u: &plan.u,
            v: &plan.v,
            scale: plan.certificate.cost_scale,
            rounding: plan.cost_rounding,
        };
        let cost = claim.prove(|i, j| self.cost(x[i], y[j]));
        let allowed = 1e-12 * plan.certificate.cost_scale + plan.cost_rounding;
        assert!((plan.w2_squared - cost).abs() <= allowed);
    }

    /// The exact distance in cells, as the solver of matrices finds it.
    fn by_matrix(&self, weights: &[Vec<f64>; 2]) -> f64 {
        let unit = Self {
            widths: vec![1.0; self.bins.len()],
            ..self.clone()
        };
        let occupied = |side: &[f64]| -> (Vec<u64>, Vec<u64>) {
            let cells = (0..).zip(side).filter(|(_, weight)| **weight > 0.0);
            cells.map(|(cell, &weight)| (cell, weight as u64)).unzip()
        };
        let ((x, a), (y, b)) = (occupied(&weights[0]), occupied(&weights[1]));
        let costs: Vec<f64> = x
            .iter()
            .flat_map(|&from| y.iter().map(move |&to| (from, to)))
            .map(|(from, to)| unit.cost(from, to))
            .collect();
        let masses = Masses::from_counts(&a, &b).expect("masses");
        let plan = in_time(|control| emd_matrix(&costs, &masses, None, control)).expect("a plan");
        plan.certificate.primal
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn grids_are_solved_exactly_cold_and_through_warm_starts(recipe in recipes()) {
        let grid = recipe.grid();
        let mut weights = recipe.weights(&mut Numbers::new(recipe.seed, 0));
        let mut warm: Option<WarmGrid> = None;
        for number in 0..=recipe.changes.len() {
            if number > 0 {
                recipe.change(number - 1, &mut weights);
            }
            let solved = |warm: Option<&WarmGrid>, threads| {
                let pool = pool::pool(Some(threads)).expect("threads");
                let solve = |control: &_| {
                    pool.install(|| grid_w2(&grid, &weights[0], &weights[1], warm, control))
                };
                in_time(solve).expect("a plan")
            };
            let (plan, next) = solved(warm.as_ref(), 1);
            recipe.prove(&weights, &plan);
            let (cold, _) = solved(None, 2);
            recipe.prove(&weights, &cold);
            let (again, _) = solved(None, 1);
            prop_assert_eq!((&cold.rows, &cold.columns), (&again.rows, &again.columns));
            prop_assert_eq!(&cold.mass, &again.mass);
            if let Some((cost, mass)) = cold.in_cells {
                prop_assert_eq!(plan.in_cells, Some((cost, mass)));
                prop_assert_eq!(plan.certificate.gap(), 0.0);
                prop_assert!(plan.certificate.max_violation <= 0.0);
                if recipe.whole {
                    let exact = recipe.by_matrix(&weights);
                    let found = cost as f64 / mass as f64;
                    prop_assert!((found - exact).abs() <= 1e-13 * exact.max(1.0));
                }
            }
            warm = next;
        }
    }
}
