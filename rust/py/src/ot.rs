//! Bindings of exact transport.

use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use rayon::prelude::*;
use twostep_core::Result;
use twostep_core::domain::Domain;
use twostep_core::ot::{self, Masses, Metric, Plan, WarmStart, emd::PointProblem};

use crate::arrays::{Matrix, matrix, vector};
use crate::error::to_python;
use crate::run::{run, run_or_stay};

type Indices<'py> = Bound<'py, PyArray1<i64>>;

/// An optimal plan, with what a warm start needs.
#[pyclass(frozen, module = "twostep_rs._core")]
pub(crate) struct RawPlan {
    plan: Plan,
    warm_start: Option<Arc<WarmStart>>,
}

#[pymethods]
impl RawPlan {
    /// Sources, targets and masses of the entries.
    fn entries<'py>(
        &self,
        py: Python<'py>,
    ) -> (Indices<'py>, Indices<'py>, Bound<'py, PyArray1<f64>>) {
        let wide =
            |indices: &[u32]| -> Vec<i64> { indices.iter().map(|&i| i64::from(i)).collect() };
        (
            wide(&self.plan.rows).into_pyarray(py),
            wide(&self.plan.columns).into_pyarray(py),
            self.plan.mass.clone().into_pyarray(py),
        )
    }

    /// Duals of the sources and of the targets.
    fn potentials<'py>(
        &self,
        py: Python<'py>,
    ) -> (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>) {
        (
            self.plan.u.clone().into_pyarray(py),
            self.plan.v.clone().into_pyarray(py),
        )
    }

    #[getter]
    fn cost(&self) -> f64 {
        self.plan.certificate.primal
    }

    #[getter]
    fn dual(&self) -> f64 {
        self.plan.certificate.dual
    }

    #[getter]
    fn gap(&self) -> f64 {
        self.plan.certificate.gap()
    }

    #[getter]
    fn max_violation(&self) -> f64 {
        self.plan.certificate.max_violation
    }

    #[getter]
    fn marginal_residual(&self) -> f64 {
        self.plan.certificate.marginal_residual
    }

    #[getter]
    fn cost_scale(&self) -> f64 {
        self.plan.certificate.cost_scale
    }

    #[getter]
    fn pivots(&self) -> u64 {
        self.plan.pivots
    }

    #[getter]
    fn rounds(&self) -> u32 {
        self.plan.rounds
    }

    #[getter]
    fn warm(&self) -> bool {
        self.plan.warm
    }
}

/// A point problem that owns its data, so that it can be solved without the interpreter.
struct OwnedProblem {
    x: Matrix,
    y: Matrix,
    metric: Metric,
    domain: Domain,
    masses: Masses,
}

impl OwnedProblem {
    fn new(
        x: &PyReadonlyArray2<'_, f64>,
        y: &PyReadonlyArray2<'_, f64>,
        a: Option<&PyReadonlyArray1<'_, f64>>,
        b: Option<&PyReadonlyArray1<'_, f64>>,
        metric: &str,
        period: Option<&[f64]>,
    ) -> Result<Self> {
        let (x, y) = (matrix(x), matrix(y));
        if x.columns != y.columns {
            return Err(twostep_core::Error::ShapeMismatch {
                name: "y",
                expected: format!("points of dimension {}, like x", x.columns),
                got: y.columns.to_string(),
            });
        }
        let uniform = |count: usize| vec![1.0 / count as f64; count];
        let masses = match (a, b) {
            (None, None) => Masses::uniform(x.rows, y.rows)?,
            (a, b) => Masses::new(
                &a.map_or_else(|| uniform(x.rows), vector),
                &b.map_or_else(|| uniform(y.rows), vector),
            )?,
        };
        let domain = match period {
            None => Domain::Free,
            Some(periods) => Domain::periodic(periods)?,
        };
        Ok(Self {
            x,
            y,
            metric: Metric::from_name(metric)?,
            domain,
            masses,
        })
    }

    fn solve(
        &self,
        warm_start: Option<&WarmStart>,
        max_pivots: Option<u64>,
        control: &twostep_core::Control,
    ) -> Result<RawPlan> {
        let problem = PointProblem {
            x: &self.x.data,
            y: &self.y.data,
            dim: self.x.columns,
            metric: self.metric,
            domain: &self.domain,
            masses: &self.masses,
        };
        let (plan, warm) = ot::emd(&problem, warm_start, max_pivots, control)?;
        Ok(RawPlan {
            plan,
            warm_start: warm.map(Arc::new),
        })
    }
}

