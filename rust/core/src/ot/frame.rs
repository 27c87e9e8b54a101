//! Coordinates in which nearest neighbours are partners.
//!
//! Up to terms of one side alone, `|x - y|^2` is `-2 x.y`. So with the means `p` and `q`,
//! `a = x - p`, `b = y - q`, `D = p - q` and any invertible symmetric `P`, the points `x' = P a`
//! and `y' = P^-1 b` have
//!
//! `|x - y|^2 = |x' - y'|^2 + (|a|^2 - |x'|^2 + 2 a.D + |D|^2) + (|b|^2 - |y'|^2 - 2 b.D)`:
//!
//! the same optimal plans, and duals that differ by known terms. With `P^2` the optimal map
//! between the Gaussians of the same covariances, both clouds get the same covariance, and a plan
//! that carries mass far becomes one that carries it to neighbours.

use super::cost::Metric;
use super::ground::Ground;
use super::lanes::LANES;
use super::masses::Masses;
use super::symmetric::{function, product};
use crate::domain::Domain;
use crate::pool::both;
use crate::simd::{Vectorised, vectorise};

/// Eigenvalues of a covariance are raised to this part of its trace.
const FLAT: f64 = 1e-9;

/// Bounds for the eigenvalues of `P^2`: beyond them rounding would be felt.
const STRETCH: (f64, f64) = (1e-2, 1e2);

/// Maps whose eigenvalues are this near one are not worth a look.
const NEAR_IDENTITY: f64 = 1.1;

/// The cost of a stretch of many axes exceeds its use.
const MAX_DIM: usize = 32;

/// Points per side on which frames are compared.
const SAMPLE: usize = 32;

/// A change of coordinates of both clouds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    dim: usize,
    /// Means of both clouds; none where the cost does not allow a change.
    centres: Option<[Vec<f64>; 2]>,
    /// `P` and its inverse, row-major; none for the identity.
    maps: Option<[Vec<f64>; 2]>,
}

impl Frame {
    /// The better one of the centred and the stretched frame.
    pub(crate) fn new(
        points: &[Vec<f64>; 2],
        dim: usize,
        ground: &Ground,
        masses: &Masses,
    ) -> Self {
        if ground.metric != Metric::SqEuclidean || ground.domain != Domain::Free {
            return Self {
                dim,
                centres: None,
                maps: None,
            };
        }
        let weights: [Vec<f64>; 2] = [&masses.a, &masses.b].map(|units| {
            let total: f64 = units.iter().map(|&unit| unit as f64).sum();
            units.iter().map(|&unit| unit as f64 / total).collect()
        });
        let centres = [0, 1].map(|side| mean(&points[side], &weights[side], dim));
        let centred = Self {
            dim,
            centres: Some(centres),
            maps: None,
        };
        let Some(maps) = centred.stretch(points, &weights) else {
            return centred;
        };
        let stretched = Self {
            maps: Some(maps),
            ..centred.clone()
        };
        let bounds = both(|| stretched.bound(points), || centred.bound(points));
        if bounds.0 > bounds.1 {
            stretched
        } else {
            centred
        }
    }

    /// The root of the optimal map between the Gaussians of both clouds, and its inverse; none
    /// if it is close to the identity.
    fn stretch(&self, points: &[Vec<f64>; 2], weights: &[Vec<f64>; 2]) -> Option<[Vec<f64>; 2]> {
        let dim = self.dim;
        let centres = self.centres.as_ref()?;
        if dim > MAX_DIM {
            return None;
        }
        let [x, y] = [0, 1].map(|side| {
            let covariance = covariance(&points[side], &weights[side], &centres[side]);
            let trace: f64 = (0..dim).map(|axis| covariance[axis * dim + axis]).sum();
            function(&covariance, dim, |value| value.max(FLAT * trace))
        });
        if [&x, &y].iter().any(|matrix| matrix[0] == 0.0) {
            return None;
        }
        let root = function(&x, dim, f64::sqrt);
        let inverse = function(&x, dim, |value| 1.0 / value.sqrt());
        let middle = product(&product(&root, &y, dim), &root, dim);
        let middle = function(&middle, dim, |value| value.max(0.0).sqrt());
        let map = product(&product(&inverse, &middle, dim), &inverse, dim);
        let stretch = |value: f64| value.clamp(STRETCH.0, STRETCH.1);
        let far_from_identity = std::cell::Cell::new(false);
        let forward = function(&map, dim, |value| {
            if !(1.0 / NEAR_IDENTITY..NEAR_IDENTITY).contains(&value) {
                far_from_identity.set(true);
            }
            stretch(value).sqrt()
        });
        let backward = function(&map, dim, |value| 1.0 / stretch(value).sqrt());
        let finite = forward
            .iter()
            .chain(&backward)
            .all(|entry| entry.is_finite());
        (far_from_identity.get() && finite).then_some([forward, backward])
    }

