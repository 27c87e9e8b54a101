//! Both clouds in single precision, for searches by whole vector registers.
//!
//! Coordinates are scaled so that no pair is farther apart than one. Targets stand in groups of
//! sixteen neighbours; a group is looked at only if its box is near enough. A search in here can
//! be wrong by rounding alone, by no more than [`Single::limits`] allows for: what it leaves out
//! is ruled out, and what it finds has to be looked at in double precision.

mod boxes;
mod search;
mod sift;
mod values;

use boxes::Boxes;
pub(crate) use boxes::Query;
pub(crate) use search::Search;
pub(crate) use values::SingleValues;

use super::cost::Metric;
use super::ground::Ground;
use super::lanes::LANES;
use crate::domain::Domain;

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
