//! Resampling: particles with weights become particles without.
//!
//! Particle `i` of weight `W_i` (of sum one) gets `N_i` offspring, `sum N_i = m` and
//! `E[N_i] = m W_i` in every scheme. Notation and properties: Gerber, Chopin and Whiteley,
//! "Negative association, ordering and convergence of resampling methods", Annals of Statistics
//! 47 (2019); Chopin and Papaspiliopoulos, "An Introduction to Sequential Monte Carlo" (2020).

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

mod births;
mod counts;
mod multinomial;
mod ssp;
mod strata;
mod weights;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub(super) use self::births::Births;
pub(super) use self::counts::{Counts, Draw};
use self::strata::{Points, Scratch, span};
use self::weights::Row;
pub(super) use self::weights::{TileSum, total};
use super::particles::{TILE, for_each_tile, particle_count, tiles};
use crate::rng::{Purpose, Stream};
use crate::simd::{Aligned, Vectorised, add_up, climb, vectorise};
use crate::{Error, Result, math};

/// How offspring are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `m` independent draws.
    Multinomial,
    /// `floor(m W_i)` offspring, and independent draws for the rest.
    Residual,
    /// One uniform point in each of `m` equal strata of the cumulative weights.
    Stratified,
    /// The same place in each stratum: one random number in all; `|N_i - m W_i| < 1`.
    Systematic,
    /// Srinivasan sampling process, which settles two fractions at a time; `|N_i - m W_i| < 1`.
    Ssp,
    /// A particle survives with probability `W_i / max W`; independent draws replace the others.
    Killing,
}

impl Scheme {
    /// The scheme called `name`.
    pub fn from_name(argument: &'static str, name: &str) -> Result<Self> {
        match name {
            "multinomial" => Ok(Self::Multinomial),
            "residual" => Ok(Self::Residual),
            "stratified" => Ok(Self::Stratified),
            "systematic" => Ok(Self::Systematic),
            "ssp" => Ok(Self::Ssp),
            "killing" => Ok(Self::Killing),
            _ => Err(Error::UnknownOption {
                name: argument,
                expected: &[
                    "multinomial",
                    "residual",
                    "stratified",
                    "systematic",
                    "ssp",
                    "killing",
                ],
                got: name.into(),
            }),
        }
    }
}

/// Weights as the caller has them.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a> {
    /// Proportional to the probabilities.
    Plain(&'a [f64]),
    /// Their logarithms, up to a constant.
    Logarithmic(&'a [f64]),
}

/// In which order offspring are returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By their ancestors.
    Sorted,
    /// A particle with offspring stays where it is, and the others take the places of those
    /// without; as many are drawn as there are.
    InPlace,
}

/// Write the ancestors of particles drawn from weighted ones; as many as there is place for.
///
/// Runs on the current rayon pool or, outside of any, on the calling thread; the result is the
/// same.
pub fn resample(
    weights: Weights<'_>,
    scheme: Scheme,
    order: Order,
    seed: u64,
    ancestors: &mut [i64],
) -> Result<()> {
    let m = ancestors.len();
    let (name, values) = match weights {
        Weights::Plain(values) => ("weights", values),
        Weights::Logarithmic(values) => ("log_weights", values),
    };
    if values.is_empty() {
        return Err(Error::Empty { name });
    }
    particle_count(name, values.len(), 1)?;
    particle_count("m", m, 1)?;
    if (scheme == Scheme::Killing || order == Order::InPlace) && m != values.len() {
        return Err(Error::ShapeMismatch {
            name: "m",
            expected: format!("the number of weights {}", values.len()),
            got: m.to_string(),
        });
    }
    let mut sums = vec![TileSum::ZERO; tiles(values.len())];
    let (scale, largest) = match weights {
        Weights::Plain(values) => sum_plain(values, &mut sums)?,
        Weights::Logarithmic(values) => {
            let largest = largest_log_weight(values)?;
            sum(weights, largest, &mut sums);
            (largest, 1.0)
        }
    };
    let load = |index: usize, row: &mut Row| load(weights, scale, index, row);
    let draw = Draw {
        source: &load,
        total: total(&mut sums),
        largest,
        particles: values.len(),
        offspring: m,
        stream: Stream::new(seed, Purpose::Resampling),
        step: 0,
    };
    if order == Order::Sorted && matches!(scheme, Scheme::Systematic | Scheme::Stratified) {
        sorted_by_strata(draw, scheme, &mut sums, ancestors);
        return Ok(());
    }
    let mut counts = vec![Aligned([0; TILE]); sums.len()];
    draw.counts(scheme, &mut sums, &mut counts);
    match order {
        Order::Sorted => sorted(&mut counts, ancestors),
        Order::InPlace => in_place(&counts, ancestors),
    }
    Ok(())
}

