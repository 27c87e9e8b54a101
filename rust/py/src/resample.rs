//! Resampling.

use numpy::{PyReadonlyArray1, PyReadwriteArray1};
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

/// Write the ancestors of particles drawn by weights, or by their logarithms, to `ancestors`.
///
/// The caller has the place for them, so that nobody fills it with zeros first.
#[pyfunction]
#[pyo3(signature = (weights, logarithmic, scheme, in_place, seed, ancestors, *, threads=None))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments")]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a borrow that ends with the call"
)]
pub(crate) fn resample<'py>(
    py: Python<'py>,
    weights: PyReadonlyArray1<'py, f64>,
    logarithmic: bool,
    scheme: &str,
    in_place: bool,
    seed: u64,
    mut ancestors: PyReadwriteArray1<'py, i64>,
    threads: Option<usize>,
) -> PyResult<()> {
    let scheme = Scheme::from_name("scheme", scheme).map_err(|error| to_python(&error))?;
    let order = if in_place {
        Order::InPlace
    } else {
        Order::Sorted
    };
    let ancestors = ancestors.as_slice_mut()?;
    let size = weights.as_array().len().max(ancestors.len());
    let mut draw = |values: &[f64]| -> Result<()> {
        let weights = if logarithmic {
            Weights::Logarithmic(values)
        } else {
            Weights::Plain(values)
        };
        sim::resample(weights, scheme, order, seed, ancestors)
    };
    match weights.as_slice() {
        Ok(values) if size <= TINY => draw(values).map_err(|error| to_python(&error)),
        Ok(values) if size <= SMALL => pool::pool(threads)
            .and_then(|pool| pool.install(|| draw(values)))
            .map_err(|error| to_python(&error)),
        _ => {
            let values = vector(&weights);
            run(py, threads, None, |_| draw(&values))
        }
    }
}
