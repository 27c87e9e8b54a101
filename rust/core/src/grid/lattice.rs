//! The cells of a grid as integer coordinates, and what a move between two of them costs.

use crate::ot::lanes::LANES;

/// A lattice of cells, with the cost of a move along every axis.
///
/// Costs are whole numbers, far below `2^53`: sums of them are exact in floating point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lattice {
    /// Cells per axis.
    bins: Vec<usize>,
    /// How far the flat (row-major) index moves with a coordinate.
    strides: Vec<usize>,
    /// Cost along an axis of the difference `d`, at `bins - 1 + d`, and a register more.
    tables: Vec<Vec<f64>>,
    /// Whether the last cell of an axis is a neighbour of the first.
    periodic: bool,
}

impl Lattice {
    /// Cells with `tables[axis][d]` for the cost of a distance of `d` cells.
    pub(crate) fn new(tables: &[Vec<f64>], periodic: bool) -> Self {
        let bins: Vec<usize> = tables.iter().map(Vec::len).collect();
        let mut strides = vec![1; bins.len()];
        for axis in (1..bins.len()).rev() {
            strides[axis - 1] = strides[axis] * bins[axis];
        }
        let mirrored = |table: &Vec<f64>| {
            let below = table[1..].iter().rev();
            let unused = [0.0; LANES];
            below.chain(table).chain(&unused).copied().collect()
        };
        Self {
            strides,
            tables: tables.iter().map(mirrored).collect(),
            bins,
            periodic,
        }
    }

    pub(crate) fn dim(&self) -> usize {
        self.bins.len()
    }

    /// Cells along an axis.
    #[inline(always)]
    pub(crate) fn bins(&self, axis: usize) -> usize {
        self.bins[axis]
    }

    /// Number of cells.
    pub(crate) fn len(&self) -> usize {
        self.bins.iter().product()
    }

    /// How far the flat index moves with the coordinate of an axis.
    #[inline(always)]
    pub(crate) fn stride(&self, axis: usize) -> usize {
        self.strides[axis]
    }

    /// The coordinate of a cell on an axis.
    #[inline(always)]
    pub(crate) fn coordinate(&self, cell: usize, axis: usize) -> usize {
        cell / self.strides[axis] % self.bins[axis]
    }

    /// Costs of the moves along an axis from `from` to every coordinate, which are also those
    /// from every coordinate to `from`.
    #[inline(always)]
    pub(crate) fn moves(&self, axis: usize, from: usize) -> &[f64] {
        let bins = self.bins[axis];
        &self.tables[axis][bins - 1 - from..][..bins]
    }

    /// The same in whole registers, of which the last is filled up with anything finite.
    #[inline(always)]
    pub(crate) fn moves_in_lanes(&self, axis: usize, from: usize) -> &[f64] {
        let bins = self.bins[axis];
        &self.tables[axis][bins - 1 - from..][..bins.next_multiple_of(LANES)]
    }

    /// Cost of a move between two cells.
    #[inline(always)]
    pub(crate) fn cost(&self, from: usize, to: usize) -> f64 {
        (0..self.dim())
            .map(|axis| self.moves(axis, self.coordinate(from, axis))[self.coordinate(to, axis)])
            .sum()
    }

    /// The coordinates of a cell, in the order of the axes.
    pub(crate) fn coordinates(&self, cell: usize) -> impl Iterator<Item = u32> {
        (0..self.dim()).map(move |axis| self.coordinate(cell, axis) as u32)
    }

    /// Cost of a move between two cells of these coordinates.
    #[inline(always)]
    pub(crate) fn cost_between(&self, from: &[u32], to: &[u32]) -> f64 {
        let ends = from.iter().zip(to).enumerate();
        ends.map(|(axis, (&from, &to))| self.moves(axis, from as usize)[to as usize])
            .sum()
    }

    /// The largest cost.
    pub(crate) fn largest_cost(&self) -> f64 {
        let largest = |table: &Vec<f64>| table.iter().copied().fold(0.0, f64::max);
        self.tables.iter().map(largest).sum()
    }

    /// The largest cost between neighbours along one axis.
    pub(crate) fn largest_step(&self) -> f64 {
        let step = |axis| self.moves(axis, 0).get(1).copied().unwrap_or(0.0);
        (0..self.dim()).map(step).fold(0.0, f64::max)
    }

