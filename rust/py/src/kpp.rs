//! Feynman-Kac particles of KPP fronts.

use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use twostep_core::sim::{
    self, FeynmanKac, FeynmanKacIntegrator, FeynmanKacSettings, Field, Scheme, Trigger,
};
use twostep_core::{Control, Error, Result};

use crate::arrays::{from_points, points_in};
use crate::error::to_python;
use crate::run::{run, run_or_stay};

/// The particle system of a front at one diffusivity.
#[pyclass(frozen, module = "twostep_rs._core", name = "FeynmanKac")]
pub(crate) struct Front(FeynmanKacSettings);

#[pymethods]
impl Front {
    #[new]
    #[pyo3(signature = (*, flow, parameters, lam, kappa, steps, integrator, resampling, every, ess))]
    #[expect(
        clippy::too_many_arguments,
        clippy::needless_pass_by_value,
        reason = "keyword arguments of a constructor"
    )]
    fn new(
        flow: Vec<String>,
        parameters: Vec<(String, f64)>,
        lam: f64,
        kappa: f64,
        steps: u32,
        integrator: &str,
        resampling: &str,
        every: u32,
        ess: Option<f64>,
    ) -> PyResult<Self> {
        let settings = || -> Result<FeynmanKacSettings> {
            let settings = FeynmanKacSettings {
                field: field(&flow, &parameters)?,
                lambda: lam,
                kappa,
                steps,
                integrator: FeynmanKacIntegrator::from_name("integrator", integrator)?,
                scheme: Scheme::from_name("resampling", resampling)?,
                trigger: ess.map_or(Trigger::Every(every), Trigger::EffectiveSize),
            };
            match flow.len() {
                2 => FeynmanKac::<2>::new(settings.clone()).map(|_| settings),
                3 => FeynmanKac::<3>::new(settings.clone()).map(|_| settings),
                dim => Err(unknown_dim(dim)),
            }
        };
        settings().map(Self).map_err(|error| to_python(&error))
    }

    /// Run some periods from the particles of `source`.
    #[pyo3(signature = (source, periods, seed, *, threads=None, progress=None))]
    fn run<'py>(
        &self,
        py: Python<'py>,
        source: &Bound<'py, PyArray2<f64>>,
        periods: u32,
        seed: u64,
        threads: Option<usize>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        match self.0.field.dim() {
            2 => self.generations::<2>(py, source, periods, seed, threads, progress),
            _ => self.generations::<3>(py, source, periods, seed, threads, progress),
        }
    }
}

impl Front {
    fn generations<'py, const D: usize>(
        &self,
        py: Python<'py>,
        source: &Bound<'py, PyArray2<f64>>,
        periods: u32,
        seed: u64,
        threads: Option<usize>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let points = points_in::<D>("initial", source)?;
        let found = run(py, threads, progress, |control| {
            FeynmanKac::new(self.0.clone())?.run(&points, periods, seed, control)
        })?;
        let result = PyDict::new(py);
        result.set_item("cloud", from_points(py, &found.cloud)?)?;
        result.set_item("growth", PyArray1::from_vec(py, found.growth))?;
        result.set_item("ess", PyArray1::from_vec(py, found.effective_size))?;
        let ancestors = found.ancestors.into_iter().map(i64::from).collect();
        result.set_item("ancestors", PyArray1::from_vec(py, ancestors))?;
        Ok(result)
    }
}

/// The velocity at the points `x` and time `t`.
#[pyfunction]
#[pyo3(signature = (flow, parameters, x, t))]
#[expect(clippy::needless_pass_by_value, reason = "converted from Python")]
pub(crate) fn flow_velocity<'py>(
    flow: Vec<String>,
    parameters: Vec<(String, f64)>,
    x: &Bound<'py, PyArray2<f64>>,
    t: f64,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let field = field(&flow, &parameters).map_err(|error| to_python(&error))?;
    match flow.len() {
        2 => velocity::<2>(&field, x, t),
        3 => velocity::<3>(&field, x, t),
        dim => Err(to_python(&unknown_dim(dim))),
    }
}

fn velocity<'py, const D: usize>(
    field: &Field,
    x: &Bound<'py, PyArray2<f64>>,
    t: f64,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let points = points_in::<D>("x", x)?;
    let found = run_or_stay(x.py(), Some(1), false, |_| Ok(field.velocity(&points, t)))?;
    from_points(x.py(), &found)
}

/// Independent points on the torus of period `2 pi`: uniform, or normal around its centre.
#[pyfunction]
#[pyo3(signature = (dim, n, deviation, seed, *, threads=None))]
pub(crate) fn torus_points(
    py: Python<'_>,
    dim: usize,
    n: usize,
    deviation: Option<f64>,
    seed: u64,
    threads: Option<usize>,
) -> PyResult<Bound<'_, PyArray2<f64>>> {
    fn draw<const D: usize>(
        n: usize,
        deviation: Option<f64>,
        seed: u64,
        control: &Control,
    ) -> Result<Vec<[f64; D]>> {
        match deviation {
            None => sim::uniform_torus(n, seed, control),
            Some(deviation) => sim::gaussian_torus(n, deviation, seed, control),
        }
    }
    match dim {
        2 => {
            let draw = |control: &Control| draw::<2>(n, deviation, seed, control);
            from_points(py, &run(py, threads, None, draw)?)
        }
        3 => {
            let draw = |control: &Control| draw::<3>(n, deviation, seed, control);
            from_points(py, &run(py, threads, None, draw)?)
        }
        _ => Err(to_python(&unknown_dim(dim))),
    }
}

fn field(flow: &[String], parameters: &[(String, f64)]) -> Result<Field> {
    let components: Vec<&str> = flow.iter().map(String::as_str).collect();
    let parameters: Vec<(&str, f64)> = parameters
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    Field::parse("flow", &components, &parameters)
}

fn unknown_dim(dim: usize) -> Error {
    Error::UnknownOption {
        name: "dim",
        expected: &["2", "3"],
        got: dim.to_string(),
    }
}