/// The weights of tile `index`, which stand where they are if they need no scale.
fn load<'a>(weights: Weights<'a>, scale: f64, index: usize, row: &mut Row) -> Option<&'a Row> {
    if let (Weights::Plain(values), 1.0) = (weights, scale)
        && let Some(whole) = values[index * TILE..].first_chunk()
    {
        return Some(whole);
    }
    vectorise(Load {
        weights,
        scale,
        index,
        row,
    });
    None
}

/// Sum the weights of all tiles up; returns whether all are at least 0 and the sums are finite.
fn sum(weights: Weights<'_>, scale: f64, sums: &mut [TileSum]) -> bool {
    let mut nothing = vec![(); sums.len()];
    let valid = AtomicBool::new(true);
    for_each_tile(
        sums,
        &mut nothing,
        || [0.0; TILE],
        |index, sum, (), row| {
            let stand = load(weights, scale, index, row);
            let (found, smallest) = vectorise(Sum(stand.unwrap_or(row)));
            if smallest < 0.0 || !found.is_finite() {
                valid.store(false, Relaxed);
            }
            *sum = found;
        },
    );
    valid.into_inner()
}

/// The same after a check that weights are masses; returns what they are multiplied by, so that
/// their sums are far from the ends of the range, and the largest of these products.
fn sum_plain(values: &[f64], sums: &mut [TileSum]) -> Result<(f64, f64)> {
    let weights = Weights::Plain(values);
    if !sum(weights, 1.0, sums) {
        masses(values)?;
    }
    let largest = |sums: &[TileSum]| {
        sums.iter()
            .fold(0.0, |largest, sum| sum.largest.max(largest))
    };
    let scale = inverse_power_of_two(largest(sums));
    if scale != 1.0 {
        sum(weights, scale, sums);
    }
    positive_total("weights", largest(sums) > 0.0)?;
    Ok((scale, largest(sums)))
}

/// 1 where sums of numbers up to `x` are far from the ends of the range, else a power of two that
/// brings `x` near 1: products with it are exact, unless they are tiny beside `x`.
fn inverse_power_of_two(x: f64) -> f64 {
    let exponent = (x.to_bits() >> 52).clamp(1, 2045);
    if (523..1523).contains(&exponent) {
        return 1.0;
    }
    f64::from_bits((2046 - exponent) << 52)
}

/// Writes the weights of a tile times `scale`, or the exponentials of what they lie above `scale`.
struct Load<'a> {
    weights: Weights<'a>,
    scale: f64,
    index: usize,
    row: &'a mut Row,
}

impl Vectorised for Load<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (Weights::Plain(values) | Weights::Logarithmic(values)) = self.weights;
        let start = self.index * TILE;
        let values = &values[start..values.len().min(start + TILE)];
        self.row[values.len()..].fill(0.0);
        let row = &mut self.row[..values.len()];
        match self.weights {
            Weights::Plain(_) => {
                for (place, value) in row.iter_mut().zip(values) {
                    *place = value * self.scale;
                }
            }
            Weights::Logarithmic(_) => {
                for (place, value) in row.iter_mut().zip(values) {
                    *place = math::exp::<FMA>(value - self.scale);
                }
            }
        }
    }
}

struct Sum<'a>(&'a Row);

impl Vectorised for Sum<'_> {
    type Output = (TileSum, f64);

    #[inline(always)]
    fn run<const FMA: bool>(self) -> (TileSum, f64) {
        TileSum::of(self.0)
    }
}

/// Check that `weights` are finite and at least 0.
fn masses(weights: &[f64]) -> Result<()> {
    for (index, &value) in weights.iter().enumerate() {
        if !value.is_finite() {
            return Err(Error::NotFinite {
                name: "weights",
                index,
                value,
            });
        }
        if value < 0.0 {
            return Err(Error::NegativeMass {
                name: "weights",
                index,
                value,
            });
        }
    }
    Ok(())
}

