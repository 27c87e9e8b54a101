//! What a solve can take over from an earlier one, and when that pays.

use super::auction::Opening;
use super::cost::Metric;
use super::emd::PointProblem;
use super::frame::Frame;
use super::ground::Ground;
use super::masses::Masses;
use super::point_cost::PointCost;
use super::solve::{Basis, Start};

/// A warm start keeps the old basis while points have moved, in the root of the mean square, by
/// less than this many distances between a source and its nearest target: first where an auction
/// can start from the old duals instead, then where only a cold solve can. Pivots after a move,
/// and the cost of each, grow faster than the bids of an auction. Measured at 500 to 3500 points.
const TREE_RANGE: (f64, f64) = (0.35, 1.0);

/// The same for the sum of all moves since the points were put in order: boxes around neighbours
/// have grown by then.
const DRIFT_RANGE: f64 = 2.0;

/// An auction starts from the old duals while points have moved by less than this many distances
/// to the nearest target.
const PRICE_RANGE: f64 = 4.0;

/// What a later problem of the same size can start from.
#[derive(Debug, Clone)]
pub struct WarmStart {
    pub(super) order: [Vec<u32>; 2],
    /// The points in the frame they were solved in: row-major in input order.
    pub(super) points: [Vec<f64>; 2],
    pub(super) frame: Frame,
    pub(super) dim: usize,
    pub(super) ground: Ground,
    pub(super) masses: Masses,
    /// Cost between a source and its nearest target, in the median.
    pub(super) nearest: f64,
    /// How far points have moved since they were put in order.
    pub(super) drift: f64,
    pub(super) basis: Basis,
}

impl WarmStart {
    /// Whether this start belongs to a problem of the same kind.
    pub(super) fn is_alike(
        &self,
        problem: &PointProblem<'_>,
        ground: &Ground,
        points: &[Vec<f64>; 2],
    ) -> bool {
        self.dim == problem.dim
            && self.ground == *ground
            && (0..2).all(|side| self.points[side].len() == points[side].len())
    }

    /// What of this start pays for points that have moved.
    pub(super) fn reuse(&self, points: &[Vec<f64>; 2], masses: &Masses) -> Reuse<'_> {
        let framed = self.frame.apply(points);
        let moved = self.root_mean_square_move(&framed);
        let spacing = self.ground.metric.distance(self.nearest);
        let auction = masses.are_one_unit() && self.masses.are_one_unit();
        let (range, drift) = if auction {
            (TREE_RANGE.0, DRIFT_RANGE)
        } else {
            (TREE_RANGE.1, f64::INFINITY)
        };
        if moved <= range * spacing && self.drift + moved <= drift * spacing {
            Reuse::Tree {
                warm: self,
                framed,
                moved,
            }
        } else if auction && moved <= PRICE_RANGE * spacing {
            Reuse::Prices(self)
        } else {
            Reuse::Nothing
        }
    }

    /// Root of the mean squared move of the side that moved more, relative to the other side.
    fn root_mean_square_move(&self, points: &[Vec<f64>; 2]) -> f64 {
        (0..2)
            .map(|side| {
                let count = points[side].len() / self.dim;
                let total: f64 = points[side]
                    .chunks_exact(self.dim)
                    .zip(self.points[side].chunks_exact(self.dim))
                    .map(|(now, before)| match self.ground.metric {
                        Metric::SqEuclidean => self.ground.cost(now, before),
                        Metric::Euclidean => self.ground.cost(now, before).powi(2),
                    })
                    .sum();
                (total / count as f64).sqrt()
            })
            .fold(0.0, f64::max)
    }
}

/// What a solve takes over from an earlier one.
pub(super) enum Reuse<'a> {
    Nothing,
    /// The duals of the targets.
    Prices(&'a WarmStart),
    /// All of it; the points in the old frame, and how far they have moved.
    Tree {
        warm: &'a WarmStart,
        framed: [Vec<f64>; 2],
        moved: f64,
    },
}

impl<'a> Reuse<'a> {
    /// The frame of a solve, and the points in it; once.
    pub(super) fn take_framed(
        &mut self,
        points: &[Vec<f64>; 2],
        dim: usize,
        ground: &Ground,
        masses: &Masses,
    ) -> (Frame, [Vec<f64>; 2]) {
        // A frame that is kept keeps the duals what they were.
        if let Reuse::Tree { warm, framed, .. } = self {
            return (warm.frame.clone(), std::mem::take(framed));
        }
        let frame = Frame::new(points, dim, ground, masses);
        let framed = frame.apply(points);
        (frame, framed)
    }

    /// Where a solve starts; `nearest` is the cost to the nearest target.
    pub(super) fn start(&self, cost: &PointCost<'_>, masses: &Masses, nearest: f64) -> Start<'a> {
        match *self {
            Reuse::Tree { warm, .. } if warm.masses == *masses => Start::Tree(&warm.basis),
            Reuse::Tree { warm, .. } => Start::Duals(&warm.basis),
            Reuse::Prices(warm) => {
                let values = scatter(&warm.basis.v, &warm.order[1]);
                let in_order = cost.y.order.iter().map(|&index| values[index as usize]);
                Start::Prices(Opening {
                    values: in_order.collect(),
                    nearest,
                })
            }
            Reuse::Nothing => Start::Cold,
        }
    }
}

/// `result[order[k]] = values[k]`.
pub(super) fn scatter(values: &[f64], order: &[u32]) -> Vec<f64> {
    let mut result = vec![0.0; values.len()];
    for (&value, &index) in values.iter().zip(order) {
        result[index as usize] = value;
    }
    result
}
