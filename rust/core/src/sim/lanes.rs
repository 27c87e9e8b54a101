//! The few operations of the pair loop, for every instruction set and both precisions.

#![allow(
    clippy::inline_always,
    reason = "a call that is not inlined loses the instruction set"
)]

use pulp::{Scalar, Simd, bytemuck, bytemuck::Pod};

/// A floating-point type of the pair loop, with its limits and its registers.
pub(super) trait Real: Pod + Send + Sync {
    const RANGE: Range<Self>;
    type On<S: Quotients>: Lanes<Element = Self>;
    fn on<S: Quotients>(simd: S) -> Self::On<S>;
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
}

/// Limits that keep every intermediate of the force laws in range.
///
/// The laws multiply up to `s (s + D)^4`, with `s` a squared distance and `D` the square of the
/// regularisation. Coordinates are scaled so that the cloud's widest axis, or `delta` where that
/// is wider, is at most `2^extent`: products stay below the largest number. `s` starts at `least`
/// and `D` is at least `least_square`: products stay normal. Both lie far below the square of the
/// spacing of coordinates, but for `least_square` of `f32`: its root is `2^-19` of the extent,
/// where offsets have a few bits left.
pub(super) struct Range<T> {
    pub(super) extent: i32,
    pub(super) least: T,
    pub(super) least_square: T,
}

impl Real for f64 {
    // 2^-400 (2^-150)^4 = 2^-1000
    const RANGE: Range<Self> = Range {
        extent: 0,
        least: f64::from_bits((1023 - 400) << 52),
        least_square: f64::from_bits((1023 - 150) << 52),
    };
    type On<S: Quotients> = Double<S>;
    fn on<S: Quotients>(simd: S) -> Double<S> {
        Double(simd)
    }
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }
}