fn largest_log_weight(weights: &[f64]) -> Result<f64> {
    let (largest, valid) = vectorise(Largest(weights, f64::NEG_INFINITY));
    if !valid || largest == f64::INFINITY {
        let found = weights
            .iter()
            .enumerate()
            .find(|(_, w)| w.is_nan() || **w == f64::INFINITY);
        if let Some((index, &value)) = found {
            return Err(Error::NotFinite {
                name: "log_weights",
                index,
                value,
            });
        }
    }
    positive_total("log_weights", largest > f64::NEG_INFINITY)?;
    Ok(largest)
}

fn positive_total(name: &'static str, positive: bool) -> Result<()> {
    if positive {
        return Ok(());
    }
    Err(Error::OutOfRange {
        name,
        expected: "a positive total weight",
        got: 0.0,
    })
}

/// The largest of some numbers, and whether all are at least the second field.
struct Largest<'a>(&'a [f64], f64);

impl Vectorised for Largest<'_> {
    type Output = (f64, bool);

    #[inline(always)]
    fn run<const FMA: bool>(self) -> (f64, bool) {
        const LANES: usize = 32;
        let Self(values, least) = self;
        let mut largest = [f64::NEG_INFINITY; LANES];
        let mut valid = [true; LANES];
        let (blocks, rest) = values.as_chunks::<LANES>();
        for block in blocks {
            for lane in 0..LANES {
                let value = block[lane];
                largest[lane] = if value > largest[lane] {
                    value
                } else {
                    largest[lane]
                };
                valid[lane] &= value >= least;
            }
        }
        let rest_valid = rest.iter().all(|&value| value >= least);
        let largest = largest
            .iter()
            .chain(rest)
            .fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        (largest, rest_valid && valid.iter().all(|&valid| valid))
    }
}

/// Each particle as often as it has offspring.
fn sorted(counts: &mut [Counts], ancestors: &mut [i64]) {
    let mut end = 0;
    let ends = counts.iter().map(|counts| {
        end += counts::of_tile(counts);
        end
    });
    let mut parts = cut(ancestors, ends);
    for_each_tile(
        counts,
        &mut parts,
        || [0; TILE],
        |index, counts, part, ends| {
            vectorise(Ends { counts, ends });
            vectorise(Expand {
                index,
                ends: counts,
                ancestors: part,
            });
        },
    );
}

/// Replaces numbers of offspring by their sums up to each particle.
struct Ends<'a> {
    counts: &'a mut Counts,
    ends: &'a mut [u64; TILE],
}

impl Vectorised for Ends<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for lane in 0..TILE {
            self.ends[lane] = u64::from(self.counts[lane]);
        }
        add_up(self.ends);
        for lane in 0..TILE {
            self.counts[lane] = self.ends[lane] as u32;
        }
    }
}

/// The same, where the number of offspring of a tile is known before those of its particles.
fn sorted_by_strata(draw: Draw<'_>, scheme: Scheme, sums: &mut [TileSum], ancestors: &mut [i64]) {
    let points = Points::new(draw, scheme);
    let through = points.through(sums);
    let mut parts = cut(ancestors, through.iter().map(|&end| end as usize));
    for_each_tile(
        sums,
        &mut parts,
        || (Scratch::default(), Aligned([0; TILE])),
        |index, sum, part, (scratch, ends)| {
            points.ends(index, sum, span(&through, index), scratch, ends);
            vectorise(Expand {
                index,
                ends,
                ancestors: part,
            });
        },
    );
}

/// Parts that end at `ends`.
fn cut(mut rest: &mut [i64], ends: impl ExactSizeIterator<Item = usize>) -> Vec<&mut [i64]> {
    let mut start = 0;
    let mut parts = Vec::with_capacity(ends.len());
    for end in ends {
        let (part, after) = rest.split_at_mut(end - start);
        parts.push(part);
        (rest, start) = (after, end);
    }
    parts
}

/// Particles that are looked at together.
const BLOCK: usize = 16;

/// With more particles than this that have not one offspring, a tile is one block.
const FEW: u32 = 12;

/// Writes the number of every particle of a tile as often as it has offspring.
struct Expand<'a> {
    index: usize,
    /// Where the offspring of every particle end.
    ends: &'a Counts,
    ancestors: &'a mut [i64],
}

