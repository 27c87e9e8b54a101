//! Exact optimal transport between weighted point clouds, or for an explicit cost matrix.
//!
//! The problem is `min sum_ij c_ij pi_ij` over `pi >= 0` with `sum_j pi_ij = a_i` and
//! `sum_i pi_ij = b_j`; its dual is `max sum_i a_i u_i + sum_j b_j v_j` subject to
//! `u_i + v_j <= c_ij`.
//!
//! The parts know little of each other:
//!
//! | module | its one concern |
//! |---|---|
//! | [`masses`] | marginals as integers with equal totals |
//! | [`cost`] | what a pair costs, and how the costs are rounded to integers |
//! | `ground` | metric and domain of point problems |
//! | `frame` | coordinates in which nearest neighbours are partners |
//! | `symmetric` | functions of small symmetric matrices |
//! | `blocks` | points in kd order, in blocks with bounding boxes |
//! | `single` | both clouds in single precision, for searches by vector registers |
//! | `lanes` | sixteen numbers compared at once |
//! | `candidates` | a sparse set of arcs that is likely to hold the optimal plan |
//! | `auction` | a matching and duals that are nearly optimal, for equal masses |
//! | `priced` | the search of an auction: targets with prices |
//! | `guess` | duals for general masses, from an auction between equal ones |
//! | `initial` | a feasible plan to start from |
//! | `simplex` | the primal network simplex on the candidate arcs |
//! | `pricing` | all pairs that the duals violate, found without visiting all pairs |
//! | `line` | sorting in place of all that, on one axis or a circle |
//! | `solve` | column generation: simplex and pricing in turn until no pair is violated |
//! | [`certify`] | a proof of optimality that trusts nothing of the above |
//! | `violation` | the largest violation over all pairs of points, for the certificate |
//! | [`mod@emd`] | the public solver for points |
//! | `warm` | what a solve takes over from an earlier one, and when |
//! | `point_cost` | what pairs of points cost, with the searches of their geometry |
//! | `matrix` | the public solver for a matrix of costs |
//! | `plan` | a plan with its proof, from a basis |
//!
//! Costs and masses are integers inside the simplex, so that there are no tolerances, no cycling
//! (the tree is kept strongly feasible) and the same plan for any number of threads. Where several
//! plans are optimal, machines with other registers may find another of them.

pub(crate) mod auction;
mod blocks;
pub(crate) mod candidates;
pub mod certify;
pub mod cost;
pub mod emd;
mod frame;
mod ground;
pub(crate) mod guess;
pub(crate) mod initial;
pub(crate) mod lanes;
mod line;
pub mod masses;
mod matrix;
mod plan;
mod point_cost;
mod priced;
mod pricing;
pub(crate) mod simplex;
mod single;
pub(crate) mod solve;
mod symmetric;
mod violation;
mod warm;

pub use certify::Certificate;
pub use cost::Metric;
pub use emd::{Plan, WarmStart, emd, emd_matrix, several_pay};
pub use masses::Masses;
pub use matrix::several_pay_on_matrix;
