//! Particle simulation.

mod drawn;
mod expression;
mod flows;
mod keller_segel;
mod kernel;
mod kpp;
mod lanes;
mod meeting;
mod pairwise;
mod particles;
mod resample;
mod tile;

pub use expression::Field;
pub use flows::Flow;
pub use keller_segel::{Integrator, KellerSegel, Parts, Settings, uniform_ball};
pub use kernel::Kernel;
pub use kpp::{
    FeynmanKac, FeynmanKacIntegrator, FeynmanKacSettings, Generations, Trigger, gaussian_torus,
    uniform_torus,
};
pub use pairwise::{Force, Precision, attraction};
pub use resample::{Order, Scheme, Weights, resample};
