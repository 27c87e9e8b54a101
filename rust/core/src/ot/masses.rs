//! Marginals as integers with equal totals.
//!
//! Inside the simplex a flow is an `i64`: sums and differences are exact, so a plan has exact
//! marginals and "this arc carries no flow" is a fact and not a tolerance.

use crate::{Error, Result};

/// Totals are scaled to this where masses are not counts already.
const GENERAL_TOTAL: i64 = 1 << 60;

/// Relative difference of the two totals that is taken for rounding.
const BALANCE_TOLERANCE: f64 = 1e-8;

/// Integer marginals `a` and `b` with `sum a = sum b`, and what one unit weighs.
#[derive(Debug, Clone, PartialEq)]
pub struct Masses {
    /// Units of every source.
    pub a: Vec<i64>,
    /// Units of every target.
    pub b: Vec<i64>,
    /// Mass of one unit, in the masses' own unit.
    pub unit: f64,
}

impl Masses {
    /// Equal masses on `n` sources and on `m` targets, with total mass one on each side.
    pub fn uniform(n: usize, m: usize) -> Result<Self> {
        for (name, count) in [("x", n), ("y", m)] {
            if count == 0 {
                return Err(Error::Empty { name });
            }
        }
        let divisor = gcd(n as i64, m as i64);
        let (per_source, per_target) = (m as i64 / divisor, n as i64 / divisor);
        let total = per_source as f64 * n as f64;
        Ok(Self {
            a: vec![per_source; n],
            b: vec![per_target; m],
            unit: 1.0 / total,
        })
    }

    /// Whether every source and every target has one unit: plans are then matchings.
    #[must_use]
    pub fn are_one_unit(&self) -> bool {
        self.a.iter().chain(&self.b).all(|&units| units == 1)
    }

    /// Masses `a` and `b`; totals that differ by rounding (1e-8 relative) are made equal to the
    /// total of `a`.
    ///
    /// Counts are used as they are. Other masses are rounded to multiples of `2^-60` of the
    /// total, far below the rounding of their own sum.
    pub fn new(a: &[f64], b: &[f64]) -> Result<Self> {
        let sum_a = checked_total("a", a)?;
        let sum_b = checked_total("b", b)?;
        let imbalance = Error::MassImbalance { sum_a, sum_b };
        if !(sum_a > 0.0 && sum_b > 0.0 && sum_a.is_finite() && sum_b.is_finite()) {
            return Err(imbalance);
        }
        if (sum_a - sum_b).abs() > BALANCE_TOLERANCE * sum_a.max(sum_b) {
            return Err(imbalance);
        }
        if !(sum_a / GENERAL_TOTAL as f64).is_normal() {
            return Err(Error::OutOfRange {
                name: "a",
                expected: "a total mass of at least 1e-289",
                got: sum_a,
            });
        }
        if all_equal(a) && all_equal(b) {
            let uniform = Self::uniform(a.len(), b.len())?;
            return Ok(Self {
                unit: uniform.unit * sum_a,
                ..uniform
            });
        }
        if let (Some(counts_a), Some(counts_b)) = (counts(a), counts(b))
            && counts_a.iter().sum::<i64>() == counts_b.iter().sum::<i64>()
        {
            return Ok(Self {
                a: counts_a,
                b: counts_b,
                unit: 1.0,
            });
        }
        Ok(Self {
            a: scaled(a, sum_a),
            b: scaled(b, sum_b),
            unit: sum_a / GENERAL_TOTAL as f64,
        })
    }

    /// Counts `a` and `b` whose totals may differ; each side is read as a probability.
    pub fn from_counts(a: &[u64], b: &[u64]) -> Result<Self> {
        let (total_a, total_b) = (a.iter().sum::<u64>(), b.iter().sum::<u64>());
        if total_a == 0 || total_b == 0 {
            return Err(Error::MassImbalance {
                sum_a: total_a as f64,
                sum_b: total_b as f64,
            });
        }
        let divisor = gcd(total_a as i64, total_b as i64) as u64;
        let (factor_a, factor_b) = (total_b / divisor, total_a / divisor);
        if u128::from(total_a) * u128::from(factor_a) > GENERAL_TOTAL as u128 {
            let as_masses = |counts: &[u64], total: u64| -> Vec<f64> {
                counts
                    .iter()
                    .map(|&count| count as f64 / total as f64)
                    .collect()
            };
            return Self::new(&as_masses(a, total_a), &as_masses(b, total_b));
        }
        let times = |counts: &[u64], factor: u64| -> Vec<i64> {
            counts
                .iter()
                .map(|&count| (count * factor) as i64)
                .collect()
        };
        Ok(Self {
            a: times(a, factor_a),
            b: times(b, factor_b),
            unit: 1.0 / (total_a * factor_a) as f64,
        })
    }
}

