//! Targets with prices, and the search for the two that are cheapest to a source.
//!
//! An auction asks this for every bid, and prices have moved since the last time: nothing that is
//! remembered stays true. So each search starts anew, in single precision, in coordinates that are
//! scaled to the extent of the problem. Targets stand in groups of neighbours; a group is looked at
//! only if its box is near enough, and then by whole vector registers. Rounding is harmless: what
//! follows an auction does not trust it.

use pulp::Simd;

use super::blocks::{Blocks, bits};
use super::cost::Metric;
use super::ground::Ground;
use crate::domain::Domain;

/// Targets per group, and groups per stack: no instruction set has more lanes.
const LANES: usize = 16;

/// Targets that a source remembers: the best of every lane, in two strands.
const REMEMBERED: usize = 2 * LANES;

/// Numbers of lanes.
const LANE: [u32; LANES] = {
    let mut lanes = [0; LANES];
    let mut lane = 1;
    while lane < LANES {
        lanes[lane] = lane as u32;
        lane += 1;
    }
    lanes
};

/// Powers of two that stand for lanes.
const BIT: [f32; LANES] = {
    let mut bits = [1.0; LANES];
    let mut lane = 1;
    while lane < LANES {
        bits[lane] = 2.0 * bits[lane - 1];
        lane += 1;
    }
    bits
};

/// The two cheapest targets of a source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cheapest {
    /// Place of the cheapest.
    pub(crate) target: u32,
    /// Its cost and price together.
    pub(crate) best: f32,
    /// The same of the second cheapest; infinite if there is none.
    pub(crate) second: f32,
}

/// Sources, and targets with their prices; all costs in units of the largest.
///
/// Sixteen targets make a group, sixteen groups a stack.
pub(crate) struct Priced {
    dim: usize,
    metric: Metric,
    /// None in free space.
    periods: Option<Vec<f32>>,
    /// What one is worth.
    unit: f64,
    /// Sources, row-major, by place.
    sources: Vec<f32>,
    /// Targets as `[group][axis][lane]`.
    targets: Vec<f32>,
    /// `-p_j` by place; negative infinity beyond the last.
    values: Vec<f32>,
    groups: Boxes,
    stacks: Boxes,
}

/// Boxes as `[sixteen boxes][axis][lane]`, with the largest value in each.
struct Boxes {
    low: Vec<f32>,
    high: Vec<f32>,
    /// Negative infinity beyond the last.
    largest: Vec<f32>,
}

impl Boxes {
    /// Empty boxes.
    fn new(count: usize, dim: usize) -> Self {
        let room = count.next_multiple_of(LANES);
        Self {
            low: vec![f32::INFINITY; room * dim],
            high: vec![f32::NEG_INFINITY; room * dim],
            largest: vec![f32::NEG_INFINITY; room],
        }
    }

    /// Make a box hold a point of value zero.
    fn hold(&mut self, index: usize, point: &[f32]) {
        for (axis, &x) in point.iter().enumerate() {
            let at = (index / LANES * point.len() + axis) * LANES + index % LANES;
            self.low[at] = self.low[at].min(x);
            self.high[at] = self.high[at].max(x);
        }
        self.largest[index] = 0.0;
    }
}

/// Targets that a source has seen to be cheap.
#[derive(Clone)]
pub(crate) struct Memory {
    costs: [f32; REMEMBERED],
    places: [u32; REMEMBERED],
    /// What no target that is not remembered fell below when this was seen; prices only rise.
    unknown: f32,
}

impl Memory {
    /// What no target that is not remembered falls below.
    #[inline(always)]
    pub(crate) fn unknown(&self) -> f32 {
        self.unknown
    }
}

/// Best, second best and place of the best, in every lane.
#[derive(Clone, Copy)]
struct Running<S: Simd> {
    best: S::f32s,
    second: S::f32s,
    place: S::u32s,
}

