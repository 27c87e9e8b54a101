//! Histograms of clouds on boxes and tori, and the exact distance between them.

mod histogram;
mod w2;

pub use histogram::{Grid, Histogram};
pub use w2::{HistogramDistance, histogram_w2};
