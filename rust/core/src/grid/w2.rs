//! Exact W2 between two weighted grids, and between the histograms of two clouds.

use super::costs::Costs;
use super::envelope::Envelope;
use super::histogram::Grid;
use super::lattice::Lattice;
use super::levels::Problem;
use crate::domain::Domain;
use crate::ot::emd::{PointProblem, emd};
use crate::ot::simplex::BasicArc;
use crate::ot::{Certificate, Masses, Metric};
use crate::{Control, Error, Result};

/// Counts up to this are used as they are.
const LARGEST_COUNT: f64 = (1_u64 << 52) as f64;

/// An optimal plan between two weighted grids, with its proof.
#[derive(Debug, Clone)]
pub struct GridPlan {
    /// W2 squared between the two grids, each normalised to total mass one.
    pub w2_squared: f64,
    /// W2 squared in units of the squared width of a cell, as a fraction of two whole numbers;
    /// none where widths differ, or where the solver of clouds did the work.
    pub in_cells: Option<(i128, i128)>,
    /// Occupied cells of both grids, ascending.
    pub cells: [Vec<u64>; 2],
    /// Source of every entry, as a place among the occupied cells; sorted by source, then target.
    pub rows: Vec<u32>,
    /// Target of every entry.
    pub columns: Vec<u32>,
    /// Mass of every entry, positive.
    pub mass: Vec<f64>,
    /// Dual of every occupied source.
    pub u: Vec<f64>,
    /// Dual of every occupied target.
    pub v: Vec<f64>,
    /// Proof of optimality.
    pub certificate: Certificate,
    /// Bound of the rounding of a cost before the problem is solved; zero for cubic cells.
    pub cost_rounding: f64,
    /// Pivots of the simplex.
    pub pivots: u64,
    /// Whether a warm start was used.
    pub warm: bool,
}

/// What a later problem on the same grid can start from.
#[derive(Debug, Clone)]
pub struct WarmGrid {
    lattice: Lattice,
    /// Duals of the targets at all cells.
    values: Vec<f64>,
}

/// Two sides of a problem: occupied cells and what is in them.
struct Sides {
    cells: [Vec<u64>; 2],
    masses: Masses,
}

/// Histogram two clouds (row-major) on `grid` and transport one onto the other: mass sits at the
/// centres of the cells, empty cells take no part, and on a torus distance goes the shorter way.
///
/// A `warm` start is used if it comes from a grid with the same costs.
pub fn histogram_w2(
    grid: &Grid,
    x: &[f64],
    y: &[f64],
    warm: Option<&WarmGrid>,
    control: &Control,
) -> Result<(GridPlan, Option<WarmGrid>)> {
    let (from, to) = (grid.histogram("x", x)?, grid.histogram("y", y)?);
    let sides = Sides {
        masses: Masses::from_counts(&from.counts, &to.counts)?,
        cells: [from.cells, to.cells],
    };
    transport(grid, sides, warm, control)
}

/// Transport the weights `a` of the cells of `grid` (row-major, one per cell) onto `b`; each side
/// is normalised to total mass one.
pub fn grid_w2(
    grid: &Grid,
    a: &[f64],
    b: &[f64],
    warm: Option<&WarmGrid>,
    control: &Control,
) -> Result<(GridPlan, Option<WarmGrid>)> {
    let sides = [("a", a), ("b", b)].map(|(name, weights)| occupied(grid, name, weights));
    let [(x, a), (y, b)] = match sides {
        [Ok(a), Ok(b)] => [a, b],
        [Err(error), _] | [_, Err(error)] => return Err(error),
    };
    let sides = Sides {
        masses: normalised(&a, &b)?,
        cells: [x, y],
    };
    transport(grid, sides, warm, control)
}

/// Cells with a positive weight, and the weights.
fn occupied(grid: &Grid, name: &'static str, weights: &[f64]) -> Result<(Vec<u64>, Vec<f64>)> {
    if weights.len() as u64 != grid.cells() {
        return Err(Error::ShapeMismatch {
            name,
            expected: format!("{} weights, one per cell", grid.cells()),
            got: weights.len().to_string(),
        });
    }
    for (index, &value) in weights.iter().enumerate() {
        if !value.is_finite() {
            return Err(Error::NotFinite { name, index, value });
        }
        if value < 0.0 {
            return Err(Error::NegativeMass { name, index, value });
        }
    }
    let positive = (0..).zip(weights.iter().copied()).filter(|&(_, w)| w > 0.0);
    Ok(positive.unzip())
}

