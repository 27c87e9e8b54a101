//! Feynman-Kac particles of the KPP front speed.
//!
//! Particles on the torus of period `2 pi` follow `dX = (2 kappa lambda e_1 + v(X, t)) dt +
//! sqrt(2 kappa) dW`. An Euler-Maruyama step from `X` at time `t` multiplies the weight by
//! `exp(dt lambda v_1(X, t))`; a step of Heun's takes the mean of the velocities at `X` and at the
//! place and time where that step ends, for the move and the weight. Now and then particles are
//! resampled by their weights. The logarithms of the mean weights add up to the growth, whose mean
//! per period tends to the principal eigenvalue `mu_0`, and the particles to the law of the forward
//! eigenfunction.

mod curve;
mod prior;
mod run;
mod step;
#[cfg(test)]
mod tests;
mod tile;

pub use self::prior::{gaussian_torus, uniform_torus};
use self::run::Run;
use super::expression::Field;
use super::particles::particle_count;
use super::resample::Scheme;
use crate::{Control, Error, Result};

/// When particles are resampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trigger {
    /// After every so many steps.
    Every(u32),
    /// When the effective sample size falls below this part of the particles.
    EffectiveSize(f64),
}

/// How a step is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeynmanKacIntegrator {
    /// Euler-Maruyama, of weak order one.
    Euler,
    /// Heun with the same noise in both of its parts: of weak order two where noise is additive.
    Heun,
}

impl FeynmanKacIntegrator {
    /// The integrator called `name`.
    pub fn from_name(argument: &'static str, name: &str) -> Result<Self> {
        match name {
            "euler" => Ok(Self::Euler),
            "heun" => Ok(Self::Heun),
            _ => Err(Error::UnknownOption {
                name: argument,
                expected: &["euler", "heun"],
                got: name.into(),
            }),
        }
    }
}

/// What [`FeynmanKac::new`] is told.
#[derive(Debug, Clone)]
pub struct FeynmanKacSettings {
    /// The velocity `v`, of period `2 pi` in each coordinate and 1 in time.
    pub field: Field,
    /// `lambda`, the decay of the front.
    pub lambda: f64,
    /// Diffusivity.
    pub kappa: f64,
    /// Steps in a period,
    pub steps: u32,
    /// and how each is taken.
    pub integrator: FeynmanKacIntegrator,
    /// How particles are resampled,
    pub scheme: Scheme,
    /// and when.
    pub trigger: Trigger,
}

/// The particle system, in `D` dimensions.
#[derive(Debug, Clone)]
pub struct FeynmanKac<const D: usize> {
    settings: FeynmanKacSettings,
}

/// What a run has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Generations<const D: usize> {
    /// The particles at the end, all of the same weight.
    pub cloud: Vec<[f64; D]>,
    /// Growth of the total weight in each period.
    pub growth: Vec<f64>,
    /// The smallest effective sample size in each period.
    pub effective_size: Vec<f64>,
    /// Particles at the start of each period with descendants at its end.
    pub ancestors: Vec<u32>,
}

impl<const D: usize> FeynmanKac<D> {
    /// The system with these settings, after a check of each.
    pub fn new(settings: FeynmanKacSettings) -> Result<Self> {
        let out_of_range = |name, expected, got| {
            Err(Error::OutOfRange {
                name,
                expected,
                got,
            })
        };
        let FeynmanKacSettings {
            lambda,
            kappa,
            steps,
            trigger,
            ..
        } = settings;
        if settings.field.dim() != D {
            return Err(Error::ShapeMismatch {
                name: "flow",
                expected: format!("{D} components"),
                got: settings.field.dim().to_string(),
            });
        }
        if !(kappa.is_finite() && kappa > 0.0) {
            return out_of_range("kappa", "a positive number", kappa);
        }
        if !lambda.is_finite() {
            return out_of_range("lam", "a finite number", lambda);
        }
        if steps == 0 {
            return out_of_range("steps", "at least 1", 0.0);
        }
        match trigger {
            Trigger::Every(0) => out_of_range("every", "at least 1", 0.0),
            Trigger::EffectiveSize(part) if !(part > 0.0 && part <= 1.0) => {
                out_of_range("ess", "above 0 and at most 1", part)
            }
            _ => Ok(Self { settings }),
        }
    }

    /// Run `periods` from the particles of `source`.
    pub fn run(
        &self,
        source: &[[f64; D]],
        periods: u32,
        seed: u64,
        control: &Control,
    ) -> Result<Generations<D>> {
        particle_count("particles", source.len(), 2)?;
        let steps = u64::from(periods) * u64::from(self.settings.steps);
        if steps > u64::from(u32::MAX) {
            return Err(Error::OutOfRange {
                name: "generations",
                expected: "at most 2^32 - 1 steps in all",
                got: steps as f64,
            });
        }
        control.set_total(steps);
        let mut run = Run::new(self, source, seed);
        let mut result = Generations {
            cloud: Vec::new(),
            growth: Vec::new(),
            effective_size: Vec::new(),
            ancestors: Vec::new(),
        };
        for period in 0..periods {
            let account = run.period(period, period + 1 == periods, control)?;
            result.growth.push(account.growth);
            result.effective_size.push(account.effective_size);
            result.ancestors.push(run.ancestors());
        }
        result.cloud = run.cloud();
        Ok(result)
    }
}