impl Priced {
    /// All targets at price zero.
    pub(crate) fn new(x: &Blocks, y: &Blocks, ground: &Ground) -> Self {
        let distance = Ground {
            metric: Metric::Euclidean,
            domain: ground.domain.clone(),
        };
        let reach = x.largest_cost(y, &distance);
        let scale = if reach > 0.0 { reach } else { 1.0 };
        // Single precision needs a near origin.
        let origin = match &ground.domain {
            Domain::Free => y.point(0).to_vec(),
            Domain::Periodic(_) => vec![0.0; y.dim()],
        };
        let scaled = |point: &[f64]| -> Vec<f32> {
            let from_origin = point.iter().zip(&origin).map(|(x, origin)| x - origin);
            from_origin.map(|x| (x / scale) as f32).collect()
        };
        let dim = y.dim();
        let groups = y.len().div_ceil(LANES);
        let mut priced = Self {
            dim,
            metric: ground.metric,
            periods: match &ground.domain {
                Domain::Free => None,
                Domain::Periodic(periods) => Some(scaled(periods)),
            },
            unit: ground.metric.of_squared(scale * scale),
            sources: (0..x.len())
                .flat_map(|place| scaled(x.point(place)))
                .collect(),
            targets: vec![0.0; groups * dim * LANES],
            values: vec![f32::NEG_INFINITY; groups * LANES],
            groups: Boxes::new(groups, dim),
            stacks: Boxes::new(groups.div_ceil(LANES), dim),
        };
        for place in 0..y.len() {
            let point = scaled(y.point(place));
            let group = place / LANES;
            for (axis, &y) in point.iter().enumerate() {
                priced.targets[(group * dim + axis) * LANES + place % LANES] = y;
            }
            priced.values[place] = 0.0;
            priced.groups.hold(group, &point);
            priced.stacks.hold(group / LANES, &point);
        }
        priced
    }

    /// The cost that a number in here stands for.
    pub(crate) fn cost(&self, value: f32) -> f64 {
        f64::from(value) * self.unit
    }

    /// Price of a target.
    #[inline(always)]
    pub(crate) fn price(&self, target: u32) -> f32 {
        -self.values[target as usize]
    }

    /// Make a target dearer.
    #[inline(always)]
    pub(crate) fn raise<S: Simd>(&mut self, simd: S, target: u32, by: f32) {
        let (target, group) = (target as usize, target as usize / LANES);
        let before = self.values[target];
        self.values[target] = before - by;
        if before < self.groups.largest[group] {
            return;
        }
        self.groups.largest[group] = largest(simd, &self.values[group * LANES..][..LANES]);
        let stack = group / LANES;
        if before == self.stacks.largest[stack] {
            self.stacks.largest[stack] =
                largest(simd, &self.groups.largest[stack * LANES..][..LANES]);
        }
    }

    /// Cost of a pair, without the price.
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

    /// The two cheapest of the targets that a source remembers.
    #[inline(always)]
    pub(crate) fn cheapest<S: Simd>(&self, simd: S, memory: &Memory) -> Cheapest {
        let offers: [f32; REMEMBERED] = std::array::from_fn(
            #[inline(always)]
            |k| memory.costs[k] - self.values[memory.places[k] as usize],
        );
        let (offers, _) = S::as_simd_f32s(&offers);
        let (places, _) = S::as_simd_u32s(&memory.places);
        let mut running = Running::nothing(simd);
        for (&offer, &place) in offers.iter().zip(places) {
            running.take(simd, offer, place);
        }
        running.result(simd)
    }

