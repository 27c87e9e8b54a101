//! Bindings of distances between grids.

use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use twostep_core::grid::{self, Grid, GridPlan, WarmGrid};
use twostep_core::{Control, Error, Result};

use crate::arrays::{Matrix, matrix, vector};
use crate::run::run;

/// Names of the rules for the box of a histogram.
const BOX_RULES: &[&str] = &["reference", "joint"];

type Floats<'py> = Bound<'py, PyArray1<f64>>;
type Indices<'py> = Bound<'py, PyArray1<i64>>;

/// An optimal plan between grids, with what a warm start needs.
#[pyclass(frozen, module = "twostep_rs._core")]
pub(crate) struct RawGridPlan {
    grid: Grid,
    plan: GridPlan,
    warm_start: Option<Arc<WarmGrid>>,
}

#[pymethods]
impl RawGridPlan {
    /// Flat cells of source and target, and mass, of every entry.
    fn entries<'py>(&self, py: Python<'py>) -> (Indices<'py>, Indices<'py>, Floats<'py>) {
        let GridPlan {
            cells,
            rows,
            columns,
            mass,
            ..
        } = &self.plan;
        let flat = |places: &[u32], cells: &[u64]| -> Vec<i64> {
            let cells = places.iter().map(|&place| cells[place as usize]);
            cells.map(|cell| cell as i64).collect()
        };
        (
            flat(rows, &cells[0]).into_pyarray(py),
            flat(columns, &cells[1]).into_pyarray(py),
            mass.clone().into_pyarray(py),
        )
    }

    /// Occupied cells of both sides, and their duals.
    #[allow(clippy::type_complexity)]
    fn potentials<'py>(
        &self,
        py: Python<'py>,
    ) -> (Indices<'py>, Floats<'py>, Indices<'py>, Floats<'py>) {
        let [x, y] = &self.plan.cells;
        let flat = |cells: &[u64]| -> Vec<i64> { cells.iter().map(|&c| c as i64).collect() };
        (
            flat(x).into_pyarray(py),
            self.plan.u.clone().into_pyarray(py),
            flat(y).into_pyarray(py),
            self.plan.v.clone().into_pyarray(py),
        )
    }

    #[getter]
    fn w2_squared(&self) -> f64 {
        self.plan.w2_squared
    }

    /// W2 squared in cells, as two whole numbers.
    #[getter]
    fn in_cells(&self) -> Option<(i128, i128)> {
        self.plan.in_cells
    }

    #[getter]
    fn low(&self) -> Vec<f64> {
        self.grid.low.clone()
    }

    #[getter]
    fn high(&self) -> Vec<f64> {
        self.grid.high.clone()
    }

    #[getter]
    fn occupied(&self) -> (usize, usize) {
        (self.plan.cells[0].len(), self.plan.cells[1].len())
    }

    #[getter]
    fn gap(&self) -> f64 {
        self.plan.certificate.gap()
    }

    #[getter]
    fn max_violation(&self) -> f64 {
        self.plan.certificate.max_violation
    }

    #[getter]
    fn marginal_residual(&self) -> f64 {
        self.plan.certificate.marginal_residual
    }

    #[getter]
    fn cost_scale(&self) -> f64 {
        self.plan.certificate.cost_scale
    }

    #[getter]
    fn cost_rounding(&self) -> f64 {
        self.plan.cost_rounding
    }

    #[getter]
    fn pivots(&self) -> u64 {
        self.plan.pivots
    }

    #[getter]
    fn warm(&self) -> bool {
        self.plan.warm
    }
}

/// Exact W2 squared between the histograms of two clouds.
///
/// One of `period`, `ends` (low and high) and `rule` says where the grid lies.
#[pyfunction]
#[pyo3(signature = (x, y, bins, rule, ends, period, warm_start, threads))]
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)]
pub(crate) fn histogram_w2(
    py: Python<'_>,
    x: PyReadonlyArray2<'_, f64>,
    y: PyReadonlyArray2<'_, f64>,
    bins: Vec<usize>,
    rule: &str,
    ends: Option<(Vec<f64>, Vec<f64>)>,
    period: Option<Vec<f64>>,
    warm_start: Option<Bound<'_, RawGridPlan>>,
    threads: Option<usize>,
) -> PyResult<RawGridPlan> {
    let (x, y) = (matrix(&x), matrix(&y));
    solved(py, warm_start, threads, |warm, control| {
        let grid = place(&x, &y, &bins, rule, ends, period)?;
        let found = grid::histogram_w2(&grid, &x.data, &y.data, warm, control)?;
        Ok((grid, found))
    })
}

/// Exact W2 squared between the weights of the cells of one grid, row-major.
#[pyfunction]
#[pyo3(signature = (a, b, bins, ends, period, warm_start, threads))]
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)]
pub(crate) fn grid_w2(
    py: Python<'_>,
    a: PyReadonlyArray1<'_, f64>,
    b: PyReadonlyArray1<'_, f64>,
    bins: Vec<usize>,
    ends: (Vec<f64>, Vec<f64>),
    period: Option<Vec<f64>>,
    warm_start: Option<Bound<'_, RawGridPlan>>,
    threads: Option<usize>,
) -> PyResult<RawGridPlan> {
    let (a, b) = (vector(&a), vector(&b));
    solved(py, warm_start, threads, |warm, control| {
        let grid = match period {
            Some(period) => Grid::torus(&period, &bins),
            None => Grid::new(&ends.0, &ends.1, &bins),
        }?;
        let found = grid::grid_w2(&grid, &a, &b, warm, control)?;
        Ok((grid, found))
    })
}

fn solved(
    py: Python<'_>,
    warm_start: Option<Bound<'_, RawGridPlan>>,
    threads: Option<usize>,
    solve: impl FnOnce(Option<&WarmGrid>, &Control) -> Result<(Grid, (GridPlan, Option<WarmGrid>))>
    + Send,
) -> PyResult<RawGridPlan> {
    let warm = warm_start.and_then(|plan| plan.get().warm_start.clone());
    let (grid, (plan, warm)) = run(py, threads, None, |control| solve(warm.as_deref(), control))?;
    Ok(RawGridPlan {
        grid,
        plan,
        warm_start: warm.map(Arc::new),
    })
}

fn place(
    x: &Matrix,
    y: &Matrix,
    bins: &[usize],
    rule: &str,
    ends: Option<(Vec<f64>, Vec<f64>)>,
    period: Option<Vec<f64>>,
) -> Result<Grid> {
    for (name, cloud) in [("x", x), ("y", y)] {
        if cloud.columns != bins.len() {
            return Err(Error::ShapeMismatch {
                name,
                expected: format!("points of dimension {}, one per entry of bins", bins.len()),
                got: cloud.columns.to_string(),
            });
        }
    }
    match (period, ends, rule) {
        (Some(period), ..) => Grid::torus(&period, bins),
        (None, Some((low, high)), _) => Grid::new(&low, &high, bins),
        (None, None, "joint") => Grid::joint(&x.data, &y.data, bins),
        (None, None, "reference") => Grid::reference(&y.data, bins),
        (None, None, other) => Err(Error::UnknownOption {
            name: "box",
            expected: BOX_RULES,
            got: other.to_owned(),
        }),
    }
}
