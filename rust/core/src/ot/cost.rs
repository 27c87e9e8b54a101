//! What a pair of points costs.

use super::auction::{Opening, Outcome};
use super::guess::Guess;
use super::masses::Masses;
use crate::{Control, Error, Result};

/// Distance between two points that the cost is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// `c(x, y) = |x - y|^2`.
    SqEuclidean,
    /// `c(x, y) = |x - y|`.
    Euclidean,
}

impl Metric {
    /// Names that [`Metric::from_name`] knows.
    pub const NAMES: &'static [&'static str] = &["sqeuclidean", "euclidean"];

    /// The metric of this name.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "sqeuclidean" => Ok(Self::SqEuclidean),
            "euclidean" => Ok(Self::Euclidean),
            other => Err(Error::UnknownOption {
                name: "metric",
                expected: Self::NAMES,
                got: other.to_owned(),
            }),
        }
    }

    /// The distance of a cost.
    pub(crate) fn distance(self, cost: f64) -> f64 {
        match self {
            Self::SqEuclidean => cost.sqrt(),
            Self::Euclidean => cost,
        }
    }

    /// The cost of a squared distance.
    #[inline(always)]
    pub(crate) fn of_squared(self, squared: f64) -> f64 {
        match self {
            Self::SqEuclidean => squared,
            Self::Euclidean => squared.sqrt(),
        }
    }
}

/// A source and a target, by index.
pub(crate) type Pair = (u32, u32);

/// Costs of all pairs, computed when asked for, with the two searches that need their geometry.
///
/// Costs are non-negative here: whoever implements this shifts them.
pub(crate) trait Cost: Sync {
    /// Number of sources.
    fn sources(&self) -> usize;

    /// Number of targets.
    fn targets(&self) -> usize;

    /// Cost of one pair.
    fn cost(&self, source: usize, target: usize) -> f64;

    /// A bound that no cost exceeds.
    fn upper_bound(&self) -> f64;

    /// The cheapest `per_source` targets of every source and the cheapest `per_target` sources
    /// of every target, without repetition, sorted.
    fn cheapest(
        &self,
        per_source: usize,
        per_target: usize,
        control: &Control,
    ) -> Result<Vec<Pair>>;

    /// A matching with prices for problems of equal sizes and masses, where there is a fast way
    /// to one; from the prices of an opening, if there is one.
    fn auction(&self, opening: Option<&Opening>, control: &Control) -> Result<Option<Outcome>>;

    /// Duals that are nearly optimal, where there is a fast way to them.
    fn guess(&self, masses: &Masses, control: &Control) -> Result<Option<Guess>>;

    /// The pairs that duals violate: up to `per_source` of the worst of every source, in the order
    /// of the sources; empty exactly if there is none.
    fn violations(&self, pricing: &Pricing<'_>, control: &Control) -> Result<Vec<Pair>>;
}

/// Duals that all pairs are priced with, and which violations are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Pricing<'a> {
    pub(crate) u: &'a [f64],
    pub(crate) v: &'a [f64],
    /// A pair is violated if `c_ij - u_i - v_j < -tolerance`.
    pub(crate) tolerance: f64,
    /// Violations that are wanted of every source, at most.
    pub(crate) per_source: usize,
    /// Where all pairs were priced before, those need not be looked at that were not violated then
    /// and whose duals have not risen since.
    pub(crate) rise: Option<&'a Rise>,
}

/// How much the duals of the sources and of the targets have risen since all pairs were priced.
///
/// A pair that was not violated then is not violated now, unless the sum of both is positive.
pub(crate) struct Rise {
    /// Infinite for a source of which more pairs may have been violated than were found.
    pub(crate) u: Vec<f64>,
    pub(crate) v: Vec<f64>,
}

/// Costs as integers: `round(c * scale)`.
///
/// The scale leaves room for a potential, which is a signed sum of at most `n + m + 1` costs, so
/// that nothing in the simplex can overflow. The rounding is at most
/// `(n + m + 1) * 2^-61` of the largest cost: `2^-49` (2e-15) of it for 2000 + 2000 points.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FixedPoint {
    scale: f64,
}

impl FixedPoint {
    pub(crate) fn for_cost(cost: &impl Cost) -> Self {
        let nodes = (cost.sources() + cost.targets() + 1) as u64;
        let bits = 61 - (u64::BITS - nodes.leading_zeros()) as i32;
        let largest = cost.upper_bound().max(f64::MIN_POSITIVE);
        // A power of two: scaling then rounds nothing.
        let exponent = bits - largest.log2().ceil() as i32;
        Self {
            scale: 2.0_f64.powi(exponent.min(1000)),
        }
    }

    /// The integer of a non-negative cost.
    #[inline(always)]
    pub(crate) fn encode(self, cost: f64) -> i64 {
        (cost * self.scale + 0.5) as i64
    }

    /// The integer of a number of any sign, but none so large that a potential may start from it
    /// and overflow: duals of an earlier problem may be larger than all costs of this one.
    pub(crate) fn encode_signed(self, value: f64) -> i64 {
        const LARGEST: f64 = (1_u64 << 60) as f64;
        (value * self.scale).round().clamp(-LARGEST, LARGEST) as i64
    }

    #[inline(always)]
    pub(crate) fn decode(self, value: i64) -> f64 {
        value as f64 / self.scale
    }
}