    /// The `count` cheapest of the targets that a source remembers.
    pub(crate) fn several(&self, memory: &Memory, count: usize) -> Vec<u32> {
        let mut offers: Vec<(f32, u32)> = memory
            .costs
            .iter()
            .zip(&memory.places)
            .filter(|(cost, _)| cost.is_finite())
            .map(|(cost, &place)| (cost - self.values[place as usize], place))
            .collect();
        if offers.len() > count {
            offers.select_nth_unstable_by(count, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            offers.truncate(count);
        }
        offers.into_iter().map(|(_, place)| place).collect()
    }

    /// The targets that are cheapest to a source, looking first at those around `first`.
    #[inline(always)]
    pub(crate) fn search<S: Simd>(&self, simd: S, source: usize, first: u32) -> Memory {
        match (&self.periods, self.dim) {
            (None, 2) => self.search_in::<S, 2, false>(simd, source, first),
            (None, 3) => self.search_in::<S, 3, false>(simd, source, first),
            (None, 4) => self.search_in::<S, 4, false>(simd, source, first),
            (None, _) => self.search_in::<S, 0, false>(simd, source, first),
            (Some(_), _) => self.search_in::<S, 0, true>(simd, source, first),
        }
    }

    /// [`Self::search`] in `DIM` dimensions (any number, if zero).
    #[inline(always)]
    fn search_in<S: Simd, const DIM: usize, const PERIODIC: bool>(
        &self,
        simd: S,
        source: usize,
        first: u32,
    ) -> Memory {
        let x = self.source(source);
        let first = first as usize / LANES;
        let mut running = [Running::<S>::nothing(simd); 2];
        self.look_at::<S, DIM, PERIODIC>(simd, first, x, &mut running[0]);
        let bound = running[0].result(simd).second;
        let bounds = simd.splat_f32s(bound);
        for chunk in 0..self.stacks.largest.len() / LANES {
            let stacks = self.open::<S, DIM, PERIODIC>(simd, &self.stacks, chunk, x, bounds);
            for stack in bits(stacks) {
                let stack = chunk * LANES + stack;
                let mut groups =
                    self.open::<S, DIM, PERIODIC>(simd, &self.groups, stack, x, bounds);
                if first / LANES == stack {
                    groups &= !(1 << (first % LANES));
                }
                // Two at a time: the one need not wait for the other.
                let mut groups = bits(groups).map(|group| stack * LANES + group);
                while let Some(group) = groups.next() {
                    self.look_at::<S, DIM, PERIODIC>(simd, group, x, &mut running[1]);
                    if let Some(group) = groups.next() {
                        self.look_at::<S, DIM, PERIODIC>(simd, group, x, &mut running[0]);
                    }
                }
            }
        }
        self.remembered(simd, &running, bound)
    }

    /// What is left of a search: the best of every lane, and a bound for all others.
    #[inline(always)]
    fn remembered<S: Simd>(&self, simd: S, running: &[Running<S>; 2], bound: f32) -> Memory {
        let mut memory = Memory {
            costs: [f32::INFINITY; REMEMBERED],
            places: [0; REMEMBERED],
            unknown: bound,
        };
        for (strand, running) in running.iter().enumerate() {
            let at = strand * LANES;
            simd.partial_store_f32s(&mut memory.costs[at..][..S::F32_LANES], running.best);
            simd.partial_store_u32s(&mut memory.places[at..][..S::F32_LANES], running.place);
            memory.unknown = memory.unknown.min(simd.reduce_min_f32s(running.second));
        }
        for (cost, &place) in memory.costs.iter_mut().zip(&memory.places) {
            *cost += self.values[place as usize];
        }
        memory
    }

    /// Those of sixteen boxes that may hold a target cheaper than `bound`.
    #[inline(always)]
    fn open<S: Simd, const DIM: usize, const PERIODIC: bool>(
        &self,
        simd: S,
        boxes: &Boxes,
        chunk: usize,
        x: &[f32],
        bound: S::f32s,
    ) -> u32 {
        let dim = if DIM == 0 { x.len() } else { DIM };
        let size = dim * LANES;
        let parts = LANES / S::F32_LANES;
        let (largest, _) = S::as_simd_f32s(&boxes.largest[chunk * LANES..][..LANES]);
        let (low, _) = S::as_simd_f32s(&boxes.low[chunk * size..][..size]);
        let (high, _) = S::as_simd_f32s(&boxes.high[chunk * size..][..size]);
        let mut open = 0;
        for part in 0..parts {
            let mut squares = simd.splat_f32s(0.0);
            for axis in 0..dim {
                let (low, high) = (low[axis * parts + part], high[axis * parts + part]);
                let x = simd.splat_f32s(x[axis]);
                let gap = self.gap_to_box::<S, PERIODIC>(simd, axis, x, low, high);
                squares = simd.mul_add_e_f32s(gap, gap, squares);
            }
            let least = simd.sub_f32s(self.of_squares(simd, squares), largest[part]);
            open |= lanes(simd, simd.less_than_f32s(least, bound)) << (part * S::F32_LANES);
        }
        open
    }

    #[inline(always)]
    fn look_at<S: Simd, const DIM: usize, const PERIODIC: bool>(
        &self,
        simd: S,
        group: usize,
        x: &[f32],
        running: &mut Running<S>,
    ) {
        let dim = if DIM == 0 { x.len() } else { DIM };
        let size = dim * LANES;
        let parts = LANES / S::F32_LANES;
        let (targets, _) = S::as_simd_f32s(&self.targets[group * size..][..size]);
        let (values, _) = S::as_simd_f32s(&self.values[group * LANES..][..LANES]);
        let (numbers, _) = S::as_simd_u32s(&LANE);
        for part in 0..parts {
            let mut squares = simd.splat_f32s(0.0);
            for axis in 0..dim {
                let difference =
                    simd.sub_f32s(simd.splat_f32s(x[axis]), targets[axis * parts + part]);
                let gap = self.gap::<S, PERIODIC>(simd, axis, difference);
                squares = simd.mul_add_e_f32s(gap, gap, squares);
            }
            let place = simd.add_u32s(numbers[part], simd.splat_u32s((group * LANES) as u32));
            let offer = simd.sub_f32s(self.of_squares(simd, squares), values[part]);
            running.take(simd, offer, place);
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

    /// Distance on an axis from a point to a box.
    #[inline(always)]
    fn gap_to_box<S: Simd, const PERIODIC: bool>(
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
            Some(periods) if PERIODIC => {
                let span = simd.sub_f32s(simd.max_f32s(high, x), simd.min_f32s(low, x));
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

impl<S: Simd> Running<S> {
    #[inline(always)]
    fn nothing(simd: S) -> Self {
        Self {
            best: simd.splat_f32s(f32::INFINITY),
            second: simd.splat_f32s(f32::INFINITY),
            place: simd.splat_u32s(0),
        }
    }

    #[inline(always)]
    fn take(&mut self, simd: S, offer: S::f32s, place: S::u32s) {
        let better = simd.less_than_f32s(offer, self.best);
        self.second = simd.min_f32s(self.second, simd.max_f32s(self.best, offer));
        self.place = simd.select_u32s(better, place, self.place);
        self.best = simd.min_f32s(self.best, offer);
    }

    /// The two best of all lanes.
    #[inline(always)]
    fn result(&self, simd: S) -> Cheapest {
        let best = simd.reduce_min_f32s(self.best);
        let lane = lanes(simd, simd.equal_f32s(self.best, simd.splat_f32s(best))).trailing_zeros();
        let (numbers, _) = S::as_simd_u32s(&LANE);
        let is_best = simd.equal_u32s(numbers[0], simd.splat_u32s(lane));
        let others = simd.select_f32s(is_best, self.second, self.best);
        let mut places = [0; LANES];
        simd.partial_store_u32s(&mut places[..S::F32_LANES], self.place);
        Cheapest {
            target: places[lane as usize % LANES],
            best,
            second: simd.reduce_min_f32s(others),
        }
    }
}

/// The largest of sixteen numbers.
#[inline(always)]
fn largest<S: Simd>(simd: S, numbers: &[f32]) -> f32 {
    let (numbers, _) = S::as_simd_f32s(numbers);
    let none = simd.splat_f32s(f32::NEG_INFINITY);
    simd.reduce_max_f32s(numbers.iter().fold(none, |a, &b| simd.max_f32s(a, b)))
}

/// The lanes of a mask, as bits.
#[inline(always)]
fn lanes<S: Simd>(simd: S, mask: S::m32s) -> u32 {
    let (bit, _) = S::as_simd_f32s(&BIT);
    // Every sum of these is exact.
    simd.reduce_sum_f32s(simd.select_f32s(mask, bit[0], simd.splat_f32s(0.0))) as u32
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;

    struct Ask<'a>(&'a mut Priced, usize, u32);

    impl WithSimd for Ask<'_> {
        type Output = Cheapest;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Cheapest {
            self.0.raise(simd, (self.1 * 7 % 300) as u32, 1e-3);
            let memory = self.0.search(simd, self.1, self.2);
            self.0.cheapest(simd, &memory)
        }
    }

    fn cloud(n: usize, dim: usize) -> Vec<f64> {
        (0..n * dim)
            .map(|k| (k as f64 * 0.754_877_666).fract() * (1.0 + (k % dim) as f64))
            .collect()
    }

    #[test]
    fn the_two_cheapest_are_the_two_cheapest() {
        for dim in 1..5 {
            for (metric, domain) in [
                (Metric::SqEuclidean, Domain::Free),
                (Metric::Euclidean, Domain::Free),
                (Metric::SqEuclidean, Domain::Periodic(vec![1.7; dim])),
            ] {
                let ground = Ground { metric, domain };
                let [mut x, mut y] = [cloud(400, dim), cloud(1500, dim)];
                ground.wrap_all(&mut x, dim);
                ground.wrap_all(&mut y, dim);
                let (x, y) = (Blocks::new(&x, dim), Blocks::new(&y, dim));
                let mut priced = Priced::new(&x, &y, &ground);
                for source in 0..400 {
                    let first = (source * 31 % 1500) as u32;
                    let found = crate::simd::arch().dispatch(Ask(&mut priced, source, first));
                    let mut all: Vec<(f32, u32)> = (0..1500)
                        .map(|target| (priced.pair(source, target) + priced.price(target), target))
                        .collect();
                    all.sort_by(|a, b| a.0.total_cmp(&b.0));
                    assert!(
                        (found.best - all[0].0).abs() < 1e-6,
                        "{found:?} {:?}",
                        &all[..3]
                    );
                    assert!(
                        (found.second - all[1].0).abs() < 1e-6,
                        "{found:?} {:?}",
                        &all[..3]
                    );
                }
            }
        }
    }
}
