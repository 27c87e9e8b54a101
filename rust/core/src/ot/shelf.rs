//! Targets with prices, searched in single precision.
//!
//! An auction asks again and again which targets are cheapest for a source at the present prices.
//! The answer need not be exact, so coordinates are scaled and rounded to `f32`, and a search runs
//! over all groups of sixty-four targets whose box is near enough: vector registers compare so many
//! in less time than a descent into smaller boxes takes.

use pulp::Simd;

use super::blocks::Blocks;
use super::cost::Metric;
use super::ground::Ground;
use crate::domain::Domain;

/// Targets per group.
const GROUP: usize = 64;

/// Boxes that are looked at together: no instruction set has more lanes.
const BOXES: usize = 16;

/// Powers of two that name the lanes of a vector in a sum of `f32`.
const NAMES: [f32; BOXES] = {
    let mut names = [1.0; BOXES];
    let mut lane = 1;
    while lane < BOXES {
        names[lane] = 2.0 * names[lane - 1];
        lane += 1;
    }
    names
};

/// Targets in groups, with the value (the negative price) of each.
pub(crate) struct Shelf {
    dim: usize,
    metric: Metric,
    /// Periods in units of the scale; none in free space.
    periods: Option<Vec<f32>>,
    scale: f64,
    cost_scale: f64,
    /// Coordinates as `[group][axis][lane]`.
    points: Vec<f32>,
    /// By place; negative infinity beyond the last one.
    values: Vec<f32>,
    /// Boxes of the groups as `[sixteen groups][axis][lane]`, and the largest value in each.
    low: Vec<f32>,
    high: Vec<f32>,
    largest: Vec<f32>,
    /// The groups that the last scan compared, and what it saw in each.
    open: Vec<u32>,
    rows: Vec<f32>,
}

impl Shelf {
    /// Put the points of `y` on the shelf, with value zero. `reach` is a distance that no pair
    /// exceeds.
    pub(crate) fn new(y: &Blocks, reach: f64, ground: &Ground) -> Self {
        let dim = y.dim();
        let groups = y.len().div_ceil(GROUP);
        let stacks = groups.div_ceil(BOXES);
        let scale = if reach > 0.0 { reach } else { 1.0 };
        let mut shelf = Self {
            dim,
            metric: ground.metric,
            periods: match &ground.domain {
                Domain::Free => None,
                Domain::Periodic(periods) => {
                    Some(periods.iter().map(|period| (period / scale) as f32).collect())
                }
            },
            scale: scale.recip(),
            cost_scale: match ground.metric {
                Metric::SqEuclidean => scale * scale,
                Metric::Euclidean => scale,
            },
            points: vec![0.0; groups * dim * GROUP],
            values: vec![f32::NEG_INFINITY; groups * GROUP],
            low: vec![f32::INFINITY; stacks * dim * BOXES],
            high: vec![f32::NEG_INFINITY; stacks * dim * BOXES],
            largest: vec![f32::NEG_INFINITY; stacks * BOXES],
            open: Vec::new(),
            rows: Vec::new(),
        };
        shelf.values[..y.len()].fill(0.0);
        shelf.largest[..groups].fill(0.0);
        for place in 0..y.len() {
            let (group, lane) = (place / GROUP, place % GROUP);
            let (stack, slot) = (group / BOXES, group % BOXES);
            for (axis, &x) in y.point(place).iter().enumerate() {
                let x = (x * shelf.scale) as f32;
                shelf.points[(group * dim + axis) * GROUP + lane] = x;
                let at = (stack * dim + axis) * BOXES + slot;
                shelf.low[at] = shelf.low[at].min(x);
                shelf.high[at] = shelf.high[at].max(x);
            }
        }
        shelf
    }

    /// Replace the value of a target by a smaller one.
    #[inline(always)]
    pub(crate) fn lower<S: Simd>(&mut self, simd: S, place: usize, value: f64) {
        let value = (value / self.cost_scale) as f32;
        let before = std::mem::replace(&mut self.values[place], value);
        let group = place / GROUP;
        if before >= self.largest[group] {
            let (values, _) = S::as_simd_f32s(&self.values[group * GROUP..][..GROUP]);
            let largest = values
                .iter()
                .fold(simd.splat_f32s(f32::NEG_INFINITY), |a, &b| simd.max_f32s(a, b));
            self.largest[group] = simd.reduce_max_f32s(largest);
        }
    }

    /// The cost that a number of a search stands for.
    #[inline(always)]
    pub(crate) fn cost(&self, reduced: f32) -> f64 {
        f64::from(reduced) * self.cost_scale
    }

    /// A cost in units of the shelf.
    #[inline(always)]
    pub(crate) fn units(&self, cost: f64) -> f32 {
        (cost / self.cost_scale) as f32
    }

