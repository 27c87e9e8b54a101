//! Points in kd order, in blocks of sixteen, with boxes around blocks, around sixteen blocks, and
//! so on.
//!
//! Neighbour searches and pricing both ask which pairs can be near; a box answers for many points
//! at once, and sixteen of anything fill the vector registers of any instruction set.

use pulp::Simd;

use super::ground::Ground;
use super::lanes::{LANES, bits, where_less};

/// Sixteen to this power is more points than memory holds.
const MAX_LEVELS: usize = 8;

/// An axis-aligned box, or a single point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BoundingBox<'a> {
    low: &'a [f64],
    high: &'a [f64],
}

/// Boxes around sixteen things each.
#[derive(Debug)]
struct Level {
    /// Ends by box and axis.
    low: Vec<f64>,
    high: Vec<f64>,
    /// Ends as `[group][axis][lane]`; unused lanes hold nothing.
    lanes_low: Vec<f64>,
    lanes_high: Vec<f64>,
}

/// Points of one side, in kd order.
#[derive(Debug)]
pub(crate) struct Blocks {
    dim: usize,
    len: usize,
    /// `order[k]`: input index of the point at place `k`.
    pub(crate) order: Vec<u32>,
    /// Row-major coordinates, by place.
    points: Vec<f64>,
    /// Coordinates as `[block][axis][lane]`; unused lanes of the last block repeat its last point.
    lanes: Vec<f64>,
    /// Boxes of blocks, of sixteen blocks, and so on, until one group holds all.
    levels: Vec<Level>,
}

/// A number for every point, with the largest of every box.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    /// By place, block, and so on, padded to full groups with negative infinity.
    levels: Vec<Vec<f64>>,
}

impl Values {
    pub(crate) fn new(values: &[f64]) -> Self {
        let mut levels = vec![padded(values.to_vec())];
        loop {
            let below = &levels[levels.len() - 1];
            let maxima: Vec<f64> = below.chunks_exact(LANES).map(largest).collect();
            let done = maxima.len() <= LANES;
            levels.push(padded(maxima));
            if done {
                return Self { levels };
            }
        }
    }

    /// The values of a block.
    #[inline(always)]
    pub(crate) fn of_block(&self, block: usize) -> &[f64] {
        &self.levels[0][block * LANES..][..LANES]
    }

    /// The largest value of a block.
    #[inline(always)]
    pub(crate) fn block_maximum(&self, block: usize) -> f64 {
        self.levels[1][block]
    }
}

#[inline(always)]
fn largest(values: &[f64]) -> f64 {
    values
        .iter()
        .fold(f64::NEG_INFINITY, |a, &b| if a > b { a } else { b })
}

fn padded(mut values: Vec<f64>) -> Vec<f64> {
    values.resize(values.len().next_multiple_of(LANES), f64::NEG_INFINITY);
    values
}

impl Blocks {
    /// Sort points (row-major, dimension `dim`) into blocks.
    pub(crate) fn new(points: &[f64], dim: usize) -> Self {
        let mut order: Vec<u32> = (0..(points.len() / dim) as u32).collect();
        kd_order(points, dim, &mut order);
        Self::with_order(points, dim, order)
    }

    /// Put points into blocks in an order that is known to keep near points together.
    pub(crate) fn with_order(points: &[f64], dim: usize, order: Vec<u32>) -> Self {
        let len = order.len();
        let mut sorted = Vec::with_capacity(points.len());
        for &index in &order {
            sorted.extend_from_slice(&points[index as usize * dim..][..dim]);
        }
        let last = &sorted[(len - 1) * dim..];
        let fill: Vec<f64> = last.to_vec();
        let lanes = in_lanes(&sorted, dim, &fill);
        let mut levels: Vec<Level> = vec![Level::around(&sorted, &sorted, dim)];
        while levels[levels.len() - 1].low.len() > LANES * dim {
            let below = &levels[levels.len() - 1];
            levels.push(Level::around(&below.low, &below.high, dim));
        }
        Self {
            dim,
            len,
            order,
            points: sorted,
            lanes,
            levels,
        }
    }

    /// Coordinates of the points at these places.
    pub(crate) fn picked(&self, places: &[u32]) -> Vec<f64> {
        let points = places.iter().map(|&place| self.point(place as usize));
        points.flatten().copied().collect()
    }

    /// Row-major coordinates, by place.
    pub(crate) fn rows(&self) -> &[f64] {
        &self.points
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// Number of blocks.
    pub(crate) fn count(&self) -> usize {
        self.len.div_ceil(LANES)
    }

    /// The places of a block.
    #[inline(always)]
    pub(crate) fn places(&self, block: usize) -> std::ops::Range<usize> {
        block * LANES..((block + 1) * LANES).min(self.len)
    }

    /// The point at a place.
    #[inline(always)]
    pub(crate) fn point(&self, place: usize) -> &[f64] {
        &self.points[place * self.dim..][..self.dim]
    }

    /// Bounding box of a block.
    #[inline(always)]
    pub(crate) fn block_box(&self, block: usize) -> BoundingBox<'_> {
        BoundingBox {
            low: &self.levels[0].low[block * self.dim..][..self.dim],
            high: &self.levels[0].high[block * self.dim..][..self.dim],
        }
    }