    /// Twice the mean, over a sample of both sides, of the value of the duals that are zero on
    /// the other side. The frame in which it is larger starts nearer to the optimum.
    fn bound(&self, points: &[Vec<f64>; 2]) -> f64 {
        let framed = self.apply(points);
        (0..2)
            .map(|side| self.bound_of(side, points, &framed))
            .sum()
    }

    /// That of the duals that are zero on the other side than this one.
    fn bound_of(&self, side: usize, points: &[Vec<f64>; 2], framed: &[Vec<f64>; 2]) -> f64 {
        let separable =
            |side: usize, index| self.separable(side, &points[side], &framed[side], index);
        let [count, others] = [side, 1 - side].map(|side| points[side].len() / self.dim);
        let columns = columns(&framed[1 - side], self.dim);
        let mut room = vec![0.0; others];
        let sample = (0..count).step_by(count.div_ceil(SAMPLE));
        let size = sample.len() as f64;
        let mut near = 0.0;
        for index in sample {
            let nearest = Nearest {
                point: &framed[side][index * self.dim..][..self.dim],
                columns: &columns,
                room: &mut room,
            };
            near += vectorise(nearest) + separable(side, index);
        }
        let rest: f64 = (0..others).map(|index| separable(1 - side, index)).sum();
        near / size + rest / others as f64
    }

    /// The term by which the cost of a pair differs, as far as it depends on this side.
    fn separable(&self, side: usize, points: &[f64], framed: &[f64], index: usize) -> f64 {
        let Some(centres) = &self.centres else {
            return 0.0;
        };
        let (point, framed) = (
            &points[index * self.dim..][..self.dim],
            &framed[index * self.dim..][..self.dim],
        );
        let mut term = 0.0;
        for axis in 0..self.dim {
            let difference = centres[0][axis] - centres[1][axis];
            let shifted = point[axis] - centres[side][axis];
            term += if side == 0 {
                2.0 * shifted * difference + difference * difference
            } else {
                -2.0 * shifted * difference
            };
            if self.maps.is_some() {
                term += (shifted - framed[axis]) * (shifted + framed[axis]);
            }
        }
        term
    }

    /// Both clouds in this frame.
    pub(crate) fn apply(&self, points: &[Vec<f64>; 2]) -> [Vec<f64>; 2] {
        let Some(centres) = &self.centres else {
            return points.clone();
        };
        [0, 1].map(|side| {
            let mut framed = points[side].clone();
            let mut shifted = vec![0.0; self.dim];
            for point in framed.chunks_exact_mut(self.dim) {
                for (x, centre) in point.iter_mut().zip(&centres[side]) {
                    *x -= centre;
                }
                let Some(maps) = &self.maps else { continue };
                shifted.copy_from_slice(point);
                for (x, row) in point.iter_mut().zip(maps[side].chunks_exact(self.dim)) {
                    *x = row.iter().zip(&shifted).map(|(m, s)| m * s).sum();
                }
            }
            framed
        })
    }

    /// What has to be added to the duals of one side in this frame to make them duals of the
    /// points themselves.
    pub(crate) fn separable_terms(
        &self,
        side: usize,
        points: &[Vec<f64>; 2],
        framed: &[Vec<f64>; 2],
    ) -> Vec<f64> {
        (0..points[side].len() / self.dim)
            .map(|index| self.separable(side, &points[side], &framed[side], index))
            .collect()
    }
}

