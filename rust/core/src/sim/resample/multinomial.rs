//! Independent draws, without sorting them.
//!
//! Numbers of offspring that are independent and Poisson of means `m W_i` are multinomial, given
//! their sum. That sum is some `sqrt(m)` away from `m`; offspring chosen uniformly are taken away,
//! or independent draws added, and what results is multinomial with sum `m`, exactly. All but these
//! few is done particle by particle, in parallel.

use super::counts::Draw;
use super::for_each;
use super::weights::{Total, WeightTile};
use crate::math;
use crate::rng::Stream;
use crate::sim::particles::TILE;
use crate::simd::{Vectorised, vectorise};

/// With fewer draws than this many per particle each is searched for.
const FEW: f64 = 0.125;

/// Terms of the Poisson law that all particles look at; few have more offspring.
const TERMS: usize = 6;

/// The largest mean that is drawn at once.
const LARGEST_MEAN: f64 = 8.0;

/// Add the numbers of offspring of `draw.offspring` independent draws to those of `tiles`.
pub(super) fn multinomial(draw: Draw, tiles: &mut [WeightTile], total: Total) {
    let missing = if (draw.offspring as f64) < FEW * draw.particles as f64 {
        draw.offspring
    } else {
        let mut poisson = vec![[0; TILE]; tiles.len()];
        let rate = draw.offspring as f64 / total.sum;
        draw_poisson(draw, tiles, &mut poisson, rate);
        let offspring: Vec<usize> = poisson
            .iter()
            .map(|counts| counts.iter().map(|&count| count as usize).sum())
            .collect();
        let sum: usize = offspring.iter().sum();
        if sum > draw.offspring {
            remove(draw, &mut poisson, &offspring, sum - draw.offspring);
        }
        for (tile, poisson) in tiles.iter_mut().zip(&poisson) {
            for (count, more) in tile.counts.iter_mut().zip(poisson) {
                *count += more;
            }
        }
        draw.offspring.saturating_sub(sum)
    };
    let stream = draw.stream.fold(2);
    for number in 0..missing {
        let [u, _] = stream.uniforms(number as u32, draw.step, 0);
        let (tile, lane) = find(tiles, u * total.sum);
        tiles[tile].counts[lane] += 1;
    }
}

/// Tile and place of the particle in whose part of the sum of weights `target` lies.
fn find(tiles: &[WeightTile], target: f64) -> (usize, usize) {
    let tile = tiles.partition_point(|tile| tile.through <= target);
    // u < 1, but the product with the sum may have been rounded up to it.
    let tile = tile.min(tiles.len() - 1);
    let WeightTile {
        before,
        scale,
        sums,
        ..
    } = &tiles[tile];
    let lane = sums.partition_point(|sum| before + sum * scale <= target);
    if lane < TILE {
        return (tile, lane);
    }
    let last = tiles
        .iter()
        .rposition(|tile| tile.sums[TILE - 1] > 0.0)
        .unwrap_or(0);
    let sums = &tiles[last].sums;
    (last, sums.partition_point(|sum| *sum < sums[TILE - 1]))
}

fn draw_poisson(draw: Draw, tiles: &mut [WeightTile], counts: &mut [[u32; TILE]], rate: f64) {
    let mut parts: Vec<_> = tiles.iter().zip(counts).collect();
    for_each(&mut parts, |index, (tile, counts)| {
        vectorise(Poisson {
            index,
            tile,
            counts,
            draw,
            rate,
        });
    });
}

struct Poisson<'a> {
    index: usize,
    tile: &'a WeightTile,
    counts: &'a mut [u32; TILE],
    draw: Draw,
    rate: f64,
}

impl Vectorised for Poisson<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let mut uniforms = [0.0; TILE];
        self.draw.uniforms(self.index, &mut uniforms);
        let rate = self.rate * self.tile.scale;
        let mut all = [0.0; TILE];
        for lane in 0..TILE {
            let mean = self.tile.weights[lane] * rate;
            let mut probability = math::exp::<FMA>(-mean);
            let mut cumulative = probability;
            let mut count = 0;
            for term in 1..=TERMS {
                count += u32::from(uniforms[lane] >= cumulative);
                probability *= mean / term as f64;
                cumulative += probability;
            }
            self.counts[lane] = count;
            // What lies beyond the terms, as a positive number.
            all[lane] = if mean > LARGEST_MEAN {
                1.0
            } else {
                uniforms[lane] - cumulative
            };
        }
        for lane in 0..TILE {
            if all[lane] >= 0.0 {
                let particle = (self.index * TILE + lane) as u32;
                let mean = self.tile.weights[lane] * rate;
                let stream = self.draw.stream.fold(3);
                self.counts[lane] = poisson(mean, uniforms[lane], stream, particle, self.draw.step);
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

/// Take `surplus` of all offspring away, uniformly and without replacement.
fn remove(draw: Draw, counts: &mut [[u32; TILE]], offspring: &[usize], surplus: usize) {
    let all: usize = offspring.iter().sum();
    let stream = draw.stream.fold(4);
    let mut chosen = std::collections::BTreeSet::new();
    let mut number = 0;
    while chosen.len() < surplus {
        let [u, _] = stream.uniforms(number, draw.step, 0);
        chosen.insert(((u * all as f64) as usize).min(all - 1));
        number += 1;
    }
    let mut chosen = chosen.into_iter().peekable();
    let mut before = 0;
    for (counts, offspring) in counts.iter_mut().zip(offspring) {
        let through = before + offspring;
        if chosen.peek().is_some_and(|&next| next < through) {
            for count in counts.iter_mut() {
                let end = before + *count as usize;
                while chosen.next_if(|&next| next < end).is_some() {
                    *count -= 1;
                }
                before = end;
            }
        }
        before = through;
    }
}
