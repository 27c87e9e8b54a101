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

use super::counts::{Counts, Draw, of_tile, offspring};
use super::weights::{Row, TileSum, prefix_sums};
use crate::math;
use crate::rng::Stream;
use crate::sim::particles::{TILE, for_each_tile};
use crate::simd::{Aligned, Vectorised, vectorise};

/// With fewer draws than this many per particle each is searched for.
const FEW: f64 = 0.05;

/// `1 / k` for the terms of the Poisson law that all particles look at; few have more offspring.
const INVERSES: [f64; 6] = [1.0, 1.0 / 2.0, 1.0 / 3.0, 1.0 / 4.0, 1.0 / 5.0, 1.0 / 6.0];

/// The largest mean that is drawn at once.
const LARGEST_MEAN: f64 = 8.0;

/// Write the numbers of offspring of `draw.offspring` independent draws.
pub(super) fn multinomial(draw: Draw<'_>, sums: &mut [TileSum], counts: &mut [Counts]) {
    poisson_numbers(draw, sums, counts);
    let all = offspring(counts);
    if all > draw.offspring {
        remove(draw, counts, all - draw.offspring);
    } else {
        add_draws(draw, sums, counts, draw.offspring - all);
    }
}

/// Add them to `counts`.
pub(super) fn add_multinomial(draw: Draw<'_>, sums: &mut [TileSum], counts: &mut [Counts]) {
    if (draw.offspring as f64) < FEW * draw.particles as f64 {
        add_draws(draw, sums, counts, draw.offspring);
        return;
    }
    let mut more = vec![Aligned([0; TILE]); counts.len()];
    multinomial(draw, sums, &mut more);
    let counts = counts.iter_mut().flat_map(|counts| &mut counts.0);
    for (count, more) in counts.zip(more.iter().flat_map(|more| &more.0)) {
        *count += more;
    }
}

/// Add so many independent draws, one by one.
fn add_draws(draw: Draw<'_>, sums: &[TileSum], counts: &mut [Counts], missing: usize) {
    let [mut targets, mut second] = [const { Vec::new() }; 2];
    for values in [&mut targets, &mut second] {
        values.resize(missing.div_ceil(2), 0.0);
    }
    vectorise(Uniforms {
        stream: draw.stream.fold(2),
        step: draw.step,
        values: [&mut targets, &mut second],
    });
    targets.extend(second);
    targets.truncate(missing);
    // Below the sum of all, which the product with a number below 1 may have been rounded to.
    let last = draw.total.sum.next_down();
    for target in &mut targets {
        *target = (*target * draw.total.sum).min(last);
    }
    // In ascending order each tile is visited once.
    targets.sort_unstable_by(f64::total_cmp);
    let (mut scratch, mut prefix) = ([0.0; TILE], [0.0; TILE]);
    let mut rest = &targets[..];
    while let Some(&target) = rest.first() {
        let tile = sums.partition_point(|sum| sum.through <= target);
        let sum = &sums[tile];
        let weights = draw.weights(tile, &mut scratch);
        vectorise(Through {
            sum,
            weights,
            prefix: &mut prefix,
        });
        let (within, after) = rest.split_at(rest.partition_point(|&target| target < sum.through));
        for target in within {
            counts[tile][prefix.partition_point(|through| through <= target)] += 1;
        }
        rest = after;
    }
}

/// Fills both of `values` with uniform numbers.
struct Uniforms<'a> {
    stream: Stream,
    step: u32,
    values: [&'a mut [f64]; 2],
}

impl Vectorised for Uniforms<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        self.stream.fill_uniforms(0, self.step, 0, self.values);
    }
}

/// Writes the scaled sum of all weights up to each of a tile.
struct Through<'a> {
    sum: &'a TileSum,
    weights: &'a Row,
    prefix: &'a mut Row,
}

impl Vectorised for Through<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let mut whole = [0; TILE];
        prefix_sums(self.weights, self.sum, &mut whole, self.prefix);
    }
}

fn poisson_numbers(draw: Draw<'_>, sums: &mut [TileSum], counts: &mut [Counts]) {
    for_each_tile(
        sums,
        counts,
        || [0.0; TILE],
        |index, sum, counts, scratch| {
            vectorise(Poisson {
                index,
                weights: draw.weights(index, scratch),
                rate: sum.scale * draw.rate(),
                counts,
                draw,
            });
        },
    );
}

struct Poisson<'a, 'b> {
    index: usize,
    weights: &'a Row,
    rate: f64,
    counts: &'a mut Counts,
    draw: Draw<'b>,
}

impl Vectorised for Poisson<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let uniforms = self.draw.uniforms(self.index);
        // The last term and the sum of all.
        let [mut last, mut sums] = [[0.0; TILE]; 2];
        let mut some = 0_u64;
        for lane in 0..TILE {
            let mean = self.weights[lane] * self.rate;
            let mut probability = math::exp::<FMA>(-mean);
            let mut cumulative = probability;
            let mut number = 0_u64;
            for inverse in INVERSES {
                number += u64::from(uniforms[lane] >= cumulative);
                probability *= mean * inverse;
                cumulative += probability;
            }
            self.counts[lane] = number as u32;
            (last[lane], sums[lane]) = (probability, cumulative);
            some |= u64::from(uniforms[lane] >= cumulative) | u64::from(mean > LARGEST_MEAN);
        }
        if some > 0 {
            self.search(&uniforms, &last, &sums);
        }
    }
}

impl Poisson<'_, '_> {
    /// The numbers of those that lie beyond the terms, or have a large mean.
    #[inline(never)]
    fn search(self, uniforms: &Row, last: &Row, sums: &Row) {
        for lane in 0..TILE {
            let mean = self.weights[lane] * self.rate;
            let u = uniforms[lane];
            if mean > LARGEST_MEAN {
                let particle = (self.index * TILE + lane) as u32;
                let stream = self.draw.stream.fold(3);
                self.counts[lane] = poisson(mean, u, stream, particle, self.draw.step);
            } else if u >= sums[lane] {
                self.counts[lane] = go_on(mean, u, INVERSES.len() as u32, last[lane], sums[lane]);
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
    let probability = (-mean).exp();
    go_on(mean, u, 0, probability, probability)
}

/// The same from the terms up to `count` on, given the last of them and the sum of all.
fn go_on(mean: f64, u: f64, mut count: u32, mut probability: f64, mut cumulative: f64) -> u32 {
    // Beyond the second condition lies less than rounding leaves of the sum.
    while u >= cumulative && (f64::from(count) < mean || probability > 1e-18) {
        count += 1;
        probability *= mean / f64::from(count);
        cumulative += probability;
    }
    count
}

/// Take `surplus` of all Poisson numbers away, uniformly and without replacement.
fn remove(draw: Draw<'_>, counts: &mut [Counts], surplus: usize) {
    let all = draw.offspring + surplus;
    let stream = draw.stream.fold(4);
    let mut chosen = BTreeSet::new();
    let mut number = 0;
    while chosen.len() < surplus {
        let [u, _] = stream.uniforms(number, draw.step, 0);
        chosen.insert(((u * all as f64) as usize).min(all - 1));
        number += 1;
    }
    let mut chosen = chosen.into_iter().peekable();
    let mut end = 0;
    for counts in counts {
        let through = end + of_tile(counts);
        let mut counts = counts.iter_mut();
        while chosen.peek().is_some_and(|&next| next < through)
            && let Some(count) = counts.next()
        {
            end += *count as usize;
            while chosen.next_if(|&next| next < end).is_some() {
                *count -= 1;
            }
        }
        end = through;
    }
}
