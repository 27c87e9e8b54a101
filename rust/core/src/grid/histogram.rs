//! Regular grids and the counts of a cloud's points in their cells.

use crate::domain::wrap;
use crate::{Error, Result};

/// Part of a reference cloud that lies outside its quantile range, on each side.
const TAIL: f64 = 0.001;

/// Margin on each side of the quantile range, as a part of that range.
const MARGIN: f64 = 0.05;

/// A regular grid of cells over a box, or over a torus.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Lower end of every axis.
    pub low: Vec<f64>,
    /// Upper end of every axis.
    pub high: Vec<f64>,
    /// Cells per axis.
    pub bins: Vec<usize>,
    /// Whether the upper ends are the lower ends.
    pub periodic: bool,
}

/// Counts of the occupied cells of a grid, in the order of their flat (row-major) indices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// Flat index of every occupied cell.
    pub cells: Vec<u64>,
    /// Points in it.
    pub counts: Vec<u64>,
}

impl Grid {
    /// A grid over the box `[low, high]`. An axis of no extent is widened by one half on each
    /// side, as `numpy.histogramdd` does.
    pub fn new(low: &[f64], high: &[f64], bins: &[usize]) -> Result<Self> {
        let dim = bins.len();
        for (name, ends) in [("box", low), ("box", high)] {
            if ends.len() != dim {
                return Err(Error::ShapeMismatch {
                    name,
                    expected: format!("{dim} ends, one per axis"),
                    got: ends.len().to_string(),
                });
            }
            if let Some((index, &value)) = ends.iter().enumerate().find(|(_, x)| !x.is_finite()) {
                return Err(Error::NotFinite { name, index, value });
            }
        }
        check_bins(bins)?;
        let (mut low, mut high) = (low.to_vec(), high.to_vec());
        for (low, high) in low.iter_mut().zip(&mut high) {
            if *low > *high {
                return Err(Error::OutOfRange {
                    name: "box",
                    expected: "low ends that do not exceed the high ends",
                    got: *low,
                });
            }
            if *low == *high {
                *low -= 0.5;
                *high += 0.5;
            }
        }
        let grid = Self {
            low,
            high,
            bins: bins.to_vec(),
            periodic: false,
        };
        grid.check_widths()?;
        Ok(grid)
    }

    /// Refuse a box whose squared distances leave the range of floating-point numbers.
    fn check_widths(&self) -> Result<()> {
        let mut longest = 0.0;
        for axis in 0..self.dim() {
            longest += (self.high[axis] - self.low[axis]).powi(2);
            if !self.width(axis).powi(2).is_normal() {
                return Err(Error::OutOfRange {
                    name: "box",
                    expected: "cells whose squared widths are normal numbers",
                    got: self.width(axis),
                });
            }
        }
        if f64::is_finite(longest) {
            return Ok(());
        }
        Err(Error::OutOfRange {
            name: "box",
            expected: "ends whose squared distance is finite",
            got: longest.sqrt(),
        })
    }

    /// A grid over the torus with these periods.
    pub fn torus(periods: &[f64], bins: &[usize]) -> Result<Self> {
        if let Some(&got) = periods
            .iter()
            .find(|period| !(period.is_finite() && **period > 0.0))
        {
            return Err(Error::OutOfRange {
                name: "period",
                expected: "positive numbers",
                got,
            });
        }
        let grid = Self::new(&vec![0.0; periods.len()], periods, bins)?;
        Ok(Self {
            periodic: true,
            ..grid
        })
    }

    /// The exact bounding box of two clouds (row-major).
    pub fn joint(x: &[f64], y: &[f64], bins: &[usize]) -> Result<Self> {
        let mut low = vec![f64::INFINITY; bins.len()];
        let mut high = vec![f64::NEG_INFINITY; bins.len()];
        for (name, points) in [("x", x), ("y", y)] {
            check_points(name, points, bins.len())?;
            for point in points.chunks_exact(bins.len()) {
                for (axis, &coordinate) in point.iter().enumerate() {
                    low[axis] = low[axis].min(coordinate);
                    high[axis] = high[axis].max(coordinate);
                }
            }
        }
        Self::new(&low, &high, bins)
    }

    /// The range of a reference cloud between its 0.1 % and 99.9 % quantiles, with a margin of
    /// 5 % of that range on each side: one flung particle cannot rescale the cells.
    pub fn reference(y: &[f64], bins: &[usize]) -> Result<Self> {
        check_points("y", y, bins.len())?;
        let (mut low, mut high) = (Vec::new(), Vec::new());
        for axis in 0..bins.len() {
            let mut values: Vec<f64> = y.iter().skip(axis).step_by(bins.len()).copied().collect();
            values.sort_unstable_by(f64::total_cmp);
            let (first, last) = (quantile(&values, TAIL), quantile(&values, 1.0 - TAIL));
            let margin = MARGIN * (last - first);
            low.push(first - margin);
            high.push(last + margin);
        }
        Self::new(&low, &high, bins)
    }

