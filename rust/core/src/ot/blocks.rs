//! Points in kd order, in blocks of sixteen with a tree of bounding boxes.
//!
//! Neighbour searches and pricing both ask which pairs can be near; a box answers for many
//! points at once, and a block of sixteen fills the vector registers of any instruction set.

use crate::domain::{Domain, wrap};

use super::cost::Metric;

/// Points per block.
pub(crate) const LANES: usize = 16;

/// The geometry of a cost: metric and domain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ground {
    pub(crate) metric: Metric,
    pub(crate) domain: Domain,
}

impl Ground {
    /// Period of an axis; infinite in free space.
    #[inline(always)]
    fn period(&self, axis: usize) -> f64 {
        match &self.domain {
            Domain::Free => f64::INFINITY,
            Domain::Periodic(periods) => periods[axis],
        }
    }

    /// Take coordinates (row-major, dimension `dim`) to their representatives in the box.
    pub(crate) fn wrap_all(&self, points: &mut [f64], dim: usize) {
        if let Domain::Periodic(periods) = &self.domain {
            for point in points.chunks_exact_mut(dim) {
                for (x, &period) in point.iter_mut().zip(periods) {
                    *x = wrap(*x, period);
                }
            }
        }
    }

    /// Cost of two points.
    pub(crate) fn cost(&self, x: &[f64], y: &[f64]) -> f64 {
        let mut squared = 0.0;
        for (axis, (&x, &y)) in x.iter().zip(y).enumerate() {
            let gap = shortest((x - y).abs(), self.period(axis));
            squared += gap * gap;
        }
        self.metric.of_squared(squared)
    }
}

/// Distance on one axis: the shorter way round.
#[inline(always)]
fn shortest(distance: f64, period: f64) -> f64 {
    distance.min(period - distance)
}

/// Axis-aligned boxes of one or many points, `dim` intervals each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BoundingBox<'a> {
    low: &'a [f64],
    high: &'a [f64],
}

impl BoundingBox<'_> {
    /// A cost that no pair of points from the two boxes falls below.
    #[inline(always)]
    pub(crate) fn least_cost(&self, other: &BoundingBox<'_>, ground: &Ground) -> f64 {
        let mut squared = 0.0;
        for axis in 0..self.low.len() {
            let above = other.low[axis] - self.high[axis];
            let below = self.low[axis] - other.high[axis];
            let mut gap = above.max(below).max(0.0);
            if let Domain::Periodic(periods) = &ground.domain {
                // Round the back: from the upper end of one interval to the lower end of the
                // other, one period on.
                let span =
                    self.high[axis].max(other.high[axis]) - self.low[axis].min(other.low[axis]);
                gap = gap.min((periods[axis] - span).max(0.0));
            }
            squared += gap * gap;
        }
        ground.metric.of_squared(squared)
    }
}

/// The lanes of which `holds` is true, as bits.
#[inline(always)]
pub(crate) fn mask(holds: impl Fn(usize) -> bool) -> u32 {
    let mut bits = 0;
    for lane in 0..LANES {
        bits |= u32::from(holds(lane)) << lane;
    }
    bits
}

/// The lanes of a mask, in order.
#[inline(always)]
pub(crate) fn bits(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (mask != 0).then(|| {
            let lane = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            lane
        })
    })
}

