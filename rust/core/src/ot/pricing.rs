//! All pairs that a pair of duals violates, found without looking at all pairs.
//!
//! A search in single precision leaves a few groups of targets for each source; of these, double
//! precision decides.

use pulp::{Simd, WithSimd};

use super::blocks::Blocks;
use super::candidates::KBest;
use super::cost::{Pair, Pricing, Rise};
use super::ground::Ground;
use super::lanes::{LANES, bits, where_less};
use super::single::{Single, SingleValues};
use crate::{Control, Result, pool, simd};

/// The pairs that duals violate: up to `per_source` of the worst of every source, by place and in
/// the order of the places. `single` holds the points of `x` and `y`.
pub(crate) fn violations(
    single: &Single,
    [x, y]: [&Blocks; 2],
    ground: &Ground,
    pricing: &Pricing<'_>,
    control: &Control,
) -> Result<Vec<Pair>> {
    let values = single.values(pricing.v);
    let pass = Pass {
        limits: single.limits(pricing.u, -pricing.tolerance, &values),
        values,
        rises: pricing.rise.map(Rises::new),
        single,
        x,
        y,
        ground,
        v: padded(pricing.v),
        pricing,
    };
    let per_block = pool::in_order(x.count(), |block| -> Result<Vec<Pair>> {
        control.check()?;
        Ok(simd::arch().dispatch(OfBlock { pass: &pass, block }))
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

/// One pass over all pairs.
struct Pass<'a> {
    pricing: &'a Pricing<'a>,
    rises: Option<Rises>,
    single: &'a Single,
    values: SingleValues,
    limits: Vec<f32>,
    x: &'a Blocks,
    y: &'a Blocks,
    ground: &'a Ground,
    v: Vec<f64>,
}

/// The violations of one block of sources, compiled for every instruction set.
struct OfBlock<'a> {
    pass: &'a Pass<'a>,
    block: usize,
}

impl WithSimd for OfBlock<'_> {
    type Output = Vec<Pair>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<Pair> {
        let Self { pass, block } = self;
        let Pass {
            x,
            y,
            ground,
            pricing,
            ..
        } = pass;
        let mut worst: [KBest; LANES] = std::array::from_fn(|_| KBest::new(pricing.per_source));
        pass.single.sift(
            simd,
            block,
            &pass.values,
            &pass.limits[block * LANES..][..LANES],
            #[inline(always)]
            |group| match &pass.rises {
                Some(rises) => rises.of(simd, block, group),
                None => u32::MAX,
            },
            #[inline(always)]
            |source, group| {
                let mut reduced = y.lane_costs(x.point(source), group, ground);
                let values = &pass.v[group * LANES..][..LANES];
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
