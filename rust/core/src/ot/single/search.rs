//! Searches among the targets, group by group and register by register.

use pulp::Simd;

use super::super::cost::Metric;
use super::super::lanes::{LANES, bits, bits_32};
use super::boxes::Boxes;
use super::{Query, Single, SingleValues};

/// A search among the targets, in `DIM` dimensions (any number, if zero).
pub(crate) trait Search<S: Simd> {
    /// What is found.
    type Output;

    /// The search, marked `#[inline(always)]`.
    fn run<const DIM: usize, const PERIODIC: bool>(self, single: &Single) -> Self::Output;
}

impl Single {
    /// Run a search that is compiled for the dimension of the problem.
    #[inline(always)]
    pub(crate) fn search<S: Simd, T: Search<S>>(&self, _: S, search: T) -> T::Output {
        match (&self.periods, self.dim) {
            (None, 2) => search.run::<2, false>(self),
            (None, 3) => search.run::<3, false>(self),
            (None, 4) => search.run::<4, false>(self),
            (None, _) => search.run::<0, false>(self),
            (Some(_), _) => search.run::<0, true>(self),
        }
    }

    /// Visit the groups whose box may hold a target with `cost - value < limit`: those of a stack
    /// together, as its first group and the bits of the open ones.
    #[inline(always)]
    pub(crate) fn open_groups<S: Simd, const DIM: usize, const PERIODIC: bool>(
        &self,
        simd: S,
        near: Query<'_>,
        values: &SingleValues,
        limit: f32,
        mut visit: impl FnMut(usize, u32),
    ) {
        let limits = simd.splat_f32s(limit);
        for chunk in 0..values.stacks.len() / LANES {
            let largest = &values.stacks;
            let stacks =
                self.open::<S, DIM, PERIODIC>(simd, &self.stacks, largest, chunk, near, limits);
            for stack in bits(stacks) {
                let stack = chunk * LANES + stack;
                let largest = &values.groups;
                let groups =
                    self.open::<S, DIM, PERIODIC>(simd, &self.groups, largest, stack, near, limits);
                visit(stack * LANES, groups);
            }
        }
    }

    /// Those of sixteen boxes that may hold a target with `cost - value < limit`.
    #[inline(always)]
    fn open<S: Simd, const DIM: usize, const PERIODIC: bool>(
        &self,
        simd: S,
        boxes: &Boxes,
        largest: &[f32],
        chunk: usize,
        near: Query<'_>,
        limit: S::f32s,
    ) -> u32 {
        let dim = if DIM == 0 { self.dim } else { DIM };
        let size = dim * LANES;
        let parts = LANES / S::F32_LANES;
        let (largest, _) = S::as_simd_f32s(&largest[chunk * LANES..][..LANES]);
        let (low, _) = S::as_simd_f32s(&boxes.low[chunk * size..][..size]);
        let (high, _) = S::as_simd_f32s(&boxes.high[chunk * size..][..size]);
        let mut open = 0;
        for part in 0..parts {
            let mut squares = simd.splat_f32s(0.0);
            for axis in 0..dim {
                let (low, high) = (low[axis * parts + part], high[axis * parts + part]);
                let (from, to) = (
                    simd.splat_f32s(near.low[axis]),
                    simd.splat_f32s(near.high[axis]),
                );
                let gap = self.gap_of_boxes::<S, PERIODIC>(simd, axis, (from, to), (low, high));
                squares = simd.mul_add_e_f32s(gap, gap, squares);
            }
            let least = simd.sub_f32s(self.of_squares(simd, squares), largest[part]);
            open |= bits_32(simd, simd.less_than_f32s(least, limit)) << (part * S::F32_LANES);
        }
        open
    }

    /// Hand `cost - value` of the targets of a group to `take`, register by register.
    #[inline(always)]
    pub(crate) fn offers<S: Simd, const DIM: usize, const PERIODIC: bool>(
        &self,
        simd: S,
        group: usize,
        source: usize,
        values: &SingleValues,
        mut take: impl FnMut(usize, S::f32s),
    ) {
        let x = self.source(source);
        let dim = if DIM == 0 { x.len() } else { DIM };
        let size = dim * LANES;
        let parts = LANES / S::F32_LANES;
        let (targets, _) = S::as_simd_f32s(&self.targets[group * size..][..size]);
        let (values, _) = S::as_simd_f32s(&values.targets[group * LANES..][..LANES]);
        for part in 0..parts {
            let mut squares = simd.splat_f32s(0.0);
            for axis in 0..dim {
                let difference =
                    simd.sub_f32s(simd.splat_f32s(x[axis]), targets[axis * parts + part]);
                let gap = self.gap::<S, PERIODIC>(simd, axis, difference);
                squares = simd.mul_add_e_f32s(gap, gap, squares);
            }
            take(
                part,
                simd.sub_f32s(self.of_squares(simd, squares), values[part]),
            );
        }
    }

    /// Distance on an axis, the shorter way round.
    #[inline(always)]
    fn gap<S: Simd, const PERIODIC: bool>(
        &self,
        simd: S,
        axis: usize,
        difference: S::f32s,
    ) -> S::f32s {
        match &self.periods {
            Some(periods) if PERIODIC => {
                let gap = simd.abs_f32s(difference);
                simd.min_f32s(gap, simd.sub_f32s(simd.splat_f32s(periods[axis]), gap))
            }
            _ => difference,
        }
    }

    /// Distance on an axis between two boxes.
    #[inline(always)]
    pub(super) fn gap_of_boxes<S: Simd, const PERIODIC: bool>(
        &self,
        simd: S,
        axis: usize,
        (from, to): (S::f32s, S::f32s),
        (low, high): (S::f32s, S::f32s),
    ) -> S::f32s {
        let zero = simd.splat_f32s(0.0);
        let gap = simd.max_f32s(simd.sub_f32s(low, to), simd.sub_f32s(from, high));
        let gap = simd.max_f32s(gap, zero);
        match &self.periods {
            Some(periods) if PERIODIC => {
                let span = simd.sub_f32s(simd.max_f32s(high, to), simd.min_f32s(low, from));
                let behind = simd.sub_f32s(simd.splat_f32s(periods[axis]), span);
                simd.min_f32s(gap, simd.max_f32s(behind, zero))
            }
            _ => gap,
        }
    }

    #[inline(always)]
    pub(super) fn of_squares<S: Simd>(&self, simd: S, squares: S::f32s) -> S::f32s {
        match self.metric {
            Metric::SqEuclidean => squares,
            Metric::Euclidean => simd.sqrt_f32s(squares),
        }
    }
}
