//! Counter-based random numbers: every draw is a pure function of what it is for.
//!
//! The generator is Philox4x32 with ten rounds (Salmon, Moraes, Dror and Shaw, "Parallel random
//! numbers: as easy as 1, 2, 3", SC 2011). It maps a 128-bit counter to 128 random bits under a
//! 64-bit key; nothing is carried from one draw to the next, so the order of evaluation and the
//! number of threads cannot matter.
//!
//! | word | holds |
//! |---|---|
//! | key 0, 1 | the seed, low and high word, or the key of [`Stream::fold`] |
//! | counter 0 | particle |
//! | counter 1 | time step |
//! | counter 2 | block within the step: each block is one pair of 64-bit draws, or four words |
//! | counter 3 | [`Purpose`] |
//!
//! Draws for different purposes, particles, steps or blocks therefore never share a counter.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use std::f64::consts::TAU;

use crate::math;
use crate::simd::Aligned;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// Blocks of random bits whose normal numbers are made at a time.
pub(crate) const LANES: usize = 64;

/// Philox4x32-10: 128 random bits for a counter and a key.
#[must_use]
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c0);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c2);
        [c0, c1, c2, c3] = [
            (p1 >> 32) as u32 ^ c1 ^ k0,
            p1 as u32,
            (p0 >> 32) as u32 ^ c3 ^ k1,
            p0 as u32,
        ];
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    [c0, c1, c2, c3]
}

/// [`philox4x32`] on words of 64 bits, which multiply without being moved between lanes; their
/// upper halves are of no meaning on the way.
#[inline(always)]
fn philox_in_lanes(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    const LOW: u64 = u32::MAX as u64;
    let [mut c0, mut c1, mut c2, mut c3] = counter.map(u64::from);
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        let p0 = u64::from(MULTIPLIERS[0]) * (c0 & LOW);
        let p1 = u64::from(MULTIPLIERS[1]) * (c2 & LOW);
        c0 = (p1 >> 32) ^ c1 ^ u64::from(k0);
        c1 = p1;
        c2 = (p0 >> 32) ^ c3 ^ u64::from(k1);
        c3 = p0;
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    [c0, c1, c2, c3].map(|word| word as u32)
}

/// What a stream of draws is for. The discriminants are part of the results: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Purpose {
    /// Positions of the prior cloud.
    Prior = 0,
    /// Increments of the Brownian motion.
    Brownian = 1,
    /// Offspring of weighted particles.
    Resampling = 2,
    /// Reserved for the keys of [`Stream::fold`].
    Fold = u32::MAX,
}

/// All draws of one seed for one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream {
    key: [u32; 2],
    purpose: Purpose,
}

