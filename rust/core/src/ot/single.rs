//! Both clouds in single precision, for searches by whole vector registers.
//!
//! Coordinates are scaled so that no pair is farther apart than one. Targets stand in groups of
//! sixteen neighbours; a group is looked at only if its box is near enough. A search in here can
//! be wrong by rounding alone, by no more than [`Single::limits`] allows for: what it leaves out
//! is ruled out, and what it finds has to be looked at in double precision.

use pulp::Simd;

use super::cost::Metric;
use super::ground::Ground;
use super::lanes::{LANES, bits, bits_32};
use crate::domain::Domain;

/// Rounding of a number to single precision, relative.
const ROUNDING: f64 = 0.5 * f32::EPSILON as f64;

/// The geometry of a problem; all costs in units of the largest.
///
/// Sixteen targets make a group, sixteen groups a stack.
pub(crate) struct Single {
    dim: usize,
    metric: Metric,
    /// None in free space.
    periods: Option<Vec<f32>>,
    /// What a cost of one is worth.
    unit: f64,
    /// Sources, row-major, by place.
    sources: Vec<f32>,
    /// Sources as `[block][axis][lane]`.
    source_lanes: Vec<f32>,
    /// Lower and upper ends of the blocks of sources, by block.
    source_boxes: Vec<f32>,
    /// Targets as `[group][axis][lane]`; unused lanes hold the origin.
    targets: Vec<f32>,
    target_count: usize,
    groups: Boxes,
    stacks: Boxes,
    /// What no coordinate exceeds.
    reach: f64,
}

/// A point or a box that a search starts from.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a> {
    low: &'a [f32],
    high: &'a [f32],
}

/// Boxes as `[sixteen boxes][axis][lane]`; unused lanes hold nothing.
struct Boxes {
    low: Vec<f32>,
    high: Vec<f32>,
}

impl Boxes {
    /// Empty boxes.
    fn new(count: usize, dim: usize) -> Self {
        let room = count.next_multiple_of(LANES) * dim;
        Self {
            low: vec![f32::INFINITY; room],
            high: vec![f32::NEG_INFINITY; room],
        }
    }

    /// Make a box hold a point.
    fn hold(&mut self, index: usize, point: &[f32]) {
        for (axis, &x) in point.iter().enumerate() {
            let at = (index / LANES * point.len() + axis) * LANES + index % LANES;
            self.low[at] = self.low[at].min(x);
            self.high[at] = self.high[at].max(x);
        }
    }
}

/// A value for every target, with the largest in every group and stack; negative infinity beyond
/// the last.
#[derive(Debug, Clone)]
pub(crate) struct SingleValues {
    targets: Vec<f32>,
    groups: Vec<f32>,
    stacks: Vec<f32>,
    /// What their sizes stay within.
    size: f64,
}

impl SingleValues {
    /// Value of a target.
    #[inline(always)]
    pub(crate) fn of(&self, target: u32) -> f32 {
        self.targets[target as usize]
    }

    /// Make a value less.
    #[inline(always)]
    pub(crate) fn lower<S: Simd>(&mut self, simd: S, target: u32, by: f32) {
        let (target, group) = (target as usize, target as usize / LANES);
        let before = self.targets[target];
        self.targets[target] = before - by;
        if before < self.groups[group] {
            return;
        }
        self.groups[group] = largest(simd, &self.targets[group * LANES..][..LANES]);
        let stack = group / LANES;
        if before == self.stacks[stack] {
            self.stacks[stack] = largest(simd, &self.groups[stack * LANES..][..LANES]);
        }
    }
}

