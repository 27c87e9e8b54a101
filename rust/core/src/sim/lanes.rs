//! The few operations of the pair loop, for every instruction set and both precisions.

#![allow(
    clippy::inline_always,
    reason = "a call that is not inlined loses the instruction set"
)]

use pulp::{Scalar, Simd, bytemuck, bytemuck::Pod};

/// A floating-point type of the pair loop.
pub(super) trait Real: Pod + Send + Sync {
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
}

impl Real for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }
}

impl Real for f32 {
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
    /// `c - a b`
    fn neg_mul_add(self, a: Self::Register, b: Self::Register, c: Self::Register)
    -> Self::Register;
    /// `1 / sqrt(a)` to the precision of the type, for normal positive `a`.
    fn inverse_sqrt(self, a: Self::Register) -> Self::Register;
    /// `1 / a` to the precision of the type, for normal `a`.
    fn reciprocal(self, a: Self::Register) -> Self::Register;
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

/// What instruction sets do differently: inverse square roots and reciprocals.
///
/// The default is the exact square root and division.
pub(super) trait Inverses: Simd {
    #[inline(always)]
    fn inverse_sqrt_f64s(self, a: Self::f64s) -> Self::f64s {
        self.div_f64s(self.splat_f64s(1.0), self.sqrt_f64s(a))
    }

    #[inline(always)]
    fn reciprocal_f64s(self, a: Self::f64s) -> Self::f64s {
        self.div_f64s(self.splat_f64s(1.0), a)
    }

    #[inline(always)]
    fn inverse_sqrt_f32s(self, a: Self::f32s) -> Self::f32s {
        self.div_f32s(self.splat_f32s(1.0), self.sqrt_f32s(a))
    }

    #[inline(always)]
    fn reciprocal_f32s(self, a: Self::f32s) -> Self::f32s {
        self.div_f32s(self.splat_f32s(1.0), a)
    }
}

impl Inverses for Scalar {}

#[cfg(target_arch = "aarch64")]
impl Inverses for pulp::aarch64::Neon {}

#[cfg(target_arch = "x86_64")]
impl Inverses for pulp::x86::V3 {}

/// One Newton-like step of order four: for an estimate `y` of `1 / sqrt(a)` and
/// `e = 1 - a y^2`, the series of `(1 - e)^(-1/2)` to third degree.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn refine_inverse_sqrt_f64s<S: Simd>(simd: S, a: S::f64s, y: S::f64s) -> S::f64s {
    let c = |value| simd.splat_f64s(value);
    let e = simd.negate_mul_add_e_f64s(simd.mul_f64s(a, y), y, c(1.0));
    let series = simd.mul_add_e_f64s(c(0.3125), e, c(0.375));
    let series = simd.mul_add_e_f64s(series, e, c(0.5));
    simd.mul_add_e_f64s(simd.mul_f64s(y, e), series, y)
}

#[cfg(target_arch = "x86_64")]
impl Inverses for pulp::x86::V4 {
    // The estimates are good to 2^-14, so |e| < 2^-12.9: the fourth-order remainder
    // 35/128 e^4 is below 2^-53.
    #[inline(always)]
    fn inverse_sqrt_f64s(self, a: Self::f64s) -> Self::f64s {
        let y = pulp::cast(self.avx512f._mm512_rsqrt14_pd(pulp::cast(a)));
        refine_inverse_sqrt_f64s(self, a, y)
    }

    #[inline(always)]
    fn reciprocal_f64s(self, a: Self::f64s) -> Self::f64s {
        let y = pulp::cast(self.avx512f._mm512_rcp14_pd(pulp::cast(a)));
        // 1 / (1 - e) = (1 + e) (1 + e^2) + O(e^4)
        let e = self.negate_mul_add_e_f64s(a, y, self.splat_f64s(1.0));
        let y = self.mul_add_e_f64s(y, e, y);
        self.mul_add_e_f64s(self.mul_f64s(e, e), y, y)
    }

    #[inline(always)]
    fn inverse_sqrt_f32s(self, a: Self::f32s) -> Self::f32s {
        let y = pulp::cast(self.avx512f._mm512_rsqrt14_ps(pulp::cast(a)));
        let e = self.negate_mul_add_e_f32s(self.mul_f32s(a, y), y, self.splat_f32s(1.0));
        let half = self.mul_f32s(y, self.splat_f32s(0.5));
        self.mul_add_e_f32s(half, e, y)
    }

    #[inline(always)]
    fn reciprocal_f32s(self, a: Self::f32s) -> Self::f32s {
        let y = pulp::cast(self.avx512f._mm512_rcp14_ps(pulp::cast(a)));
        let e = self.negate_mul_add_e_f32s(a, y, self.splat_f32s(1.0));
        self.mul_add_e_f32s(y, e, y)
    }
}

macro_rules! lanes {
    ($name:ident, $element:ty, $register:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident,
     $mul_add:ident, $neg_mul_add:ident, $inverse_sqrt:ident, $reciprocal:ident, $sum:ident) => {
        #[derive(Clone, Copy)]
        pub(super) struct $name<S>(pub(super) S);

        impl<S: Inverses> Lanes for $name<S> {
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
            fn neg_mul_add(
                self,
                a: S::$register,
                b: S::$register,
                c: S::$register,
            ) -> S::$register {
                self.0.$neg_mul_add(a, b, c)
            }
            #[inline(always)]
            fn inverse_sqrt(self, a: S::$register) -> S::$register {
                self.0.$inverse_sqrt(a)
            }
            #[inline(always)]
            fn reciprocal(self, a: S::$register) -> S::$register {
                self.0.$reciprocal(a)
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
    negate_mul_add_e_f64s,
    inverse_sqrt_f64s,
    reciprocal_f64s,
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
    negate_mul_add_e_f32s,
    inverse_sqrt_f32s,
    reciprocal_f32s,
    reduce_sum_f32s
);
