//! `min_y c(x, y) - v(y)` for all cells `x` at once, and the cells `y` that come near it.
//!
//! A cost that is a sum over the axes lets the minimum be taken one axis after the other: `d`
//! passes of a few operations per cell in place of all pairs of cells. What the passes leave
//! behind bounds the minimum over all cells with given last coordinates, so that a search finds
//! the best cells of any `x` without looking at many others.

use pulp::{Simd, WithSimd};

use super::lattice::Lattice;
use crate::simd;

/// Axes that a lattice may have here.
pub(crate) const MAX_DIM: usize = 8;

/// Cells that are minimised over together: a few registers of any width.
const LANES: usize = 32;

/// The cells found so far whose `c(x, y) - v(y)` is least: at most `count`, all below `limit`.
#[derive(Debug)]
pub(crate) struct Found {
    count: usize,
    limit: f64,
    /// Values and cells, ascending.
    pub(crate) entries: Vec<(f64, u32)>,
}

impl Found {
    pub(crate) fn new(count: usize, limit: f64) -> Self {
        Self {
            count,
            limit,
            entries: Vec::with_capacity(count + 1),
        }
    }

    /// Forget what was found, and look below another limit.
    pub(crate) fn restart(&mut self, limit: f64) {
        self.limit = limit;
        self.entries.clear();
    }

    /// What a new entry must stay below.
    #[inline(always)]
    fn worst(&self) -> f64 {
        if self.entries.len() < self.count {
            self.limit
        } else {
            self.entries[self.count - 1].0
        }
    }

    /// Take an entry that stays below.
    #[inline(always)]
    fn insert(&mut self, value: f64, cell: u32) {
        self.entries.truncate(self.count - 1);
        let at = self.entries.partition_point(|entry| entry.0 <= value);
        self.entries.insert(at, (value, cell));
    }
}

/// The lower envelope of the values of some cells.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    lattice: &'a Lattice,
    /// `passes[k]` at `(x_1 .. x_k, y_k+1 .. y_d)`: minimum over `y_1 .. y_k`; all before the
    /// first pass is `-v`, infinite where there is none.
    passes: Vec<Vec<f64>>,
}

impl<'a> Envelope<'a> {
    /// The envelope of `values` at `cells`.
    pub(crate) fn new(lattice: &'a Lattice, cells: &[u32], values: &[f64]) -> Self {
        let mut dense = vec![f64::INFINITY; lattice.len()];
        for (&cell, &value) in cells.iter().zip(values) {
            dense[cell as usize] = -value;
        }
        let mut passes = vec![dense];
        for axis in 0..lattice.dim() {
            let before = &passes[axis];
            let mut after = vec![f64::INFINITY; before.len()];
            simd::arch().dispatch(Pass {
                lattice,
                axis,
                before,
                after: &mut after,
            });
            passes.push(after);
        }
        Self { lattice, passes }
    }

    /// The minimum at a cell.
    #[inline(always)]
    pub(crate) fn least(&self, cell: usize) -> f64 {
        self.passes[self.lattice.dim()][cell]
    }

    /// The minimum at every cell.
    pub(crate) fn into_least(mut self) -> Vec<f64> {
        self.passes.pop().unwrap_or_default()
    }

    /// Look for cells whose `c(x, y) - v(y)` is small.
    pub(crate) fn search(&self, x: usize, found: &mut Found) {
        if self.least(x) >= found.worst() {
            return;
        }
        let mut from = [0; MAX_DIM];
        for (axis, from) in from.iter_mut().enumerate().take(self.lattice.dim()) {
            *from = self.lattice.coordinate(x, axis);
        }
        self.descend(self.lattice.dim(), &from, x, 0.0, found);
    }

    /// Choose the coordinate of the last of `axes` axes; `at` holds those that are chosen
    /// already, and those of `x` before, and `cost` is that of the chosen ones.
    fn descend(
        &self,
        axes: usize,
        from: &[usize; MAX_DIM],
        at: usize,
        cost: f64,
        found: &mut Found,
    ) {
        let Some(axis) = axes.checked_sub(1) else {
            found.insert(cost + self.passes[0][at], at as u32);
            return;
        };
        let stride = self.lattice.stride(axis);
        let start = at - from[axis] * stride;
        let moves = self.lattice.moves(axis, from[axis]);
        let pass = &self.passes[axis][start..];
        let value = |to: usize| moves[to] + pass[to * stride];
        // From the best one outwards, so that what is wanted narrows soon.
        let (mut centre, mut least) = (0, f64::INFINITY);
        for to in 0..moves.len() {
            let value = value(to);
            if value < least {
                (centre, least) = (to, value);
            }
        }
        let mut visit = |to: usize| {
            if cost + value(to) < found.worst() {
                self.descend(axis, from, start + to * stride, cost + moves[to], found);
            }
        };
        visit(centre);
        for distance in 1..moves.len().max(1) {
            if distance <= centre {
                visit(centre - distance);
            }
            if centre + distance < moves.len() {
                visit(centre + distance);
            }
        }
    }
}

