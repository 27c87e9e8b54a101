//! Resampling: particles with weights become particles without.
//!
//! Particle `i` of weight `W_i` (of sum one) gets `N_i` offspring, `sum N_i = m` and
//! `E[N_i] = m W_i` in every scheme. Notation and properties: Gerber, Chopin and Whiteley,
//! "Negative association, ordering and convergence of resampling methods", Annals of Statistics
//! 47 (2019); Chopin and Papaspiliopoulos, "An Introduction to Sequential Monte Carlo" (2020).

mod counts;
mod multinomial;
mod ssp;
mod weights;

pub(super) use self::counts::Draw;
pub(super) use self::weights::{WeightTile, total};
use super::particles::{TILE, for_each, particle_count};
use crate::rng::{Purpose, Stream};
use crate::simd::{Vectorised, vectorise};
use crate::{Error, Result};

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

/// The ancestors of `m` particles drawn from weighted ones.
///
/// Runs on the current rayon pool or, outside of any, on the calling thread; the result is the
/// same.
pub fn resample(
    weights: Weights<'_>,
    m: usize,
    scheme: Scheme,
    order: Order,
    seed: u64,
) -> Result<Vec<i64>> {
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
    let mut tiles = WeightTile::of(values.len());
    fill(&mut tiles, weights)?;
    let total = total(&mut tiles);
    let draw = Draw {
        particles: values.len(),
        offspring: m,
        stream: Stream::new(seed, Purpose::Resampling),
        step: 0,
    };
    draw.counts(scheme, &mut tiles, total);
    Ok(match order {
        Order::Sorted => sorted(&tiles, m),
        Order::InPlace => in_place(&tiles, m),
    })
}

fn fill(tiles: &mut [WeightTile], weights: Weights<'_>) -> Result<()> {
    let largest = match weights {
        Weights::Plain(values) => largest_weight(values)?,
        Weights::Logarithmic(values) => {
            largest_log_weight(values)?;
            1.0
        }
    };
    for_each(tiles, |index, tile| {
        let chunk = |values: &'_ [f64]| {
            let end = values.len().min((index + 1) * TILE);
            index * TILE..end
        };
        vectorise(match weights {
            Weights::Plain(values) => SetWeights::Plain(tile, &values[chunk(values)], largest),
            Weights::Logarithmic(values) => SetWeights::Logarithmic(tile, &values[chunk(values)]),
        });
    });
    Ok(())
}

enum SetWeights<'a> {
    Plain(&'a mut WeightTile, &'a [f64], f64),
    Logarithmic(&'a mut WeightTile, &'a [f64]),
}

impl Vectorised for SetWeights<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        match self {
            Self::Plain(tile, weights, unit) => tile.set(weights, unit),
            Self::Logarithmic(tile, weights) => tile.set_exponentials::<FMA>(weights),
        }
    }
}

/// The largest of `weights`, after a check that they are masses.
fn largest_weight(weights: &[f64]) -> Result<f64> {
    let (largest, valid) = vectorise(Largest(weights, 0.0));
    if !valid || largest == f64::INFINITY {
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
    }
    positive_total("weights", largest > 0.0)?;
    Ok(largest)
}

fn largest_log_weight(weights: &[f64]) -> Result<()> {
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
    positive_total("log_weights", largest > f64::NEG_INFINITY)
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
fn sorted(tiles: &[WeightTile], m: usize) -> Vec<i64> {
    let mut ancestors = vec![0; m];
    let mut rest = &mut ancestors[..];
    let mut parts = Vec::with_capacity(tiles.len());
    for tile in tiles {
        let offspring = tile.counts.iter().map(|&count| count as usize).sum();
        let (part, after) = rest.split_at_mut(offspring);
        parts.push((tile, part));
        rest = after;
    }
    for_each(&mut parts, |index, (tile, part)| {
        expand(&tile.counts, (index * TILE) as i64, part)
    });
    ancestors
}

/// Write the number of every particle as often as `counts` says, without a branch on the counts:
/// first once, where its run begins, then as the largest number so far.
fn expand(counts: &[u32; TILE], first: i64, ancestors: &mut [i64]) {
    let mut place = 0;
    for (lane, &count) in counts.iter().enumerate() {
        match ancestors.get_mut(place) {
            // One without offspring writes too; the next one with some overwrites it.
            Some(ancestor) => *ancestor = first + lane as i64,
            None => break,
        }
        place += count as usize;
    }
    let mut largest = first;
    for ancestor in ancestors {
        largest = largest.max(*ancestor);
        *ancestor = largest;
    }
}

fn in_place(tiles: &[WeightTile], m: usize) -> Vec<i64> {
    let mut ancestors: Vec<i64> = (0..m as i64).collect();
    let mut births = Births::of(tiles.len());
    for (index, (tile, births)) in tiles.iter().zip(&mut births).enumerate() {
        births.find(tile, index, m);
    }
    for (free, parent) in Births::pairs(&births) {
        ancestors[free as usize] = i64::from(parent);
    }
    ancestors
}

/// The particles of a tile that leave, and those that have offspring beside themselves, once for
/// each.
#[derive(Debug, Clone, Default)]
pub(super) struct Births {
    free: Vec<u32>,
    parents: Vec<u32>,
}

impl Births {
    pub(super) fn of(tiles: usize) -> Vec<Self> {
        vec![Self::default(); tiles]
    }

    /// Those of tile number `index`, of `particles` in all.
    pub(super) fn find(&mut self, tile: &WeightTile, index: usize, particles: usize) {
        self.free.clear();
        self.parents.clear();
        let first = index * TILE;
        let (blocks, _) = tile.counts.as_chunks::<16>();
        for (number, counts) in blocks.iter().enumerate() {
            if counts.iter().all(|&count| count == 1) {
                continue;
            }
            for (lane, &count) in counts.iter().enumerate() {
                let particle = first + number * 16 + lane;
                if count == 0 && particle < particles {
                    self.free.push(particle as u32);
                }
                for _ in 1..count {
                    self.parents.push(particle as u32);
                }
            }
        }
    }

    /// Every free place with the parent of who will be there.
    pub(super) fn pairs(births: &[Self]) -> impl Iterator<Item = (u32, u32)> {
        let free = births.iter().flat_map(|tile| &tile.free);
        let parents = births.iter().flat_map(|tile| &tile.parents);
        free.copied().zip(parents.copied())
    }
}
