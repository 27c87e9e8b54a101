//! Resampling.

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use twostep_core::sim::{self, Order, Scheme, Weights};
use twostep_core::{Result, pool};

use crate::arrays::vector;
use crate::error::to_python;
use crate::run::run;

/// Up to here a call takes a few milliseconds at most: less than it is worth to copy the weights
/// and to leave Python.
const SMALL: usize = 1 << 20;

/// Up to here one thread is faster than the way to others.
const TINY: usize = 1 << 15;

/// The ancestors of `m` particles drawn by weights, or by their logarithms.
#[pyfunction]
#[pyo3(signature = (weights, logarithmic, m, scheme, in_place, seed, *, threads=None))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments")]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a borrow that ends with the call"
)]
pub(crate) fn resample<'py>(
    py: Python<'py>,
    weights: PyReadonlyArray1<'py, f64>,
    logarithmic: bool,
    m: usize,
    scheme: &str,
    in_place: bool,
    seed: u64,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let scheme = Scheme::from_name("scheme", scheme).map_err(|error| to_python(&error))?;
    let order = if in_place {
        Order::InPlace
    } else {
        Order::Sorted
    };
    let draw = |values: &[f64]| -> Result<Vec<i64>> {
        let weights = if logarithmic {
            Weights::Logarithmic(values)
        } else {
            Weights::Plain(values)
        };
        sim::resample(weights, m, scheme, order, seed)
    };
    let size = weights.as_array().len().max(m);
    let ancestors = match weights.as_slice() {
        Ok(values) if size <= TINY => draw(values).map_err(|error| to_python(&error))?,
        Ok(values) if size <= SMALL => pool::pool(threads)
            .and_then(|pool| pool.install(|| draw(values)))
            .map_err(|error| to_python(&error))?,
        _ => {
            let values = vector(&weights);
            run(py, threads, None, |_| draw(&values))?
        }
    };
    Ok(PyArray1::from_vec(py, ancestors))
}
