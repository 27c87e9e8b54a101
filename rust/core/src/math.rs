//! Elementary functions without branches, for loops that the compiler turns into vector code.
//!
//! They run inside [`vectorise`](crate::simd::vectorise), which compiles a loop once for every
//! instruction set. Reductions and polynomials are those of fdlibm (Sun Microsystems, 1993), in
//! single precision those of Cephes (Moshier, 1989); the exponential takes the polynomial that
//! interpolates it in Chebyshev points. Largest errors, tested below against the standard library:
//!
//! | function | arguments | error |
//! |---|---|---|
//! | [`sin_cos`] | up to [`LARGEST_ANGLE`] in size | 2^-52, absolute |
//! | [`exp`] | all; results below 2^-1021 become zero | 2^-51, relative |
//! | [`short_exp`] | up to [`SHORT`] in size | 2^-52, relative |
//! | [`log`] | all | 2^-51, relative |
//! | [`normals_of_words`] | all | 2^-22 of the radius |

use std::f64::consts::{FRAC_2_PI, LOG2_E};
use std::ops::{Add, Mul};

/// The largest angle that [`sin_cos`] reduces without loss: `2^19 pi / 2`.
pub(crate) const LARGEST_ANGLE: f64 = 823_549.0;

// Adding and subtracting this rounds to the nearest integer, which stands in the lowest bits of
// the sum.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

/// What both floating-point types have.
pub(crate) trait Real: Copy + Add<Output = Self> + Mul<Output = Self> {
    fn fused(self, b: Self, c: Self) -> Self;
}

impl Real for f64 {
    #[inline(always)]
    fn fused(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }
}

impl Real for f32 {
    #[inline(always)]
    fn fused(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }
}

/// `a b + c`, in one rounding where the instruction set has it.
#[inline(always)]
pub(crate) fn mul_add<const FMA: bool, T: Real>(a: T, b: T, c: T) -> T {
    if FMA { a.fused(b, c) } else { a * b + c }
}

/// The polynomial with these coefficients, the highest first.
#[inline(always)]
fn horner<const FMA: bool, T: Real, const N: usize>(x: T, coefficients: [T; N]) -> T {
    let mut sum = coefficients[0];
    for coefficient in &coefficients[1..] {
        sum = mul_add::<FMA, _>(sum, x, *coefficient);
    }
    sum
}

/// Sine and cosine of `x`, for `|x| <= LARGEST_ANGLE`.
#[inline(always)]
pub(crate) fn sin_cos<const FMA: bool>(x: f64) -> [f64; 2] {
    // pi / 2 in three parts of 33 bits, so that their products with the quadrant are exact.
    const PARTS: [f64; 3] = [
        f64::from_bits(0x3FF9_21FB_5440_0000),
        f64::from_bits(0x3DD0_B461_1A60_0000),
        f64::from_bits(0x3BA3_198A_2E03_7073),
    ];
    let shifted = mul_add::<FMA, _>(x, FRAC_2_PI, ROUND);
    let quadrant = shifted - ROUND;
    let mut r = x;
    for part in PARTS {
        r = mul_add::<FMA, _>(-quadrant, part, r);
    }
    of_quadrant::<FMA>(r, shifted.to_bits())
}

/// Sine and cosine of `r` after `quadrant` quarter turns, for `|r| <= pi / 4`.
#[inline(always)]
fn of_quadrant<const FMA: bool>(r: f64, quadrant: u64) -> [f64; 2] {
    const SINE: [f64; 6] = [
        1.589_690_995_211_55e-10,
        -2.505_076_025_340_686_3e-8,
        2.755_731_370_707_006_8e-6,
        -1.984_126_982_985_795e-4,
        8.333_333_333_322_49e-3,
        -1.666_666_666_666_663_2e-1,
    ];
    const COSINE: [f64; 6] = [
        -1.135_964_755_778_819_5e-11,
        2.087_572_321_298_175e-9,
        -2.755_731_435_139_066_3e-7,
        2.480_158_728_947_673e-5,
        -1.388_888_888_887_411e-3,
        4.166_666_666_666_66e-2,
    ];
    let z = r * r;
    let sine = mul_add::<FMA, _>(r * z, horner::<FMA, _, 6>(z, SINE), r);
    let cosine = mul_add::<FMA, _>(
        z * z,
        horner::<FMA, _, 6>(z, COSINE),
        mul_add::<FMA, _>(-0.5, z, 1.0),
    );
    let swap = quadrant & 1 == 1;
    let (s, c) = if swap { (cosine, sine) } else { (sine, cosine) };
    let sign = |bits: u64| (bits & 2) << 62;
    [
        f64::from_bits(s.to_bits() ^ sign(quadrant)),
        f64::from_bits(c.to_bits() ^ sign(quadrant.wrapping_add(1))),
    ]
}

