//! Costs of a grid as whole numbers.

use super::envelope::MAX_DIM;
use super::histogram::Grid;
use super::lattice::Lattice;

/// Bits of the largest cost where widths differ. A potential is a sum of at most as many costs as
/// there are nodes, which leaves this for up to 2^17 of them.
const BITS: u32 = 44;

/// Cells per occupied one, and in any case, of lattices that are passed over as a whole.
const SPARSEST: u64 = 64;
const FEW: u64 = 1 << 16;

/// Operations of one pass over all cells that are no trouble.
const PASS: u64 = 1 << 29;

/// Ends of a box are rounded: widths that differ by this, relative to the ends, are equal.
const EQUAL: f64 = 4.0 * f64::EPSILON;

/// The lattice of a grid, with what its costs mean.
#[derive(Debug)]
pub(crate) struct Costs {
    pub(crate) lattice: Lattice,
    /// What a cost of one stands for.
    pub(crate) unit: f64,
    /// Bound of the difference between a cost and its whole number, in units of length squared.
    pub(crate) rounding: f64,
    /// Whether costs are squared numbers of cells.
    pub(crate) equal: bool,
}

impl Costs {
    /// The costs of a grid with so many `occupied` cells on both sides; none if the grid has too
    /// many others.
    pub(crate) fn new(grid: &Grid, occupied: usize) -> Option<Self> {
        let cells = grid.cells();
        let sum: u64 = grid.bins.iter().map(|&bins| bins as u64).sum();
        let occupied = occupied as u64;
        if grid.dim() > MAX_DIM
            || cells > FEW.max(SPARSEST * occupied)
            || cells.saturating_mul(sum) > PASS
        {
            return None;
        }
        // A grid of one cell has no other cost than zero.
        if cells == 1 || grid.widths_are_equal() {
            let square = |_, cells: usize| (cells * cells) as f64;
            return Some(Self {
                lattice: Lattice::new(&tables(grid, square), grid.periodic),
                unit: grid.width(0).powi(2),
                rounding: 0.0,
                equal: true,
            });
        }
        let square = |axis, cells: usize| (cells as f64 * grid.width(axis)).powi(2);
        let largest: f64 = tables(grid, square).iter().map(|t| largest(t)).sum();
        let nodes = u64::BITS - (occupied + 1).leading_zeros();
        let bits = BITS.min(61 - nodes) as i32 - 1;
        let scale = 2.0_f64.powi(bits - largest.log2().floor() as i32);
        let whole = |axis, cells| (square(axis, cells) * scale).round();
        Some(Self {
            lattice: Lattice::new(&tables(grid, whole), grid.periodic),
            unit: 1.0 / scale,
            rounding: 0.5 * grid.dim() as f64 / scale,
            equal: false,
        })
    }
}

/// `cost(axis, distance)` for every axis and every difference of coordinates.
fn tables(grid: &Grid, cost: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
    (0..grid.dim())
        .map(|axis| {
            (0..grid.bins[axis])
                .map(|difference| cost(axis, grid.distance(axis, difference)))
                .collect()
        })
        .collect()
}

fn largest(table: &[f64]) -> f64 {
    table.iter().copied().fold(0.0, f64::max)
}

impl Grid {
    /// Number of cells.
    pub(crate) fn cells(&self) -> u64 {
        self.bins.iter().map(|&bins| bins as u64).product()
    }

    /// Width of a cell.
    pub(crate) fn width(&self, axis: usize) -> f64 {
        (self.high[axis] - self.low[axis]) / self.bins[axis] as f64
    }

    /// Cells between two whose coordinates differ by this, on the shorter way.
    pub(crate) fn distance(&self, axis: usize, difference: usize) -> usize {
        if self.periodic {
            difference.min(self.bins[axis] - difference)
        } else {
            difference
        }
    }

    /// Whether all cells are cubes, but for the rounding of the ends.
    pub(crate) fn widths_are_equal(&self) -> bool {
        let rounding = |axis: usize| {
            EQUAL * self.low[axis].abs().max(self.high[axis].abs()) / self.bins[axis] as f64
        };
        (1..self.dim())
            .all(|axis| (self.width(axis) - self.width(0)).abs() <= rounding(0) + rounding(axis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cubes_cost_whole_squares() {
        let grid = Grid::new(&[0.1, -1.0], &[1.1, 2.0], &[10, 30]).expect("a box");
        let costs = Costs::new(&grid, 100).expect("few cells");
        assert!(costs.equal && costs.rounding == 0.0);
        assert_eq!(costs.lattice.cost(0, 9 * 30 + 29), 81.0 + 841.0);
    }

    #[test]
    fn a_single_cell_costs_nothing_whatever_its_widths() {
        let grid = Grid::new(&[0.0, 0.0], &[0.05, 15.0], &[1, 1]).expect("a box");
        let costs = Costs::new(&grid, 2).expect("one cell");
        assert!(costs.unit.is_finite() && costs.rounding == 0.0);
        assert_eq!(costs.lattice.cost(0, 0), 0.0);
    }

    #[test]
    fn other_cells_cost_nearly_what_they_should() {
        let grid = Grid::new(&[0.0; 3], &[1.0, 0.3, 700.0], &[7, 5, 9]).expect("a box");
        let costs = Costs::new(&grid, 600).expect("few cells");
        assert!(!costs.equal);
        let scale = costs.lattice.largest_cost() * costs.unit;
        assert!(costs.rounding < 1e-12 * scale);
        for (from, to) in [(0, 314), (17, 200), (100, 101)] {
            let centres = grid.centres(&[from as u64, to as u64]);
            let square: f64 = (0..3).map(|k| (centres[k] - centres[3 + k]).powi(2)).sum();
            let cost = costs.lattice.cost(from, to);
            assert_eq!(cost, cost.round());
            assert!((cost * costs.unit - square).abs() <= costs.rounding + 1e-15 * scale);
        }
    }

    #[test]
    fn sparse_grids_have_none() {
        let grid = Grid::new(&[0.0; 4], &[1.0; 4], &[1000; 4]).expect("a box");
        assert!(Costs::new(&grid, 1000).is_none());
    }
}
