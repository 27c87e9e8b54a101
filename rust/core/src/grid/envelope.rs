//! `min_y c(x, y) - v(y)` for all cells `x` at once, and the cells `y` that come near it.
//!
//! A cost that is a sum over the axes lets the minimum be taken one axis after the other: `d`
//! passes of a few operations per cell in place of all pairs of cells. What the passes leave
//! behind bounds the minimum over all cells with given last coordinates, so that a search finds
//! the best cells of any `x` without looking at many others.

use pulp::{Simd, WithSimd};

use super::lattice::Lattice;
use crate::ot::lanes::{LANES, where_less};
use crate::simd;

/// Axes that a lattice may have here.
pub(crate) const MAX_DIM: usize = 8;

/// Searches look this much, at first, above the minimum, in units of the largest step to a
/// neighbour; later ones as far as the one before had to, times `WIDER`. Where that was not enough
/// they look again, further by `AGAIN`.
const FIRST: f64 = 4.0;
const WIDER: f64 = 1.25;
const AGAIN: f64 = 4.0;

/// The cells found so far whose `c(x, y) - v(y)` is least: at most `count`, all below `limit`.
#[derive(Debug)]
struct Found {
    count: usize,
    limit: f64,
    /// Values and cells, ascending.
    entries: Vec<(f64, u32)>,
}

impl Found {
    fn new(count: usize) -> Self {
        Self {
            count,
            limit: f64::INFINITY,
            entries: Vec::with_capacity(count + 1),
        }
    }

    /// Forget what was found, and look below another limit.
    fn restart(&mut self, limit: f64) {
        self.limit = limit;
        self.entries.clear();
    }

    fn is_full(&self) -> bool {
        self.entries.len() == self.count
    }

    /// What a new entry must stay below.
    #[inline(always)]
    fn worst(&self) -> f64 {
        if self.is_full() {
            self.entries[self.count - 1].0
        } else {
            self.limit
        }
    }

    /// Take an entry that stays below.
    #[inline(always)]
    fn insert(&mut self, value: f64, cell: u32) {
        self.entries.truncate(self.count - 1);
        let mut at = self.entries.len();
        self.entries.push((value, cell));
        while at > 0 && self.entries[at - 1].0 > value {
            self.entries[at] = self.entries[at - 1];
            at -= 1;
        }
        self.entries[at] = (value, cell);
    }
}

/// The lower envelope of the values of some cells.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    lattice: &'a Lattice,
    /// `passes[k]` at `(x_1 .. x_k-1, y_k .. y_d)`: minimum over `y_1 .. y_k-1`; all before the
    /// first pass is `-v`, infinite where there is none. The axis that a search chooses next lies
    /// in lines of whole registers, filled up with infinity, those behind it before all others:
    /// axes `k + 1 .. d, 1 .. k - 1, k`.
    passes: Vec<Vec<f64>>,
    /// The minimum at every cell, in the order of the cells.
    least: Vec<f64>,
}

impl<'a> Envelope<'a> {
    /// The envelope of `values` at `cells`.
    pub(crate) fn new(lattice: &'a Lattice, cells: &[u32], values: &[f64]) -> Self {
        let mut least = vec![f64::INFINITY; lattice.len()];
        for (&cell, &value) in cells.iter().zip(values) {
            least[cell as usize] = -value;
        }
        let mut passes = Vec::with_capacity(lattice.dim());
        for axis in 0..lattice.dim() {
            let lines = in_lines(&least, lattice.bins(axis));
            simd::arch().dispatch(Pass {
                lattice,
                axis,
                lines: &lines,
                least: &mut least,
            });
            passes.push(lines);
        }
        Self {
            lattice,
            passes,
            least,
        }
    }

    /// The minimum at a cell.
    #[inline(always)]
    pub(crate) fn least(&self, cell: usize) -> f64 {
        self.least[cell]
    }

    /// The minimum at every cell.
    pub(crate) fn into_least(self) -> Vec<f64> {
        self.least
    }

    /// For each of `cells` (`x`), up to `k` others (`y`) whose `c(x, y) - v(y)` is least and below a
    /// limit: `take` gets the place of the cell, and values and cells, ascending.
    pub(crate) fn search(
        &self,
        cells: &[u32],
        k: usize,
        limit: impl Fn(usize) -> f64,
        take: impl FnMut(usize, &[(f64, u32)]),
    ) {
        simd::arch().dispatch(Search {
            envelope: self,
            cells,
            k,
            limit,
            take,
        });
    }
}

/// The first axis of `values` as the last one, in lines of whole registers.
fn in_lines(values: &[f64], bins: usize) -> Vec<f64> {
    let length = bins.next_multiple_of(LANES);
    let count = values.len() / bins;
    let mut lines = vec![f64::INFINITY; count * length];
    for (to, values) in values.chunks_exact(count).enumerate() {
        for (line, &value) in lines.chunks_exact_mut(length).zip(values) {
            line[to] = value;
        }
    }
    lines
}

/// The minimum along every line, compiled for every instruction set.
struct Pass<'a> {
    lattice: &'a Lattice,
    axis: usize,
    lines: &'a [f64],
    least: &'a mut [f64],
}

