//! The largest violation of duals over all pairs of points.
//!
//! Blocks of sixteen points have boxes in the frame of the solve, where duals vary little; pairs
//! of blocks that a box rules out by more than rounding are left out. Every other pair is computed
//! from the points and duals as they were given. Order and frame only decide how many those are:
//! any permutation and any frame give the same result.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::blocks::{LANES, bits, mask};
use super::frame::Frame;
use super::ground::Ground;
use crate::{Control, Error, Result, simd};

/// Rounding of a sum of `k` terms stays below this times `k` of the largest.
const ROUNDING: f64 = 16.0 * f64::EPSILON;

/// Both clouds with a dual for every point; index 0 for the sources.
pub(crate) struct Duals<'a> {
    pub(crate) points: &'a [Vec<f64>; 2],
    pub(crate) framed: &'a [Vec<f64>; 2],
    pub(crate) order: &'a [Vec<u32>; 2],
    pub(crate) frame: &'a Frame,
    pub(crate) values: [&'a [f64]; 2],
    pub(crate) dim: usize,
    pub(crate) ground: &'a Ground,
}

impl Duals<'_> {
    /// `max_ij (u_i + v_j - c_ij)`, which is known not to be less than `known`.
    pub(crate) fn largest_violation(&self, known: f64, control: &Control) -> Result<f64> {
        let [x, y] = [self.side(0)?, self.side(1)?];
        let size = known.abs() + x.size + y.size + 2.0 * (x.reach + y.reach);
        let margin = ROUNDING * (self.dim + 8) as f64 * size;
        let boxes = Boxes::new(&y, self.dim);
        let per_block: Vec<Result<f64>> = (0..x.blocks)
            .into_par_iter()
            .map(|block| {
                control.check()?;
                Ok(simd::arch().dispatch(OfBlock {
                    x: &x,
                    y: &y,
                    boxes: &boxes,
                    ground: self.ground,
                    dim: self.dim,
                    block,
                    known,
                    margin,
                }))
            })
            .collect();
        per_block
            .into_iter()
            .try_fold(known, |largest, value| Ok(largest.max(value?)))
    }

    fn side(&self, side: usize) -> Result<Side> {
        let Self { dim, order, .. } = *self;
        let (order, values) = (&order[side], self.values[side]);
        let mut seen = vec![false; values.len()];
        for &index in order {
            seen[index as usize] = true;
        }
        if order.len() != values.len() || seen.contains(&false) {
            return Err(Error::Internal("the order is no permutation".into()));
        }
        let terms = self.frame.separable_terms(side, self.points, self.framed);
        let framed_values: Vec<f64> = values.iter().zip(&terms).map(|(v, t)| v - t).collect();
        let in_lanes = |points: &[f64]| {
            let mut lanes = vec![0.0; order.len().div_ceil(LANES) * dim * LANES];
            for place in 0..order.len().next_multiple_of(LANES) {
                // Unused lanes repeat the last point.
                let index = order[place.min(order.len() - 1)] as usize;
                for axis in 0..dim {
                    lanes[((place / LANES) * dim + axis) * LANES + place % LANES] =
                        points[index * dim + axis];
                }
            }
            lanes
        };
        let padded = |values: &[f64]| {
            let mut padded: Vec<f64> = order.iter().map(|&i| values[i as usize]).collect();
            padded.resize(order.len().next_multiple_of(LANES), f64::NEG_INFINITY);
            padded
        };
        let largest = |values: &[f64]| values.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        let norm = |points: &[f64]| dim as f64 * largest(points).powi(2);
        Ok(Side {
            blocks: order.len().div_ceil(LANES),
            points: in_lanes(&self.points[side]),
            framed: in_lanes(&self.framed[side]),
            values: padded(values),
            framed_values: padded(&framed_values),
            size: largest(values) + largest(&terms),
            reach: norm(&self.points[side]) + norm(&self.framed[side]),
        })
    }
}

/// One cloud in the order of its blocks: coordinates as `[block][axis][lane]`.
struct Side {
    blocks: usize,
    points: Vec<f64>,
    framed: Vec<f64>,
    values: Vec<f64>,
    framed_values: Vec<f64>,
    /// What the duals and the terms of the frame stay within.
    size: f64,
    /// What the squares of the coordinates stay within.
    reach: f64,
}

/// Boxes of the blocks of targets in the frame, sixteen at a time: `[group][axis][lane]`.
struct Boxes {
    low: Vec<f64>,
    high: Vec<f64>,
    largest: Vec<f64>,
}

impl Boxes {
    fn new(side: &Side, dim: usize) -> Self {
        let groups = side.blocks.div_ceil(LANES);
        let mut boxes = Self {
            low: vec![f64::INFINITY; groups * dim * LANES],
            high: vec![f64::NEG_INFINITY; groups * dim * LANES],
            largest: vec![f64::NEG_INFINITY; groups * LANES],
        };
        for block in 0..side.blocks {
            for axis in 0..dim {
                let lane = &side.framed[(block * dim + axis) * LANES..][..LANES];
                let at = ((block / LANES) * dim + axis) * LANES + block % LANES;
                (boxes.low[at], boxes.high[at]) = ends(lane);
            }
            boxes.largest[block] = maximum(&side.framed_values[block * LANES..][..LANES]);
        }
        boxes
    }
}

fn ends(lane: &[f64]) -> (f64, f64) {
    lane.iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| {
            (low.min(x), high.max(x))
        })
}

fn maximum(values: &[f64]) -> f64 {
    values.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b))
}