/// Solve one problem between clouds.
#[pyfunction]
#[pyo3(signature = (x, y, a, b, metric, period, warm_start, max_pivots, threads))]
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)]
pub(crate) fn emd_points(
    py: Python<'_>,
    x: PyReadonlyArray2<'_, f64>,
    y: PyReadonlyArray2<'_, f64>,
    a: Option<PyReadonlyArray1<'_, f64>>,
    b: Option<PyReadonlyArray1<'_, f64>>,
    metric: &str,
    period: Option<Vec<f64>>,
    warm_start: Option<Bound<'_, RawPlan>>,
    max_pivots: Option<u64>,
    threads: Option<usize>,
) -> PyResult<RawPlan> {
    let problem = OwnedProblem::new(&x, &y, a.as_ref(), b.as_ref(), metric, period.as_deref())
        .map_err(|error| to_python(&error))?;
    let warm = warm_start.and_then(|plan| plan.get().warm_start.clone());
    let several = ot::several_pay(problem.x.rows, problem.y.rows);
    run_or_stay(py, threads, several, |control| {
        problem.solve(warm.as_deref(), max_pivots, control)
    })
}

/// Solve many problems between clouds of equal masses, one per task.
#[pyfunction]
#[pyo3(signature = (xs, ys, metric, period, warm_starts, max_pivots, threads))]
#[allow(clippy::too_many_arguments, clippy::needless_pass_by_value)]
pub(crate) fn emd_batch(
    py: Python<'_>,
    xs: Vec<PyReadonlyArray2<'_, f64>>,
    ys: Vec<PyReadonlyArray2<'_, f64>>,
    metric: &str,
    period: Option<Vec<f64>>,
    warm_starts: Vec<Option<Bound<'_, RawPlan>>>,
    max_pivots: Option<u64>,
    threads: Option<usize>,
) -> PyResult<Vec<RawPlan>> {
    let problems = xs
        .iter()
        .zip(&ys)
        .map(|(x, y)| OwnedProblem::new(x, y, None, None, metric, period.as_deref()))
        .collect::<Result<Vec<_>>>()
        .map_err(|error| to_python(&error))?;
    let warm_starts: Vec<Option<Arc<WarmStart>>> = warm_starts
        .into_iter()
        .map(|plan| plan.and_then(|plan| plan.get().warm_start.clone()))
        .collect();
    run(py, threads, None, |control| {
        control.set_total(problems.len() as u64);
        let plans: Vec<Result<RawPlan>> = problems
            .par_iter()
            .zip(&warm_starts)
            .map(|(problem, warm)| {
                let plan = problem.solve(warm.as_deref(), max_pivots, control)?;
                control.advance(1);
                Ok(plan)
            })
            .collect();
        // Of several errors the first one.
        plans.into_iter().collect()
    })
}

/// Solve the problem of an explicit cost matrix.
#[pyfunction]
#[pyo3(signature = (a, b, costs, max_pivots, threads))]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn emd_matrix(
    py: Python<'_>,
    a: PyReadonlyArray1<'_, f64>,
    b: PyReadonlyArray1<'_, f64>,
    costs: PyReadonlyArray2<'_, f64>,
    max_pivots: Option<u64>,
    threads: Option<usize>,
) -> PyResult<RawPlan> {
    let masses = Masses::new(&vector(&a), &vector(&b)).map_err(|error| to_python(&error))?;
    let costs = matrix(&costs);
    if (costs.rows, costs.columns) != (masses.a.len(), masses.b.len()) {
        return Err(to_python(&twostep_core::Error::ShapeMismatch {
            name: "M",
            expected: format!(
                "({}, {}), one entry per pair",
                masses.a.len(),
                masses.b.len()
            ),
            got: format!("({}, {})", costs.rows, costs.columns),
        }));
    }
    let several = ot::several_pay_on_matrix(costs.data.len());
    run_or_stay(py, threads, several, |control| {
        let plan = ot::emd_matrix(&costs.data, &masses, max_pivots, control)?;
        Ok(RawPlan {
            plan,
            warm_start: None,
        })
    })
}
