//! The parabolic-elliptic Keller-Segel system as interacting particles in a flow.
//!
//! `dX_j = (A / N) sum_i g(|X_i - X_j|^2) (X_i - X_j) dt + v(X_j) dt + sqrt(2 mu) dW_j`
//!
//! with a force law `g` of [`Kernel`] and `A = chi M0 C`: sensitivity, total mass and the constant
//! of the kernel.

use rayon::prelude::*;

use super::drawn::drawn;
use super::flows::Flow;
use super::kernel::Kernel;
use super::pairwise::{Force, Precision, attraction, meetings};
use crate::rng::{Purpose, Stream};
use crate::{Control, Error, Result};

/// Particles that one task moves between two looks at the control.
const CHUNK: usize = 4096;

/// How a step of length `h` treats the drift `b`; the noise of a step is one normal increment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integrator {
    /// Euler-Maruyama: `h b(X)`.
    Euler,
    /// Stochastic Heun: the mean of the drift at both ends of the step, noise included.
    Heun,
    /// The classical Runge-Kutta step of the drift alone, then the noise.
    RungeKutta4,
    /// Strang splitting: stochastic Heun for flow and noise, and in between the attraction alone,
    /// by Heun steps that are longer. For flows that are much faster than the attraction.
    Strang,
}

impl Integrator {
    /// The integrator called `name`.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "euler" => Ok(Self::Euler),
            "heun" => Ok(Self::Heun),
            "rk4" => Ok(Self::RungeKutta4),
            "strang" => Ok(Self::Strang),
            _ => Err(Error::UnknownOption {
                name: "integrator",
                expected: &["euler", "heun", "rk4", "strang"],
                got: name.into(),
            }),
        }
    }

    /// Evaluations of the drift in a step.
    fn stages(self) -> u64 {
        match self {
            Self::Euler => 1,
            Self::Heun | Self::Strang => 2,
            Self::RungeKutta4 => 4,
        }
    }
}

/// Which parts of the drift are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// The attraction between particles.
    pub chemotaxis: bool,
    /// The background flow.
    pub flow: bool,
}

/// The system and its numerical method, in `D` dimensions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KellerSegel<const D: usize> {
    flow: Flow,
    force: Force,
    attraction: f64,
    diffusion: f64,
    duration: f64,
    steps: u32,
    integrator: Integrator,
    kick_every: u32,
}

/// What [`KellerSegel::new`] is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings<'a> {
    /// `laminar` or `kolmogorov`.
    pub flow: &'a str,
    /// `printed`, `blob`, `plummer`; in four dimensions `green4d`, `literal`.
    pub kernel: &'a str,
    /// Regularisation length of the kernel.
    pub delta: f64,
    /// Arithmetic of the pair sums: `float64` or `float32`.
    pub precision: &'a str,
    /// `A = chi M0 C`.
    pub attraction: f64,
    /// Diffusivity `mu`.
    pub diffusion: f64,
    /// Final time.
    pub duration: f64,
    /// Number of equal steps.
    pub steps: u32,
    /// `euler`, `heun`, `rk4` or `strang`.
    pub integrator: &'a str,
    /// Steps between two steps of the attraction, for `strang`.
    pub kick_every: u32,
}

impl<const D: usize> KellerSegel<D> {
    /// The system with these settings, after a check of each.
    pub fn new(settings: &Settings<'_>) -> Result<Self> {
        let precision = match settings.precision {
            "float64" => Precision::Double,
            "float32" => Precision::Single,
            other => {
                return Err(Error::UnknownOption {
                    name: "precision",
                    expected: &["float64", "float32"],
                    got: other.into(),
                });
            }
        };
        positive("delta", settings.delta)?;
        positive("duration", settings.duration)?;
        non_negative("diffusion", settings.diffusion)?;
        non_negative("attraction", settings.attraction)?;
        for (name, count) in [
            ("steps", settings.steps),
            ("kick_every", settings.kick_every),
        ] {
            if count == 0 {
                return Err(Error::OutOfRange {
                    name,
                    expected: "at least 1",
                    got: 0.0,
                });
            }
        }
        Ok(Self {
            flow: Flow::from_name(settings.flow, D)?,
            force: Force {
                kernel: Kernel::from_name(settings.kernel, D)?,
                delta: settings.delta,
                precision,
            },
            attraction: settings.attraction,
            diffusion: settings.diffusion,
            duration: settings.duration,
            steps: settings.steps,
            integrator: Integrator::from_name(settings.integrator)?,
            kick_every: settings.kick_every,
        })
    }