/// A node of the tree over the blocks.
#[derive(Debug, Clone, Copy)]
struct TreeNode {
    /// Index of the block of a leaf.
    block: u32,
    /// Index of the second child; the first child follows its parent. Zero for a leaf.
    second: u32,
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
    nodes: Vec<TreeNode>,
    /// Tree node of every block.
    leaves: Vec<u32>,
    low: Vec<f64>,
    high: Vec<f64>,
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
        let sorted: Vec<f64> = order
            .iter()
            .flat_map(|&index| &points[index as usize * dim..][..dim])
            .copied()
            .collect();
        let count = len.div_ceil(LANES);
        let mut lanes = vec![0.0; count * dim * LANES];
        for place in 0..count * LANES {
            let point = &sorted[place.min(len - 1) * dim..][..dim];
            for (axis, &x) in point.iter().enumerate() {
                lanes[((place / LANES) * dim + axis) * LANES + place % LANES] = x;
            }
        }
        let mut blocks = Self {
            dim,
            len,
            order,
            points: sorted,
            lanes,
            nodes: Vec::with_capacity(2 * count),
            leaves: Vec::with_capacity(count),
            low: Vec::with_capacity(2 * count * dim),
            high: Vec::with_capacity(2 * count * dim),
        };
        blocks.grow(0, count);
        blocks
    }

    /// Append the tree over a range of blocks, in preorder; returns the index of its top.
    fn grow(&mut self, first: usize, end: usize) -> usize {
        let index = self.nodes.len();
        self.nodes.push(TreeNode {
            block: first as u32,
            second: 0,
        });
        let (mut low, mut high) = (
            vec![f64::INFINITY; self.dim],
            vec![f64::NEG_INFINITY; self.dim],
        );
        for place in first * LANES..(end * LANES).min(self.len) {
            for (axis, &x) in self.points[place * self.dim..][..self.dim]
                .iter()
                .enumerate()
            {
                low[axis] = low[axis].min(x);
                high[axis] = high[axis].max(x);
            }
        }
        self.low.extend(low);
        self.high.extend(high);
        if end - first > 1 {
            let middle = first + left_blocks(end - first);
            self.grow(first, middle);
            self.nodes[index].second = self.grow(middle, end) as u32;
        } else {
            self.leaves.push(index as u32);
        }
        index
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Number of blocks.
    pub(crate) fn count(&self) -> usize {
        self.len.div_ceil(LANES)
    }

    /// The places of a block.
    pub(crate) fn places(&self, block: usize) -> std::ops::Range<usize> {
        block * LANES..((block + 1) * LANES).min(self.len)
    }

    /// The point at a place.
    #[inline(always)]
    pub(crate) fn point(&self, place: usize) -> &[f64] {
        &self.points[place * self.dim..][..self.dim]
    }

    /// Bounding box of all points.
    pub(crate) fn bounds(&self) -> BoundingBox<'_> {
        self.node_box(0)
    }

    /// The largest cost that a pair of a point of `self` and one of `other` can have.
    pub(crate) fn largest_cost(&self, other: &Self, ground: &Ground) -> f64 {
        let (a, b) = (self.bounds(), other.bounds());
        let squared = (0..self.dim)
            .map(|axis| {
                let span = (a.high[axis] - b.low[axis]).max(b.high[axis] - a.low[axis]);
                span.min(0.5 * ground.period(axis)).powi(2)
            })
            .sum();
        ground.metric.of_squared(squared)
    }

    #[inline(always)]
    pub(crate) fn node_box(&self, node: usize) -> BoundingBox<'_> {
        BoundingBox {
            low: &self.low[node * self.dim..][..self.dim],
            high: &self.high[node * self.dim..][..self.dim],
        }
    }

    /// Bounding box of a block.
    pub(crate) fn block_box(&self, block: usize) -> BoundingBox<'_> {
        self.node_box(self.leaves[block] as usize)
    }

    /// Costs between `x` and the points of a block.
    #[inline(always)]
    pub(crate) fn lane_costs(&self, x: &[f64], block: usize, ground: &Ground) -> [f64; LANES] {
        let lanes = &self.lanes[block * self.dim * LANES..][..self.dim * LANES];
        let mut squared = [0.0; LANES];
        match &ground.domain {
            Domain::Free => {
                for (&x, lane) in x.iter().zip(lanes.chunks_exact(LANES)) {
                    for (sum, &y) in squared.iter_mut().zip(lane) {
                        let gap = x - y;
                        *sum += gap * gap;
                    }
                }
            }
            Domain::Periodic(periods) => {
                for ((&x, lane), &period) in x.iter().zip(lanes.chunks_exact(LANES)).zip(periods) {
                    for (sum, &y) in squared.iter_mut().zip(lane) {
                        let gap = shortest((x - y).abs(), period);
                        *sum += gap * gap;
                    }
                }
            }
        }
        if ground.metric == Metric::Euclidean {
            for cost in &mut squared {
                *cost = cost.sqrt();
            }
        }
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
        let mut squared = [0.0; LANES];
        for (axis, lane) in lanes.chunks_exact(LANES).enumerate() {
            let (low, high) = (bounds.low[axis], bounds.high[axis]);
            match &ground.domain {
                Domain::Free => {
                    for (sum, &x) in squared.iter_mut().zip(lane) {
                        let gap = (low - x).max(x - high).max(0.0);
                        *sum += gap * gap;
                    }
                }
                Domain::Periodic(periods) => {
                    let period = periods[axis];
                    for (sum, &x) in squared.iter_mut().zip(lane) {
                        let gap = (low - x).max(x - high).max(0.0);
                        let behind = (period - (high.max(x) - low.min(x))).max(0.0);
                        let gap = gap.min(behind);
                        *sum += gap * gap;
                    }
                }
            }
        }
        if ground.metric == Metric::Euclidean {
            for cost in &mut squared {
                *cost = cost.sqrt();
            }
        }
        squared
    }

    /// Values by place, with `filler` in the unused lanes of the last block.
    pub(crate) fn padded(&self, values: &[f64], filler: f64) -> Vec<f64> {
        let mut padded = values.to_vec();
        padded.resize(self.count() * LANES, filler);
        padded
    }

    /// Largest value of every tree node's points: `values` by place.
    pub(crate) fn node_maxima(&self, values: &[f64]) -> Vec<f64> {
        let mut maxima = vec![f64::NEG_INFINITY; self.nodes.len()];
        for (node, entry) in self.nodes.iter().enumerate().rev() {
            maxima[node] = if entry.second == 0 {
                self.places(entry.block as usize)
                    .map(|place| values[place])
                    .fold(f64::NEG_INFINITY, f64::max)
            } else {
                maxima[node + 1].max(maxima[entry.second as usize])
            };
        }
        maxima
    }

    /// Visit blocks (tree node and index), nearest first, that may hold a point with `cost - value < bound`.
    ///
    /// `maxima` are [`Self::node_maxima`] of the values; `bound` is asked before every visit, so
    /// that what a visit finds narrows the search.
    #[inline(always)]
    pub(crate) fn search<S>(
        &self,
        query: &BoundingBox<'_>,
        maxima: &[f64],
        ground: &Ground,
        state: &mut S,
        bound: impl Fn(&S) -> f64,
        mut visit: impl FnMut(&mut S, usize, usize),
    ) {
        // Sixty-four levels hold more blocks than memory does.
        let mut stack = [(0_u32, 0.0_f64); 65];
        stack[0] = (0, self.least_reduced(0, query, maxima, ground));
        let mut top = 1;
        while top > 0 {
            top -= 1;
            let (node, least_here) = stack[top];
            if least_here >= bound(state) {
                continue;
            }
            let TreeNode { block, second } = self.nodes[node as usize];
            if second == 0 {
                visit(state, node as usize, block as usize);
                continue;
            }
            let near = (
                node + 1,
                self.least_reduced(node + 1, query, maxima, ground),
            );
            let far = (second, self.least_reduced(second, query, maxima, ground));
            let (near, far) = if far.1 < near.1 {
                (far, near)
            } else {
                (near, far)
            };
            stack[top] = far;
            stack[top + 1] = near;
            top += 2;
        }
    }

    /// What `cost - value` of no point below a node falls under.
    #[inline(always)]
    fn least_reduced(
        &self,
        node: u32,
        query: &BoundingBox<'_>,
        maxima: &[f64],
        ground: &Ground,
    ) -> f64 {
        self.node_box(node as usize).least_cost(query, ground) - maxima[node as usize]
    }
}

