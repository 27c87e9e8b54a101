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

use super::blocks::{Blocks, LANES, Values, bits, mask};
use super::candidates::KBest;
use super::cost::Pair;
use super::ground::Ground;
use crate::{Control, Result, simd};

/// Targets that a source remembers between two searches.
const REMEMBERED: usize = 12;

/// First increment in units of the mean, and bound of the last in units of the median cost between
/// a source and its nearest target; ratio of two increments that follow one another. Measured on
/// like and unlike clouds of 500 to 3500 points: flat within a factor of three of each.
const INCREMENTS: (f64, f64, f64) = (10.0, 0.02, 0.2);

/// How far, in increments, a remembered target may fall behind an unknown one before the source
/// searches anew.
const SLACK: f64 = 10.0;

/// Bids per source after which a phase is given up: before the first phase that ended, when the
/// increment may be too small for the way that prices have to go, and after it.
const PATIENCE: (usize, usize) = (20, 100);

/// After a phase that was given up the increment grows by this factor, at most so many times.
const CLIMB: f64 = 10.0;
const CLIMBS: u32 = 4;

/// Bids between two looks at the control.
const CHECK_INTERVAL: usize = 4096;

const NONE: u32 = u32::MAX;

/// What an auction leaves behind.
pub(crate) struct Outcome {
    /// Matched pairs: each source and each target at most once.
    pub(crate) matching: Vec<Pair>,
    /// Price of every target.
    pub(crate) prices: Vec<f64>,
    /// The targets that sources remember, sorted, without repetition.
    pub(crate) pairs: Vec<Pair>,
}

/// Match the points of `x` to those of `y`.
pub(crate) fn auction(
    x: &Blocks,
    y: &Blocks,
    ground: &Ground,
    control: &Control,
) -> Result<Outcome> {
    simd::arch().dispatch(Auction {
        x,
        y,
        ground,
        control,
    })
}

struct Auction<'a> {
    x: &'a Blocks,
    y: &'a Blocks,
    ground: &'a Ground,
    control: &'a Control,
}

impl WithSimd for Auction<'_> {
    type Output = Result<Outcome>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Result<Outcome> {
        let mut market = Market::new(self.x, self.y, self.ground);
        let (mean, median) = market.open(self.control)?;
        let (first, last, ratio) = INCREMENTS;
        let mut increment = first * mean;
        // Where prices have to climb far, larger increments take them there.
        let (mut climbs, mut settled) = (0, false);
        while increment > last * median {
            let patience = if settled { PATIENCE.1 } else { PATIENCE.0 };
            if market.phase(increment, patience, self.control)? {
                settled = true;
                increment *= ratio;
            } else if climbs < CLIMBS {
                climbs += 1;
                increment *= CLIMB;
            } else {
                break;
            }
        }
        Ok(market.outcome())
    }
}

/// A target with its cost to the source that remembers it.
#[derive(Debug, Clone, Copy)]
struct Memory {
    cost: f64,
    target: u32,
}

/// The best and the second best offer to a source.
struct Offer {
    target: u32,
    best: f64,
    second: f64,
}

struct Market<'a> {
    x: &'a Blocks,
    y: &'a Blocks,
    ground: &'a Ground,
    /// `-p_j`.
    values: Values,
    memories: Vec<Memory>,
    /// What no target that a source does not remember falls below, by source.
    unknown: Vec<f64>,
    owner: Vec<u32>,
    target: Vec<u32>,
    nearest: KBest,
}

impl<'a> Market<'a> {
    fn new(x: &'a Blocks, y: &'a Blocks, ground: &'a Ground) -> Self {
        let blank = Memory {
            cost: f64::INFINITY,
            target: 0,
        };
        Self {
            x,
            y,
            ground,
            values: Values::new(&vec![0.0; y.len()]),
            memories: vec![blank; x.len() * REMEMBERED],
            unknown: vec![f64::INFINITY; x.len()],
            owner: vec![NONE; y.len()],
            target: vec![NONE; x.len()],
            nearest: KBest::new(REMEMBERED),
        }
    }

    /// Let every source look around; mean and median cost to the nearest target.
    #[inline(always)]
    fn open(&mut self, control: &Control) -> Result<(f64, f64)> {
        let mut nearest = Vec::with_capacity(self.x.len());
        for source in 0..self.x.len() {
            if source.is_multiple_of(LANES) {
                control.check()?;
            }
            self.look_around(source);
            nearest.push(self.memories[source * REMEMBERED].cost);
        }
        let mean = nearest.iter().sum::<f64>() / nearest.len() as f64;
        let middle = nearest.len() / 2;
        let (_, &mut median, _) = nearest.select_nth_unstable_by(middle, f64::total_cmp);
        Ok((mean, if median > 0.0 { median } else { mean }))
    }