impl Vectorised for Expand<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Self {
            index,
            ends,
            ancestors,
        } = self;
        let first = (index * TILE) as i64;
        let mut others = 0;
        for lane in 1..TILE {
            others += u32::from(ends[lane] - ends[lane - 1] != 1);
        }
        if others > FEW {
            repeat::<{ 2 * TILE }>(first, &ends.0, ancestors);
            return;
        }
        let mut start = 0;
        for (block, ends) in ends.as_chunks::<BLOCK>().0.iter().enumerate() {
            let first = first + (block * BLOCK) as i64;
            let mut other = 0;
            for lane in 0..BLOCK {
                other |= ends[lane] ^ (start + 1 + lane) as u32;
            }
            let end = ends[BLOCK - 1] as usize;
            match ancestors[start..].first_chunk_mut::<BLOCK>() {
                Some(ancestors) if other == 0 => {
                    for lane in 0..BLOCK {
                        ancestors[lane] = first + lane as i64;
                    }
                }
                _ => repeat_block(first, start, ends, ancestors),
            }
            start = end;
        }
    }
}

/// [`repeat`] where a block begins at `start`.
#[inline(never)]
fn repeat_block(first: i64, start: usize, ends: &[u32; BLOCK], ancestors: &mut [i64]) {
    let end = ends[BLOCK - 1] as usize;
    let ends = ends.map(|end| end - start as u32);
    repeat::<{ 4 * BLOCK }>(first, &ends, &mut ancestors[start..end]);
}

/// Write particles from `first` on up to their `ends`; those with `MANY` offspring together one by
/// one.
#[inline(always)]
fn repeat<const MANY: usize>(first: i64, ends: &[u32], ancestors: &mut [i64]) {
    if ancestors.len() >= MANY {
        let mut start = 0;
        for (particle, &end) in (first..).zip(ends) {
            ancestors[start..end as usize].fill(particle);
            start = end as usize;
        }
        return;
    }
    // Without a branch on the numbers of offspring: each particle where they begin, which is
    // overwritten if it has none, and then from there on.
    let mut marks = [0; MANY];
    let mut start = 0;
    for (particle, &end) in (first..).zip(ends) {
        marks[start as usize % MANY] = particle;
        start = end;
    }
    climb(&marks, ancestors);
}