/// Positive weights of both sides as masses of equal totals: counts stay counts.
fn normalised(a: &[f64], b: &[f64]) -> Result<Masses> {
    let (sum_a, sum_b) = (a.iter().sum::<f64>(), b.iter().sum::<f64>());
    let are_counts = |weights: &[f64], sum: f64| {
        sum < LARGEST_COUNT && weights.iter().all(|weight| weight.fract() == 0.0)
    };
    let imbalance = Error::MassImbalance { sum_a, sum_b };
    if !(sum_a > 0.0 && sum_b > 0.0 && sum_a.is_finite() && sum_b.is_finite()) {
        return Err(imbalance);
    }
    if are_counts(a, sum_a) && are_counts(b, sum_b) {
        let [a, b] = [a, b].map(|weights| weights.iter().map(|&w| w as u64).collect::<Vec<_>>());
        return Masses::from_counts(&a, &b);
    }
    let [a, b] = [(a, sum_a), (b, sum_b)]
        .map(|(weights, sum)| weights.iter().map(|w| w / sum).collect::<Vec<_>>());
    Masses::new(&a, &b)
}

fn transport(
    grid: &Grid,
    sides: Sides,
    warm: Option<&WarmGrid>,
    control: &Control,
) -> Result<(GridPlan, Option<WarmGrid>)> {
    let nodes = sides.cells[0].len() + sides.cells[1].len();
    match Costs::new(grid, nodes) {
        Some(costs) => on_lattice(grid, costs, sides, warm, control),
        None => Ok((between_centres(grid, sides, control)?, None)),
    }
}

fn on_lattice(
    grid: &Grid,
    costs: Costs,
    sides: Sides,
    warm: Option<&WarmGrid>,
    control: &Control,
) -> Result<(GridPlan, Option<WarmGrid>)> {
    let Costs {
        lattice,
        unit,
        rounding,
        equal,
    } = costs;
    let warm = warm.filter(|warm| warm.lattice == lattice);
    // Lattices are far smaller than 2^32 cells.
    let cells = [0, 1].map(|side| sides.cells[side].iter().map(|&cell| cell as u32).collect());
    let problem = Problem {
        lattice,
        cells,
        masses: sides.masses,
    };
    let solution = problem.solve(warm.map(|warm| warm.values.as_slice()), control)?;
    let mut arcs = solution.basis.arcs.clone();
    arcs.retain(|arc| arc.2 > 0);
    arcs.sort_unstable();
    let (u, v) = whole(&solution.basis.u, &solution.basis.v);
    let proof = Proof::new(&problem, &arcs, (&u, &v));
    let values = problem.values(&solution);
    let Problem {
        lattice, masses, ..
    } = problem;
    let mean = masses.unit;
    let primal = if equal {
        proof.primal as f64 * mean * unit
    } else {
        cost_of(grid, &sides.cells, &arcs) * mean
    };
    let in_units = |dual: &Vec<i64>| dual.iter().map(|&dual| dual as f64 * unit).collect();
    let total: i128 = masses.a.iter().map(|&units| i128::from(units)).sum();
    let plan = GridPlan {
        w2_squared: primal,
        in_cells: equal.then_some((proof.primal, total)),
        rows: arcs.iter().map(|arc| arc.0).collect(),
        columns: arcs.iter().map(|arc| arc.1).collect(),
        mass: arcs.iter().map(|arc| arc.2 as f64 * mean).collect(),
        u: in_units(&u),
        v: in_units(&v),
        certificate: Certificate {
            primal,
            dual: proof.dual as f64 * mean * unit,
            max_violation: proof.violation as f64 * unit,
            marginal_residual: proof.residual as f64 * mean,
            cost_scale: lattice.largest_cost() * unit,
        },
        cost_rounding: rounding,
        cells: sides.cells,
        pivots: solution.pivots,
        warm: warm.is_some(),
    };
    Ok((plan, Some(WarmGrid { lattice, values })))
}

/// Duals as whole numbers: the solver may give both sides the same fraction to share.
fn whole(u: &[f64], v: &[f64]) -> (Vec<i64>, Vec<i64>) {
    let fraction = v.first().map_or(0.0, |v| v - v.floor());
    (
        u.iter().map(|u| (u + fraction).floor() as i64).collect(),
        v.iter().map(|v| (v - fraction).floor() as i64).collect(),
    )
}