    /// Remember the best targets at the present prices.
    #[inline(always)]
    fn look_around(&mut self, source: usize) {
        let mut nearest = std::mem::replace(&mut self.nearest, KBest::new(0));
        let Self {
            x,
            y,
            ground,
            values,
            ..
        } = &*self;
        let point = x.point(source);
        nearest.entries.clear();
        // As many offers as can be remembered are known to stay within this.
        let limit = self.memories[source * REMEMBERED..][..REMEMBERED]
            .iter()
            .map(|memory| memory.cost - self.values.get(memory.target as usize))
            .fold(f64::NEG_INFINITY, f64::max)
            .next_up();
        y.search::<true, _>(
            &x.point_box(source),
            values,
            ground,
            &mut nearest,
            #[inline(always)]
            |nearest| nearest.worst().min(limit),
            #[inline(always)]
            |nearest, block| {
                let mut reduced = y.lane_costs(point, block, ground);
                for (reduced, value) in reduced.iter_mut().zip(values.of_block(block)) {
                    *reduced -= value;
                }
                let limit = nearest.worst().min(limit);
                for lane in bits(mask(|lane| reduced[lane] < limit)) {
                    nearest.offer(reduced[lane], (block * LANES + lane) as u32);
                }
            },
        );
        let memories = &mut self.memories[source * REMEMBERED..][..REMEMBERED];
        for (memory, &(reduced, target)) in memories.iter_mut().zip(&nearest.entries) {
            *memory = Memory {
                cost: reduced + self.values.get(target as usize),
                target,
            };
        }
        self.unknown[source] = nearest.worst();
        self.nearest = nearest;
    }

    #[inline(always)]
    fn offer(&self, source: usize) -> Offer {
        let mut offer = Offer {
            target: NONE,
            best: f64::INFINITY,
            second: f64::INFINITY,
        };
        for memory in &self.memories[source * REMEMBERED..][..REMEMBERED] {
            let price = memory.cost - self.values.get(memory.target as usize);
            if price < offer.best {
                offer.second = offer.best;
                offer.best = price;
                offer.target = memory.target;
            } else if price < offer.second {
                offer.second = price;
            }
        }
        offer
    }

    /// Bid until every source has a target; `false` if that takes too long.
    #[inline(always)]
    fn phase(&mut self, increment: f64, patience: usize, control: &Control) -> Result<bool> {
        let mut waiting = self.release(increment);
        let mut bids = 0;
        while let Some(source) = waiting.pop() {
            bids += 1;
            if bids % CHECK_INTERVAL == 0 {
                control.check()?;
            }
            if bids > patience * self.x.len() {
                return Ok(false);
            }
            let source = source as usize;
            let mut offer = self.offer(source);
            if offer.best > self.unknown[source] + SLACK * increment {
                self.look_around(source);
                offer = self.offer(source);
            }
            let Offer {
                target,
                best,
                second,
            } = offer;
            let raise = second - best + increment;
            let target = target as usize;
            // With a single target there is no second offer, and no rival either.
            let raise = if raise.is_finite() { raise } else { increment };
            self.values.lower(target, self.values.get(target) - raise);
            let before = std::mem::replace(&mut self.owner[target], source as u32);
            self.target[source] = target as u32;
            if before != NONE {
                self.target[before as usize] = NONE;
                waiting.push(before);
            }
        }
        Ok(true)
    }

    /// Take targets away from sources that could do better by more than the increment; all
    /// sources without a target.
    #[inline(always)]
    fn release(&mut self, increment: f64) -> Vec<u32> {
        let mut waiting = Vec::new();
        for source in 0..self.x.len() {
            let held = self.target[source];
            if held != NONE {
                let best = self.offer(source).best.min(self.unknown[source]);
                let cost = self
                    .ground
                    .cost(self.x.point(source), self.y.point(held as usize));
                if cost - self.values.get(held as usize) <= best + increment {
                    continue;
                }
                self.owner[held as usize] = NONE;
                self.target[source] = NONE;
            }
            waiting.push(source as u32);
        }
        waiting
    }

    fn outcome(self) -> Outcome {
        let matching = (0_u32..)
            .zip(&self.target)
            .filter(|&(_, &target)| target != NONE)
            .map(|(source, &target)| (source, target))
            .collect();
        let mut pairs: Vec<Pair> = self
            .memories
            .iter()
            .enumerate()
            .filter(|(_, memory)| memory.cost.is_finite())
            .map(|(index, memory)| ((index / REMEMBERED) as u32, memory.target))
            .collect();
        pairs.sort_unstable();
        // Only differences of prices count; where targets are rare all may have climbed far.
        let values = || (0..self.y.len()).map(|j| self.values.get(j));
        let cheapest = values().fold(f64::NEG_INFINITY, f64::max);
        let prices = values().map(|value| cheapest - value).collect();
        Outcome {
            matching,
            prices,
            pairs,
        }
    }
}