    /// Costs between `x` and the points of a block.
    #[inline(always)]
    pub(crate) fn lane_costs(&self, x: &[f64], block: usize, ground: &Ground) -> [f64; LANES] {
        let lanes = &self.lanes[block * self.dim * LANES..][..self.dim * LANES];
        let mut squared = [0.0; LANES];
        for (axis, (lane, &x)) in lanes.chunks_exact(LANES).zip(x).enumerate() {
            ground.add_squares(
                axis,
                &mut squared,
                #[inline(always)]
                |k| (x - lane[k]).abs(),
                #[inline(always)]
                |k, period| period - (x - lane[k]).abs(),
            );
        }
        ground.finish(&mut squared);
        squared
    }

    /// Costs that the pairs of each point of a block and any point of a box do not fall below.
    #[inline(always)]
    pub(crate) fn lane_least_costs(
        &self,
        block: usize,
        bounds: &BoundingBox<'_>,
        ground: &Ground,
    ) -> [f64; LANES] {
        let lanes = &self.lanes[block * self.dim * LANES..][..self.dim * LANES];
        least_costs(lanes, lanes, bounds, ground)
    }

    /// Visit blocks that may hold a point with `cost - value < bound`, nearest first.
    ///
    /// `bound` is asked before every visit, so that what a visit finds narrows the search.
    #[inline(always)]
    pub(crate) fn search<S: Simd, T>(
        &self,
        simd: S,
        query: &BoundingBox<'_>,
        (values, ground): (&Values, &Ground),
        state: &mut T,
        bound: impl Fn(&T) -> f64,
        mut visit: impl FnMut(&mut T, usize),
    ) {
        let mut stack = [(0.0_f64, 0_u32, 0_u32); LANES * MAX_LEVELS];
        let mut top = 1;
        stack[0] = (f64::NEG_INFINITY, self.levels.len() as u32, 0);
        while top > 0 {
            top -= 1;
            let (least_here, level, index) = stack[top];
            let limit = bound(state);
            if least_here >= limit {
                continue;
            }
            let index = index as usize;
            if level == 0 {
                visit(state, index);
                continue;
            }
            let below = level as usize - 1;
            let boxes = &self.levels[below];
            let size = self.dim * LANES;
            let least = least_costs(
                &boxes.lanes_low[index * size..][..size],
                &boxes.lanes_high[index * size..][..size],
                query,
                ground,
            );
            let maxima = &values.levels[level as usize][index * LANES..][..LANES];
            let start = top;
            let reduced: [f64; LANES] = std::array::from_fn(|lane| least[lane] - maxima[lane]);
            for lane in bits(where_less(simd, &reduced, &[limit; LANES])) {
                let entry = (reduced[lane], below as u32, (index * LANES + lane) as u32);
                let mut at = top;
                // The stack gives the last one first.
                while at > start && stack[at - 1].0 < entry.0 {
                    stack[at] = stack[at - 1];
                    at -= 1;
                }
                stack[at] = entry;
                top += 1;
            }
        }
    }
}

impl Level {
    /// Boxes around sixteen boxes (or points, which are boxes) each.
    fn around(low: &[f64], high: &[f64], dim: usize) -> Self {
        let extreme = |ends: &[f64], start: f64, pick: fn(f64, f64) -> f64| -> Vec<f64> {
            ends.chunks(LANES * dim)
                .flat_map(|group| {
                    let mut extreme = vec![start; dim];
                    for ends in group.chunks_exact(dim) {
                        for (extreme, &end) in extreme.iter_mut().zip(ends) {
                            *extreme = pick(*extreme, end);
                        }
                    }
                    extreme
                })
                .collect()
        };
        let low = extreme(low, f64::INFINITY, f64::min);
        let high = extreme(high, f64::NEG_INFINITY, f64::max);
        Self {
            lanes_low: in_lanes(&low, dim, &vec![f64::INFINITY; dim]),
            lanes_high: in_lanes(&high, dim, &vec![f64::NEG_INFINITY; dim]),
            low,
            high,
        }
    }
}

/// Row-major entries as `[group][axis][lane]`, with `fill` in unused lanes.
fn in_lanes(entries: &[f64], dim: usize, fill: &[f64]) -> Vec<f64> {
    let groups = (entries.len() / dim).div_ceil(LANES);
    let mut lanes = Vec::with_capacity(groups * dim * LANES);
    for group in entries.chunks(LANES * dim) {
        for axis in 0..dim {
            let count = group.len() / dim;
            lanes.extend((0..count).map(|lane| group[lane * dim + axis]));
            lanes.extend((count..LANES).map(|_| fill[axis]));
        }
    }
    lanes
}