    /// The drift of every particle at flow strength `sigma`.
    pub fn drift(
        &self,
        points: &[[f64; D]],
        sigma: f64,
        parts: Parts,
        control: &Control,
    ) -> Result<Vec<[f64; D]>> {
        non_negative("sigma", sigma)?;
        control.set_total(self.work(points.len(), parts));
        finite("drift", self.evaluate(points, sigma, parts, control)?)
    }

    /// Where the particles of `source` are at the final time.
    ///
    /// The Brownian increments are those of `seed` and `sigma`: another flow strength has another
    /// path of the noise.
    pub fn simulate(
        &self,
        source: &[[f64; D]],
        sigma: f64,
        seed: u64,
        control: &Control,
    ) -> Result<Vec<[f64; D]>> {
        non_negative("sigma", sigma)?;
        particle_count(source.len())?;
        control.set_total(self.total_work(source.len()));
        let noise = Noise {
            // The sum turns -0 into 0.
            stream: Stream::new(seed, Purpose::Brownian).fold((sigma + 0.0).to_bits()),
            scale: (2.0 * self.diffusion * self.duration / f64::from(self.steps)).sqrt(),
        };
        let mut points = source.to_vec();
        if self.integrator == Integrator::Strang {
            points = self.split(points, sigma, noise, control)?;
        } else {
            for step in 0..self.steps {
                points = self.step(&points, sigma, noise, step, ALL, control)?;
            }
        }
        finite("target", points)
    }

    /// All steps by Strang splitting. The half steps of the attraction that meet between two
    /// rounds are one step.
    fn split(
        &self,
        mut points: Vec<[f64; D]>,
        sigma: f64,
        noise: Noise,
        control: &Control,
    ) -> Result<Vec<[f64; D]>> {
        let h = self.duration / f64::from(self.steps);
        let mut owed = 0.0;
        for first in (0..self.steps).step_by(self.kick_every as usize) {
            let end = self.steps.min(first.saturating_add(self.kick_every));
            let half = 0.5 * h * f64::from(end - first);
            points = self.kick(&points, owed + half, control)?;
            for step in first..end {
                points = self.step(&points, sigma, noise, step, FLOW, control)?;
            }
            owed = half;
        }
        self.kick(&points, owed, control)
    }

    /// A Heun step of length `h` of the attraction alone.
    fn kick(&self, points: &[[f64; D]], h: f64, control: &Control) -> Result<Vec<[f64; D]>> {
        let drift = |points: &[[f64; D]]| self.evaluate(points, 0.0, ATTRACTION, control);
        let k1 = drift(points)?;
        let k2 = drift(&moved(points, &[(h, &k1)], None, control)?)?;
        moved(points, &[(h / 2.0, &k1), (h / 2.0, &k2)], None, control)
    }

    fn step(
        &self,
        points: &[[f64; D]],
        sigma: f64,
        noise: Noise,
        step: u32,
        parts: Parts,
        control: &Control,
    ) -> Result<Vec<[f64; D]>> {
        let h = self.duration / f64::from(self.steps);
        let drift = |points: &[[f64; D]]| self.evaluate(points, sigma, parts, control);
        let moved = |terms: &[(f64, &[[f64; D]])], noise| moved(points, terms, noise, control);
        let noise = (noise, step);

        let k1 = drift(points)?;
        match self.integrator {
            Integrator::Euler => moved(&[(h, &k1)], Some(noise)),
            Integrator::Heun | Integrator::Strang => {
                let k2 = drift(&moved(&[(h, &k1)], Some(noise))?)?;
                moved(&[(h / 2.0, &k1), (h / 2.0, &k2)], Some(noise))
            }
            Integrator::RungeKutta4 => {
                let k2 = drift(&moved(&[(h / 2.0, &k1)], None)?)?;
                let k3 = drift(&moved(&[(h / 2.0, &k2)], None)?)?;
                let k4 = drift(&moved(&[(h, &k3)], None)?)?;
                let weights = [h / 6.0, h / 3.0, h / 3.0, h / 6.0];
                let [a, b, c, d] = weights;
                moved(&[(a, &k1), (b, &k2), (c, &k3), (d, &k4)], Some(noise))
            }
        }
    }

    fn evaluate(
        &self,
        points: &[[f64; D]],
        sigma: f64,
        parts: Parts,
        control: &Control,
    ) -> Result<Vec<[f64; D]>> {
        control.check()?;
        let strength = self.attraction / points.len() as f64;
        let mut drift = if self.attracts(parts) {
            attraction(points, &self.force, control)?
        } else {
            control.advance(1);
            vec![[0.0; D]; points.len()]
        };
        drift.par_iter_mut().zip(points).for_each(|(drift, point)| {
            let velocity = if parts.flow {
                self.flow.velocity(point, sigma)
            } else {
                [0.0; D]
            };
            *drift = std::array::from_fn(|axis| strength * drift[axis] + velocity[axis]);
        });
        Ok(drift)
    }