impl Real for f32 {
    // 2^-60 (2^-16)^4 = 2^-124, and (4 2^22) (5 2^22)^4 < 2^122
    const RANGE: Range<Self> = Range {
        extent: 11,
        least: f32::from_bits((127 - 60) << 23),
        least_square: f32::from_bits((127 - 16) << 23),
    };
    type On<S: Quotients> = Single<S>;
    fn on<S: Quotients>(simd: S) -> Single<S> {
        Single(simd)
    }
    fn from_f64(value: f64) -> Self {
        value as Self
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

/// Arithmetic on registers of one floating-point type. Multiply-adds are fused where that is
/// fast.
pub(super) trait Lanes: Copy {
    /// What a register holds.
    type Element: Real;
    /// The register.
    type Register: Pod;

    fn splat(self, a: Self::Element) -> Self::Register;
    fn add(self, a: Self::Register, b: Self::Register) -> Self::Register;
    fn sub(self, a: Self::Register, b: Self::Register) -> Self::Register;
    fn mul(self, a: Self::Register, b: Self::Register) -> Self::Register;
    /// `a b + c`
    fn mul_add(self, a: Self::Register, b: Self::Register, c: Self::Register) -> Self::Register;
    /// `a / b` to the precision of the type, for normal `b`.
    fn div(self, a: Self::Register, b: Self::Register) -> Self::Register;
    /// `a / sqrt(b)` to the precision of the type, for normal positive `b`.
    fn div_sqrt(self, a: Self::Register, b: Self::Register) -> Self::Register;
    fn sum(self, a: Self::Register) -> Self::Element;

    /// `elements` as registers; their number must be a multiple of the register's length.
    #[inline(always)]
    fn registers(elements: &[Self::Element]) -> &[Self::Register] {
        bytemuck::cast_slice(elements)
    }

    /// As [`Lanes::registers`], to write.
    #[inline(always)]
    fn registers_mut(elements: &mut [Self::Element]) -> &mut [Self::Register] {
        bytemuck::cast_slice_mut(elements)
    }
}

/// What instruction sets do differently: quotients.
///
/// The default is the exact square root and division.
pub(super) trait Quotients: Simd {
    #[inline(always)]
    fn quotient_f64s(self, a: Self::f64s, b: Self::f64s) -> Self::f64s {
        self.div_f64s(a, b)
    }

    #[inline(always)]
    fn quotient_sqrt_f64s(self, a: Self::f64s, b: Self::f64s) -> Self::f64s {
        self.div_f64s(a, self.sqrt_f64s(b))
    }

    #[inline(always)]
    fn quotient_f32s(self, a: Self::f32s, b: Self::f32s) -> Self::f32s {
        self.div_f32s(a, b)
    }

    #[inline(always)]
    fn quotient_sqrt_f32s(self, a: Self::f32s, b: Self::f32s) -> Self::f32s {
        self.div_f32s(a, self.sqrt_f32s(b))
    }
}

impl Quotients for Scalar {}

#[cfg(target_arch = "aarch64")]
impl Quotients for pulp::aarch64::Neon {}

#[cfg(target_arch = "x86_64")]
impl Quotients for pulp::x86::V3 {}

/// Estimates to 14 bits and the first terms of the series for what they miss.
///
/// For an estimate `y` of `1 / b` and `e = 1 - b y`, `1 / b = y / (1 - e) = y (1 + e + e^2 + ..)`.
/// For an estimate `y` of `1 / sqrt(b)` and `e = 1 - b y^2`,
/// `1 / sqrt(b) = y (1 - e)^(-1/2) = y (1 + e (1/2 + e (3/8 + e (5/16 + ..))))`.
/// With `|e| < 2^-12.9` terms up to `e^3` suffice for 53 bits, and those up to `e` for 24.
#[cfg(target_arch = "x86_64")]
impl Quotients for pulp::x86::V4 {
    #[inline(always)]
    fn quotient_f64s(self, a: Self::f64s, b: Self::f64s) -> Self::f64s {
        let y = pulp::cast(self.avx512f._mm512_rcp14_pd(pulp::cast(b)));
        let e = self.negate_mul_add_e_f64s(b, y, self.splat_f64s(1.0));
        let ay = self.mul_f64s(a, y);
        // (1 + e) (1 + e^2)
        let ay = self.mul_add_e_f64s(ay, e, ay);
        self.mul_add_e_f64s(ay, self.mul_f64s(e, e), ay)
    }

    #[inline(always)]
    fn quotient_sqrt_f64s(self, a: Self::f64s, b: Self::f64s) -> Self::f64s {
        let y = pulp::cast(self.avx512f._mm512_rsqrt14_pd(pulp::cast(b)));
        let e = self.negate_mul_add_e_f64s(self.mul_f64s(b, y), y, self.splat_f64s(1.0));
        let series = self.mul_add_e_f64s(self.splat_f64s(0.3125), e, self.splat_f64s(0.375));
        let series = self.mul_add_e_f64s(series, e, self.splat_f64s(0.5));
        let ay = self.mul_f64s(a, y);
        self.mul_add_e_f64s(self.mul_f64s(ay, e), series, ay)
    }

    #[inline(always)]
    fn quotient_f32s(self, a: Self::f32s, b: Self::f32s) -> Self::f32s {
        let y = pulp::cast(self.avx512f._mm512_rcp14_ps(pulp::cast(b)));
        let e = self.negate_mul_add_e_f32s(b, y, self.splat_f32s(1.0));
        let ay = self.mul_f32s(a, y);
        self.mul_add_e_f32s(ay, e, ay)
    }

    #[inline(always)]
    fn quotient_sqrt_f32s(self, a: Self::f32s, b: Self::f32s) -> Self::f32s {
        let y = pulp::cast(self.avx512f._mm512_rsqrt14_ps(pulp::cast(b)));
        let e = self.negate_mul_add_e_f32s(self.mul_f32s(b, y), y, self.splat_f32s(1.0));
        let ay = self.mul_f32s(a, y);
        self.mul_add_e_f32s(self.mul_f32s(ay, self.splat_f32s(0.5)), e, ay)
    }
}

macro_rules! lanes {
    ($name:ident, $element:ty, $register:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident,
     $mul_add:ident, $quotient:ident, $quotient_sqrt:ident, $sum:ident) => {
        #[derive(Clone, Copy)]
        pub(super) struct $name<S>(S);

        impl<S: Quotients> Lanes for $name<S> {
            type Element = $element;
            type Register = S::$register;

            #[inline(always)]
            fn splat(self, a: $element) -> S::$register {
                self.0.$splat(a)
            }
            #[inline(always)]
            fn add(self, a: S::$register, b: S::$register) -> S::$register {
                self.0.$add(a, b)
            }
            #[inline(always)]
            fn sub(self, a: S::$register, b: S::$register) -> S::$register {
                self.0.$sub(a, b)
            }
            #[inline(always)]
            fn mul(self, a: S::$register, b: S::$register) -> S::$register {
                self.0.$mul(a, b)
            }
            #[inline(always)]
            fn mul_add(self, a: S::$register, b: S::$register, c: S::$register) -> S::$register {
                self.0.$mul_add(a, b, c)
            }
            #[inline(always)]
            fn div(self, a: S::$register, b: S::$register) -> S::$register {
                self.0.$quotient(a, b)
            }
            #[inline(always)]
            fn div_sqrt(self, a: S::$register, b: S::$register) -> S::$register {
                self.0.$quotient_sqrt(a, b)
            }
            #[inline(always)]
            fn sum(self, a: S::$register) -> $element {
                self.0.$sum(a)
            }
        }
    };
}

lanes!(
    Double,
    f64,
    f64s,
    splat_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    mul_add_e_f64s,
    quotient_f64s,
    quotient_sqrt_f64s,
    reduce_sum_f64s
);
lanes!(
    Single,
    f32,
    f32s,
    splat_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    mul_add_e_f32s,
    quotient_f32s,
    quotient_sqrt_f32s,
    reduce_sum_f32s
);