/// One pass, compiled for every instruction set.
struct Pass<'a> {
    lattice: &'a Lattice,
    axis: usize,
    before: &'a [f64],
    after: &'a mut [f64],
}

impl WithSimd for Pass<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            lattice,
            axis,
            before,
            after,
        } = self;
        let (bins, stride) = (lattice.bins(axis), lattice.stride(axis));
        let slabs = before
            .chunks_exact(bins * stride)
            .zip(after.chunks_exact_mut(bins * stride));
        for (before, after) in slabs {
            if stride == 1 {
                along(lattice, axis, before, after);
            } else {
                across(lattice, axis, before, after);
            }
        }
    }
}

/// The pass along the last axis: the coordinates of `x` are neighbours in memory.
#[inline(always)]
fn along(lattice: &Lattice, axis: usize, before: &[f64], after: &mut [f64]) {
    for (start, after) in after.chunks_mut(LANES).enumerate() {
        let mut least = [f64::INFINITY; LANES];
        for (to, &value) in before.iter().enumerate() {
            if value < f64::INFINITY {
                let moves = &lattice.moves(axis, to)[start * LANES..][..after.len()];
                minimise(&mut least, moves, value);
            }
        }
        after.copy_from_slice(&least[..after.len()]);
    }
}

/// The pass along any other axis: cells that differ in the axes behind it are neighbours.
#[inline(always)]
fn across(lattice: &Lattice, axis: usize, before: &[f64], after: &mut [f64]) {
    let stride = lattice.stride(axis);
    for (from, after) in after.chunks_exact_mut(stride).enumerate() {
        let moves = lattice.moves(axis, from);
        for (start, after) in after.chunks_mut(LANES).enumerate() {
            let mut least = [f64::INFINITY; LANES];
            for (before, &cost) in before.chunks_exact(stride).zip(moves) {
                minimise(&mut least, &before[start * LANES..][..after.len()], cost);
            }
            after.copy_from_slice(&least[..after.len()]);
        }
    }
}

/// `least[k] = min(least[k], values[k] + shift)`.
#[inline(always)]
fn minimise(least: &mut [f64; LANES], values: &[f64], shift: f64) {
    if let Ok(values) = <&[f64; LANES]>::try_from(values) {
        for (least, value) in least.iter_mut().zip(values) {
            let value = value + shift;
            *least = if value < *least { value } else { *least };
        }
    } else {
        for (least, value) in least.iter_mut().zip(values) {
            let value = value + shift;
            *least = if value < *least { value } else { *least };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Squares of distances, the last axis periodic.
    fn lattice(bins: &[usize]) -> Lattice {
        let last = bins.len() - 1;
        let table = |(axis, &bins): (usize, &usize)| -> Vec<f64> {
            (0..bins)
                .map(|d| if axis == last { d.min(bins - d) } else { d })
                .map(|d| (d * d) as f64)
                .collect()
        };
        Lattice::new(
            &bins.iter().enumerate().map(table).collect::<Vec<_>>(),
            false,
        )
    }

    #[test]
    fn minima_and_searches_are_those_over_all_pairs() {
        for bins in [&[50][..], &[9, 40], &[5, 3, 7], &[2, 3, 4, 5]] {
            let lattice = lattice(bins);
            let cells: Vec<u32> = (0..lattice.len() as u32).filter(|c| c % 3 != 1).collect();
            let values: Vec<f64> = cells.iter().map(|c| f64::from(c * 7 % 11)).collect();
            let envelope = Envelope::new(&lattice, &cells, &values);
            for x in 0..lattice.len() {
                let mut all: Vec<f64> = cells
                    .iter()
                    .zip(&values)
                    .map(|(&y, value)| lattice.cost(x, y as usize) - value)
                    .collect();
                all.sort_by(f64::total_cmp);
                let all_least = all[0];
                assert_eq!(envelope.least(x), all_least);
                let mut found = Found::new(4, all_least + 2.0);
                envelope.search(x, &mut found);
                let values: Vec<f64> = found.entries.iter().map(|entry| entry.0).collect();
                all.retain(|&value| value < all_least + 2.0);
                assert_eq!(values, all[..4.min(all.len())]);
            }
        }
    }
}