impl Stream {
    /// The stream of `seed` for `purpose`.
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            purpose,
        }
    }

    /// The sub-stream for `tag`, for instance the bits of a physical parameter.
    ///
    /// The new key is the first half of a Philox block of the old one, so sub-streams of
    /// different tags are independent of each other and of their parent.
    #[must_use]
    pub fn fold(self, tag: u64) -> Self {
        let counter = [
            tag as u32,
            (tag >> 32) as u32,
            self.purpose as u32,
            Purpose::Fold as u32,
        ];
        let [k0, k1, ..] = philox4x32(counter, self.key);
        Self {
            key: [k0, k1],
            ..self
        }
    }

    /// Two independent numbers, uniform on the multiples of `2^-53` in `[0, 1)`.
    #[must_use]
    pub fn uniforms(self, particle: u32, step: u32, block: u32) -> [f64; 2] {
        let [a, b, c, d] = philox4x32([particle, step, block, self.purpose as u32], self.key);
        [unit_interval(a, b), unit_interval(c, d)]
    }

    /// Two independent standard normal numbers, by the transform of Box and Muller.
    ///
    /// They come from the same block as [`Stream::uniforms`]: use one or the other of a block.
    #[must_use]
    pub fn normals(self, particle: u32, step: u32, block: u32) -> [f64; 2] {
        let [u, v] = self.uniforms(particle, step, block);
        // 1 - u lies in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - u).ln()).sqrt();
        let (sine, cosine) = (TAU * v).sin_cos();
        [radius * cosine, radius * sine]
    }

    /// [`Stream::uniforms`] of the particles from `first` on, as two slices of one length.
    #[inline(always)]
    pub(crate) fn fill_uniforms(self, first: u32, step: u32, block: u32, [u, v]: [&mut [f64]; 2]) {
        for (lane, (u, v)) in u.iter_mut().zip(v).enumerate() {
            let particle = first.wrapping_add(lane as u32);
            let counter = [particle, step, block, self.purpose as u32];
            let [a, b, c, d] = philox_in_lanes(counter, self.key);
            *u = unit_interval(a, b);
            *v = unit_interval(c, d);
        }
    }

    /// The four words of random bits of every block from `first` on, as slices of one length.
    #[inline(always)]
    pub(crate) fn fill_words(
        self,
        first: u32,
        step: u32,
        block: u32,
        [a, b, c, d]: [&mut [u32]; 4],
    ) {
        for (lane, (((a, b), c), d)) in a.iter_mut().zip(b).zip(c).zip(d).enumerate() {
            let particle = first.wrapping_add(lane as u32);
            let counter = [particle, step, block, self.purpose as u32];
            [*a, *b, *c, *d] = philox_in_lanes(counter, self.key);
        }
    }

    /// Word `number % 4` of [`Stream::fill_words`] of `number / 4`.
    #[inline(always)]
    pub(crate) fn word_in_lanes(self, number: u32, step: u32, block: u32) -> u32 {
        let counter = [number / 4, step, block, self.purpose as u32];
        let [a, b, c, d] = philox_in_lanes(counter, self.key);
        let [even, odd] = if number % 4 < 2 { [a, b] } else { [c, d] };
        if number.is_multiple_of(2) { even } else { odd }
    }

    /// Two independent standard normal numbers for each of `2 N` places, in pairs of arrays.
    ///
    /// A block of random bits serves two places, those of `place` in the first and in the second
    /// pair of arrays, with two words of 32 bits for each: the normal numbers are below 6.8 in
    /// size, and [within 2^-22](math::normals_of_words) of the transform's.
    #[inline(always)]
    pub(crate) fn fill_normals<const FMA: bool, const N: usize>(
        self,
        first: u32,
        step: u32,
        block: u32,
        [a, b]: [&mut [[f64; N]; 2]; 2],
    ) {
        const { assert!(N.is_multiple_of(LANES)) };
        let ([a, c], [b, d]) = (a.each_mut(), b.each_mut());
        let [a, b, c, d] = [a, b, c, d].map(|array| array.as_chunks_mut::<LANES>().0.iter_mut());
        for (part, (((a, b), c), d)) in a.zip(b).zip(c).zip(d).enumerate() {
            let mut words = Aligned([[0; LANES]; 4]);
            for place in 0..LANES {
                let particle = first + (part * LANES + place) as u32;
                let counter = [particle, step, block, self.purpose as u32];
                let [w0, w1, w2, w3] = philox_in_lanes(counter, self.key);
                words[0][place] = w0;
                words[1][place] = w1;
                words[2][place] = w2;
                words[3][place] = w3;
            }
            normals_in_lanes::<FMA>([&words[0], &words[1]], [a, b]);
            normals_in_lanes::<FMA>([&words[2], &words[3]], [c, d]);
        }
    }

    /// A vector of `D` independent standard normal numbers; it uses the blocks below `(D + 1) / 2`.
    #[must_use]
    pub fn normal_vector<const D: usize>(self, particle: u32, step: u32) -> [f64; D] {
        let mut vector = [0.0; D];
        for (block, pair) in vector.chunks_mut(2).enumerate() {
            pair.copy_from_slice(&self.normals(particle, step, block as u32)[..pair.len()]);
        }
        vector
    }
}

/// Pairs of normal numbers; in single precision by themselves, so that registers are full.
#[inline(always)]
fn normals_in_lanes<const FMA: bool>(words: [&[u32; LANES]; 2], normals: [&mut [f64; LANES]; 2]) {
    let mut pairs = Aligned([[0.0; LANES]; 2]);
    for lane in 0..LANES {
        [pairs[0][lane], pairs[1][lane]] =
            math::normals_of_words::<FMA>(words[0][lane], words[1][lane]);
    }
    for (normals, pairs) in normals.into_iter().zip(&*pairs) {
        for lane in 0..LANES {
            normals[lane] = f64::from(pairs[lane]);
        }
    }
}

