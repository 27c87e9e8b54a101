//! Duals for general masses, guessed from an auction between equal ones.
//!
//! Both clouds are resampled to the same number of points of equal mass: point `k` stands where
//! the mass in kd order passes `(k + 1/2) / N` of the total. The prices of an auction between the
//! two samples are close to the duals of the problem itself; points that no sample holds get
//! theirs by a c-transform.

use super::auction::auction;
use super::blocks::{Blocks, Values};
use super::candidates::{merge, nearest};
use super::cost::Pair;
use super::ground::Ground;
use super::masses::Masses;
use super::simplex::BasicArc;
use super::single::Single;
use crate::{Control, Result};

/// Cheapest targets per source and cheapest sources per target, at the guessed duals.
const CHEAPEST: (usize, usize) = (8, 4);

/// Duals that are nearly optimal, and pairs that are nearly tight with them.
pub(crate) struct Guess {
    pub(crate) u: Vec<f64>,
    pub(crate) v: Vec<f64>,
    pub(crate) pairs: Vec<Pair>,
    /// A plan along such pairs, where there is a better one than the greedy one.
    pub(crate) plan: Option<Vec<BasicArc>>,
}

/// Points that share the mass evenly, as a part of the larger cloud: with fewer, samples repeat
/// few points many times, and equal bidders drive prices up by increments.
const SPREAD: f64 = 0.25;

/// Guess duals for `masses` (by place), if they are spread enough for samples to tell.
pub(crate) fn guess(
    x: &Blocks,
    y: &Blocks,
    ground: &Ground,
    masses: &Masses,
    control: &Control,
) -> Result<Option<Guess>> {
    let size = x.len().max(y.len());
    if effective_count(&masses.a).min(effective_count(&masses.b)) < SPREAD * size as f64 {
        return Ok(None);
    }
    let (from, to) = (resample(&masses.a, size), resample(&masses.b, size));
    let (from_points, to_points) = (x.picked(&from), y.picked(&to));
    let single = Single::new(&from_points, &to_points, x.dim(), ground);
    let outcome = auction(&single, None, control)?;
    // A point that stands several times is worth what its dearest copy is.
    let mut v = vec![f64::NEG_INFINITY; y.len()];
    for (&place, price) in to.iter().zip(&outcome.prices) {
        let value = &mut v[place as usize];
        *value = value.max(-price);
    }
    let forward = nearest(x, y, ground, &Values::new(&v), CHEAPEST.0, control)?;
    let u = least(x, y, ground, &v, &forward);
    let backward = nearest(y, x, ground, &Values::new(&u), CHEAPEST.1, control)?;
    let v = least(y, x, ground, &u, &backward);
    Ok(Some(Guess {
        u,
        v,
        pairs: merge(forward, backward),
        plan: None,
    }))
}

/// How many equal masses are as concentrated as these: `(sum m)^2 / sum m^2`.
fn effective_count(masses: &[i64]) -> f64 {
    let (sum, squares) = masses.iter().fold((0.0, 0.0), |(sum, squares), &mass| {
        let mass = mass as f64;
        (sum + mass, squares + mass * mass)
    });
    sum * sum / squares
}

/// Places at the middles of `size` equal shares of the mass.
fn resample(masses: &[i64], size: usize) -> Vec<u32> {
    let total: i128 = masses.iter().map(|&mass| i128::from(mass)).sum();
    let (mut place, mut passed) = (0, i128::from(masses[0]));
    (0..size as i128)
        .map(|k| {
            // (k + 1/2) / size of the total, times twice the size to stay with integers.
            while passed * 2 * size as i128 <= (2 * k + 1) * total && place + 1 < masses.len() {
                place += 1;
                passed += i128::from(masses[place]);
            }
            place as u32
        })
        .collect()
}

/// `min_j c_ij - values_j` of every point, where the pairs hold the place of the minimum.
fn least(
    points: &Blocks,
    others: &Blocks,
    ground: &Ground,
    values: &[f64],
    pairs: &[Pair],
) -> Vec<f64> {
    let mut least = vec![f64::INFINITY; points.len()];
    for &(i, j) in pairs {
        let (i, j) = (i as usize, j as usize);
        let reduced = ground.cost(points.point(i), others.point(j)) - values[j];
        least[i] = least[i].min(reduced);
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_follows_the_mass() {
        assert_eq!(resample(&[1, 0, 3, 4], 8), [0, 2, 2, 2, 3, 3, 3, 3]);
        assert_eq!(resample(&[5, 5], 2), [0, 1]);
        assert_eq!(resample(&[0, 1, 0], 3), [1, 1, 1]);
        assert_eq!(effective_count(&[7, 7, 0, 7]), 3.0);
    }
}