    /// Dimension.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.bins.len()
    }

    /// Lower edge of a cell (or, for `cell = bins`, the upper end) on one axis, rounded as
    /// `numpy.linspace` rounds it.
    fn edge(&self, axis: usize, cell: usize) -> f64 {
        if cell == self.bins[axis] {
            return self.high[axis];
        }
        let step = (self.high[axis] - self.low[axis]) / self.bins[axis] as f64;
        cell as f64 * step + self.low[axis]
    }

    /// The cell of a coordinate: `edge(k) <= x < edge(k + 1)`, the last one with its upper end;
    /// outside the box the nearest cell.
    fn cell(&self, axis: usize, x: f64) -> usize {
        let bins = self.bins[axis];
        let x = if self.periodic {
            wrap(x, self.high[axis])
        } else {
            x
        };
        let width = (self.high[axis] - self.low[axis]) / bins as f64;
        let guess = ((x - self.low[axis]) / width).floor();
        let mut cell = (guess.max(0.0) as usize).min(bins - 1);
        // The quotient may be rounded across an edge.
        while cell > 0 && x < self.edge(axis, cell) {
            cell -= 1;
        }
        while cell + 1 < bins && x >= self.edge(axis, cell + 1) {
            cell += 1;
        }
        cell
    }

    /// Count the points (row-major) of a cloud in every cell.
    pub fn histogram(&self, name: &'static str, points: &[f64]) -> Result<Histogram> {
        check_points(name, points, self.dim())?;
        let mut flat: Vec<u64> = points
            .chunks_exact(self.dim())
            .map(|point| {
                point.iter().enumerate().fold(0, |flat, (axis, &x)| {
                    flat * self.bins[axis] as u64 + self.cell(axis, x) as u64
                })
            })
            .collect();
        flat.sort_unstable();
        let mut histogram = Histogram {
            cells: Vec::new(),
            counts: Vec::new(),
        };
        for run in flat.chunk_by(|a, b| a == b) {
            histogram.cells.push(run[0]);
            histogram.counts.push(run.len() as u64);
        }
        Ok(histogram)
    }

    /// Centres of cells (row-major), given their flat indices.
    #[must_use]
    pub fn centres(&self, cells: &[u64]) -> Vec<f64> {
        let dim = self.dim();
        let mut centres = vec![0.0; cells.len() * dim];
        for (centre, &cell) in centres.chunks_exact_mut(dim).zip(cells) {
            let mut flat = cell;
            for axis in (0..dim).rev() {
                let bins = self.bins[axis] as u64;
                let width = (self.high[axis] - self.low[axis]) / bins as f64;
                centre[axis] = self.low[axis] + ((flat % bins) as f64 + 0.5) * width;
                flat /= bins;
            }
        }
        centres
    }
}

fn check_bins(bins: &[usize]) -> Result<()> {
    if bins.is_empty() {
        return Err(Error::Empty { name: "bins" });
    }
    let cells = bins
        .iter()
        .try_fold(1_u64, |cells, &count| cells.checked_mul(count as u64));
    match cells {
        Some(0) => Err(Error::OutOfRange {
            name: "bins",
            expected: "at least 1",
            got: 0.0,
        }),
        Some(cells) if i64::try_from(cells).is_ok() => Ok(()),
        _ => Err(Error::OutOfRange {
            name: "bins",
            expected: "less than 2^63 cells",
            got: bins.iter().map(|&count| count as f64).product(),
        }),
    }
}

fn check_points(name: &'static str, points: &[f64], dim: usize) -> Result<()> {
    if points.is_empty() {
        return Err(Error::Empty { name });
    }
    if !points.len().is_multiple_of(dim) {
        return Err(Error::ShapeMismatch {
            name,
            expected: format!("points of dimension {dim}"),
            got: format!("{} numbers", points.len()),
        });
    }
    match points.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        Some((index, &value)) => Err(Error::NotFinite { name, index, value }),
        None => Ok(()),
    }
}

/// Quantile of sorted values, with linear interpolation between the order statistics.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let position = level * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_half_open_and_the_last_is_closed() {
        let grid = Grid::new(&[0.0], &[1.0], &[10]).expect("a box");
        for k in 0..10 {
            assert_eq!(grid.cell(0, grid.edge(0, k)), k, "lower edge of {k}");
        }
        assert_eq!(grid.cell(0, 1.0), 9);
        assert_eq!((grid.cell(0, -5.0), grid.cell(0, 5.0)), (0, 9));
    }

    #[test]
    fn a_torus_wraps() {
        let grid = Grid::torus(&[2.0, 2.0], &[4, 4]).expect("a torus");
        let histogram = grid.histogram("x", &[-0.1, 0.1, 3.9, 0.1]).expect("points");
        assert_eq!((histogram.cells, histogram.counts), (vec![12], vec![2]));
    }

    #[test]
    fn centres_invert_the_flat_index() {
        let grid = Grid::new(&[0.0, 10.0, -1.0], &[2.0, 14.0, 1.0], &[2, 4, 3]).expect("a box");
        let cells: Vec<u64> = (0..24).collect();
        let histogram = grid.histogram("x", &grid.centres(&cells)).expect("points");
        assert_eq!(histogram.cells, cells);
    }

    #[test]
    fn quantiles_interpolate() {
        let values: Vec<f64> = (0..=1000).map(f64::from).collect();
        assert!((quantile(&values, 0.001) - 1.0).abs() < 1e-9);
        assert!((quantile(&values, 0.9995) - 999.5).abs() < 1e-9);
    }

    #[test]
    fn a_flat_axis_is_widened() {
        let grid = Grid::joint(&[1.0, 3.0], &[2.0, 3.0], &[5, 5]).expect("a box");
        assert_eq!((grid.low[1], grid.high[1]), (2.5, 3.5));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Grid::new(&[0.0], &[1.0], &[0]).is_err());
        assert!(Grid::new(&[1.0], &[0.0], &[3]).is_err());
        assert!(Grid::torus(&[0.0], &[3]).is_err());
        assert!(Grid::new(&[0.0; 3], &[1.0; 3], &[usize::MAX; 3]).is_err());
    }
}