impl WithSimd for Pass<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            lattice,
            axis,
            lines,
            least,
        } = self;
        let bins = lattice.bins(axis);
        let length = bins.next_multiple_of(LANES);
        let lines = lines.chunks_exact(length);
        for (line, least) in lines.zip(least.chunks_exact_mut(bins)) {
            for (start, least) in least.chunks_mut(LANES).enumerate() {
                let mut lanes = [f64::INFINITY; LANES];
                for (to, &value) in line[..bins].iter().enumerate() {
                    if value < f64::INFINITY {
                        let moves = &lattice.moves_in_lanes(axis, to)[start * LANES..][..LANES];
                        for (lane, &cost) in lanes.iter_mut().zip(moves) {
                            let value = cost + value;
                            *lane = if value < *lane { value } else { *lane };
                        }
                    }
                }
                least.copy_from_slice(&lanes[..least.len()]);
            }
        }
    }
}

/// Searches for several cells, compiled for every instruction set.
struct Search<'a, Limit, Take> {
    envelope: &'a Envelope<'a>,
    cells: &'a [u32],
    k: usize,
    limit: Limit,
    take: Take,
}

impl<Limit: Fn(usize) -> f64, Take: FnMut(usize, &[(f64, u32)])> WithSimd
    for Search<'_, Limit, Take>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            envelope,
            cells,
            k,
            limit,
            mut take,
        } = self;
        let mut found = Found::new(k);
        // Costs are whole numbers, of which the smallest step may be none.
        let wide = |reach: f64| reach.max(1.0);
        let mut reach = wide(FIRST * envelope.lattice.largest_step());
        for (place, &cell) in cells.iter().enumerate() {
            let (least, limit) = (envelope.least(cell as usize), limit(place));
            // What is found does not depend on the reach: the best come in one order.
            loop {
                found.restart(limit.min(least + reach));
                if least < found.limit {
                    descend(simd, envelope, cell as usize, &mut found);
                }
                if found.is_full() || found.limit == limit {
                    break;
                }
                reach = if reach < envelope.lattice.largest_cost() {
                    AGAIN * reach
                } else {
                    f64::INFINITY
                };
            }
            if let Some(&(value, _)) = found.entries.last().filter(|_| found.is_full()) {
                reach = wide(WIDER * (value - least) + envelope.lattice.smallest_step());
            }
            take(place, &found.entries);
        }
    }
}

/// Where a search stands on an axis: the coordinates behind it are chosen.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Cost of the chosen coordinates, and the index of a cell that has them.
    cost: f64,
    cell: usize,
    /// Where the line of this axis begins in its pass, and how far in it the search is.
    line: usize,
    done: usize,
    /// Lanes of the last register that may still be chosen.
    lanes: u32,
    /// The chosen coordinate.
    chosen: usize,
}

/// Look for cells near the envelope at `x`, along the axes from the last to the first.
#[inline(always)]
fn descend<S: Simd>(simd: S, envelope: &Envelope<'_>, x: usize, found: &mut Found) {
    let lattice = envelope.lattice;
    let mut from = [0; MAX_DIM];
    for (axis, from) in from.iter_mut().enumerate().take(lattice.dim()) {
        *from = lattice.coordinate(x, axis);
    }
    let mut levels = [Level::default(); MAX_DIM];
    let mut axis = lattice.dim() - 1;
    levels[axis].line = envelope.line(axis, &from, &levels);
    loop {
        let bins = lattice.bins(axis);
        let moves = lattice.moves_in_lanes(axis, from[axis]);
        let level = &mut levels[axis];
        if level.lanes == 0 {
            if level.done >= bins {
                axis += 1;
                if axis == lattice.dim() {
                    return;
                }
                continue;
            }
            let line = &envelope.passes[axis][level.line + level.done..][..LANES];
            let mut values = [0.0; LANES];
            for ((value, &line), &cost) in values.iter_mut().zip(line).zip(&moves[level.done..]) {
                *value = level.cost + cost + line;
            }
            level.lanes = where_less(simd, &values, &[found.worst(); LANES]);
            level.done += LANES;
            continue;
        }
        let lane = level.lanes.trailing_zeros() as usize;
        level.lanes &= level.lanes - 1;
        let to = level.done - LANES + lane;
        let cost = level.cost + moves[to];
        let value = cost + envelope.passes[axis][level.line + to];
        if value >= found.worst() {
            continue;
        }
        let cell = level.cell + to * lattice.stride(axis);
        if axis == 0 {
            found.insert(value, cell as u32);
            continue;
        }
        level.chosen = to;
        axis -= 1;
        levels[axis] = Level {
            cost,
            cell,
            line: envelope.line(axis, &from, &levels),
            ..Level::default()
        };
    }
}

impl Envelope<'_> {
    /// Where the line of an axis begins in its pass.
    #[inline(always)]
    fn line(&self, axis: usize, from: &[usize; MAX_DIM], levels: &[Level; MAX_DIM]) -> usize {
        let bins = |axis| self.lattice.bins(axis);
        let behind =
            (axis + 1..self.lattice.dim()).fold(0, |at, k| at * bins(k) + levels[k].chosen);
        let at = (0..axis).fold(behind, |at, k| at * bins(k) + from[k]);
        at * bins(axis).next_multiple_of(LANES)
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
                for limit in [f64::INFINITY, all_least + 2.0] {
                    all.retain(|&value| value < limit);
                    envelope.search(
                        &[x as u32],
                        4,
                        |_| limit,
                        |_, entries| {
                            let values: Vec<f64> = entries.iter().map(|entry| entry.0).collect();
                            assert_eq!(values, all[..4.min(all.len())]);
                        },
                    );
                }
            }
        }
    }
}