/// The exponential of `x`.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f64) -> f64 {
    const LN2: [f64; 2] = [
        f64::from_bits(0x3FE6_2E42_FEE0_0000),
        f64::from_bits(0x3DEA_39EF_3579_3C76),
    ];
    // From -log(2) / 2 to log(2) / 2, to 2^-55.
    const SERIES: [f64; 12] = [
        2.511_004_920_481_865_8e-8,
        2.763_265_472_252_779e-7,
        2.755_724_088_722_987e-6,
        2.480_148_544_156_131_3e-5,
        1.984_126_989_007_640_3e-4,
        1.388_888_895_235_286_3e-3,
        8.333_333_333_319_589e-3,
        4.166_666_666_648_795e-2,
        1.666_666_666_666_666_8e-1,
        5.000_000_000_000_019e-1,
        1.0,
        1.0,
    ];
    // 2^1024 overflows; below 2^-1021 a factor of the scale would not be normal.
    const HIGH: f64 = 709.782_712_893_384;
    const LOW: f64 = -707.7;
    let shifted = mul_add::<FMA, _>(x, LOG2_E, ROUND);
    let exponent = shifted - ROUND;
    let r = mul_add::<FMA, _>(-exponent, LN2[1], mul_add::<FMA, _>(-exponent, LN2[0], x));
    // Halved, so that the scale of the largest results is finite.
    let scale = f64::from_bits(shifted.to_bits().wrapping_add(1022) << 52);
    let value = horner::<FMA, _, 12>(r, SERIES) * scale * 2.0;
    let value = if x < LOW { 0.0 } else { value };
    if x > HIGH { f64::INFINITY } else { value }
}

/// The largest argument of [`short_exp`] in size.
pub(crate) const SHORT: f64 = 0.0625;

/// The exponential of `x`, for `|x| <= SHORT`.
#[inline(always)]
pub(crate) fn short_exp<const FMA: bool>(x: f64) -> f64 {
    // What Taylor's series leaves out is below SHORT^9 / 9!, less than 2^-54.
    const SERIES: [f64; 9] = [
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        1.0 / 2.0,
        1.0,
        1.0,
    ];
    horner::<FMA, _, 9>(x, SERIES)
}

/// The natural logarithm of `x`.
#[inline(always)]
pub(crate) fn log<const FMA: bool>(x: f64) -> f64 {
    const SUBNORMAL: f64 = 18_014_398_509_481_984.0; // 2^54
    let tiny = x < f64::MIN_POSITIVE;
    let normal = log_of_normal::<FMA>(if tiny { x * SUBNORMAL } else { x });
    let value = if tiny {
        normal - 54.0 * std::f64::consts::LN_2
    } else {
        normal
    };
    let value = if x > 0.0 && x < f64::INFINITY {
        value
    } else {
        x
    };
    let value = if x < 0.0 { f64::NAN } else { value };
    if x == 0.0 { f64::NEG_INFINITY } else { value }
}

/// The natural logarithm of a normal positive number.
#[inline(always)]
pub(crate) fn log_of_normal<const FMA: bool>(x: f64) -> f64 {
    const LN2: [f64; 2] = [
        f64::from_bits(0x3FE6_2E42_FEE0_0000),
        f64::from_bits(0x3DEA_39EF_3579_3C76),
    ];
    const SERIES: [f64; 7] = [
        1.479_819_860_511_658_6e-1,
        1.531_383_769_920_937_3e-1,
        1.818_357_216_161_805e-1,
        2.222_219_843_214_978_4e-1,
        2.857_142_874_366_239e-1,
        3.999_999_999_940_942e-1,
        6.666_666_666_666_735e-1,
    ];
    const ROOT_HALF: u64 = 0x3FE6_A09E_667F_3BCD;
    const TWO_52: u64 = 0x4330_0000_0000_0000;
    let bits = x.to_bits();
    // x = 2^(e - 1023) m with m from sqrt(1/2) to sqrt(2)
    let e = bits.wrapping_add((1023 << 52) - ROOT_HALF) >> 52;
    let m = f64::from_bits(bits.wrapping_sub(e << 52).wrapping_add(1023 << 52));
    let exponent = f64::from_bits(e | TWO_52) - (f64::from_bits(TWO_52) + 1023.0);

    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let half = 0.5 * f * f;
    let tail = mul_add::<FMA, _>(
        s,
        half + z * horner::<FMA, _, 7>(z, SERIES),
        exponent * LN2[1],
    );
    mul_add::<FMA, _>(exponent, LN2[0], f - (half - tail))
}