#[inline(always)]
fn unit_interval(low: u32, high: u32) -> f64 {
    const SCALE: f64 = 1.0 / (1u64 << 53) as f64;
    let bits = u64::from(high) << 32 | u64::from(low);
    (bits >> 11) as f64 * SCALE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_random123() {
        let cases = [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [u32::MAX; 4],
                [u32::MAX; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox4x32(counter, key), expected);
        }
    }

    #[test]
    fn every_coordinate_of_a_draw_matters() {
        let stream = Stream::new(7, Purpose::Brownian);
        let draw = stream.uniforms(1, 2, 3);
        let others = [
            Stream::new(8, Purpose::Brownian).uniforms(1, 2, 3),
            Stream::new(7 | 1 << 40, Purpose::Brownian).uniforms(1, 2, 3),
            Stream::new(7, Purpose::Prior).uniforms(1, 2, 3),
            stream.fold(0).uniforms(1, 2, 3),
            stream.fold(1 << 40).uniforms(1, 2, 3),
            stream.uniforms(2, 2, 3),
            stream.uniforms(1, 3, 3),
            stream.uniforms(1, 2, 4),
        ];
        assert!(others.iter().all(|other| *other != draw));
        assert_ne!(
            stream.fold(1).uniforms(1, 2, 3),
            stream.fold(2).uniforms(1, 2, 3)
        );
    }

    #[test]
    fn arrays_hold_the_draws_of_their_particles() {
        let stream = Stream::new(11, Purpose::Brownian).fold(3);
        let [mut u, mut v] = [[0.0; 64]; 2];
        stream.fill_uniforms(1000, 5, 0, [&mut u, &mut v]);
        for lane in 0..64 {
            let particle = 1000 + lane as u32;
            assert_eq!([u[lane], v[lane]], stream.uniforms(particle, 5, 0));
        }
    }

    #[test]
    fn words_are_those_of_their_blocks() {
        let stream = Stream::new(11, Purpose::Resampling).fold(3);
        let mut words = [[0; 64]; 4];
        stream.fill_words(1000, 5, 1, words.each_mut().map(|words| &mut words[..]));
        for lane in 0..64 {
            let counter = [1000 + lane, 5, 1, Purpose::Resampling as u32];
            let expected = philox4x32(counter, stream.key);
            assert_eq!(words.map(|words| words[lane as usize]), expected);
            let number = 4 * (1000 + lane);
            let by_number = [0, 1, 2, 3].map(|word| stream.word_in_lanes(number + word, 5, 1));
            assert_eq!(by_number, expected);
        }
    }

    #[test]
    fn short_normals_are_those_of_their_blocks() {
        let stream = Stream::new(11, Purpose::Brownian).fold(3);
        let [mut a, mut b] = [[[0.0; 64]; 2]; 2];
        stream.fill_normals::<false, 64>(1000, 5, 1, [&mut a, &mut b]);
        for place in 0..64 {
            let counter = [1000 + place as u32, 5, 1, Purpose::Brownian as u32];
            let words = philox4x32(counter, stream.key);
            let uniforms = words.map(|word| (f64::from(word) + 0.5) * 2f64.powi(-32));
            for half in 0..2 {
                let radius = (-2.0 * uniforms[2 * half].ln()).sqrt();
                let (sine, cosine) = (TAU * uniforms[2 * half + 1]).sin_cos();
                assert!((a[half][place] - radius * cosine).abs() < 1e-6 * radius);
                assert!((b[half][place] - radius * sine).abs() < 1e-6 * radius);
            }
        }
    }

    /// Bounds of five standard errors, as above.
    #[test]
    fn moments_of_short_normals() {
        const N: usize = 128;
        let stream = Stream::new(1, Purpose::Brownian);
        let mut all = [const { Vec::new() }; 4];
        for step in 0..1000 {
            let [mut a, mut b] = [[[0.0; N]; 2]; 2];
            stream.fill_normals::<false, N>(0, step, 0, [&mut a, &mut b]);
            for (all, array) in all.iter_mut().zip([a, b].as_flattened()) {
                all.extend_from_slice(array);
            }
        }
        let n = all[0].len() as f64;
        let count = 4.0 * n;
        let moment = |power| {
            all.iter()
                .flatten()
                .map(|z: &f64| z.powi(power))
                .sum::<f64>()
                / count
        };
        assert!(moment(1).abs() < 5.0 / count.sqrt());
        assert!((moment(2) - 1.0).abs() < 5.0 * (2.0 / count).sqrt());
        assert!((moment(4) - 3.0).abs() < 5.0 * (96.0 / count).sqrt());
        let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        for (i, j) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            assert!((product(&all[i], &all[j]) / n).abs() < 5.0 / n.sqrt());
        }
    }

    #[test]
    fn extreme_bits_stay_in_the_half_open_interval() {
        assert_eq!(unit_interval(0, 0).to_bits(), 0.0f64.to_bits());
        let largest = unit_interval(u32::MAX, u32::MAX);
        assert!(largest < 1.0 && largest > 1.0 - 2e-16);
    }

    /// Sums of `n` independent terms: each bound is five standard errors, so that a correct
    /// generator fails less than once in a million.
    #[test]
    fn moments_and_correlations_are_those_of_normal_numbers() {
        let stream = Stream::new(1, Purpose::Brownian);
        let n = 200_000_u32;
        let [mut mean, mut variance, mut fourth, mut pair, mut serial] = [0.0; 5];
        let mut previous = 0.0;
        for particle in 0..n {
            let [a, b] = stream.normals(particle, 0, 0);
            mean += a + b;
            variance += a * a + b * b;
            fourth += a.powi(4) + b.powi(4);
            pair += a * b;
            serial += a * previous;
            previous = a;
        }
        let m = 2.0 * f64::from(n);
        assert!((mean / m).abs() < 5.0 / m.sqrt());
        assert!((variance / m - 1.0).abs() < 5.0 * (2.0 / m).sqrt());
        assert!((fourth / m - 3.0).abs() < 5.0 * (96.0 / m).sqrt());
        assert!((pair / f64::from(n)).abs() < 5.0 / f64::from(n).sqrt());
        assert!((serial / f64::from(n)).abs() < 5.0 / f64::from(n).sqrt());
    }

    #[test]
    fn a_vector_is_made_of_the_pairs() {
        let stream = Stream::new(3, Purpose::Prior);
        let vector: [f64; 3] = stream.normal_vector(5, 6);
        let ([a, b], [c, _]) = (stream.normals(5, 6, 0), stream.normals(5, 6, 1));
        assert_eq!(vector.map(f64::to_bits), [a, b, c].map(f64::to_bits));
    }
}
