//! An auction with scaled increments: duals and a matching that are nearly optimal, for equal
//! masses on clouds of one size.
//!
//! Every target has a price `p_j`. A source without a target bids for the one that is cheapest to
//! it, `min_j c_ij + p_j`, and raises the price by what separates it from the second cheapest
//! plus an increment; who held the target before has to look again (Bertsekas 1979). With the
//! increment `e`, the matching costs at most `e` per source more than the optimum. Increments fall
//! from phase to phase and prices are kept.
//!
//! Nothing here has to be exact: the simplex starts from the result and ends at the optimum.

use pulp::{Simd, WithSimd};

use super::cost::Pair;
use super::priced::{Cheapest, Memory, Priced, mean_and_median};
use super::single::Single;
use crate::{Control, Result, pool, simd};

/// Cheapest targets of every source, at the final prices, that the simplex starts with.
const CANDIDATES: usize = 8;

/// First increment in units of the mean, and bound of the last in units of the median cost between
/// a source and its nearest target; ratio of two increments that follow one another. Measured on
/// like and unlike clouds of 500 to 3500 points: flat within a factor of three of each.
const INCREMENTS: (f32, f32, f32) = (10.0, 0.02, 0.2);

/// Sources that are asked, after what should be the last phase, how much their cheapest targets
/// differ, and the part of that which an increment may be: with a larger one chance decides between
/// them, and phases go on. Where shares of far clusters differ, the cost to the nearest target is no
/// measure of that.
const ASKED: usize = 32;
const FINE: f32 = 0.25;

/// First increment where prices are known, in units of the cost to the nearest target: flat within
/// a factor of three. With less, prices that have to go a long way take many bids.
const REOPENING: f32 = 2.0;

/// The least increment that prices, in single precision, take notice of, in units of the largest
/// price.
const RESOLUTION: f32 = 4.0 * f32::EPSILON;

/// How far, in increments, a remembered target may fall behind an unknown one before the source
/// searches anew.
const SLACK: f32 = 10.0;

/// Bids per source after which a phase is given up: before the first phase that ended, when the
/// increment may be too small for the way that prices have to go, and after it.
const PATIENCE: (usize, usize) = (20, 100);

/// After a phase that was given up the increment grows by this factor, at most so many times.
const CLIMB: f32 = 10.0;
const CLIMBS: u32 = 4;

/// Bids between two looks at the control.
const CHECK_INTERVAL: usize = 4096;

/// Sources that a thread looks around for at a time. Neighbours have neighbouring targets.
const CHUNK: usize = 64;

const NONE: u32 = u32::MAX;

/// What an auction leaves behind.
pub(crate) struct Outcome {
    /// Matched pairs: each source and each target at most once.
    pub(crate) matching: Vec<Pair>,
    /// Price of every target.
    pub(crate) prices: Vec<f64>,
    /// The cheapest pairs at these prices, sorted, without repetition.
    pub(crate) pairs: Vec<Pair>,
}

/// What is known before an auction begins.
pub(crate) struct Opening {
    /// Duals of the targets in a problem that is like this one.
    pub(crate) values: Vec<f64>,
    /// Typical cost between a source and its nearest target.
    pub(crate) nearest: f64,
}