impl Single {
    /// The clouds `x` and `y`, row-major, neighbours among the targets next to each other.
    pub(crate) fn new(x: &[f64], y: &[f64], dim: usize, ground: &Ground) -> Self {
        let distance = Ground {
            metric: Metric::Euclidean,
            domain: ground.domain.clone(),
        };
        let reach = distance.largest_cost([x, y], dim);
        // Where squares underflow, all points fall together, and every pair is found.
        let scale = if (reach * reach).is_normal() {
            reach
        } else {
            1.0
        };
        // Single precision needs a near origin.
        let origin = match &ground.domain {
            Domain::Free => y[..dim].to_vec(),
            Domain::Periodic(_) => vec![0.0; dim],
        };
        let scaled = |points: &[f64]| -> Vec<f32> {
            let mut scaled = Vec::with_capacity(points.len());
            for point in points.chunks_exact(dim) {
                let from_origin = point.iter().zip(&origin).map(|(x, origin)| x - origin);
                scaled.extend(from_origin.map(|x| (x / scale) as f32));
            }
            scaled
        };
        let groups = (y.len() / dim).div_ceil(LANES);
        let periods = match &ground.domain {
            Domain::Free => None,
            Domain::Periodic(periods) => Some(scaled(periods)),
        };
        let [sources, targets] = [x, y].map(scaled);
        let mut single = Self {
            source_boxes: ends_of_blocks(&sources, dim),
            source_lanes: in_lanes(&sources, dim),
            dim,
            metric: ground.metric,
            unit: ground.metric.of_squared(scale * scale),
            sources,
            targets: in_lanes(&targets, dim),
            target_count: y.len() / dim,
            groups: Boxes::new(groups, dim),
            stacks: Boxes::new(groups.div_ceil(LANES), dim),
            reach: 0.0,
            periods,
        };
        for (place, point) in targets.chunks_exact(dim).enumerate() {
            single.groups.hold(place / LANES, point);
            single.stacks.hold(place / (LANES * LANES), point);
        }
        let coordinates = single.sources.iter().chain(&single.targets);
        let all = coordinates.chain(single.periods.iter().flatten());
        single.reach = f64::from(all.fold(0.0, |reach: f32, x| reach.max(x.abs())));
        single
    }

    pub(crate) fn sources(&self) -> usize {
        self.sources.len() / self.dim
    }

    pub(crate) fn targets(&self) -> usize {
        self.target_count
    }

    /// The cost that a number in here stands for.
    pub(crate) fn cost(&self, value: f32) -> f64 {
        f64::from(value) * self.unit
    }

    /// Values of the targets, given as costs.
    pub(crate) fn values(&self, values: &[f64]) -> SingleValues {
        let maxima = |values: &[f32]| -> Vec<f32> {
            let maximum = |values: &[f32]| values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            padded(values.chunks_exact(LANES).map(maximum).collect())
        };
        let targets = padded(values.iter().map(|value| self.number(*value)).collect());
        let groups = maxima(&targets);
        let size = values.iter().fold(0.0, |size: f64, v| size.max(v.abs()));
        SingleValues {
            stacks: maxima(&groups),
            targets,
            groups,
            size: size / self.unit,
        }
    }

    /// Limits that `cost - value` in here stays below wherever the true one stays below
    /// `limits + slack`.
    ///
    /// With the rounding `e` and coordinates up to `R`, a difference of two coordinates is wrong
    /// by at most `6 e R`, the shorter way round a period included. Of a distance up to one in `d`
    /// dimensions that makes `12 sqrt(d) e R` in its square, and less in itself; the sum over the
    /// axes adds `(d + 2) e`, values and limits a few times their size. Twice all that is safe.
    /// There are limits for whole blocks, beyond the last source negative infinity.
    pub(crate) fn limits(&self, limits: &[f64], slack: f64, values: &SingleValues) -> Vec<f32> {
        let largest = limits.iter().fold(0.0, |size: f64, u| size.max(u.abs()));
        let dim = self.dim as f64;
        let sizes = values.size + (largest + slack.abs()) / self.unit;
        let terms = 12.0 * dim.sqrt() * self.reach + dim + 6.0 + 4.0 * sizes;
        let margin = (2.0 * ROUNDING * terms) as f32;
        let limits = limits.iter();
        padded(
            limits
                .map(|limit| self.number(limit + slack) + margin)
                .collect(),
        )
    }