/// Costs that the pairs of each of sixteen boxes and another box do not fall below.
#[inline(always)]
fn least_costs(
    low: &[f64],
    high: &[f64],
    query: &BoundingBox<'_>,
    ground: &Ground,
) -> [f64; LANES] {
    let mut squared = [0.0; LANES];
    for (axis, (low, high)) in low
        .chunks_exact(LANES)
        .zip(high.chunks_exact(LANES))
        .enumerate()
    {
        let (from, to) = (query.low[axis], query.high[axis]);
        ground.add_squares(
            axis,
            &mut squared,
            #[inline(always)]
            |k| (low[k] - to).max(from - high[k]).max(0.0),
            // Round the back: from the upper end of one interval to the lower end of the other,
            // one period on.
            #[inline(always)]
            |k, period| (period - (high[k].max(to) - low[k].min(from))).max(0.0),
        );
    }
    ground.finish(&mut squared);
    squared
}

/// Blocks on the left of a split: about half, and whole boxes of the highest level possible.
fn left_blocks(count: usize) -> usize {
    let mut unit = 1;
    while unit * LANES < count {
        unit *= LANES;
    }
    count.div_ceil(2).next_multiple_of(unit)
}

/// Order points so that the points of every box are near each other, as in a kd tree.
fn kd_order(points: &[f64], dim: usize, order: &mut [u32]) {
    if order.len() <= LANES {
        return;
    }
    let spread = |axis: usize| {
        let (low, high) =
            order
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &i| {
                    let x = points[i as usize * dim + axis];
                    (low.min(x), high.max(x))
                });
        high - low
    };
    let axis = (0..dim)
        .max_by(|&a, &b| spread(a).total_cmp(&spread(b)))
        .unwrap_or(0);
    let middle = left_blocks(order.len().div_ceil(LANES)) * LANES;
    let key = |&i: &u32| (points[i as usize * dim + axis], i);
    order.select_nth_unstable_by(middle, |a, b| {
        let (a, b) = (key(a), key(b));
        a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
    });
    let (left, right) = order.split_at_mut(middle);
    kd_order(points, dim, left);
    kd_order(points, dim, right);
}

#[cfg(test)]
mod tests {
    use super::super::cost::Metric;
    use super::*;
    use crate::domain::Domain;

    fn cloud(n: usize, dim: usize) -> Vec<f64> {
        // A low-discrepancy sequence: no randomness needed, no ties.
        (0..n * dim)
            .map(|k| (k as f64 * 0.754_877_666).fract() * (1.0 + (k % dim) as f64))
            .collect()
    }

    fn grounds(dim: usize) -> Vec<Ground> {
        let ground = |metric, domain| Ground { metric, domain };
        vec![
            ground(Metric::SqEuclidean, Domain::Free),
            ground(Metric::Euclidean, Domain::Free),
            ground(Metric::SqEuclidean, Domain::Periodic(vec![1.3; dim])),
        ]
    }

    #[test]
    fn lane_costs_are_the_costs_of_the_points() {
        for dim in 1..5 {
            for ground in grounds(dim) {
                let mut points = cloud(53, dim);
                ground.wrap_all(&mut points, dim);
                let blocks = Blocks::new(&points, dim);
                for block in 0..blocks.count() {
                    let costs = blocks.lane_costs(&points[..dim], block, &ground);
                    for (lane, place) in blocks.places(block).enumerate() {
                        let expected = ground.cost(&points[..dim], blocks.point(place));
                        assert_eq!(costs[lane].to_bits(), expected.to_bits());
                    }
                }
            }
        }
    }

    #[test]
    fn search_misses_no_block_that_matters() {
        for (dim, n) in [(1, 300), (2, 37), (3, 300), (3, 5000), (4, 300)] {
            for ground in grounds(dim) {
                let mut points = cloud(n, dim);
                ground.wrap_all(&mut points, dim);
                let blocks = Blocks::new(&points, dim);
                let raw: Vec<f64> = (0..n).map(|k| 0.01 * (k % 7) as f64).collect();
                let values = Values::new(&raw);
                let point = blocks.point(17);
                let query = BoundingBox {
                    low: point,
                    high: point,
                };
                let bound = 0.05;
                let mut seen = vec![false; blocks.count()];
                blocks.search(
                    pulp::Scalar::new(),
                    &query,
                    (&values, &ground),
                    &mut seen,
                    |_| bound,
                    |seen, block| seen[block] = true,
                );
                for place in 0..n {
                    let reduced = ground.cost(blocks.point(17), blocks.point(place)) - raw[place];
                    assert!(
                        reduced >= bound || seen[place / LANES],
                        "place {place} missed"
                    );
                }
                assert!(
                    dim > 2 || n < 100 || seen.iter().any(|&seen| !seen),
                    "nothing was pruned"
                );
            }
        }
    }

    #[test]
    fn least_costs_are_lower_bounds() {
        for ground in grounds(3) {
            let mut points = cloud(200, 3);
            ground.wrap_all(&mut points, 3);
            let blocks = Blocks::new(&points, 3);
            for other in 0..blocks.count() {
                let least = blocks.lane_least_costs(2, &blocks.block_box(other), &ground);
                for (lane, place) in blocks.places(2).enumerate() {
                    for target in blocks.places(other) {
                        let cost = ground.cost(blocks.point(place), blocks.point(target));
                        assert!(cost >= least[lane] - 1e-15);
                    }
                }
            }
        }
    }
}