/// Match the sources to the targets.
pub(crate) fn auction(
    single: &Single,
    opening: Option<&Opening>,
    control: &Control,
) -> Result<Outcome> {
    let market = match opening {
        Some(opening) => Market::new(single, &opening.values),
        None => Market::new(single, &vec![0.0; single.targets()]),
    };
    let market = simd::arch().dispatch(Auction {
        nearest: opening.map(|opening| single.number(opening.nearest)),
        market,
        control,
    })?;
    let Market { priced, target, .. } = &market;
    let matching = (0..)
        .zip(target)
        .filter(|&(_, &target)| target != NONE)
        .map(|(source, &target)| (source, target))
        .collect();
    // Only differences of prices count; where targets are rare all may have climbed far.
    let prices = || (0..single.targets() as u32).map(|target| priced.price(target));
    let least = prices().fold(f32::INFINITY, f32::min);
    let prices: Vec<f64> = prices().map(|price| single.cost(price - least)).collect();
    let several = pool::in_order(market.memories.len().div_ceil(CHUNK), |chunk| {
        let sources = chunk * CHUNK..market.memories.len().min((chunk + 1) * CHUNK);
        let mut pairs = Vec::with_capacity(sources.len() * CANDIDATES);
        for source in sources {
            let targets = priced.several(&market.memories[source], CANDIDATES);
            pairs.extend(targets.map(|target| (source as u32, target)));
        }
        pairs
    });
    let pairs = several.concat();
    Ok(Outcome {
        matching,
        prices,
        pairs,
    })
}

struct Auction<'a> {
    market: Market<'a>,
    /// Cost to the nearest target, where prices are known.
    nearest: Option<f32>,
    control: &'a Control,
}

impl<'a> WithSimd for Auction<'a> {
    type Output = Result<Market<'a>>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Result<Market<'a>> {
        let Self {
            mut market,
            nearest,
            control,
        } = self;
        let (mean, median) = market.open(control)?;
        let (first, last, ratio) = INCREMENTS;
        let (mut increment, last) = match nearest {
            Some(nearest) => (REOPENING * nearest, last * nearest),
            None => (first * mean, last * median),
        };
        // Where prices have to climb far, larger increments take them there.
        let (mut climbs, mut settled) = (0, false);
        while increment > RESOLUTION * market.dearest {
            if increment <= last && (!settled || increment <= FINE * market.spread(simd)) {
                break;
            }
            let patience = if settled { PATIENCE.1 } else { PATIENCE.0 };
            if market.phase(simd, increment, patience, control)? {
                settled = true;
                increment *= ratio;
            } else if climbs < CLIMBS {
                climbs += 1;
                increment *= CLIMB;
            } else {
                break;
            }
        }
        Ok(market)
    }
}

struct Market<'a> {
    single: &'a Single,
    priced: Priced<'a>,
    /// The source that holds each target.
    owner: Vec<u32>,
    /// The target that each source holds.
    target: Vec<u32>,
    memories: Vec<Memory>,
    /// The highest price.
    dearest: f32,
}

impl<'a> Market<'a> {
    fn new(single: &'a Single, values: &[f64]) -> Self {
        Self {
            single,
            priced: Priced::new(single, values),
            owner: vec![NONE; single.targets()],
            target: vec![NONE; single.sources()],
            memories: vec![Memory::NOTHING; single.sources()],
            dearest: single.number(values.iter().fold(0.0, |size, value| value.abs().max(size))),
        }
    }

    /// Let every source look around: mean and median cost to the cheapest target.
    fn open(&mut self, control: &Control) -> Result<(f32, f32)> {
        let (single, priced) = (self.single, &self.priced);
        let costs = pool::in_chunks(&mut self.memories, CHUNK, |first, memories| {
            control.check()?;
            Ok(simd::arch().dispatch(Opened {
                single,
                priced,
                first,
                memories,
            }))
        });
        let costs = costs.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(mean_and_median(&mut costs.concat()))
    }

    /// The median difference between the cheapest and the last of several targets of a source.
    #[inline(always)]
    fn spread<S: Simd>(&self, simd: S) -> f32 {
        let sources = self.target.len();
        let mut spreads = Vec::with_capacity(ASKED);
        for source in (0..sources).step_by(sources.div_ceil(ASKED)) {
            // Any group will do to begin with, if it holds no target.
            let first = self.target[source].min(self.owner.len() as u32 - 1);
            let memory = self.priced.search(simd, source, first);
            spreads.push(self.priced.spread(&memory, CANDIDATES));
        }
        mean_and_median(&mut spreads).1
    }

