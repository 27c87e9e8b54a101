//! All pairs that a pair of duals violates, found through bounding boxes.
//!
//! A block of sources asks the tree of the targets once for all blocks that any of its points may
//! violate a pair with; each of its points then looks only at those.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::blocks::{Blocks, BoundingBox, Ground, LANES};
use super::candidates::KBest;
use super::cost::Pair;
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
        source_leaves: x.leaves(),
        target_leaves: y.leaves(),
        u,
        v: y.padded(v, f64::NEG_INFINITY),
        maxima: y.node_maxima(v),
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
    source_leaves: Vec<u32>,
    target_leaves: Vec<u32>,
    u: &'a [f64],
    /// Padded to full blocks: unused lanes violate nothing.
    v: Vec<f64>,
    maxima: Vec<f64>,
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
        let bounds = x.node_box(self.source_leaves[block] as usize);
        let mut near = Vec::new();
        y.search(
            &bounds,
            &self.maxima,
            ground,
            &mut near,
            #[inline(always)]
            |_| largest - tolerance,
            Vec::push,
        );
        let mut pairs = Vec::new();
        let mut worst = KBest::new(self.per_source);
        for i in places {
            self.of_source(i, &near, &mut worst);
            pairs.extend(worst.entries.iter().map(|&(_, j)| (i as u32, j)));
        }
        pairs
    }

    #[inline(always)]
    fn of_source(&self, i: usize, near: &[usize], worst: &mut KBest) {
        worst.entries.clear();
        let point = self.x.point(i);
        let query = BoundingBox::point(point);
        let limit = self.u[i] - self.tolerance;
        for &block in near {
            let node = self.target_leaves[block] as usize;
            let least = self.y.node_box(node).least_cost(&query, self.ground) - self.maxima[node];
            if least >= worst.worst().min(limit) {
                continue;
            }
            let first = block * LANES;
            let mut reduced = self.y.lane_costs(point, block, self.ground);
            for (reduced, &v) in reduced.iter_mut().zip(&self.v[first..first + LANES]) {
                *reduced -= v;
            }
            worst.offer(&reduced, first as u32, limit);
        }
    }
}