/// Marginals, costs and duals of a plan, in whole numbers from the histograms alone.
struct Proof {
    primal: i128,
    dual: i128,
    /// Largest `u + v - c` over all pairs of occupied cells.
    violation: i64,
    /// Largest difference of a marginal.
    residual: i64,
}

impl Proof {
    fn new(problem: &Problem, plan: &[BasicArc], (u, v): (&[i64], &[i64])) -> Self {
        let Problem {
            lattice,
            cells: [x, y],
            masses,
        } = problem;
        let (mut left_a, mut left_b) = (masses.a.clone(), masses.b.clone());
        let mut primal = 0;
        for &(i, j, flow) in plan {
            let (i, j) = (i as usize, j as usize);
            let cost = lattice.cost(x[i] as usize, y[j] as usize);
            primal += i128::from(flow) * cost as i128;
            left_a[i] -= flow;
            left_b[j] -= flow;
        }
        let value = |units: &[i64], duals: &[i64]| -> i128 {
            let terms = units.iter().zip(duals);
            terms
                .map(|(&m, &dual)| i128::from(m) * i128::from(dual))
                .sum()
        };
        let values: Vec<f64> = v.iter().map(|&v| v as f64).collect();
        let least = Envelope::new(lattice, y, &values).into_least();
        let violations = x.iter().zip(u).map(|(&x, u)| u - least[x as usize] as i64);
        let left = left_a.iter().chain(&left_b).map(|left| left.abs());
        Self {
            primal,
            dual: value(&masses.a, u) + value(&masses.b, v),
            violation: violations.max().unwrap_or(0),
            residual: left.max().unwrap_or(0),
        }
    }
}

/// Cost of a plan in units of mass times length squared: whole sums of squared numbers of cells
/// for every axis.
fn cost_of(grid: &Grid, cells: &[Vec<u64>; 2], plan: &[BasicArc]) -> f64 {
    let mut stride = 1;
    (0..grid.dim())
        .rev()
        .map(|axis| {
            let bins = grid.bins[axis] as u64;
            let coordinate = |cell: u64| cell / stride % bins;
            let moment: i128 = plan
                .iter()
                .map(|&(i, j, flow)| {
                    let (from, to) = (cells[0][i as usize], cells[1][j as usize]);
                    let difference = coordinate(from).abs_diff(coordinate(to));
                    let distance = grid.distance(axis, difference as usize) as i128;
                    i128::from(flow) * distance * distance
                })
                .sum();
            stride *= bins;
            moment as f64 * grid.width(axis).powi(2)
        })
        .sum()
}

