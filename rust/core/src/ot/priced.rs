//! Targets with prices, and the search for the two that are cheapest to a source.
//!
//! An auction asks this for every bid, and prices have moved since the last time: nothing that is
//! remembered stays true. So each search starts anew, in single precision. Rounding is harmless:
//! what follows an auction does not trust it.

use pulp::{Simd, WithSimd};

use super::lanes::{LANES, bits, bits_32};
use super::single::{Search, Single, SingleValues};

/// Targets that a source remembers: the best of every lane, in two strands.
const REMEMBERED: usize = 2 * LANES;

/// Sources that are asked for a typical cost.
const SAMPLE: usize = 64;

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

/// Targets with their prices; all costs in units of the largest.
pub(crate) struct Priced<'a> {
    single: &'a Single,
    /// `-p_j`.
    values: SingleValues,
}

/// Targets that a source has seen to be cheap.
#[derive(Clone)]
pub(crate) struct Memory {
    costs: [f32; REMEMBERED],
    places: [u32; REMEMBERED],
    /// What no target that is not remembered fell below when this was seen; prices only rise.
    unknown: f32,
}

/// An integer for every number, in the order of the numbers.
fn rank_of_number(number: f32) -> u32 {
    let bits = number.to_bits();
    if bits >> 31 == 0 {
        bits | 1 << 31
    } else {
        !bits
    }
}

fn number_of_rank(rank: u32) -> f32 {
    f32::from_bits(if rank >> 31 == 1 {
        rank & !(1 << 31)
    } else {
        !rank
    })
}

impl Memory {
    /// No target.
    pub(crate) const NOTHING: Self = Self {
        costs: [f32::INFINITY; REMEMBERED],
        places: [0; REMEMBERED],
        unknown: f32::NEG_INFINITY,
    };

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

impl<'a> Priced<'a> {
    /// Targets whose prices are the values, with the opposite sign.
    pub(crate) fn new(single: &'a Single, values: &[f64]) -> Self {
        Self {
            values: single.values(values),
            single,
        }
    }

    /// Price of a target.
    #[inline(always)]
    pub(crate) fn price(&self, target: u32) -> f32 {
        -self.values.of(target)
    }

    /// Make a target dearer.
    #[inline(always)]
    pub(crate) fn raise<S: Simd>(&mut self, simd: S, target: u32, by: f32) {
        self.values.lower(simd, target, by);
    }

    /// The two cheapest of the targets that a source remembers.
    #[inline(always)]
    pub(crate) fn cheapest<S: Simd>(&self, simd: S, memory: &Memory) -> Cheapest {
        let mut offers = memory.costs;
        for (offer, &place) in offers.iter_mut().zip(&memory.places) {
            *offer -= self.values.of(place);
        }
        let (offers, _) = S::as_simd_f32s(&offers);
        let (places, _) = S::as_simd_u32s(&memory.places);
        let mut running = Running::nothing(simd);
        for (&offer, &place) in offers.iter().zip(places) {
            running.take(simd, offer, place);
        }
        running.result(simd)
    }

    /// The `count` cheapest of the targets that a source remembers, in their order.
    pub(crate) fn several(
        &self,
        memory: &Memory,
        count: usize,
    ) -> impl Iterator<Item = u32> + use<> {
        let (mut offers, count) = self.offers(memory, count);
        for offer in &mut offers[..count] {
            *offer &= u64::from(u32::MAX);
        }
        offers[..count].sort_unstable();
        offers.into_iter().take(count).map(|offer| offer as u32)
    }

    /// How far these differ in what they cost with their prices.
    pub(crate) fn spread(&self, memory: &Memory, count: usize) -> f32 {
        let (offers, count) = self.offers(memory, count);
        let costs = || {
            offers[..count]
                .iter()
                .map(|offer| number_of_rank((offer >> 32) as u32))
        };
        costs().fold(f32::NEG_INFINITY, f32::max) - costs().fold(f32::INFINITY, f32::min)
    }

    /// What the remembered targets cost with their prices, as a rank above the place of the target,
    /// the `count` cheapest first, and how many of these there are.
    fn offers(&self, memory: &Memory, count: usize) -> ([u64; REMEMBERED], usize) {
        let mut offers = [u64::MAX; REMEMBERED];
        let mut known = 0;
        for (&cost, &place) in memory.costs.iter().zip(&memory.places) {
            if cost.is_finite() {
                let rank = rank_of_number(cost - self.values.of(place));
                offers[known] = u64::from(rank) << 32 | u64::from(place);
                known += 1;
            }
        }
        if known > count {
            offers[..known].select_nth_unstable(count);
        }
        (offers, known.min(count))
    }