fn in_place(counts: &[Counts], ancestors: &mut [i64]) {
    for (place, ancestor) in ancestors.iter_mut().enumerate() {
        *ancestor = place as i64;
    }
    let mut births = Births::of(counts.len());
    for (index, (counts, births)) in counts.iter().zip(&mut births).enumerate() {
        births.find(counts, index, ancestors.len());
    }
    for (free, parent) in Births::pairs(&births) {
        ancestors[free as usize] = i64::from(parent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool;

    const SCHEMES: [&str; 6] = [
        "multinomial",
        "residual",
        "stratified",
        "systematic",
        "ssp",
        "killing",
    ];

    /// Into a vector.
    fn resample(
        weights: Weights<'_>,
        m: usize,
        scheme: Scheme,
        order: Order,
        seed: u64,
    ) -> Result<Vec<i64>> {
        let mut ancestors = vec![-1; m];
        super::resample(weights, scheme, order, seed, &mut ancestors)?;
        Ok(ancestors)
    }

    fn draw(weights: &[f64], m: usize, scheme: &str, order: Order, seed: u64) -> Vec<i64> {
        let scheme = Scheme::from_name("scheme", scheme).expect("a scheme");
        resample(Weights::Plain(weights), m, scheme, order, seed).expect("ancestors")
    }

    /// Weights from nearly nothing to some tens of the mean.
    fn uneven(n: usize) -> Vec<f64> {
        let place = |i: usize| (i as f64 * 0.618_033_988_749_894_9).fract();
        (0..n).map(|i| (8.0 * place(i)).exp()).collect()
    }

    #[test]
    fn threads_change_nothing() {
        let weights = uneven(20_001);
        for scheme in SCHEMES {
            for order in [Order::Sorted, Order::InPlace] {
                let alone = draw(&weights, weights.len(), scheme, order, 3);
                for threads in [1, 2, 7] {
                    let pool = pool::pool(Some(threads)).expect("a pool");
                    let together = pool.install(|| draw(&weights, weights.len(), scheme, order, 3));
                    assert!(alone == together, "{scheme}, {order:?}, {threads}");
                }
            }
        }
    }

    #[test]
    fn orders_hold_the_same_offspring_and_survivors_stay() {
        let weights = uneven(1500);
        for scheme in SCHEMES {
            let sorted = draw(&weights, 1500, scheme, Order::Sorted, 5);
            let mut in_place = draw(&weights, 1500, scheme, Order::InPlace, 5);
            for &ancestor in &sorted {
                assert_eq!(in_place[ancestor as usize], ancestor);
            }
            in_place.sort_unstable();
            assert_eq!(sorted, in_place, "{scheme}");
        }
    }

    #[test]
    fn logarithms_weigh_like_their_exponentials() {
        let weights = uneven(1000);
        let logarithms: Vec<f64> = weights.iter().map(|w| w.ln() - 1e5).collect();
        for scheme in SCHEMES {
            let kind = Scheme::from_name("scheme", scheme).expect("a scheme");
            let weights = Weights::Logarithmic(&logarithms);
            let got = resample(weights, 1000, kind, Order::Sorted, 9).expect("ancestors");
            // Rounding may move a point that lies on an edge, which none of these does.
            assert_eq!(got, draw(&uneven(1000), 1000, scheme, Order::Sorted, 9));
        }
    }

    #[test]
    fn one_particle_of_weight_has_all_offspring() {
        for n in [1, 2, 255, 256, 257, 1000] {
            for heavy in [0, n / 2, n - 1] {
                let mut weights = vec![0.0; n];
                for weight in [5e-324, 1.0, f64::MAX] {
                    weights[heavy] = weight;
                    for scheme in SCHEMES {
                        let got = draw(&weights, n, scheme, Order::Sorted, 1);
                        assert_eq!(got, vec![heavy as i64; n], "{scheme}, {n}, {weight}");
                    }
                }
            }
        }
    }

    #[test]
    fn particles_without_weight_have_no_offspring_at_the_end_of_a_tile() {
        let weights: Vec<f64> = (0..TILE).map(|i| f64::from(i < TILE / 2)).collect();
        for m in [2 * TILE - 1, 2 * TILE, 2 * TILE + 1] {
            let got = draw(&weights, m, "systematic", Order::Sorted, 1);
            for ancestor in 0..TILE as i64 / 2 {
                let offspring = got.iter().filter(|&&other| other == ancestor).count();
                assert!((3..=5).contains(&offspring), "{m}, {ancestor}: {offspring}");
            }
            assert!(got.is_sorted(), "{m}");
        }
    }

    #[test]
    fn extreme_weights_lose_no_offspring() {
        for seed in 0..200 {
            let mut weights = uneven(700);
            weights[(seed as usize * 37) % 700] = 1e300;
            weights[(seed as usize * 11) % 700] = 1e-300;
            for scheme in SCHEMES {
                let m = if scheme == "killing" {
                    700
                } else {
                    700 + seed as usize
                };
                assert_eq!(draw(&weights, m, scheme, Order::Sorted, seed).len(), m);
            }
        }
    }

    #[test]
    fn weights_that_make_no_sense_are_refused() {
        let plain = |weights: &[f64]| {
            resample(
                Weights::Plain(weights),
                3,
                Scheme::Systematic,
                Order::Sorted,
                0,
            )
        };
        let logarithmic = |weights: &[f64]| {
            resample(
                Weights::Logarithmic(weights),
                3,
                Scheme::Systematic,
                Order::Sorted,
                0,
            )
        };
        assert!(matches!(plain(&[]), Err(Error::Empty { .. })));
        assert!(matches!(
            plain(&[1.0, f64::NAN]),
            Err(Error::NotFinite { index: 1, .. })
        ));
        assert!(matches!(
            plain(&[f64::INFINITY]),
            Err(Error::NotFinite { index: 0, .. })
        ));
        assert!(matches!(
            plain(&[1.0, -1.0]),
            Err(Error::NegativeMass { index: 1, .. })
        ));
        assert!(matches!(plain(&[0.0, 0.0]), Err(Error::OutOfRange { .. })));
        assert!(matches!(
            logarithmic(&[0.0, f64::NAN]),
            Err(Error::NotFinite { index: 1, .. })
        ));
        assert!(matches!(
            logarithmic(&[f64::INFINITY]),
            Err(Error::NotFinite { .. })
        ));
        assert!(matches!(
            logarithmic(&[f64::NEG_INFINITY]),
            Err(Error::OutOfRange { .. })
        ));
        let killing = resample(Weights::Plain(&[1.0]), 2, Scheme::Killing, Order::Sorted, 0);
        assert!(matches!(
            killing,
            Err(Error::ShapeMismatch { name: "m", .. })
        ));
    }
}
