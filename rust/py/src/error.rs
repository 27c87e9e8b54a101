//! From the core's error to the exceptions of `twostep_rs.errors`.

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use twostep_core::Error;

pyo3::import_exception!(twostep_rs.errors, ConvergenceError);
pyo3::import_exception!(twostep_rs.errors, InputError);
pyo3::import_exception!(twostep_rs.errors, MassError);
pyo3::import_exception!(twostep_rs.errors, ShapeError);

/// The exception that a core error becomes.
pub(crate) fn to_python(error: &Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::ShapeMismatch { .. } | Error::Empty { .. } => ShapeError::new_err(text),
        Error::NegativeMass { .. } | Error::MassImbalance { .. } => MassError::new_err(text),
        Error::IterationLimit { gap, .. } => ConvergenceError::new_err((text, *gap)),
        Error::Cancelled => PyKeyboardInterrupt::new_err(()),
        Error::Internal(_) => PyRuntimeError::new_err(text),
        _ => InputError::new_err(text),
    }
}