/// Blocks on the left of a split: all full, about half.
fn left_blocks(count: usize) -> usize {
    count.div_ceil(2)
}

/// Order points so that every range of blocks of the tree is a box of a kd tree.
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
    use super::*;

    fn cloud(n: usize, dim: usize) -> Vec<f64> {
        // A low-discrepancy sequence: no randomness needed, no ties.
        (0..n * dim)
            .map(|k| (k as f64 * 0.754_877_666).fract() * (1.0 + (k % dim) as f64))
            .collect()
    }

    fn point_box(x: &[f64]) -> BoundingBox<'_> {
        BoundingBox { low: x, high: x }
    }

    fn grounds(dim: usize) -> Vec<Ground> {
        vec![
            Ground {
                metric: Metric::SqEuclidean,
                domain: Domain::Free,
            },
            Ground {
                metric: Metric::Euclidean,
                domain: Domain::Free,
            },
            Ground {
                metric: Metric::SqEuclidean,
                domain: Domain::Periodic(vec![1.3; dim]),
            },
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
        for dim in 1..5 {
            for ground in grounds(dim) {
                let mut points = cloud(300, dim);
                ground.wrap_all(&mut points, dim);
                let blocks = Blocks::new(&points, dim);
                let values: Vec<f64> = (0..300).map(|k| 0.01 * f64::from(k % 7)).collect();
                let maxima = blocks.node_maxima(&values);
                let query = blocks.point(17).to_vec();
                let bound = 0.05;
                let mut seen = vec![false; blocks.count()];
                blocks.search(
                    &point_box(&query),
                    &maxima,
                    &ground,
                    &mut seen,
                    |_| bound,
                    |seen, _, block| seen[block] = true,
                );
                for place in 0..300 {
                    let reduced = ground.cost(&query, blocks.point(place)) - values[place];
                    assert!(
                        reduced >= bound || seen[place / LANES],
                        "place {place} missed"
                    );
                }
                assert!(
                    dim > 2 || seen.iter().any(|&seen| !seen),
                    "nothing was pruned"
                );
            }
        }
    }

    #[test]
    fn least_cost_is_a_lower_bound_between_blocks() {
        for ground in grounds(3) {
            let mut points = cloud(200, 3);
            ground.wrap_all(&mut points, 3);
            let blocks = Blocks::new(&points, 3);
            for node in 0..blocks.nodes.len() {
                if blocks.nodes[node].second != 0 {
                    continue;
                }
                let query = blocks.point(3);
                let least = blocks.node_box(node).least_cost(&point_box(query), &ground);
                for place in blocks.places(blocks.nodes[node].block as usize) {
                    assert!(ground.cost(query, blocks.point(place)) >= least - 1e-15);
                }
                let lanes = blocks.lane_least_costs(0, &blocks.node_box(node), &ground);
                assert_eq!(lanes[3].to_bits(), least.to_bits());
            }
        }
    }
}