    /// Bid until every source has a target; `false` if that takes too long.
    #[inline(always)]
    fn phase<S: Simd>(
        &mut self,
        simd: S,
        increment: f32,
        patience: usize,
        control: &Control,
    ) -> Result<bool> {
        let mut waiting = self.release(increment, control)?;
        let mut bids = 0;
        while let Some(source) = waiting.pop() {
            bids += 1;
            if bids % CHECK_INTERVAL == 0 {
                control.check()?;
            }
            if bids > patience * self.target.len() {
                return Ok(false);
            }
            let memory = &self.memories[source as usize];
            let mut cheapest = self.priced.cheapest(simd, memory);

            if cheapest.best > memory.unknown() + SLACK * increment {
                let memory = self.priced.search(simd, source as usize, cheapest.target);
                cheapest = self.priced.cheapest(simd, &memory);
                self.memories[source as usize] = memory;
            }
            let Cheapest {
                target,
                best,
                second,
            } = cheapest;
            // A raise beyond the second best target, remembered or not, could never be taken back.
            // With a single target there is no second one, and no rival either.
            let second = second.min(self.memories[source as usize].unknown());
            let lead = if second < f32::INFINITY {
                (second - best).max(0.0)
            } else {
                0.0
            };
            self.priced.raise(simd, target, lead + increment);
            self.dearest = self.dearest.max(self.priced.price(target));
            let before = std::mem::replace(&mut self.owner[target as usize], source);
            self.target[source as usize] = target;
            if before != NONE {
                self.target[before as usize] = NONE;
                waiting.push(before);
            }
        }
        Ok(true)
    }

    /// Take targets away from sources that could do better by more than the increment; all
    /// sources without a target. Those that have forgotten too much look around.
    fn release(&mut self, increment: f32, control: &Control) -> Result<Vec<u32>> {
        let (single, priced, held) = (self.single, &self.priced, &self.target);
        let released = pool::in_chunks(&mut self.memories, CHUNK, |first, memories| {
            control.check()?;
            Ok(simd::arch().dispatch(Released {
                single,
                priced,
                increment,
                held,
                first,
                memories,
            }))
        });
        let mut waiting = Vec::new();
        for sources in released {
            waiting.extend_from_slice(&sources?);
        }
        for &source in &waiting {
            let held = std::mem::replace(&mut self.target[source as usize], NONE);
            if held != NONE {
                self.owner[held as usize] = NONE;
            }
        }
        Ok(waiting)
    }
}

/// The first look of some sources: what the cheapest target costs each of them.
struct Opened<'a> {
    single: &'a Single,
    priced: &'a Priced<'a>,
    first: usize,
    memories: &'a mut [Memory],
}

impl WithSimd for Opened<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let mut costs = Vec::with_capacity(self.memories.len());
        let mut near = 0;
        for (source, memory) in (self.first..).zip(self.memories) {
            *memory = self.priced.search(simd, source, near);
            let Cheapest { target, .. } = self.priced.cheapest(simd, memory);
            costs.push(self.single.pair(source, target));
            // The next source is a neighbour.
            near = target;
        }
        costs
    }
}

/// Those of some sources that have to bid in a new phase.
struct Released<'a> {
    single: &'a Single,
    priced: &'a Priced<'a>,
    increment: f32,
    /// The target that each source holds.
    held: &'a [u32],
    first: usize,
    memories: &'a mut [Memory],
}

impl WithSimd for Released<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<u32> {
        let Self {
            single,
            priced,
            increment,
            ..
        } = self;
        let mut released = Vec::with_capacity(self.memories.len());
        for (source, memory) in (self.first..).zip(self.memories) {
            let Cheapest { target, best, .. } = priced.cheapest(simd, memory);
            let known = memory.unknown() + SLACK * increment;
            let held = self.held[source];
            if held != NONE {
                let cost = single.pair(source, held) + priced.price(held);
                if cost <= best.min(known) + increment {
                    continue;
                }
            }
            if best > known {
                *memory = priced.search(simd, source, target);
            }
            released.push(source as u32);
        }
        released
    }
}
