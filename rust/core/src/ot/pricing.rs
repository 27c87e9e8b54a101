//! All pairs that a pair of duals violates, found through bounding boxes.

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
    let maxima = y.node_maxima(v);
    let v = &y.padded(v, f64::NEG_INFINITY);
    let per_block: Vec<Result<Vec<Pair>>> = (0..x.count())
        .into_par_iter()
        .map(|block| {
            control.check()?;
            Ok(simd::arch().dispatch(|| {
                x.places(block)
                    .flat_map(|i| worst_of(i, x, y, ground, (u, v), &maxima, tolerance, per_source))
                    .collect()
            }))
        })
        .collect();
    let mut pairs = Vec::new();
    for block in per_block {
        pairs.extend(block?);
    }
    Ok(pairs)
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn worst_of(
    i: usize,
    x: &Blocks,
    y: &Blocks,
    ground: &Ground,
    (u, v): (&[f64], &[f64]),
    maxima: &[f64],
    tolerance: f64,
    per_source: usize,
) -> Vec<Pair> {
    let point = x.point(i);
    let limit = u[i] - tolerance;
    let mut worst = KBest::new(per_source);
    let bound = |worst: &KBest| worst.worst().min(limit);
    y.search(
        &BoundingBox::point(point),
        maxima,
        ground,
        &mut worst,
        bound,
        |worst, block| {
            let mut reduced = y.lane_costs(point, block, ground);
            let first = block * LANES;
            for (reduced, &v) in reduced.iter_mut().zip(&v[first..first + LANES]) {
                *reduced -= v;
            }
            worst.offer(&reduced, first as u32, limit);
        },
    );
    worst.entries.iter().map(|&(_, j)| (i as u32, j)).collect()
}