/// The largest violation of one block of sources, compiled for every instruction set.
struct OfBlock<'a> {
    x: &'a Side,
    y: &'a Side,
    boxes: &'a Boxes,
    ground: &'a Ground,
    dim: usize,
    block: usize,
    known: f64,
    margin: f64,
}

impl WithSimd for OfBlock<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let Self { x, boxes, dim, .. } = self;
        let size = dim * LANES;
        let framed = &x.framed[self.block * size..][..size];
        let own: Vec<(f64, f64)> = framed.chunks_exact(LANES).map(ends).collect();
        let own_largest = maximum(&x.framed_values[self.block * LANES..][..LANES]);
        let floor = self.known - self.margin;
        let mut worst = [f64::NEG_INFINITY; LANES];
        for (group, maxima) in boxes.largest.chunks_exact(LANES).enumerate() {
            let mut least = [0.0; LANES];
            for (axis, &(from, to)) in own.iter().enumerate() {
                let low = &boxes.low[group * size + axis * LANES..][..LANES];
                let high = &boxes.high[group * size + axis * LANES..][..LANES];
                self.ground.add_squares(
                    axis,
                    &mut least,
                    #[inline(always)]
                    |k| (low[k] - to).max(from - high[k]).max(0.0),
                    #[inline(always)]
                    |k, period| (period - (high[k].max(to) - low[k].min(from))).max(0.0),
                );
            }
            self.ground.finish(&mut least);
            let open = mask(|k| own_largest + maxima[k] - least[k] > floor);
            for lane in bits(open) {
                self.against(group, lane, floor, &mut worst);
            }
        }
        maximum(&worst)
    }
}

impl OfBlock<'_> {
    /// Take in the pairs with the block in a lane of a group.
    #[inline(always)]
    fn against(&self, group: usize, lane: usize, floor: f64, worst: &mut [f64; LANES]) {
        let Self { x, y, boxes, .. } = self;
        let size = self.dim * LANES;
        let framed = &x.framed[self.block * size..][..size];
        let mut least = [0.0; LANES];
        for (axis, points) in framed.chunks_exact(LANES).enumerate() {
            let low = boxes.low[group * size + axis * LANES + lane];
            let high = boxes.high[group * size + axis * LANES + lane];
            self.ground.add_squares(
                axis,
                &mut least,
                #[inline(always)]
                |k| (low - points[k]).max(points[k] - high).max(0.0),
                #[inline(always)]
                |k, period| (period - (high.max(points[k]) - low.min(points[k]))).max(0.0),
            );
        }
        self.ground.finish(&mut least);
        let other = group * LANES + lane;
        let largest = boxes.largest[other];
        let values = &x.framed_values[self.block * LANES..][..LANES];
        let open = mask(|k| values[k] + largest - least[k] > floor);
        let targets = &y.points[other * size..][..size];
        let v = &y.values[other * LANES..][..LANES];
        for source in bits(open) {
            let u = x.values[self.block * LANES + source];
            let mut cost = [0.0; LANES];
            for (axis, lane) in targets.chunks_exact(LANES).enumerate() {
                let x = x.points[self.block * size + axis * LANES + source];
                self.ground.add_squares(
                    axis,
                    &mut cost,
                    #[inline(always)]
                    |k| (x - lane[k]).abs(),
                    #[inline(always)]
                    |k, period| period - (x - lane[k]).abs(),
                );
            }
            self.ground.finish(&mut cost);
            for k in 0..LANES {
                let violation = u + v[k] - cost[k];
                worst[k] = if violation > worst[k] {
                    violation
                } else {
                    worst[k]
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cost::Metric;
    use super::super::masses::Masses;
    use super::*;
    use crate::domain::Domain;

    #[test]
    fn it_is_the_maximum_over_all_pairs() {
        let cloud = |n: usize, scale: f64| -> Vec<f64> {
            (0..3 * n)
                .map(|k| scale * (k as f64 * 0.754_877_666).fract())
                .collect()
        };
        let grounds = [
            (Metric::SqEuclidean, Domain::Free),
            (Metric::Euclidean, Domain::Free),
            (Metric::SqEuclidean, Domain::Periodic(vec![3.0; 3])),
        ];
        for (metric, domain) in grounds {
            let ground = Ground { metric, domain };
            let points = [cloud(300, 1.0), cloud(333, 2.5)];
            let masses = Masses::uniform(300, 333).expect("sizes");
            let frame = Frame::new(&points, 3, &ground, &masses);
            let framed = frame.apply(&points);
            let mut values = [vec![0.0; 300], vec![0.0; 333]];
            for (side, values) in values.iter_mut().enumerate() {
                *values = frame.separable_terms(side, &points, &framed);
                for (k, value) in values.iter_mut().enumerate() {
                    *value += 1e-3 * (k % 11) as f64;
                }
            }
            let mut all = f64::NEG_INFINITY;
            for i in 0..300 {
                for j in 0..333 {
                    let cost = ground.cost(&points[0][3 * i..][..3], &points[1][3 * j..][..3]);
                    all = all.max(values[0][i] + values[1][j] - cost);
                }
            }
            let order = [300, 333].map(|n: u32| (0..n).rev().collect::<Vec<u32>>());
            let duals = Duals {
                points: &points,
                framed: &framed,
                order: &order,
                frame: &frame,
                values: [&values[0], &values[1]],
                dim: 3,
                ground: &ground,
            };
            let known = all - 0.01;
            let found = duals.largest_violation(known, &Control::new());
            assert_eq!(found.expect("not cancelled"), all);
        }
    }
}
