//! Independent draws, without sorting them.
//!
//! Numbers of offspring that are independent and Poisson of means `m W_i` are multinomial, given
//! their sum. That sum is some `sqrt(m)` away from `m`; offspring chosen uniformly are taken away,
//! or independent draws added, and what results is multinomial with sum `m`, exactly. All but these
//! few is done particle by particle, in parallel.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use std::collections::BTreeSet;

use super::counts::{Counts, Draw, of_tile, whole};
use super::weights::{Row, TileSum, prefix_sums};
use crate::math;
use crate::rng::Stream;
use crate::sim::particles::{TILE, for_each_tile};
use crate::simd::{Vectorised, vectorise};

/// With fewer draws than this many per particle each is searched for.
const FEW: f64 = 0.01;

/// `1 / k` for the terms of the Poisson law that all particles look at; few have more offspring.
const INVERSES: [f64; 6] = [1.0, 1.0 / 2.0, 1.0 / 3.0, 1.0 / 4.0, 1.0 / 5.0, 1.0 / 6.0];

/// The largest mean that is drawn at once.
const LARGEST_MEAN: f64 = 8.0;

/// Add the numbers of offspring of `draw.offspring` independent draws to `counts`.
pub(super) fn multinomial(draw: Draw<'_>, sums: &mut [TileSum], counts: &mut [Counts]) {
    let missing = if (draw.offspring as f64) < FEW * draw.particles as f64 {
        draw.offspring
    } else {
        poissonise(draw, sums, counts)
    };
    add_draws(draw, sums, counts, missing);
}

/// Add so many independent draws, one by one.
fn add_draws(draw: Draw<'_>, sums: &[TileSum], counts: &mut [Counts], missing: usize) {
    let stream = draw.stream.fold(2);
    for number in 0..missing {
        let [u, _] = stream.uniforms(number as u32, draw.step, 0);
        let (tile, lane) = find(draw, sums, u * draw.total.sum);
        counts[tile][lane] += 1;
    }
}

/// Tile and place of the particle in whose part of the sum of weights `target` lies.
fn find(draw: Draw<'_>, sums: &[TileSum], target: f64) -> (usize, usize) {
    // Below the sum of all, which the product with a number below 1 may have been rounded to.
    let target = target.min(draw.total.sum.next_down());
    let tile = sums.partition_point(|sum| sum.through <= target);
    let mut weights = [0.0; TILE];
    (draw.source)(tile, &mut weights);
    let TileSum { before, scale, .. } = sums[tile];
    let prefix = prefix_sums(&weights);
    (
        tile,
        prefix.partition_point(|sum| before + sum * scale <= target),
    )
}

/// Add the multinomial numbers of all draws but some; returns how many are missing.
fn poissonise(draw: Draw<'_>, sums: &mut [TileSum], counts: &mut [Counts]) -> usize {
    let mut tiles: Vec<_> = counts.iter_mut().map(|counts| (counts, 0)).collect();
    for_each_tile(
        sums,
        &mut tiles,
        || ([0.0; TILE], [0; TILE]),
        |index, sum, (counts, offspring), (weights, numbers)| {
            poisson_of_tile(draw, index, sum, weights, numbers);
            for (count, number) in counts.iter_mut().zip(&*numbers) {
                *count += number;
            }
            *offspring = of_tile(numbers);
        },
    );
    let sum: usize = tiles.iter().map(|(_, offspring)| offspring).sum();
    if sum > draw.offspring {
        remove(draw, sums, &mut tiles, sum - draw.offspring);
    }
    draw.offspring.saturating_sub(sum)
}

/// The Poisson numbers of tile `index`; `weights` is scratch.
fn poisson_of_tile(
    draw: Draw<'_>,
    index: usize,
    sum: &TileSum,
    weights: &mut Row,
    numbers: &mut Counts,
) {
    (draw.source)(index, weights);
    vectorise(Poisson {
        index,
        weights,
        rate: sum.scale * draw.rate(),
        counts: numbers,
        draw,
    });
}

