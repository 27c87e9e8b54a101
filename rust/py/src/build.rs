//! What this build is, and its default number of threads.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use twostep_core::{pool, simd};

/// Facts about this build and this processor.
#[pyfunction]
pub(crate) fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("version", env!("CARGO_PKG_VERSION"))?;
    info.set_item(
        "profile",
        if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        },
    )?;
    info.set_item(
        "target",
        format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
    )?;
    info.set_item("simd", simd::arch_name())?;
    Ok(info)
}

/// The number of threads that a call uses when it does not say.
#[pyfunction]
pub(crate) fn default_threads() -> usize {
    pool::default_threads()
}

/// Set the number of threads that a call uses when it does not say; 0 returns to the rule.
#[pyfunction]
pub(crate) fn set_default_threads(threads: usize) {
    pool::set_default_threads(threads);
}
