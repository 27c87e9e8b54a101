//! Systematic and stratified resampling: a point in each of `m` equal strata of the cumulative
//! weights.
//!
//! Of `2^32` places in a stratum a stratified point takes one, so that expected offspring are exact
//! to `2^-32`. Within a tile positions are whole numbers, whose sums do not depend on the order.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use super::Scheme;
use super::counts::{Counts, Draw, whole};
use super::weights::{Row, TileSum, to_fixed};
use crate::sim::particles::{TILE, for_each_tile};
use crate::simd::{Vectorised, add_up, vectorise};

/// Four strata each whose places are looked up: those of a tile, unless its weights are far above
/// the mean.
const TABLE: usize = TILE / 2;

/// Positions within a tile are whole numbers of parts of a stratum, a power of two so small that the
/// heaviest particle has from `2^HEAVIEST` on, to twice that,
const HEAVIEST: i32 = 50;

/// but not smaller than `2^-MOST_BITS`: sums over a tile, and a stratum, fit into 64 bits.
const MOST_BITS: i32 = 62;

/// Count the points in the part of every particle.
pub(super) fn strata(draw: Draw<'_>, scheme: Scheme, sums: &mut [TileSum], counts: &mut [Counts]) {
    let points = Points::new(draw, scheme);
    let through = points.through(sums);
    for_each_tile(
        sums,
        counts,
        Scratch::default,
        |index, sum, counts, scratch| {
            points.ends(index, sum, span(&through, index), scratch, counts);
            vectorise(Differences(counts));
        },
    );
}

/// Points before tile `index`, and those through it.
pub(super) fn span(through: &[u32], index: usize) -> [u32; 2] {
    let before = if index == 0 { 0 } else { through[index - 1] };
    [before, through[index]]
}

/// Replaces the ends of the parts of particles by what lies within.
struct Differences<'a>(&'a mut Counts);

impl Vectorised for Differences<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for lane in (1..TILE).rev() {
            self.0[lane] -= self.0[lane - 1];
        }
    }
}

/// What is needed to count the points of a tile.
#[repr(align(64))]
pub(super) struct Scratch {
    weights: Row,
    positions: [u64; TILE],
    places: [[u32; TABLE]; 4],
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            weights: [0.0; TILE],
            positions: [0; TILE],
            places: [[0; TABLE]; 4],
        }
    }
}

/// The points of a drawing.
#[derive(Clone, Copy)]
pub(super) enum Points<'a> {
    /// At the same place in all strata.
    Systematic(Draw<'a>, f64),
    /// At a place of its own in each.
    Stratified(Draw<'a>),
}

impl<'a> Points<'a> {
    pub(super) fn new(draw: Draw<'a>, scheme: Scheme) -> Self {
        if scheme == Scheme::Systematic {
            Self::Systematic(draw, draw.stream.uniforms(0, draw.step, 0)[0])
        } else {
            Self::Stratified(draw)
        }
    }

    /// How many lie in all tiles through each.
    pub(super) fn through(self, sums: &[TileSum]) -> Vec<u32> {
        let mut through = vec![0; sums.len()];
        vectorise(ThroughTiles {
            points: self,
            sums,
            through: &mut through,
        });
        through
    }

    /// How many lie from the start of tile `index` to the end of every particle, given how many
    /// lie before the tile and through it.
    pub(super) fn ends(
        self,
        index: usize,
        sum: &TileSum,
        [before, through]: [u32; 2],
        scratch: &mut Scratch,
        ends: &mut Counts,
    ) {
        if before == through {
            ends.fill(0);
            return;
        }
        let (Self::Systematic(draw, _) | Self::Stratified(draw)) = self;
        vectorise(OfTile {
            points: self,
            sum,
            before,
            span: through - before,
            weights: draw.weights(index, &mut scratch.weights),
            positions: &mut scratch.positions,
            places: &mut scratch.places,
            ends,
        });
    }
}

struct ThroughTiles<'a, 'b> {
    points: Points<'b>,
    sums: &'a [TileSum],
    through: &'a mut [u32],
}

impl Vectorised for ThroughTiles<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (sum, through) in self.sums.iter().zip(self.through) {
            let sum = sum.through;
            *through = whole(match self.points {
                Points::Systematic(draw, place) => below_systematic(draw, place, sum),
                Points::Stratified(draw) => below_stratified(draw, sum),
            });
        }
    }
}

/// Points below the scaled sum `sum` of weights, at `place` in all strata.
#[inline(always)]
fn below_systematic(draw: Draw<'_>, place: f64, sum: f64) -> f64 {
    all_or(draw, sum, (sum * draw.rate() - place).ceil())
}

