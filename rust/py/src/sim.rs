//! Particle simulation.

use numpy::PyArray2;
use pyo3::prelude::*;
use twostep_core::sim::{self, Parts, Settings};
use twostep_core::{Control, Error, Result};

use crate::arrays::{from_points, points_in};
use crate::error::to_python;
use crate::run::run;

/// The Keller-Segel system in three or four dimensions.
#[pyclass(frozen, module = "twostep_rs._core")]
pub(crate) struct KellerSegel(System);

enum System {
    Three(sim::KellerSegel<3>),
    Four(sim::KellerSegel<4>),
}

#[pymethods]
impl KellerSegel {
    #[new]
    #[pyo3(signature = (
        *, dim, flow, kernel, delta, precision, attraction, diffusion, duration, steps, integrator,
        kick_every
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "keyword arguments of a constructor"
    )]
    fn new(
        dim: usize,
        flow: &str,
        kernel: &str,
        delta: f64,
        precision: &str,
        attraction: f64,
        diffusion: f64,
        duration: f64,
        steps: u32,
        integrator: &str,
        kick_every: u32,
    ) -> PyResult<Self> {
        let settings = Settings {
            flow,
            kernel,
            delta,
            precision,
            attraction,
            diffusion,
            duration,
            steps,
            integrator,
            kick_every,
        };
        let system = match dim {
            3 => sim::KellerSegel::new(&settings).map(System::Three),
            4 => sim::KellerSegel::new(&settings).map(System::Four),
            _ => Err(unknown_dim(dim)),
        };
        system.map(Self).map_err(|error| to_python(&error))
    }

    /// The particles of `source` at the final time.
    #[pyo3(signature = (source, sigma, seed, *, threads=None, progress=None))]
    fn simulate<'py>(
        &self,
        py: Python<'py>,
        source: &Bound<'py, PyArray2<f64>>,
        sigma: f64,
        seed: u64,
        threads: Option<usize>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        match &self.0 {
            System::Three(system) => {
                on_points(py, "source", source, threads, progress, |x, control| {
                    system.simulate(x, sigma, seed, control)
                })
            }
            System::Four(system) => {
                on_points(py, "source", source, threads, progress, |x, control| {
                    system.simulate(x, sigma, seed, control)
                })
            }
        }
    }

    /// The drift of the particles at `x`.
    #[pyo3(signature = (x, sigma, *, chemotaxis=true, flow=true, threads=None))]
    fn drift<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyArray2<f64>>,
        sigma: f64,
        chemotaxis: bool,
        flow: bool,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let parts = Parts { chemotaxis, flow };
        match &self.0 {
            System::Three(system) => on_points(py, "x", x, threads, None, |x, control| {
                system.drift(x, sigma, parts, control)
            }),
            System::Four(system) => on_points(py, "x", x, threads, None, |x, control| {
                system.drift(x, sigma, parts, control)
            }),
        }
    }
}

/// The door for a map from points to points.
fn on_points<'py, const D: usize>(
    py: Python<'py>,
    name: &'static str,
    points: &Bound<'py, PyArray2<f64>>,
    threads: Option<usize>,
    progress: Option<&Bound<'py, PyAny>>,
    map: impl FnOnce(&[[f64; D]], &Control) -> Result<Vec<[f64; D]>> + Send,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let points = points_in(name, points)?;
    let result = run(py, threads, progress, |control| map(&points, control))?;
    from_points(py, &result)
}

/// Independent uniform points in the unit ball.
#[pyfunction]
#[pyo3(signature = (dim, n, seed, *, threads=None))]
pub(crate) fn uniform_ball(
    py: Python<'_>,
    dim: usize,
    n: usize,
    seed: u64,
    threads: Option<usize>,
) -> PyResult<Bound<'_, PyArray2<f64>>> {
    match dim {
        3 => from_points(
            py,
            &run(py, threads, None, |c| sim::uniform_ball::<3>(n, seed, c))?,
        ),
        4 => from_points(
            py,
            &run(py, threads, None, |c| sim::uniform_ball::<4>(n, seed, c))?,
        ),
        _ => Err(to_python(&unknown_dim(dim))),
    }
}

fn unknown_dim(dim: usize) -> Error {
    Error::UnknownOption {
        name: "dim",
        expected: &["3", "4"],
        got: dim.to_string(),
    }
}
