//! The largest violation of duals over all pairs of points.
//!
//! In the frame of the solve duals vary little, and a search in single precision rules out most
//! pairs, by more than rounding. Every other pair is computed from the points and duals as they
//! were given. Order and frame only decide how many those are: any permutation and any frame give
//! the same result.

use pulp::{Simd, WithSimd};

use super::frame::Frame;
use super::ground::Ground;
use super::lanes::LANES;
use super::single::{Single, SingleValues};
use crate::{Control, Error, Result, pool, simd};

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
        let (x, y) = pool::both(|| self.side(0), || self.side(1));
        let (x, y) = (x?, y?);
        let size = known.abs() + x.size + y.size + 2.0 * (x.reach + y.reach);
        let margin = ROUNDING * (self.dim + 8) as f64 * size;
        let single = Single::new(&x.framed, &y.framed, self.dim, self.ground);
        let values = single.values(&y.framed_values);
        let search = AllPairs {
            limits: single.limits(&x.framed_values, margin - known, &values),
            single,
            values,
            targets: in_lanes(&y.points, self.dim),
            v: padded(&y.values),
            x,
            ground: self.ground,
            dim: self.dim,
        };
        let per_block = pool::in_order(search.limits.len() / LANES, |block| -> Result<f64> {
            control.check()?;
            Ok(simd::arch().dispatch(OfBlock {
                search: &search,
                block,
            }))
        });
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
        let gather = |points: &[f64]| -> Vec<f64> {
            let mut gathered = Vec::with_capacity(points.len());
            for &index in order {
                gathered.extend_from_slice(&points[index as usize * dim..][..dim]);
            }
            gathered
        };
        let largest = |values: &[f64]| values.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        let norm = |points: &[f64]| dim as f64 * largest(points).powi(2);
        let value = |index: &u32| values[*index as usize];
        let framed_value = |index: &u32| values[*index as usize] - terms[*index as usize];
        Ok(Side {
            points: gather(&self.points[side]),
            framed: gather(&self.framed[side]),
            values: order.iter().map(value).collect(),
            framed_values: order.iter().map(framed_value).collect(),
            size: largest(values) + largest(&terms),
            reach: norm(&self.points[side]) + norm(&self.framed[side]),
        })
    }
}

/// One cloud in the order of the solve, row-major.
struct Side {
    points: Vec<f64>,
    framed: Vec<f64>,
    values: Vec<f64>,
    framed_values: Vec<f64>,
    /// What the duals and the terms of the frame stay within.
    size: f64,
    /// What the squares of the coordinates stay within.
    reach: f64,
}

/// Points as `[group][axis][lane]`; unused lanes hold the origin.
fn in_lanes(points: &[f64], dim: usize) -> Vec<f64> {
    let count = points.len() / dim;
    let mut lanes = vec![0.0; count.next_multiple_of(LANES) * dim];
    for (place, point) in points.chunks_exact(dim).enumerate() {
        for (axis, &x) in point.iter().enumerate() {
            lanes[((place / LANES) * dim + axis) * LANES + place % LANES] = x;
        }
    }
    lanes
}

/// Values of whole groups.
fn padded(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.resize(values.len().next_multiple_of(LANES), f64::NEG_INFINITY);
    values
}

struct AllPairs<'a> {
    single: Single,
    values: SingleValues,
    limits: Vec<f32>,
    x: Side,
    targets: Vec<f64>,
    v: Vec<f64>,
    ground: &'a Ground,
    dim: usize,
}

/// The largest violation of one block of sources, compiled for every instruction set.
struct OfBlock<'a> {
    search: &'a AllPairs<'a>,
    block: usize,
}

impl WithSimd for OfBlock<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let Self { search, block } = self;
        let mut worst = [f64::NEG_INFINITY; LANES];
        search.single.sift(
            simd,
            block,
            &search.values,
            &search.limits[block * LANES..][..LANES],
            #[inline(always)]
            |_| u32::MAX,
            #[inline(always)]
            |source, group| search.against(source, group, &mut worst),
        );
        worst.into_iter().fold(f64::NEG_INFINITY, f64::max)
    }
}

impl AllPairs<'_> {
    /// Take in the pairs of a source with a group of targets.
    #[inline(always)]
    fn against(&self, source: usize, group: usize, worst: &mut [f64; LANES]) {
        let size = self.dim * LANES;
        let targets = &self.targets[group * size..][..size];
        let (u, v) = (self.x.values[source], &self.v[group * LANES..][..LANES]);
        let point = &self.x.points[source * self.dim..][..self.dim];
        let mut cost = [0.0; LANES];
        for (axis, (lane, &x)) in targets.chunks_exact(LANES).zip(point).enumerate() {
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