    fn attracts(&self, parts: Parts) -> bool {
        parts.chemotaxis && self.attraction > 0.0
    }

    /// How far a simulation advances the control.
    fn total_work(&self, particles: usize) -> u64 {
        let evaluations = u64::from(self.steps) * self.integrator.stages();
        if self.integrator != Integrator::Strang {
            return evaluations * self.work(particles, ALL);
        }
        let kicks = u64::from(self.steps.div_ceil(self.kick_every)) + 1;
        evaluations * self.work(particles, FLOW) + 2 * kicks * self.work(particles, ATTRACTION)
    }

    /// How far one evaluation of the drift advances the control.
    fn work(&self, particles: usize, parts: Parts) -> u64 {
        if self.attracts(parts) {
            meetings(particles)
        } else {
            1
        }
    }
}

const ALL: Parts = Parts {
    chemotaxis: true,
    flow: true,
};

const FLOW: Parts = Parts {
    chemotaxis: false,
    flow: true,
};

const ATTRACTION: Parts = Parts {
    chemotaxis: true,
    flow: false,
};

#[derive(Clone, Copy)]
struct Noise {
    stream: Stream,
    scale: f64,
}

/// `points + sum of weight * slope`, plus the noise of a step.
fn moved<const D: usize>(
    points: &[[f64; D]],
    terms: &[(f64, &[[f64; D]])],
    noise: Option<(Noise, u32)>,
    control: &Control,
) -> Result<Vec<[f64; D]>> {
    let mut result = points.to_vec();
    result
        .par_chunks_mut(CHUNK)
        .enumerate()
        .try_for_each(|(chunk, points)| {
            control.check()?;
            for (offset, point) in points.iter_mut().enumerate() {
                let particle = chunk * CHUNK + offset;
                for (weight, slope) in terms {
                    for axis in 0..D {
                        point[axis] += weight * slope[particle][axis];
                    }
                }
                if let Some((Noise { stream, scale }, step)) = noise.filter(|(n, _)| n.scale > 0.0)
                {
                    let normal: [f64; D] = stream.normal_vector(particle as u32, step);
                    for axis in 0..D {
                        point[axis] += scale * normal[axis];
                    }
                }
            }
            Ok(())
        })?;
    Ok(result)
}

/// `n` independent points, uniform in the unit ball of `D` dimensions.
///
/// A normal vector has a uniform direction; the radius is `U^(1/D)`.
pub fn uniform_ball<const D: usize>(
    n: usize,
    seed: u64,
    control: &Control,
) -> Result<Vec<[f64; D]>> {
    particle_count(n)?;
    let stream = Stream::new(seed, Purpose::Prior);
    drawn(n, control, |particle| {
        let direction: [f64; D] = stream.normal_vector(particle, 0);
        let norm = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
        let [u, _] = stream.uniforms(particle, 0, D.div_ceil(2) as u32);
        let radius = (1.0 - u).powf(1.0 / D as f64);
        direction.map(|x| x / norm * radius)
    })
}

/// The counters of the noise hold 32-bit particle numbers.
fn particle_count(n: usize) -> Result<()> {
    let expected = "between 1 and 2^32 particles";
    if n == 0 || u32::try_from(n - 1).is_err() {
        return Err(Error::OutOfRange {
            name: "n",
            expected,
            got: n as f64,
        });
    }
    Ok(())
}

/// `points`, or an error in their `name` where finite input has led out of the range of numbers.
fn finite<const D: usize>(name: &'static str, points: Vec<[f64; D]>) -> Result<Vec<[f64; D]>> {
    let flat = points.as_flattened();
    match flat.iter().position(|x| !x.is_finite()) {
        None => Ok(points),
        Some(index) => Err(Error::NotFinite {
            name,
            index,
            value: flat[index],
        }),
    }
}

fn positive(name: &'static str, got: f64) -> Result<()> {
    if got.is_finite() && got > 0.0 {
        return Ok(());
    }
    Err(Error::OutOfRange {
        name,
        expected: "a positive number",
        got,
    })
}

fn non_negative(name: &'static str, got: f64) -> Result<()> {
    if got.is_finite() && got >= 0.0 {
        return Ok(());
    }
    Err(Error::OutOfRange {
        name,
        expected: "a non-negative number",
        got,
    })
}
