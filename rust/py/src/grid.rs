//! Bindings of histogram distances.

use numpy::PyReadonlyArray2;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use twostep_core::grid::{self, Grid};
use twostep_core::{Error, Result};

use crate::arrays::{Matrix, matrix};
use crate::error::to_python;
use crate::run::run;

/// Names of the rules for the box of a histogram.
const BOX_RULES: &[&str] = &["reference", "joint"];

/// Exact W2 squared between the histograms of two clouds.
///
/// One of `period`, `ends` (low and high) and `rule` says where the grid lies.
#[pyfunction]
#[pyo3(signature = (x, y, bins, rule, ends, period, threads))]
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)]
pub(crate) fn histogram_w2<'py>(
    py: Python<'py>,
    x: PyReadonlyArray2<'py, f64>,
    y: PyReadonlyArray2<'py, f64>,
    bins: Vec<usize>,
    rule: &str,
    ends: Option<(Vec<f64>, Vec<f64>)>,
    period: Option<Vec<f64>>,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyDict>> {
    let (x, y) = (matrix(&x), matrix(&y));
    let grid = place(&x, &y, &bins, rule, ends, period).map_err(|error| to_python(&error))?;
    let distance = run(py, threads, None, |control| {
        grid::histogram_w2(&grid, &x.data, &y.data, control)
    })?;
    let result = PyDict::new(py);
    result.set_item("w2_squared", distance.w2_squared)?;
    result.set_item("occupied", distance.occupied)?;
    result.set_item("low", grid.low)?;
    result.set_item("high", grid.high)?;
    result.set_item("gap", distance.certificate.gap())?;
    result.set_item("max_violation", distance.certificate.max_violation)?;
    result.set_item("cost_scale", distance.certificate.cost_scale)?;
    Ok(result)
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