/// Two independent standard normal numbers from two independent words of uniform bits, by the
/// transform of Box and Muller in single precision.
///
/// The words stand for the middles of `2^32` equal parts of the unit interval.
#[inline(always)]
pub(crate) fn normals_of_words<const FMA: bool>(a: u32, b: u32) -> [f32; 2] {
    let radius = (-2.0 * log_of_word::<FMA>(a)).sqrt();
    let [sine, cosine] = sin_cos_of_word::<FMA>(b);
    [radius * cosine, radius * sine]
}

/// The natural logarithm of `u = (word + 1/2) / 2^32`.
#[inline(always)]
fn log_of_word<const FMA: bool>(word: u32) -> f32 {
    const PART: f32 = 1.0 / (1u64 << 32) as f32;
    const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const SERIES: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_87e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_7e-1,
        2.000_071_4e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    const ROOT_HALF: u32 = 0x3F35_04F3;
    // u = 2^(e - 127) m with m from sqrt(1/2) to sqrt(2)
    let bits = (word as f32 * PART + 0.5 * PART).to_bits();
    let e = bits.wrapping_add((127 << 23) - ROOT_HALF) >> 23;
    let m = f32::from_bits(bits.wrapping_sub(e << 23).wrapping_add(127 << 23));
    let exponent = e as f32 - 127.0;
    // Near 1 the difference from it has more digits than u.
    let difference = !word as f32 * PART + 0.5 * PART;
    let f = if e == 127 { -difference } else { m - 1.0 };
    let z = f * f;
    let tail = mul_add::<FMA, _>(exponent, LN2[1], f * z * horner::<FMA, _, 9>(f, SERIES));
    let tail = mul_add::<FMA, _>(-0.5, z, tail);
    mul_add::<FMA, _>(exponent, LN2[0], f + tail)
}