    /// Compare all targets that may have `cost - value < bound` for a source at `point`: the
    /// least such difference, in units of the shelf.
    #[inline(always)]
    pub(crate) fn scan<S: Simd>(&mut self, simd: S, point: &[f64], bound: f32) -> f32 {
        self.open.clear();
        let bounds = simd.splat_f32s(bound);
        let size = self.dim * BOXES;
        for stack in 0..self.largest.len() / BOXES {
            let (largest, _) = S::as_simd_f32s(&self.largest[stack * BOXES..][..BOXES]);
            let (low, _) = S::as_simd_f32s(&self.low[stack * size..][..size]);
            let (high, _) = S::as_simd_f32s(&self.high[stack * size..][..size]);
            for (part, &largest) in largest.iter().enumerate() {
                let mut squares = simd.splat_f32s(0.0);
                for (axis, &x) in point.iter().enumerate() {
                    let x = simd.splat_f32s((x * self.scale) as f32);
                    let at = axis * (BOXES / S::F32_LANES) + part;
                    let gap = self.gap_to_box(simd, axis, x, low[at], high[at]);
                    squares = simd.mul_add_e_f32s(gap, gap, squares);
                }
                let least = simd.sub_f32s(self.of_squares(simd, squares), largest);
                let open = lanes(simd, simd.less_than_f32s(least, bounds));
                for lane in super::blocks::bits(open) {
                    self.open.push((stack * BOXES + part * S::F32_LANES + lane) as u32);
                }
            }
        }
        let mut least = simd.splat_f32s(f32::INFINITY);
        self.rows.resize(self.open.len() * GROUP, 0.0);
        let mut rows = std::mem::take(&mut self.rows);
        for (&group, row) in self.open.iter().zip(rows.chunks_exact_mut(GROUP)) {
            least = simd.min_f32s(least, self.compare(simd, group as usize, point, row));
        }
        self.rows = rows;
        simd.reduce_min_f32s(least)
    }

    #[inline(always)]
    fn compare<S: Simd>(&self, simd: S, group: usize, point: &[f64], row: &mut [f32]) -> S::f32s {
        let size = self.dim * GROUP;
        let (points, _) = S::as_simd_f32s(&self.points[group * size..][..size]);
        let (values, _) = S::as_simd_f32s(&self.values[group * GROUP..][..GROUP]);
        let (row, _) = S::as_mut_simd_f32s(row);
        let mut least = simd.splat_f32s(f32::INFINITY);
        for (part, (&value, reduced)) in values.iter().zip(row).enumerate() {
            let mut squares = simd.splat_f32s(0.0);
            for (axis, &x) in point.iter().enumerate() {
                let x = simd.splat_f32s((x * self.scale) as f32);
                let y = points[axis * (GROUP / S::F32_LANES) + part];
                let gap = self.gap(simd, axis, simd.sub_f32s(x, y));
                squares = simd.mul_add_e_f32s(gap, gap, squares);
            }
            *reduced = simd.sub_f32s(self.of_squares(simd, squares), value);
            least = simd.min_f32s(least, *reduced);
        }
        least
    }

    /// What the last scan found below `limit`, which must not exceed its bound: the difference
    /// and the place.
    #[inline(always)]
    pub(crate) fn below<S: Simd>(&self, simd: S, limit: f32, found: &mut Vec<(f32, u32)>) {
        found.clear();
        let limits = simd.splat_f32s(limit);
        for (&group, row) in self.open.iter().zip(self.rows.chunks_exact(GROUP)) {
            let (parts, _) = S::as_simd_f32s(row);
            let least = parts
                .iter()
                .fold(limits, |least, &reduced| simd.min_f32s(least, reduced));
            if lanes(simd, simd.less_than_f32s(least, limits)) == 0 {
                continue;
            }
            for (part, &reduced) in parts.iter().enumerate() {
                for lane in super::blocks::bits(lanes(simd, simd.less_than_f32s(reduced, limits))) {
                    let lane = part * S::F32_LANES + lane;
                    found.push((row[lane], group * GROUP as u32 + lane as u32));
                }
            }
        }
    }

    /// Distance on an axis, the shorter way round.
    #[inline(always)]
    fn gap<S: Simd>(&self, simd: S, axis: usize, difference: S::f32s) -> S::f32s {
        match &self.periods {
            None => difference,
            Some(periods) => {
                let gap = simd.abs_f32s(difference);
                simd.min_f32s(gap, simd.sub_f32s(simd.splat_f32s(periods[axis]), gap))
            }
        }
    }

    /// Distance on an axis from a point to a box.
    #[inline(always)]
    fn gap_to_box<S: Simd>(
        &self,
        simd: S,
        axis: usize,
        x: S::f32s,
        low: S::f32s,
        high: S::f32s,
    ) -> S::f32s {
        let zero = simd.splat_f32s(0.0);
        let gap = simd.max_f32s(simd.sub_f32s(low, x), simd.sub_f32s(x, high));
        let gap = simd.max_f32s(gap, zero);
        match &self.periods {
            None => gap,
            Some(periods) => {
                let span = simd.sub_f32s(simd.max_f32s(high, x), simd.min_f32s(low, x));
                let behind = simd.sub_f32s(simd.splat_f32s(periods[axis]), span);
                simd.min_f32s(gap, simd.max_f32s(behind, zero))
            }
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

/// The lanes of a mask, as bits.
#[inline(always)]
fn lanes<S: Simd>(simd: S, mask: S::m32s) -> u32 {
    let (names, _) = S::as_simd_f32s(&NAMES);
    // Every sum of names is exact.
    simd.reduce_sum_f32s(simd.select_f32s(mask, names[0], simd.splat_f32s(0.0))) as u32
}
