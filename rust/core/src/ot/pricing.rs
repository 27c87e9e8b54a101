//! All pairs that a pair of duals violates, found through bounding boxes.
//!
//! A block of sources asks the tree of the targets once for all blocks that any of its points may
//! violate a pair with; each of its points then looks only at those.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::blocks::{Blocks, LANES, Values, bits, mask};
use super::candidates::KBest;
use super::cost::Pair;
use super::ground::Ground;
use crate::{Control, Result, simd};

/// Up to `per_source` of the worst violations `c_ij - u_i - v_j < -tolerance` of every source,
/// by place and in the order of the places.
pub(crate) fn violations(
    x: &Blocks,
    y: &Blocks,
    ground: &Ground,
    (u, v): (&[f64], &[f64]),
    tolerance: f64,
    per_source: usize,
    control: &Control,
) -> Result<Vec<Pair>> {
    let pricing = Pricing {
        x,
        y,
        ground,
        u,
        v: Values::new(v),
        tolerance,
        per_source,
    };
    let per_block: Vec<Result<Vec<Pair>>> = (0..x.count())
        .into_par_iter()
        .map(|block| {
            control.check()?;
            Ok(simd::arch().dispatch(OfBlock {
                pricing: &pricing,
                block,
            }))
        })
        .collect();
    let mut pairs = Vec::new();
    for block in per_block {
        pairs.extend(block?);
    }
    Ok(pairs)
}

/// The violations of one block of sources, compiled for every instruction set.
struct OfBlock<'a> {
    pricing: &'a Pricing<'a>,
    block: usize,
}

impl WithSimd for OfBlock<'_> {
    type Output = Vec<Pair>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<Pair> {
        self.pricing.of_block(self.block)
    }
}

struct Pricing<'a> {
    x: &'a Blocks,
    y: &'a Blocks,
    ground: &'a Ground,
    u: &'a [f64],
    v: Values,
    tolerance: f64,
    per_source: usize,
}

impl Pricing<'_> {
    #[inline(always)]
    fn of_block(&self, block: usize) -> Vec<Pair> {
        let Self {
            x,
            y,
            ground,
            u,
            tolerance,
            ..
        } = self;
        let places = x.places(block);
        let largest = u[places.clone()]
            .iter()
            .fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let mut near = Vec::new();
        y.search::<false, _>(
            &x.block_box(block),
            &self.v,
            ground,
            &mut near,
            #[inline(always)]
            |_| largest - tolerance,
            Vec::push,
        );
        let mut limits = [f64::NEG_INFINITY; LANES];
        for (limit, &u) in limits.iter_mut().zip(&u[places.clone()]) {
            *limit = u - tolerance;
        }
        let mut worst: [KBest; LANES] = std::array::from_fn(|_| KBest::new(self.per_source));
        for target in near {
            let least = x.lane_least_costs(block, &y.block_box(target), ground);
            let reach = self.v.block_maximum(target);
            let open = mask(|lane| least[lane] - reach < limits[lane]);
            for lane in bits(open) {
                let costs = y.lane_costs(x.point(places.start + lane), target, ground);
                let values = self.v.of_block(target);
                let limit = limits[lane];
                let violated = mask(|lane| costs[lane] - values[lane] < limit);
                for other in bits(violated) {
                    worst[lane].offer(
                        costs[other] - values[other],
                        (target * LANES + other) as u32,
                    );
                }
            }
        }
        let mut pairs = Vec::new();
        for (i, worst) in places.zip(&worst) {
            pairs.extend(worst.entries.iter().map(|&(_, j)| (i as u32, j)));
        }
        pairs
    }
}
