//! Arrays at the border: copies into the core's layout.
//!
//! Copies, because the interpreter may run while the core works and nothing stops other Python
//! threads from writing; next to the work that is done on them they cost nothing.

use numpy::{PyReadonlyArray1, PyReadonlyArray2};

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
