//! The groups in which the sources of a block have a target below their limits.

use pulp::Simd;

use super::super::lanes::{LANES, bits, bits_32};
use super::{Search, Single, SingleValues};

impl Single {
    /// Visit sources of a block, and groups in which they have a target with
    /// `cost - value < limit`; of the sources only those that `matter` to the group, as bits.
    /// There are limits for whole blocks; unused ones are negative infinity.
    #[inline(always)]
    pub(crate) fn sift<S: Simd>(
        &self,
        simd: S,
        block: usize,
        values: &SingleValues,
        limits: &[f32],
        matter: impl Fn(usize) -> u32,
        visit: impl FnMut(usize, usize),
    ) {
        let sift = Sift {
            simd,
            block,
            values,
            limits,
            matter,
            visit,
        };
        self.search(simd, sift);
    }

    /// Those of a block of sources that may have a target with `cost - value < limit` in the box of
    /// a group.
    #[inline(always)]
    fn near_group<S: Simd, const DIM: usize, const PERIODIC: bool>(
        &self,
        simd: S,
        block: usize,
        values: &SingleValues,
        limits: &[f32],
        group: usize,
    ) -> u32 {
        let dim = if DIM == 0 { self.dim } else { DIM };
        let size = dim * LANES;
        let parts = LANES / S::F32_LANES;
        let (points, _) = S::as_simd_f32s(&self.source_lanes[block * size..][..size]);
        let (limits, _) = S::as_simd_f32s(limits);
        let largest = simd.splat_f32s(values.groups[group]);
        let mut near = 0;
        for part in 0..parts {
            let mut squares = simd.splat_f32s(0.0);
            for axis in 0..dim {
                let at = (group / LANES * dim + axis) * LANES + group % LANES;
                let ends = (
                    simd.splat_f32s(self.groups.low[at]),
                    simd.splat_f32s(self.groups.high[at]),
                );
                let point = points[axis * parts + part];
                let gap = self.gap_of_boxes::<S, PERIODIC>(simd, axis, (point, point), ends);
                squares = simd.mul_add_e_f32s(gap, gap, squares);
            }
            let least = simd.sub_f32s(self.of_squares(simd, squares), largest);
            near |=
                bits_32(simd, simd.less_than_f32s(least, limits[part])) << (part * S::F32_LANES);
        }
        near
    }
}

struct Sift<'a, S, M, F> {
    simd: S,
    block: usize,
    values: &'a SingleValues,
    limits: &'a [f32],
    matter: M,
    visit: F,
}

impl<S: Simd, M: Fn(usize) -> u32, F: FnMut(usize, usize)> Search<S> for Sift<'_, S, M, F> {
    type Output = ();

    #[inline(always)]
    fn run<const DIM: usize, const PERIODIC: bool>(mut self, single: &Single) {
        let Self {
            simd,
            block,
            values,
            limits,
            ..
        } = self;
        let largest = limits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        single.open_groups::<S, DIM, PERIODIC>(
            simd,
            single.source_box(block),
            values,
            largest,
            #[inline(always)]
            |start, groups| {
                for group in bits(groups) {
                    self.of_group::<DIM, PERIODIC>(single, start + group);
                }
            },
        );
    }
}

impl<S: Simd, M: Fn(usize) -> u32, F: FnMut(usize, usize)> Sift<'_, S, M, F> {
    /// Visit those sources of the block that have a target in a group.
    #[inline(always)]
    fn of_group<const DIM: usize, const PERIODIC: bool>(&mut self, single: &Single, group: usize) {
        let Self {
            simd,
            block,
            values,
            limits,
            ..
        } = *self;
        let matter = (self.matter)(group);
        if matter == 0 {
            return;
        }
        let near = single.near_group::<S, DIM, PERIODIC>(simd, block, values, limits, group);
        for lane in bits(near & matter) {
            let limit = simd.splat_f32s(limits[lane]);
            let mut found = 0;
            single.offers::<S, DIM, PERIODIC>(
                simd,
                group,
                block * LANES + lane,
                values,
                #[inline(always)]
                |_, offers| found |= bits_32(simd, simd.less_than_f32s(offers, limit)),
            );
            if found != 0 {
                (self.visit)(block * LANES + lane, group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::super::super::cost::Metric;
    use super::super::super::ground::Ground;
    use super::*;
    use crate::domain::Domain;

    struct Ask<'a>(&'a Single, &'a SingleValues, usize, &'a [f32]);

    impl WithSimd for Ask<'_> {
        type Output = Vec<(usize, usize)>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Vec<(usize, usize)> {
            let mut groups = Vec::new();
            self.0.sift(
                simd,
                self.2,
                self.1,
                self.3,
                #[inline(always)]
                |_| u32::MAX,
                #[inline(always)]
                |source, group| groups.push((source, group)),
            );
            groups
        }
    }

    fn cloud(n: usize, dim: usize, size: f64) -> Vec<f64> {
        (0..n * dim)
            .map(|k| size * (k as f64 * 0.754_877_666).fract() * (1.0 + (k % dim) as f64))
            .collect()
    }

    #[test]
    fn nothing_below_the_limit_is_left_out() {
        for size in [1.0, 1e-3, 1e150, 1e-170] {
            for dim in 1..6 {
                for (metric, domain) in [
                    (Metric::SqEuclidean, Domain::Free),
                    (Metric::Euclidean, Domain::Free),
                    (Metric::SqEuclidean, Domain::Periodic(vec![1.7 * size; dim])),
                ] {
                    let ground = Ground { metric, domain };
                    let [mut x, mut y] = [cloud(100, dim, size), cloud(350, dim, 0.7 * size)];
                    ground.wrap_all(&mut x, dim);
                    ground.wrap_all(&mut y, dim);
                    let single = Single::new(&x, &y, dim, &ground);
                    let scale = ground.largest_cost([&x, &y], dim);
                    let v: Vec<f64> = (0..350).map(|k| 1e-3 * scale * f64::from(k % 7)).collect();
                    let reduced = |i: usize, j: usize| {
                        ground.cost(&x[i * dim..][..dim], &y[j * dim..][..dim]) - v[j]
                    };
                    // Limits that some pair meets exactly: the next number beyond it is below.
                    let limits: Vec<f64> = (0..100)
                        .map(|i| {
                            (0..350)
                                .map(|j| reduced(i, j))
                                .fold(f64::INFINITY, f64::min)
                        })
                        .map(f64::next_up)
                        .collect();
                    let values = single.values(&v);
                    let rounded = single.limits(&limits, 0.0, &values);
                    let mut found = Vec::new();
                    for (block, limits) in rounded.chunks_exact(LANES).enumerate() {
                        let ask = Ask(&single, &values, block, limits);
                        found.extend(crate::simd::arch().dispatch(ask));
                    }
                    for (i, limit) in limits.iter().enumerate() {
                        for j in (0..350).filter(|&j| reduced(i, j) < *limit) {
                            assert!(found.contains(&(i, j / LANES)), "{metric:?} {dim} {size}");
                        }
                    }
                    assert!(found.iter().all(|&(i, _)| i < 100));
                    assert!(
                        size < 1e-100 || found.len() < 400,
                        "{} groups of all 2200",
                        found.len()
                    );
                }
            }
        }
    }
}