/// Points, row-major, axis by axis.
fn columns(points: &[f64], dim: usize) -> Vec<f64> {
    let axes = (0..dim).flat_map(|axis| points.iter().skip(axis).step_by(dim).copied());
    axes.collect()
}

/// The squared distance of a point to the nearest of others, which stand axis by axis.
struct Nearest<'a> {
    point: &'a [f64],
    columns: &'a [f64],
    /// For a number for each of the others.
    room: &'a mut [f64],
}

impl Vectorised for Nearest<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> f64 {
        let Self {
            point,
            columns,
            room,
        } = self;
        room.fill(0.0);
        for (x, column) in point.iter().zip(columns.chunks_exact(room.len())) {
            for (square, y) in room.iter_mut().zip(column) {
                *square += (x - y) * (x - y);
            }
        }
        let mut least = [f64::INFINITY; LANES];
        for squares in room.chunks(LANES) {
            for (least, &square) in least.iter_mut().zip(squares) {
                *least = if square < *least { square } else { *least };
            }
        }
        least.into_iter().fold(f64::INFINITY, f64::min)
    }
}

fn mean(points: &[f64], weights: &[f64], dim: usize) -> Vec<f64> {
    let mut mean = vec![0.0; dim];
    for (point, weight) in points.chunks_exact(dim).zip(weights) {
        for (mean, x) in mean.iter_mut().zip(point) {
            *mean += weight * x;
        }
    }
    mean
}

fn covariance(points: &[f64], weights: &[f64], centre: &[f64]) -> Vec<f64> {
    let dim = centre.len();
    let mut covariance = vec![0.0; dim * dim];
    for (point, weight) in points.chunks_exact(dim).zip(weights) {
        for row in 0..dim {
            let scaled = weight * (point[row] - centre[row]);
            for column in 0..dim {
                covariance[row * dim + column] += scaled * (point[column] - centre[column]);
            }
        }
    }
    covariance
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square_of_difference(x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
    }

    fn cloud(n: usize, widths: &[f64], offset: f64) -> Vec<f64> {
        (0..n)
            .flat_map(|k| {
                widths.iter().enumerate().map(move |(axis, width)| {
                    let step = [0.819_172_513, 0.671_043_607, 0.549_700_478][axis];
                    offset + width * ((k as f64 * step).fract() - 0.5)
                })
            })
            .collect()
    }

    #[test]
    fn costs_differ_by_the_separable_terms() {
        let points = [
            cloud(40, &[1.0, 2.0, 0.5], 3.0),
            cloud(50, &[4.0, 0.3, 1.0], -1.0),
        ];
        let ground = Ground {
            metric: Metric::SqEuclidean,
            domain: Domain::Free,
        };
        let masses = Masses::uniform(40, 50).expect("sizes");
        let frame = Frame::new(&points, 3, &ground, &masses);
        assert!(frame.maps.is_some(), "the clouds differ in shape");
        let framed = frame.apply(&points);
        let [u, v] = [0, 1].map(|side| frame.separable_terms(side, &points, &framed));
        for i in 0..40 {
            for j in 0..50 {
                let of = |points: &[Vec<f64>; 2]| {
                    square_of_difference(&points[0][3 * i..][..3], &points[1][3 * j..][..3])
                };
                let error = of(&points) - of(&framed) - u[i] - v[j];
                assert!(error.abs() < 1e-12, "{error}");
            }
        }
    }

    #[test]
    fn one_point_and_flat_clouds_keep_finite() {
        let ground = Ground {
            metric: Metric::SqEuclidean,
            domain: Domain::Free,
        };
        for points in [
            [vec![1.0, 2.0], cloud(5, &[1.0, 1.0], 0.0)],
            [cloud(9, &[1.0, 0.0], 0.0), cloud(9, &[0.0, 1.0], 5.0)],
            [vec![1.0; 8], vec![2.0; 8]],
        ] {
            let masses = Masses::uniform(points[0].len() / 2, points[1].len() / 2).expect("sizes");
            let frame = Frame::new(&points, 2, &ground, &masses);
            assert!(frame.apply(&points).iter().flatten().all(|x| x.is_finite()));
        }
    }
}
