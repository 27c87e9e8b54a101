//! Python bindings: validate, borrow, leave Python, compute, map the error, return.

use pyo3::prelude::*;

mod arrays;
mod build;
mod error;
mod grid;
mod kpp;
mod ot;
mod resample;
mod run;
mod sim;

#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::build::{build_info, default_threads, set_default_threads};
    #[pymodule_export]
    use crate::grid::{RawGridPlan, grid_w2, histogram_w2};
    #[pymodule_export]
    use crate::kpp::{Front, flow_velocity, torus_points};
    #[pymodule_export]
    use crate::ot::{RawPlan, emd_batch, emd_matrix, emd_points};
    #[pymodule_export]
    use crate::resample::resample;
    #[pymodule_export]
    use crate::sim::{KellerSegel, uniform_ball};
}