/// Transport between the centres of the occupied cells, for grids that hold little else.
fn between_centres(grid: &Grid, sides: Sides, control: &Control) -> Result<GridPlan> {
    let domain = if grid.periodic {
        Domain::Periodic(grid.high.clone())
    } else {
        Domain::Free
    };
    let problem = PointProblem {
        x: &grid.centres(&sides.cells[0]),
        y: &grid.centres(&sides.cells[1]),
        dim: grid.dim(),
        metric: Metric::SqEuclidean,
        domain: &domain,
        masses: &sides.masses,
    };
    let (plan, _) = emd(&problem, None, None, control)?;
    Ok(GridPlan {
        w2_squared: plan.certificate.primal,
        in_cells: None,
        cells: sides.cells,
        rows: plan.rows,
        columns: plan.columns,
        mass: plan.mass,
        u: plan.u,
        v: plan.v,
        certificate: plan.certificate,
        cost_rounding: 0.0,
        pivots: plan.pivots,
        warm: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solved(grid: &Grid, x: &[f64], y: &[f64]) -> GridPlan {
        histogram_w2(grid, x, y, None, &Control::new())
            .expect("solved")
            .0
    }

    /// Points of a low-discrepancy sequence.
    fn cloud(n: usize, dim: usize, offset: f64) -> Vec<f64> {
        let steps = [0.819_172_513, 0.671_043_607, 0.549_700_478, 0.450_291_732];
        (0..n)
            .flat_map(|k| {
                steps
                    .map(|step| (offset + k as f64 * step).fract())
                    .into_iter()
                    .take(dim)
            })
            .collect()
    }

    #[test]
    fn a_shift_by_whole_cells_costs_its_square() {
        let grid = Grid::new(&[0.0, 0.0], &[10.0, 10.0], &[10, 10]).expect("a box");
        let x: Vec<f64> = (0..400).map(|k| 0.5 + f64::from((k * 7) % 5)).collect();
        let y: Vec<f64> = x.iter().map(|x| x + 3.0).collect();
        let plan = solved(&grid, &x, &y);
        assert_eq!(plan.w2_squared, 18.0);
        let (cost, mass) = plan.in_cells.expect("cubes");
        assert_eq!(cost, 18 * mass);
    }

    #[test]
    fn round_the_torus_is_shorter() {
        let grid = Grid::torus(&[1.0], &[10]).expect("a torus");
        let plan = solved(&grid, &[0.05], &[0.95]);
        assert!((plan.w2_squared - 0.01).abs() < 1e-15);
    }

    #[test]
    fn cubes_are_solved_without_any_gap() {
        for (dim, bins, n) in [(1, 300, 900), (2, 40, 3000), (3, 12, 4000), (4, 6, 2000)] {
            for periodic in [false, true] {
                let grid = if periodic {
                    Grid::torus(&vec![1.0; dim], &vec![bins; dim])
                } else {
                    Grid::new(&vec![0.0; dim], &vec![1.0; dim], &vec![bins; dim])
                };
                let grid = grid.expect("a grid");
                let y: Vec<f64> = cloud(n, dim, 0.3).iter().map(|y| y * y).collect();
                let plan = solved(&grid, &cloud(n, dim, 0.1), &y);
                assert_eq!(plan.certificate.gap(), 0.0);
                assert!(plan.certificate.max_violation <= 0.0);
                assert_eq!(plan.certificate.marginal_residual, 0.0);
                let points = Sides {
                    masses: {
                        let [a, b] = [cloud(n, dim, 0.1), y.clone()]
                            .map(|p| grid.histogram("x", &p).expect("points").counts);
                        Masses::from_counts(&a, &b).expect("counts")
                    },
                    cells: plan.cells.clone(),
                };
                let control = Control::new();
                let other = between_centres(&grid, points, &control).expect("solved");
                assert!((plan.w2_squared - other.w2_squared).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_warm_start_finds_the_same_cost_in_fewer_pivots() {
        let grid = Grid::torus(&[1.0; 2], &[30; 2]).expect("a torus");
        let control = Control::new();
        let y: Vec<f64> = cloud(3000, 2, 0.3).iter().map(|y| y * y).collect();
        let mut x = cloud(3000, 2, 0.1);
        let (_, warm) = histogram_w2(&grid, &x, &y, None, &control).expect("solved");
        for coordinate in x.iter_mut().step_by(20) {
            *coordinate += 1.0 / 30.0;
        }
        let (second, _) = histogram_w2(&grid, &x, &y, warm.as_ref(), &control).expect("solved");
        let cold = solved(&grid, &x, &y);
        assert!(second.warm && !cold.warm);
        assert_eq!(second.in_cells, cold.in_cells);
        assert!(
            second.pivots < cold.pivots,
            "{} {}",
            second.pivots,
            cold.pivots
        );
        let finer = Grid::torus(&[1.0; 2], &[31; 2]).expect("a torus");
        let (other, _) = histogram_w2(&finer, &x, &y, warm.as_ref(), &control).expect("solved");
        assert!(!other.warm);
    }

    #[test]
    fn weights_are_normalised_and_counts_stay_counts() {
        let grid = Grid::new(&[0.0], &[3.0], &[3]).expect("a box");
        let control = Control::new();
        let distance = |a: &[f64], b: &[f64]| grid_w2(&grid, a, b, None, &control);
        let (plan, _) = distance(&[2.0, 0.0, 2.0], &[0.0, 1.0, 0.0]).expect("solved");
        let (cost, mass) = plan.in_cells.expect("cubes");
        assert_eq!((cost, plan.w2_squared), (mass, 1.0));
        let (plan, _) = distance(&[0.5, 0.5, 0.0], &[0.0, 0.25, 0.75]).expect("solved");
        assert!((plan.w2_squared - 1.75).abs() < 1e-15);
        assert!(matches!(
            distance(&[1.0, -1.0, 0.0], &[1.0; 3]),
            Err(Error::NegativeMass {
                name: "a",
                index: 1,
                ..
            })
        ));
        assert!(matches!(
            distance(&[0.0; 3], &[1.0; 3]),
            Err(Error::MassImbalance { .. })
        ));
        assert!(matches!(
            distance(&[1.0; 3], &[1.0; 4]),
            Err(Error::ShapeMismatch { name: "b", .. })
        ));
    }
}