fn checked_total(name: &'static str, masses: &[f64]) -> Result<f64> {
    if masses.is_empty() {
        return Err(Error::Empty { name });
    }
    for (index, &value) in masses.iter().enumerate() {
        if !value.is_finite() {
            return Err(Error::NotFinite { name, index, value });
        }
        if value < 0.0 {
            return Err(Error::NegativeMass { name, index, value });
        }
    }
    Ok(masses.iter().sum())
}

fn all_equal(masses: &[f64]) -> bool {
    masses
        .iter()
        .all(|&mass| mass.to_bits() == masses[0].to_bits())
}

/// The masses as integers, if they are integers and their sum is far from overflow.
fn counts(masses: &[f64]) -> Option<Vec<i64>> {
    let total: f64 = masses.iter().sum();
    (total < (1_i64 << 52) as f64 && masses.iter().all(|mass| mass.fract() == 0.0))
        .then(|| masses.iter().map(|&mass| mass as i64).collect())
}

fn scaled(masses: &[f64], sum: f64) -> Vec<i64> {
    let mut units: Vec<i64> = masses
        .iter()
        .map(|mass| (mass / sum * GENERAL_TOTAL as f64).round() as i64)
        .collect();
    // The rounding of the sum (a few units per entry, 2^-60 of the total each) goes to the
    // largest mass, where it matters least.
    let missing = GENERAL_TOTAL - units.iter().sum::<i64>();
    if let Some(largest) = units.iter_mut().max() {
        *largest += missing;
    }
    units
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced(masses: &Masses) -> bool {
        masses.a.iter().sum::<i64>() == masses.b.iter().sum::<i64>()
    }

    #[test]
    fn uniform_masses_balance_for_unequal_sizes() {
        let masses = Masses::uniform(6, 4).expect("sizes");
        assert_eq!(masses.a, vec![2; 6]);
        assert_eq!(masses.b, vec![3; 4]);
        assert!((masses.unit * 12.0 - 1.0).abs() < 1e-15);
    }

    #[test]
    fn counts_stay_counts() {
        let masses = Masses::new(&[3.0, 0.0, 2.0], &[4.0, 1.0]).expect("balanced");
        assert_eq!(
            (masses.a.as_slice(), masses.unit),
            ([3, 0, 2].as_slice(), 1.0)
        );
    }

    #[test]
    fn general_masses_balance_exactly_and_keep_their_values() {
        let a: Vec<f64> = (1..200).map(|i| 1.0 / f64::from(i)).collect();
        let total: f64 = a.iter().sum();
        let b: Vec<f64> = (0..70)
            .map(|i| f64::from(i) / (69.0 * 35.0) * total)
            .collect();
        let masses = Masses::new(&a, &b).expect("balanced");
        assert!(balanced(&masses));
        for (mass, &units) in a.iter().zip(&masses.a) {
            assert!((units as f64 * masses.unit - mass).abs() < 1e-14 * total);
        }
    }

    #[test]
    fn counts_with_different_totals_are_probabilities() {
        let masses = Masses::from_counts(&[1, 2], &[1, 1, 0]).expect("positive");
        assert!(balanced(&masses));
        assert_eq!(masses.a[1], 2 * masses.a[0]);
        assert!((masses.unit * masses.a.iter().sum::<i64>() as f64 - 1.0).abs() < 1e-15);
    }

    #[test]
    fn bad_masses_are_named() {
        assert!(matches!(
            Masses::new(&[1.0, -0.5], &[0.5]),
            Err(Error::NegativeMass {
                name: "a",
                index: 1,
                ..
            })
        ));
        assert!(matches!(
            Masses::new(&[1.0], &[f64::NAN]),
            Err(Error::NotFinite {
                name: "b",
                index: 0,
                ..
            })
        ));
        assert!(matches!(
            Masses::new(&[1.0], &[1.1]),
            Err(Error::MassImbalance { .. })
        ));
        assert!(matches!(
            Masses::new(&[0.0], &[0.0]),
            Err(Error::MassImbalance { .. })
        ));
        assert!(matches!(
            Masses::new(&[], &[1.0]),
            Err(Error::Empty { name: "a" })
        ));
    }
}