/// The same with a place for each stratum.
#[inline(always)]
fn below_stratified(draw: Draw<'_>, sum: f64) -> f64 {
    let position = sum * draw.rate();
    let stratum = position.floor();
    let place = draw.stream.word_in_lanes(whole(stratum), draw.step, 0);
    let within = (position - stratum) * (1_u64 << 32) as f64;
    let one = if whole(within.floor()) > place {
        1.0
    } else {
        0.0
    };
    all_or(draw, sum, stratum + one)
}

/// Rounding must not lose the last point, nor find one more.
#[inline(always)]
fn all_or(draw: Draw<'_>, sum: f64, points: f64) -> f64 {
    let all = draw.offspring as f64;
    if sum >= draw.total.sum || points > all {
        all
    } else {
        points
    }
}

struct OfTile<'a, 'b> {
    points: Points<'b>,
    sum: &'a TileSum,
    /// Points before the tile.
    before: u32,
    /// Points in it, at least one.
    span: u32,
    weights: &'a Row,
    /// Of the ends of particles, from the last point before the tile or the start of its stratum on.
    positions: &'a mut [u64; TILE],
    places: &'a mut [[u32; TABLE]; 4],
    ends: &'a mut Counts,
}

impl Vectorised for OfTile<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (Points::Systematic(draw, _) | Points::Stratified(draw)) = self.points;
        let start = self.sum.before * draw.rate();
        let per_weight = self.sum.scale * draw.rate();
        let exponent = ((self.sum.largest * per_weight).to_bits() >> 52) as i32 - 1023;
        let wanted = HEAVIEST - exponent;
        let bits = wanted.min(MOST_BITS) as u32;
        let one = (1_u64 << bits) as f64;
        let mut scale = per_weight * one;
        let mut unit = one;
        if wanted > MOST_BITS {
            // A tile of nearly no weight has a point at its start, for whoever has some.
            scale = f64::from(HEAVIEST).exp2() / self.sum.largest;
            unit = 0.0;
        }
        to_fixed(self.weights, scale, self.positions);
        match self.points {
            Points::Systematic(_, place) => {
                // A point at the very start lies before nobody.
                let first = (start - place - f64::from(self.before) + 1.0) * unit;
                self.systematic(bits, (first as u64).min((1 << bits) - 1));
            }
            Points::Stratified(_) => {
                let stratum = start.floor();
                let first = (start - stratum) * unit;
                self.stratified(draw, bits, whole(stratum), first as u64);
            }
        }
    }
}

impl OfTile<'_, '_> {
    #[inline(always)]
    fn systematic(self, bits: u32, first: u64) {
        let Self {
            positions,
            span,
            ends,
            ..
        } = self;
        positions[0] += first;
        add_up(positions);
        let last = positions[TILE - 1];
        for lane in 0..TILE {
            let position = positions[lane];
            let end = ((position >> bits) as u32).min(span);
            ends[lane] = if position == last { span } else { end };
        }
    }

    #[inline(always)]
    fn stratified(self, draw: Draw<'_>, bits: u32, stratum: u32, first: u64) {
        let Self {
            positions,
            places,
            before,
            span,
            ends,
            ..
        } = self;
        positions[0] += first;
        add_up(positions);
        let last = positions[TILE - 1];
        let number = |position: u64| stratum + (position >> bits) as u32;
        // A block of random bits is for four strata.
        let first = stratum / 4;
        let blocks = (number(last) / 4 - first) as usize + 1;
        let mut own = [0; TILE];
        if blocks <= TABLE {
            let words = places.each_mut().map(|words| &mut words[..blocks]);
            draw.stream.fill_words(first, draw.step, 0, words);
            for lane in 0..TILE {
                let number = number(positions[lane]);
                own[lane] = number % 4 * TABLE as u32 + (number / 4 - first);
            }
            look_up(places.as_flattened(), &mut own);
        } else {
            for lane in 0..TILE {
                let number = number(positions[lane]);
                own[lane] = draw.stream.word_in_lanes(number, draw.step, 0);
            }
        }
        for lane in 0..TILE {
            let position = positions[lane];
            // The upper word of what is after the point.
            let within = (position << (64 - bits) >> 32) as u32;
            let passed = u32::from(within > own[lane]);
            let end = number(position) + passed;
            // Rounding must not take the point at the tile's start for one of the tile.
            let end = (end.max(before) - before).min(span);
            ends[lane] = if position == last { span } else { end };
        }
    }
}

/// Replace places in a table by what stands there; by itself, since vectors gather slowly.
#[inline(never)]
fn look_up(table: &[u32], places: &mut [u32; TILE]) {
    for place in places {
        *place = table[*place as usize];
    }
}
