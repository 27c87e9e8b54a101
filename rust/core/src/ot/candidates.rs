//! Nearest neighbours: the arcs that most likely carry the optimal plan.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::blocks::{Blocks, BoundingBox, Ground, LANES};
use super::cost::Pair;
use crate::{Control, Result, simd};

/// The `k` cheapest places of `others` for every place of `points`, as `(place, other)`.
pub(crate) fn nearest(
    points: &Blocks,
    others: &Blocks,
    ground: &Ground,
    k: usize,
    control: &Control,
) -> Result<Vec<Pair>> {
    let k = k.min(others.len());
    let no_values = others.node_maxima(&vec![0.0; others.len()]);
    let per_block: Vec<Result<Vec<Pair>>> = (0..points.count())
        .into_par_iter()
        .map(|block| {
            control.check()?;
            let search = NearestOfBlock {
                block,
                points,
                others,
                ground,
                k,
                no_values: &no_values,
            };
            Ok(simd::arch().dispatch(search))
        })
        .collect();
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
    no_values: &'a [f64],
}

impl WithSimd for NearestOfBlock<'_> {
    type Output = Vec<Pair>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<Pair> {
        let Self {
            block,
            points,
            others,
            ground,
            k,
            no_values,
        } = self;
        let mut pairs = Vec::with_capacity(k * LANES);
        let mut best = KBest::new(k);
        for place in points.places(block) {
            let x = points.point(place);
            best.entries.clear();
            others.search(
                &BoundingBox::point(x),
                no_values,
                ground,
                &mut best,
                KBest::worst,
                #[inline(always)]
                |best, block| {
                    let mut costs = others.lane_costs(x, block, ground);
                    costs[others.places(block).len()..].fill(f64::INFINITY);
                    best.offer(&costs, (block * LANES) as u32, f64::INFINITY);
                },
            );
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
            entries: Vec::with_capacity(k + 1),
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

    /// Take from a block of costs, whose first index is `first`, all that stay below `limit`.
    #[inline(always)]
    pub(crate) fn offer(&mut self, costs: &[f64; LANES], first: u32, limit: f64) {
        // One vector minimum rejects most blocks.
        let least = costs.iter().fold(
            f64::INFINITY,
            |least, &cost| if cost < least { cost } else { least },
        );
        if least >= self.worst().min(limit) {
            return;
        }
        for (index, &cost) in (first..).zip(costs) {
            if cost < self.worst().min(limit) {
                self.insert(cost, index);
            }
        }
    }

    fn insert(&mut self, cost: f64, index: u32) {
        let at = self.entries.partition_point(|&(other, _)| other <= cost);
        self.entries.insert(at, (cost, index));
        self.entries.truncate(self.k);
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
            let pairs = nearest(&x, &y, &ground, 5, &Control::new()).expect("not cancelled");
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
        let pairs = nearest(&x, &x, &ground, 10, &Control::new()).expect("not cancelled");
        assert_eq!(pairs.len(), 9);
        assert_eq!(merge(pairs.clone(), pairs).len(), 9);
    }
}