    /// What a cost is in here.
    pub(crate) fn number(&self, cost: f64) -> f32 {
        (cost / self.unit).clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
    }

    /// Cost of a pair.
    pub(crate) fn pair(&self, source: usize, target: u32) -> f32 {
        let target = target as usize;
        let at = target / LANES * self.dim * LANES + target % LANES;
        let mut squares = 0.0;
        for (axis, x) in self.source(source).iter().enumerate() {
            let mut gap = (x - self.targets[at + axis * LANES]).abs();
            if let Some(periods) = &self.periods {
                gap = gap.min(periods[axis] - gap);
            }
            squares += gap * gap;
        }
        match self.metric {
            Metric::SqEuclidean => squares,
            Metric::Euclidean => squares.sqrt(),
        }
    }

    #[inline(always)]
    fn source(&self, place: usize) -> &[f32] {
        &self.sources[place * self.dim..][..self.dim]
    }

    /// The place of a source.
    #[inline(always)]
    pub(crate) fn point(&self, source: usize) -> Query<'_> {
        let point = self.source(source);
        Query {
            low: point,
            high: point,
        }
    }

    /// The box of a block of sources.
    #[inline(always)]
    fn source_box(&self, block: usize) -> Query<'_> {
        let ends = &self.source_boxes[2 * block * self.dim..][..2 * self.dim];
        let (low, high) = ends.split_at(self.dim);
        Query { low, high }
    }

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
    fn gap_of_boxes<S: Simd, const PERIODIC: bool>(
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
    fn of_squares<S: Simd>(&self, simd: S, squares: S::f32s) -> S::f32s {
        match self.metric {
            Metric::SqEuclidean => squares,
            Metric::Euclidean => simd.sqrt_f32s(squares),
        }
    }
}

/// A search among the targets, in `DIM` dimensions (any number, if zero).
pub(crate) trait Search<S: Simd> {
    /// What is found.
    type Output;

    /// The search, marked `#[inline(always)]`.
    fn run<const DIM: usize, const PERIODIC: bool>(self, single: &Single) -> Self::Output;
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

/// Points as `[block][axis][lane]`; unused lanes hold the origin.
fn in_lanes(points: &[f32], dim: usize) -> Vec<f32> {
    let blocks = (points.len() / dim).div_ceil(LANES);
    let mut lanes = vec![0.0; blocks * dim * LANES];
    for (place, point) in points.chunks_exact(dim).enumerate() {
        for (axis, &x) in point.iter().enumerate() {
            lanes[((place / LANES) * dim + axis) * LANES + place % LANES] = x;
        }
    }
    lanes
}

/// Lower and upper ends of every sixteen points.
fn ends_of_blocks(points: &[f32], dim: usize) -> Vec<f32> {
    let mut ends = Vec::with_capacity(points.len().div_ceil(LANES * dim) * 2 * dim);
    for block in points.chunks(LANES * dim) {
        let mut end = |start: f32, pick: fn(f32, f32) -> f32| {
            ends.extend((0..dim).map(|axis| {
                let coordinates = block.iter().skip(axis).step_by(dim).copied();
                coordinates.fold(start, pick)
            }));
        };
        end(f32::INFINITY, f32::min);
        end(f32::NEG_INFINITY, f32::max);
    }
    ends
}

fn padded(mut values: Vec<f32>) -> Vec<f32> {
    values.resize(values.len().next_multiple_of(LANES), f32::NEG_INFINITY);
    values
}

/// The largest of sixteen numbers.
#[inline(always)]
fn largest<S: Simd>(simd: S, numbers: &[f32]) -> f32 {
    let (numbers, _) = S::as_simd_f32s(numbers);
    let none = simd.splat_f32s(f32::NEG_INFINITY);
    simd.reduce_max_f32s(numbers.iter().fold(none, |a, &b| simd.max_f32s(a, b)))
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;

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
