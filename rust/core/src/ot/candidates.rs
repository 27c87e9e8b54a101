//! Nearest neighbours: the arcs that most likely carry the optimal plan.

use pulp::{Simd, WithSimd};

use super::blocks::{Blocks, Values};
use super::cost::Pair;
use super::ground::Ground;
use super::lanes::{LANES, bits, where_less};
use crate::{Control, Result, pool, simd};

/// The `k` places of `others` with the least `cost - value` for every place of `points`, as
/// `(place, other)`.
pub(crate) fn nearest(
    points: &Blocks,
    others: &Blocks,
    ground: &Ground,
    values: &Values,
    k: usize,
    control: &Control,
) -> Result<Vec<Pair>> {
    let k = k.min(others.len());
    let per_block = pool::in_order(points.count(), |block| -> Result<Vec<Pair>> {
        control.check()?;
        let search = NearestOfBlock {
            block,
            points,
            others,
            ground,
            k,
            values,
        };
        Ok(simd::arch().dispatch(search))
    });
    let mut pairs = Vec::with_capacity(k * points.len());
    for block in per_block {
        pairs.extend(block?);
    }
    Ok(pairs)
}

/// The neighbours of one block of points, compiled for every instruction set.
struct NearestOfBlock<'a> {
    block: usize,
    points: &'a Blocks,
    others: &'a Blocks,
    ground: &'a Ground,
    k: usize,
    values: &'a Values,
}

impl WithSimd for NearestOfBlock<'_> {
    type Output = Vec<Pair>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<Pair> {
        let Self {
            block,
            points,
            others,
            ground,
            k,
            values,
        } = self;
        let places = points.places(block);
        let mut best: [KBest; LANES] = std::array::from_fn(|_| KBest::new(k));
        // Lanes without a point look for nothing.
        let mut worst = [f64::NEG_INFINITY; LANES];
        worst[..places.len()].fill(f64::INFINITY);
        others.search(
            simd,
            &points.block_box(block),
            (values, ground),
            &mut worst,
            #[inline(always)]
            |worst| worst.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b)),
            #[inline(always)]
            |worst, other| {
                let least = points.lane_least_costs(block, &others.block_box(other), ground);
                let largest = values.block_maximum(other);
                let reduced = least.map(
                    #[inline(always)]
                    |least| least - largest,
                );
                for lane in bits(where_less(simd, &reduced, worst)) {
                    let x = points.point(places.start + lane);
                    let mut costs = others.lane_costs(x, other, ground);
                    for (cost, value) in costs.iter_mut().zip(values.of_block(other)) {
                        *cost -= value;
                    }
                    let limit = worst[lane];
                    for at in bits(where_less(simd, &costs, &[limit; LANES])) {
                        best[lane].offer(costs[at], (other * LANES + at) as u32);
                    }
                    worst[lane] = best[lane].worst();
                }
            },
        );
        let mut pairs = Vec::with_capacity(k * places.len());
        for (place, best) in places.zip(&best) {
            pairs.extend(best.entries.iter().map(|&(_, other)| (place as u32, other)));
        }
        pairs
    }
}

/// The `k` smallest entries seen so far, sorted.
pub(crate) struct KBest {
    k: usize,
    pub(crate) entries: Vec<(f64, u32)>,
}

impl KBest {
    pub(crate) fn new(k: usize) -> Self {
        Self {
            k,
            entries: Vec::new(),
        }
    }

    /// What a new entry must stay below.
    #[inline(always)]
    pub(crate) fn worst(&self) -> f64 {
        if self.entries.len() < self.k {
            f64::INFINITY
        } else {
            self.entries
                .last()
                .map_or(f64::NEG_INFINITY, |entry| entry.0)
        }
    }

    /// Take an entry if it is among the smallest.
    #[inline(always)]
    pub(crate) fn offer(&mut self, cost: f64, index: u32) {
        if cost < self.worst() {
            self.insert(cost, index);
        }
    }

    #[inline(always)]
    fn insert(&mut self, cost: f64, index: u32) {
        // Larger entries move up by one, the last one out.
        let full = self.entries.len() == self.k;
        let mut at = self.entries.len() - usize::from(full);
        if !full {
            // Many never get an entry.
            self.entries.reserve_exact(self.k - self.entries.len());
            self.entries.push((cost, index));
        }
        while at > 0 && self.entries[at - 1].0 > cost {
            self.entries[at] = self.entries[at - 1];
            at -= 1;
        }
        self.entries[at] = (cost, index);
    }
}

/// Merge `(source, target)` pairs with `(target, source)` pairs: sorted, without repetition.
pub(crate) fn merge(mut forward: Vec<Pair>, backward: Vec<Pair>) -> Vec<Pair> {
    forward.extend(
        backward
            .into_iter()
            .map(|(target, source)| (source, target)),
    );
    forward.sort_unstable();
    forward.dedup();
    forward
}

#[cfg(test)]
mod tests {
    use super::super::cost::Metric;
    use super::*;
    use crate::domain::Domain;

    #[test]
    fn the_nearest_are_the_nearest() {
        let points: Vec<f64> = (0..600)
            .map(|k| (f64::from(k) * 0.618_034).fract())
            .collect();
        let others: Vec<f64> = (0..450)
            .map(|k| (f64::from(k) * 0.414_214).fract())
            .collect();
        for domain in [Domain::Free, Domain::Periodic(vec![1.0; 3])] {
            let ground = Ground {
                metric: Metric::SqEuclidean,
                domain,
            };
            let (x, y) = (Blocks::new(&points, 3), Blocks::new(&others, 3));
            let none = Values::new(&vec![0.0; y.len()]);
            let pairs = nearest(&x, &y, &ground, &none, 5, &Control::new()).expect("not cancelled");
            for place in 0..x.len() {
                let mut all: Vec<f64> = (0..y.len())
                    .map(|j| ground.cost(x.point(place), y.point(j)))
                    .collect();
                all.sort_by(f64::total_cmp);
                let found: Vec<f64> = pairs[5 * place..5 * place + 5]
                    .iter()
                    .map(|&(i, j)| ground.cost(x.point(i as usize), y.point(j as usize)))
                    .collect();
                assert_eq!(found, all[..5]);
            }
        }
    }

    #[test]
    fn more_neighbours_than_points_gives_all() {
        let ground = Ground {
            metric: Metric::SqEuclidean,
            domain: Domain::Free,
        };
        let x = Blocks::new(&[0.0, 1.0, 2.0], 1);
        let none = Values::new(&[0.0; 3]);
        let pairs = nearest(&x, &x, &ground, &none, 10, &Control::new()).expect("not cancelled");
        assert_eq!(pairs.len(), 9);
        assert_eq!(merge(pairs.clone(), pairs).len(), 9);
    }
}
