//! Weighted grids, histograms of clouds on boxes and tori, and the exact distance between them.
//!
//! A squared distance is a sum over the axes, and between cells of equal width a whole number. So
//! all pairs of cells are priced by one short pass per axis, and the result is an equality of
//! whole numbers, not a tolerance.
//!
//! | module | its one concern |
//! |---|---|
//! | `histogram` | grids, and the counts of a cloud in their cells |
//! | `lattice` | cells as integer coordinates, and coarser cells |
//! | `costs` | the costs of a grid as whole numbers |
//! | `envelope` | `min_y c(x, y) - v(y)` by one pass per axis, and the cells that come near it |
//! | `cost` | the searches of the solver, by envelopes |
//! | `start` | a plan along tight pairs |
//! | `paths` | shortest paths for the mass that it leaves |
//! | `forest` | the same plan without cycles |
//! | `levels` | duals from coarser cells where mass goes far |
//! | `w2` | the public functions, warm starts and the proof |

mod cost;
mod costs;
mod envelope;
mod forest;
mod histogram;
mod lattice;
mod levels;
mod paths;
mod start;
mod w2;

pub use histogram::{Grid, Histogram};
pub use w2::{GridPlan, WarmGrid, grid_w2, histogram_w2};