    /// The smallest cost between neighbours along one axis.
    pub(crate) fn smallest_step(&self) -> f64 {
        let step = |axis| self.moves(axis, 0).get(1).copied();
        (0..self.dim())
            .filter_map(step)
            .fold(f64::INFINITY, f64::min)
    }

    /// The lattice of half as many cells per axis, whose cells are two of these.
    pub(crate) fn coarser(&self) -> Self {
        let tables: Vec<Vec<f64>> = (0..self.dim())
            .map(|axis| self.moves(axis, 0).iter().step_by(2).copied().collect())
            .collect();
        Self::new(&tables, self.periodic)
    }

    /// The cell of [`Lattice::coarser`] that holds a cell.
    pub(crate) fn coarse_cell(&self, coarser: &Self, cell: usize) -> usize {
        (0..self.dim())
            .map(|axis| self.coordinate(cell, axis) / 2 * coarser.stride(axis))
            .sum()
    }

    /// Values at all cells, by linear interpolation between those of [`Lattice::coarser`].
    pub(crate) fn refine(&self, coarser: &Self, coarse: &[f64]) -> Vec<f64> {
        let mut values = coarse.to_vec();
        // One axis after the other: those before `axis` are fine already.
        for axis in 0..self.dim() {
            let behind = coarser.stride(axis);
            let (few, many) = (coarser.bins(axis), self.bins(axis));
            values = values
                .chunks_exact(few * behind)
                .flat_map(|slab| {
                    (0..many).flat_map(move |fine| {
                        let (near, far, weight) = self.between(few, fine);
                        let row = |at: usize| slab[at * behind..][..behind].iter();
                        row(near)
                            .zip(row(far))
                            .map(move |(near, far)| near + weight * (far - near))
                    })
                })
                .collect();
        }
        values
    }

    /// The two coarse cells next to a fine one, and the weight of the second.
    fn between(&self, coarse: usize, fine: usize) -> (usize, usize, f64) {
        let near = fine / 2;
        let outer = if fine.is_multiple_of(2) {
            near.checked_sub(1)
        } else {
            Some(near + 1).filter(|&next| next < coarse)
        };
        match outer {
            Some(outer) => (near, outer, 0.25),
            None if self.periodic => (near, coarse - 1 - near, 0.25),
            // Beyond the last coarse cell the line goes on.
            None if coarse > 1 && near == 0 => (0, 1, -0.25),
            None if coarse > 1 => (near, near - 1, -0.25),
            None => (near, near, 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_add_up_over_the_axes() {
        let lattice = Lattice::new(&[vec![0.0, 1.0, 4.0], vec![0.0, 10.0]], false);
        let cell = |x: usize, y: usize| x * lattice.stride(0) + y * lattice.stride(1);
        assert_eq!((lattice.len(), lattice.largest_cost()), (6, 14.0));
        assert_eq!(lattice.largest_step(), 10.0);
        assert_eq!(lattice.cost(cell(2, 0), cell(0, 1)), 14.0);
        assert_eq!(lattice.cost(cell(1, 1), cell(2, 1)), 1.0);
        assert_eq!(lattice.coordinate(cell(2, 1), 0), 2);
        let coordinates = |cell| lattice.coordinates(cell).collect::<Vec<_>>();
        let [from, to] = [cell(2, 0), cell(0, 1)].map(coordinates);
        assert_eq!((from.as_slice(), to.as_slice()), (&[2, 0][..], &[0, 1][..]));
        assert_eq!(lattice.cost_between(&from, &to), 14.0);
    }

    #[test]
    fn linear_values_are_refined_exactly() {
        let table = |bins: usize| (0..bins).map(|d| (d * d) as f64).collect::<Vec<_>>();
        let fine = Lattice::new(&[table(8), table(6)], false);
        let coarse = fine.coarser();
        // Centre of coarse cell k: 2 k + 1/2 in fine coordinates.
        let value = |x: f64, y: f64| 3.0 * x - 5.0 * y;
        let values: Vec<f64> = (0..12)
            .map(|cell| [cell / 3, cell % 3].map(|k| 2.0 * f64::from(k) + 0.5))
            .map(|[x, y]| value(x, y))
            .collect();
        for (cell, refined) in (0..48).zip(fine.refine(&coarse, &values)) {
            assert_eq!(refined, value(f64::from(cell / 6), f64::from(cell % 6)));
            let there = fine.coarse_cell(&coarse, cell as usize);
            assert_eq!(there, (cell / 6 / 2 * 3 + cell % 6 / 2) as usize);
        }
    }
}
