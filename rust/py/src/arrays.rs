//! Arrays at the border: copies into the core's layout.
//!
//! Copies, because the interpreter may run while the core works and nothing stops other Python
//! threads from writing; next to the work that is done on them they cost nothing.

use numpy::{PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use twostep_core::{Error, Result};

use crate::error::to_python;

/// A row-major copy of a two-dimensional array.
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) data: Vec<f64>,
}

/// Copy a matrix of any memory order.
pub(crate) fn matrix(array: &PyReadonlyArray2<'_, f64>) -> Matrix {
    let view = array.as_array();
    Matrix {
        rows: view.nrows(),
        columns: view.ncols(),
        data: view.iter().copied().collect(),
    }
}

/// Copy a vector of any stride.
pub(crate) fn vector(array: &PyReadonlyArray1<'_, f64>) -> Vec<f64> {
    array.as_array().iter().copied().collect()
}

/// The finite, non-empty point cloud in the argument `name`, in exactly `D` dimensions.
pub(crate) fn points_in<const D: usize>(
    name: &'static str,
    array: &Bound<'_, PyArray2<f64>>,
) -> PyResult<Vec<[f64; D]>> {
    checked_points(name, &matrix(&array.try_readonly()?)).map_err(|error| to_python(&error))
}

fn checked_points<const D: usize>(name: &'static str, points: &Matrix) -> Result<Vec<[f64; D]>> {
    if points.data.is_empty() {
        return Err(Error::Empty { name });
    }
    if points.columns != D {
        return Err(Error::ShapeMismatch {
            name,
            expected: format!("shape (n, {D})"),
            got: format!("({}, {})", points.rows, points.columns),
        });
    }
    if let Some((index, &value)) = points.data.iter().enumerate().find(|(_, x)| !x.is_finite()) {
        return Err(Error::NotFinite { name, index, value });
    }
    Ok(points.data.as_chunks().0.to_vec())
}

/// Points as a new array.
pub(crate) fn from_points<'py, const D: usize>(
    py: Python<'py>,
    points: &[[f64; D]],
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let flat = numpy::PyArray1::from_slice(py, points.as_flattened());
    flat.reshape([points.len(), D])
}
