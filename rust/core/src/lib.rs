//! Particle simulators and exact optimal transport, without any Python.
//!
//! * [`sim`] moves particles: Keller-Segel chemotaxis
//!   `dX_j = -(chi M0 / N) sum_i grad K(X_j - X_i) dt + v(X_j) dt + sqrt(2 mu) dW_j`
//!   in three and four dimensions, and Feynman-Kac particles of KPP fronts on tori, with weights and
//!   resampling.
//! * [`ot`] solves the transport problem `min <c, pi>` over plans `pi` with given marginals
//!   exactly, on costs that are computed when they are needed.
//! * [`grid`] turns clouds into histograms and measures the distance between them.
//!
//! Every computation that may take long has a [`Control`] for cancellation and progress, runs on the rayon
//! pool it is called in (see [`pool`]) and gives the same bits for any number of threads.

pub mod control;
pub mod domain;
pub mod error;
pub mod grid;
mod math;
pub mod ot;
pub mod pool;
pub mod rng;
pub mod sim;
pub mod simd;

pub use control::Control;
pub use error::{Error, Result};
