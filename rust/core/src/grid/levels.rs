//! Transport on a lattice, from coarse cells to fine ones where mass goes far.

use super::cost::{GridCost, Known};
use super::envelope::Envelope;
use super::lattice::Lattice;
use crate::ot::masses::Masses;
use crate::ot::solve::{Solution, Start, solve};
use crate::{Control, Result};

/// Problems with fewer nodes start from nearest neighbours.
const SMALL: usize = 500;

/// Mass that moves by less than this many cells, in the root of the mean square, goes to
/// neighbours: they are then the better start than the duals of a coarser lattice.
const NEAR: f64 = 1.5;

/// Transport between two histograms on a lattice.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) lattice: Lattice,
    /// Occupied cells of both sides, ascending.
    pub(crate) cells: [Vec<u32>; 2],
    pub(crate) masses: Masses,
}

impl Problem {
    /// Solve the problem; `known` are duals of the targets of a similar one, at all cells.
    pub(crate) fn solve(&self, known: Option<&[f64]>, control: &Control) -> Result<Solution> {
        if let Some(values) = known {
            return self.solve_from(Known { values, slack: 0.0 }, control);
        }
        let (values, slack) = match self.values_from_coarser(control)? {
            Some(values) => (values, self.lattice.largest_step()),
            None => (vec![0.0; self.lattice.len()], 0.0),
        };
        let values = &values;
        self.solve_from(Known { values, slack }, control)
    }

    fn solve_from(&self, known: Known<'_>, control: &Control) -> Result<Solution> {
        let [x, y] = &self.cells;
        let cost = GridCost::new(&self.lattice, [x, y], known);
        solve(&cost, &self.masses, &Start::Cold, None, control)
    }

    /// Duals of the targets of a solution at all cells: `min_x c(x, y) - u(x)`.
    pub(crate) fn values(&self, solution: &Solution) -> Vec<f64> {
        Envelope::new(&self.lattice, &self.cells[0], &solution.basis.u).into_least()
    }

    /// Duals from the same problem on cells of twice the size, if mass goes far.
    fn values_from_coarser(&self, control: &Control) -> Result<Option<Vec<f64>>> {
        if self.cells[0].len() + self.cells[1].len() < SMALL {
            return Ok(None);
        }
        let half = self.coarser();
        let quarter = half.coarser();
        let solution = quarter.solve(None, control)?;
        if quarter.mean_cost(&solution) < NEAR * NEAR * self.lattice.largest_step() {
            return Ok(None);
        }
        let values = half
            .lattice
            .refine(&quarter.lattice, &quarter.values(&solution));
        let known = Known {
            values: &rounded(values),
            slack: half.lattice.largest_step(),
        };
        let solution = half.solve_from(known, control)?;
        let values = self.lattice.refine(&half.lattice, &half.values(&solution));
        Ok(Some(rounded(values)))
    }

    /// The same mass in cells of twice the size.
    fn coarser(&self) -> Self {
        let lattice = self.lattice.coarser();
        let merge = |cells: &[u32], units: &[i64]| -> (Vec<u32>, Vec<i64>) {
            let mut dense = vec![0; lattice.len()];
            for (&cell, units) in cells.iter().zip(units) {
                dense[self.lattice.coarse_cell(&lattice, cell as usize)] += units;
            }
            let occupied = (0..).zip(dense).filter(|&(_, units)| units > 0);
            occupied.unzip()
        };
        let (x, a) = merge(&self.cells[0], &self.masses.a);
        let (y, b) = merge(&self.cells[1], &self.masses.b);
        Self {
            cells: [x, y],
            masses: Masses {
                a,
                b,
                unit: self.masses.unit,
            },
            lattice,
        }
    }

    /// Cost of a plan per unit of mass.
    fn mean_cost(&self, solution: &Solution) -> f64 {
        let [x, y] = &self.cells;
        let arcs = solution.basis.arcs.iter();
        let (cost, mass) = arcs.fold((0.0, 0.0), |(cost, mass), &(i, j, flow)| {
            let (from, to) = (x[i as usize] as usize, y[j as usize] as usize);
            let flow = flow as f64;
            (cost + flow * self.lattice.cost(from, to), mass + flow)
        });
        cost / mass
    }
}

/// Whole numbers, as the costs are.
fn rounded(values: Vec<f64>) -> Vec<f64> {
    values.into_iter().map(f64::round).collect()
}