/// Sine and cosine of `(word + 1/2) / 2^32` turns.
#[inline(always)]
fn sin_cos_of_word<const FMA: bool>(word: u32) -> [f32; 2] {
    const ANGLE: f32 = std::f32::consts::TAU / (1u64 << 32) as f32;
    const SINE: [f32; 3] = [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1];
    const COSINE: [f32; 3] = [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2];
    let quadrant = word.wrapping_add(1 << 29) >> 30;
    let rest = word.wrapping_sub(quadrant << 30) as i32;
    let r = mul_add::<FMA, _>(rest as f32, ANGLE, 0.5 * ANGLE);
    let z = r * r;
    let sine = mul_add::<FMA, _>(r * z, horner::<FMA, _, 3>(z, SINE), r);
    let cosine = mul_add::<FMA, _>(
        z * z,
        horner::<FMA, _, 3>(z, COSINE),
        mul_add::<FMA, _>(-0.5, z, 1.0),
    );
    let swap = quadrant & 1 == 1;
    let (s, c) = if swap { (cosine, sine) } else { (sine, cosine) };
    let sign = |bits: u32| (bits & 2) << 30;
    [
        f32::from_bits(s.to_bits() ^ sign(quadrant)),
        f32::from_bits(c.to_bits() ^ sign(quadrant.wrapping_add(1))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` numbers from `low` to `high`, by powers of a golden rotation.
    fn spread(low: f64, high: f64, count: u32) -> impl Iterator<Item = f64> {
        (0..count)
            .map(move |k| low + (high - low) * (f64::from(k) * 0.618_033_988_749_894_9).fract())
    }

    fn worst(arguments: impl Iterator<Item = f64>, error: impl Fn(f64) -> f64) -> (f64, f64) {
        arguments.map(|x| (error(x), x)).fold((0.0, 0.0), |a, b| {
            if b.0 > a.0 || b.0.is_nan() { b } else { a }
        })
    }

    fn check_bounds<const FMA: bool>() {
        let sines = |x: f64| {
            let [s, c] = sin_cos::<FMA>(x);
            (s - x.sin()).abs().max((c - x.cos()).abs())
        };
        for high in [1.0, 10.0, 1e3, LARGEST_ANGLE] {
            let (error, x) = worst(spread(-high, high, 1_000_000), sines);
            assert!(error <= 2f64.powi(-52), "sin_cos({x}): {error:e}");
        }
        let near = (-3000..3000).map(|k| f64::from(k) * std::f64::consts::FRAC_PI_4);
        let (error, x) = worst(near, sines);
        assert!(error <= 2f64.powi(-52), "sin_cos({x}): {error:e}");

        for high in [0.02, 1.0, 30.0, 707.0] {
            let relative = |x: f64| (exp::<FMA>(x) / x.exp() - 1.0).abs();
            let (error, x) = worst(spread(-high, high, 1_000_000), relative);
            assert!(error <= 2f64.powi(-51), "exp({x}): {error:e}");
        }
        let (error, x) = worst(spread(-SHORT, SHORT, 1_000_000), |x| {
            (short_exp::<FMA>(x) / x.exp() - 1.0).abs()
        });
        assert!(error <= 2f64.powi(-52), "short_exp({x}): {error:e}");
        let (error, x) = worst(spread(-700.0, 700.0, 1_000_000).map(f64::exp), |x| {
            (log::<FMA>(x) - x.ln()).abs() / x.ln().abs()
        });
        assert!(error <= 2f64.powi(-51), "log({x}): {error:e}");
        let (error, x) = worst(spread(0.3, 3.0, 1_000_000), |x| {
            (log::<FMA>(x) - x.ln()).abs() / x.ln().abs().max(1e-300)
        });
        assert!(error <= 2f64.powi(-51), "log({x}): {error:e}");
    }

    /// Normal numbers of evenly spread words, the smallest and largest among them, against the
    /// transform in double precision: each, their mean, which drives particles, and their mean
    /// square, which is their diffusivity.
    fn check_normals<const FMA: bool>() {
        let part = 2f64.powi(-32);
        let count = 1 << 20;
        let spread = |k: u32, count: u32| k.wrapping_mul(2_654_435_769) >> 12 | (k % count) << 20;
        let words = (0..count).map(|k| [k << 12 | 1 << 11, spread(k, 1 << 12)]);
        let ends = (0..1000).flat_map(|k| [[k, k << 20], [!k, k << 30 | 1]]);
        let (mut worst, mut means, mut square) = (0.0f64, [0.0; 2], 0.0);
        for (number, [a, b]) in words.chain(ends).enumerate() {
            let radius = (-2.0 * ((f64::from(a) + 0.5) * part).ln()).sqrt();
            let (sine, cosine) = ((f64::from(b) + 0.5) * part * std::f64::consts::TAU).sin_cos();
            let [x, y] = normals_of_words::<FMA>(a, b).map(f64::from);
            let errors = [x - radius * cosine, y - radius * sine];
            worst = worst.max(errors[0].abs().max(errors[1].abs()) / radius);
            if number < count as usize {
                means = [means[0] + errors[0], means[1] + errors[1]];
                square += 0.5 * (x * x + y * y - radius * radius);
            }
        }
        assert!(worst <= 2f64.powi(-22), "{worst:e}");
        let [x, y, square] = [means[0], means[1], square].map(|sum| sum / f64::from(count));
        assert!(x.abs().max(y.abs()) < 1e-9, "{x:e}, {y:e}");
        assert!(square.abs() < 1e-7, "{square:e}");
    }

    #[test]
    fn errors_are_within_their_bounds_with_fused_arithmetic() {
        check_bounds::<true>();
        check_normals::<true>();
    }

    #[test]
    fn errors_are_within_their_bounds_without() {
        check_bounds::<false>();
        check_normals::<false>();
    }

    #[test]
    fn special_arguments() {
        assert_eq!(exp::<true>(0.0), 1.0);
        assert_eq!(exp::<true>(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp::<true>(-800.0), 0.0);
        assert_eq!(exp::<true>(f64::INFINITY), f64::INFINITY);
        assert_eq!(exp::<true>(800.0), f64::INFINITY);
        assert!(exp::<true>(f64::NAN).is_nan());
        assert!((exp::<true>(709.7) / 709.7f64.exp() - 1.0).abs() < 1e-14);
        assert_eq!(log::<true>(1.0), 0.0);
        assert_eq!(log::<true>(0.0), f64::NEG_INFINITY);
        assert_eq!(log::<true>(f64::INFINITY), f64::INFINITY);
        assert!(log::<true>(-1.0).is_nan() && log::<true>(f64::NAN).is_nan());
        assert!((log::<true>(5e-324) - 5e-324f64.ln()).abs() < 1e-12);
        assert!(sin_cos::<true>(f64::NAN)[0].is_nan());
    }
}
