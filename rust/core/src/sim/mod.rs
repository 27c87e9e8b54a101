//! Particle simulation.

mod flows;
mod keller_segel;
mod kernel;
mod lanes;
mod meeting;
mod pairwise;
mod tile;

pub use flows::Flow;
pub use keller_segel::{Integrator, KellerSegel, Parts, Settings, uniform_ball};
pub use kernel::Kernel;
pub use pairwise::{Force, Precision, attraction};