    /// The targets that are cheapest to a source, looking first at those around `first`.
    #[inline(always)]
    pub(crate) fn search<S: Simd>(&self, simd: S, source: usize, first: u32) -> Memory {
        let look = Look {
            simd,
            priced: self,
            source,
            first: first as usize / LANES,
        };
        self.single.search(simd, look)
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
            *cost += self.values.of(place);
        }
        memory
    }
}

/// Median cost between a source and its nearest target, over a sample of the sources.
pub(crate) fn nearest_cost(single: &Single) -> f64 {
    let priced = Priced::new(single, &vec![0.0; single.targets()]);
    let mut costs = crate::simd::arch().dispatch(NearestCosts(&priced));
    single.cost(mean_and_median(&mut costs).1)
}

struct NearestCosts<'a>(&'a Priced<'a>);

impl WithSimd for NearestCosts<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let priced = self.0;
        let sources = priced.single.sources();
        let mut costs = Vec::with_capacity(SAMPLE);
        let mut first = 0;
        for source in (0..sources).step_by(sources.div_ceil(SAMPLE)) {
            let memory = priced.search(simd, source, first);
            let Cheapest { target, best, .. } = priced.cheapest(simd, &memory);
            costs.push(best);
            first = target;
        }
        costs
    }
}

/// Mean and median of some costs; the mean also for the median, if that is zero.
pub(crate) fn mean_and_median(costs: &mut [f32]) -> (f32, f32) {
    let mean = costs.iter().sum::<f32>() / costs.len() as f32;
    let middle = costs.len() / 2;
    let (_, &mut median, _) = costs.select_nth_unstable_by(middle, f32::total_cmp);
    (mean, if median > 0.0 { median } else { mean })
}

/// The search for the cheapest targets of a source, in a group first.
struct Look<'a, S> {
    simd: S,
    priced: &'a Priced<'a>,
    source: usize,
    first: usize,
}

impl<S: Simd> Search<S> for Look<'_, S> {
    type Output = Memory;

    #[inline(always)]
    fn run<const DIM: usize, const PERIODIC: bool>(self, single: &Single) -> Memory {
        let Self {
            simd,
            priced,
            source,
            first,
        } = self;
        let values = &priced.values;
        let mut running = [Running::<S>::nothing(simd); 2];
        running[0].look_at::<DIM, PERIODIC>(simd, single, values, source, first);
        let bound = running[0].result(simd).second;
        let [one, other] = &mut running;
        single.open_groups::<S, DIM, PERIODIC>(
            simd,
            single.point(source),
            values,
            bound,
            #[inline(always)]
            |start, mut groups| {
                if (start..start + LANES).contains(&first) {
                    groups &= !(1 << (first - start));
                }
                // Two at a time: the one need not wait for the other.
                let mut groups = bits(groups);
                while let Some(group) = groups.next() {
                    other.look_at::<DIM, PERIODIC>(simd, single, values, source, start + group);
                    if let Some(group) = groups.next() {
                        one.look_at::<DIM, PERIODIC>(simd, single, values, source, start + group);
                    }
                }
            },
        );
        priced.remembered(simd, &running, bound)
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

    /// Take in the targets of a group.
    #[inline(always)]
    fn look_at<const DIM: usize, const PERIODIC: bool>(
        &mut self,
        simd: S,
        single: &Single,
        values: &SingleValues,
        source: usize,
        group: usize,
    ) {
        let (numbers, _) = S::as_simd_u32s(&LANE);
        let first = simd.splat_u32s((group * LANES) as u32);
        single.offers::<S, DIM, PERIODIC>(
            simd,
            group,
            source,
            values,
            #[inline(always)]
            |part, offers| self.take(simd, offers, simd.add_u32s(numbers[part], first)),
        );
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
        let lane =
            bits_32(simd, simd.equal_f32s(self.best, simd.splat_f32s(best))).trailing_zeros();
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

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::super::blocks::Blocks;
    use super::super::cost::Metric;
    use super::super::ground::Ground;
    use super::*;
    use crate::domain::Domain;

    struct Ask<'a, 'b>(&'a mut Priced<'b>, usize, u32);

    impl WithSimd for Ask<'_, '_> {
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
                let single = Single::new(x.rows(), y.rows(), dim, &ground);
                let mut priced = Priced::new(&single, &[0.0; 1500]);
                for source in 0..400 {
                    let first = (source * 31 % 1500) as u32;
                    let found = crate::simd::arch().dispatch(Ask(&mut priced, source, first));
                    let mut all: Vec<(f32, u32)> = (0..1500)
                        .map(|target| (single.pair(source, target) + priced.price(target), target))
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
