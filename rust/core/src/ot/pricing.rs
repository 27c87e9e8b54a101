//! All pairs that a pair of duals violates, found without looking at all pairs.
//!
//! A search in single precision leaves a few groups of targets for each source; of these, double
//! precision decides.

use pulp::{Simd, WithSimd};

use super::blocks::Blocks;
use super::candidates::KBest;
use super::cost::{Pair, Rise};
use super::ground::Ground;
use super::lanes::{LANES, bits, where_less};
use super::single::{Single, SingleValues};
use crate::{Control, Result, pool, simd};

/// Up to `per_source` of the worst violations `c_ij - u_i - v_j < -tolerance` of every source,
/// by place and in the order of the places. `single` holds the points of `x` and `y`. Where pairs
/// were priced before, those are left out whose duals have not risen since.
#[allow(clippy::too_many_arguments)]
pub(crate) fn violations(
    single: &Single,
    [x, y]: [&Blocks; 2],
    ground: &Ground,
    rise: Option<&Rise>,
    (u, v): (&[f64], &[f64]),
    tolerance: f64,
    per_source: usize,
    control: &Control,
) -> Result<Vec<Pair>> {
    let values = single.values(v);
    let pricing = Pricing {
        limits: single.limits(u, -tolerance, &values),
        values,
        rises: rise.map(Rises::new),
        single,
        x,
        y,
        ground,
        u,
        v: padded(v),
        tolerance,
        per_source,
    };
    let per_block = pool::in_order(x.count(), |block| -> Result<Vec<Pair>> {
        control.check()?;
        Ok(simd::arch().dispatch(OfBlock {
            pricing: &pricing,
            block,
        }))
    });
    let mut pairs = Vec::new();
    for block in per_block {
        pairs.extend(block?);
    }
    Ok(pairs)
}

/// Values by place, for whole blocks.
fn padded(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.resize(values.len().next_multiple_of(LANES), f64::NEG_INFINITY);
    values
}

/// Rises of the duals for whole blocks.
struct Rises {
    /// By source.
    u: Vec<f64>,
    /// The largest of every group of targets.
    v: Vec<f64>,
}

impl Rises {
    fn new(rise: &Rise) -> Self {
        let largest = |group: &[f64]| group.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self {
            u: padded(&rise.u),
            v: rise.v.chunks(LANES).map(largest).collect(),
        }
    }

    /// The sources of a block whose dual and one of a group have risen together, as bits.
    #[inline(always)]
    fn of<S: Simd>(&self, simd: S, block: usize, group: usize) -> u32 {
        let mut sources = [0.0; LANES];
        sources.copy_from_slice(&self.u[block * LANES..][..LANES]);
        // Comparing instead of adding leaves nothing to rounding.
        where_less(simd, &[-self.v[group]; LANES], &sources)
    }
}

struct Pricing<'a> {
    rises: Option<Rises>,
    single: &'a Single,
    values: SingleValues,
    limits: Vec<f32>,
    x: &'a Blocks,
    y: &'a Blocks,
    ground: &'a Ground,
    u: &'a [f64],
    v: Vec<f64>,
    tolerance: f64,
    per_source: usize,
}

/// The violations of one block of sources, compiled for every instruction set.
struct OfBlock<'a> {
    pricing: &'a Pricing<'a>,
    block: usize,
}

impl WithSimd for OfBlock<'_> {
    type Output = Vec<Pair>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<Pair> {
        let Self { pricing, block } = self;
        let Pricing { x, y, ground, .. } = pricing;
        let mut worst: [KBest; LANES] = std::array::from_fn(|_| KBest::new(pricing.per_source));
        pricing.single.sift(
            simd,
            block,
            &pricing.values,
            &pricing.limits[block * LANES..][..LANES],
            #[inline(always)]
            |group| match &pricing.rises {
                Some(rises) => rises.of(simd, block, group),
                None => u32::MAX,
            },
            #[inline(always)]
            |source, group| {
                let mut reduced = y.lane_costs(x.point(source), group, ground);
                let values = &pricing.v[group * LANES..][..LANES];
                for (cost, value) in reduced.iter_mut().zip(values) {
                    *cost -= value;
                }
                let limit = pricing.u[source] - pricing.tolerance;
                for lane in bits(where_less(simd, &reduced, &[limit; LANES])) {
                    worst[source % LANES].offer(reduced[lane], (group * LANES + lane) as u32);
                }
            },
        );
        let mut pairs = Vec::new();
        for (i, worst) in x.places(block).zip(&worst) {
            pairs.extend(worst.entries.iter().map(|&(_, j)| (i as u32, j)));
        }
        pairs
    }
}