struct Poisson<'a> {
    index: usize,
    weights: &'a Row,
    rate: f64,
    counts: &'a mut Counts,
    draw: Draw<'a>,
}

impl Vectorised for Poisson<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let uniforms = self.draw.uniforms(self.index);
        let means: Row = std::array::from_fn(|lane| self.weights[lane] * self.rate);
        let mut numbers = [0.0; TILE];
        // What lies beyond the terms, as a positive number.
        let mut beyond = [0.0; TILE];
        for lane in 0..TILE {
            let mean = means[lane];
            let mut probability = math::exp::<FMA>(-mean);
            let mut cumulative = probability;
            let mut number = 0.0;
            for inverse in INVERSES {
                number += if uniforms[lane] >= cumulative {
                    1.0
                } else {
                    0.0
                };
                probability *= mean * inverse;
                cumulative += probability;
            }
            numbers[lane] = number;
            let excess = uniforms[lane] - cumulative;
            beyond[lane] = if mean > LARGEST_MEAN { 1.0 } else { excess };
        }
        for lane in 0..TILE {
            self.counts[lane] = whole(numbers[lane]);
        }
        for (lane, &beyond) in beyond.iter().enumerate() {
            if beyond >= 0.0 {
                let particle = (self.index * TILE + lane) as u32;
                let stream = self.draw.stream.fold(3);
                self.counts[lane] = poisson(
                    means[lane],
                    uniforms[lane],
                    stream,
                    particle,
                    self.draw.step,
                );
            }
        }
    }
}

/// A Poisson number of this mean from the uniform number `u` and, where the mean is large, more
/// of them: the sum of independent numbers of smaller mean.
fn poisson(mean: f64, u: f64, stream: Stream, particle: u32, step: u32) -> u32 {
    let parts = (mean / LARGEST_MEAN).floor();
    let rest = inverse(mean - parts * LARGEST_MEAN, u);
    (0..parts as u32)
        .map(|part| inverse(LARGEST_MEAN, stream.uniforms(particle, step, part)[0]))
        .sum::<u32>()
        + rest
}

/// The smallest number that a Poisson variable of `mean` exceeds with probability at most `1 - u`.
fn inverse(mean: f64, u: f64) -> u32 {
    let mut probability = (-mean).exp();
    let mut cumulative = probability;
    let mut count = 0;
    // Beyond the second condition lies less than rounding leaves of the sum.
    while u >= cumulative && (f64::from(count) < mean || probability > 1e-18) {
        count += 1;
        probability *= mean / f64::from(count);
        cumulative += probability;
    }
    count
}

/// Take `surplus` of all Poisson numbers away, uniformly and without replacement.
///
/// Those of the tiles that are hit are drawn again, which gives the same.
fn remove(draw: Draw<'_>, sums: &[TileSum], tiles: &mut [(&mut Counts, usize)], surplus: usize) {
    let all: usize = tiles.iter().map(|(_, offspring)| offspring).sum();
    let stream = draw.stream.fold(4);
    let mut chosen = BTreeSet::new();
    let mut number = 0;
    while chosen.len() < surplus {
        let [u, _] = stream.uniforms(number, draw.step, 0);
        chosen.insert(((u * all as f64) as usize).min(all - 1));
        number += 1;
    }
    let mut chosen = chosen.into_iter().peekable();
    let (mut weights, mut numbers) = ([0.0; TILE], [0; TILE]);
    let mut before = 0;
    for (index, (counts, offspring)) in tiles.iter_mut().enumerate() {
        let through = before + *offspring;
        if chosen.peek().is_some_and(|&next| next < through) {
            poisson_of_tile(draw, index, &sums[index], &mut weights, &mut numbers);
            let mut end = before;
            for (count, number) in counts.iter_mut().zip(&numbers) {
                end += *number as usize;
                while chosen.next_if(|&next| next < end).is_some() {
                    *count -= 1;
                }
            }
        }
        before = through;
    }
}
