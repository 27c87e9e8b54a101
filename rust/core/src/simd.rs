//! The one place that chooses an instruction set, at run time.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use pulp::{Arch, NullaryFnOnce};

/// The instruction set of this process: the widest the processor has, unless `TWOSTEP_SIMD`
/// (`scalar`, `v3`, `v4`) asks for a narrower one. A name that the processor cannot run, or that
/// does not exist, is ignored.
#[must_use]
pub fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(|| choose(std::env::var("TWOSTEP_SIMD").ok().as_deref()))
}

/// The name of [`arch`]: `scalar`, `v3` (AVX2, FMA), `v4` (AVX-512), `neon` or `other`.
#[must_use]
pub fn arch_name() -> &'static str {
    match arch() {
        Arch::Scalar => "scalar",
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => "v3",
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => "v4",
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(_) => "neon",
        _ => "other",
    }
}

/// Something from the start of a cache line on: a vector that lies on two takes twice the time.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Aligned<T>(pub(crate) T);

impl<T> Deref for Aligned<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Aligned<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A loop that is compiled for every instruction set.
pub(crate) trait Vectorised {
    /// What it computes.
    type Output;

    /// The loop, marked `#[inline(always)]` like all that it calls. `FMA` says whether fused
    /// multiply-adds are instructions here; without them `f64::mul_add` is a slow call.
    fn run<const FMA: bool>(self) -> Self::Output;
}

/// Run `kernel` with the instruction set of [`arch`].
pub(crate) fn vectorise<K: Vectorised>(kernel: K) -> K::Output {
    match arch() {
        Arch::Scalar => kernel.run::<false>(),
        wider => wider.dispatch(Fused(kernel)),
    }
}

/// Replace every one of `values` by the sum of those up to it, modulo `2^64`.
pub(crate) fn add_up<const N: usize>(values: &mut [u64; N]) {
    match arch() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(simd) if N.is_multiple_of(8) => simd.vectorize(AddUp { simd, values }),
        _ => {
            let mut sum = 0_u64;
            for value in values {
                sum = sum.wrapping_add(*value);
                *value = sum;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
struct AddUp<'a, const N: usize> {
    simd: pulp::x86::V4,
    values: &'a mut [u64; N],
}

#[cfg(target_arch = "x86_64")]
impl<const N: usize> NullaryFnOnce for AddUp<'_, N> {
    type Output = ();

    /// Within eight values by shifting them by one, two and four places.
    #[inline(always)]
    fn call(self) {
        let avx = self.simd.avx512f;
        let zero = avx._mm512_set1_epi64(0);
        let last = avx._mm512_set1_epi64(7);
        let mut before = zero;
        for values in self.values.as_chunks_mut::<8>().0 {
            let mut sums = pulp::cast(*values);
            sums = avx._mm512_add_epi64(sums, avx._mm512_alignr_epi64::<7>(sums, zero));
            sums = avx._mm512_add_epi64(sums, avx._mm512_alignr_epi64::<6>(sums, zero));
            sums = avx._mm512_add_epi64(sums, avx._mm512_alignr_epi64::<4>(sums, zero));
            *values = pulp::cast(avx._mm512_add_epi64(sums, before));
            before = avx._mm512_add_epi64(before, avx._mm512_permutexvar_epi64(last, sums));
        }
    }
}

/// Write the largest of `values`, which are at least 0, up to each place of `result`, which is not
/// longer.
pub(crate) fn climb(values: &[i64], result: &mut [i64]) {
    match arch() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(simd) => simd.vectorize(Climb {
            simd,
            values,
            result,
        }),
        _ => climb_from(0, values, result),
    }
}

#[inline(always)]
fn climb_from(mut largest: i64, values: &[i64], result: &mut [i64]) {
    for (result, &value) in result.iter_mut().zip(values) {
        largest = largest.max(value);
        *result = largest;
    }
}

#[cfg(target_arch = "x86_64")]
struct Climb<'a> {
    simd: pulp::x86::V4,
    values: &'a [i64],
    result: &'a mut [i64],
}

#[cfg(target_arch = "x86_64")]
impl NullaryFnOnce for Climb<'_> {
    type Output = ();

    /// As in [`AddUp`].
    #[inline(always)]
    fn call(self) {
        let avx = self.simd.avx512f;
        let zero = avx._mm512_set1_epi64(0);
        let last = avx._mm512_set1_epi64(7);
        let mut before = zero;
        let (values, rest) = self.values[..self.result.len()].as_chunks::<8>();
        let (results, rest_of_results) = self.result.as_chunks_mut::<8>();
        for (values, result) in values.iter().zip(results) {
            let mut largest = pulp::cast(*values);
            largest = avx._mm512_max_epi64(largest, avx._mm512_alignr_epi64::<7>(largest, zero));
            largest = avx._mm512_max_epi64(largest, avx._mm512_alignr_epi64::<6>(largest, zero));
            largest = avx._mm512_max_epi64(largest, avx._mm512_alignr_epi64::<4>(largest, zero));
            *result = pulp::cast(avx._mm512_max_epi64(largest, before));
            let through = avx._mm512_permutexvar_epi64(last, largest);
            before = avx._mm512_max_epi64(before, through);
        }
        let [largest, ..]: [i64; 8] = pulp::cast(before);
        climb_from(largest, rest, rest_of_results);
    }
}

struct Fused<K>(K);

impl<K: Vectorised> NullaryFnOnce for Fused<K> {
    type Output = K::Output;

    #[inline(always)]
    fn call(self) -> K::Output {
        self.0.run::<true>()
    }
}

fn choose(request: Option<&str>) -> Arch {
    match request {
        Some("scalar") => Arch::Scalar,
        #[cfg(target_arch = "x86_64")]
        Some("v3") => pulp::x86::V3::try_new().map_or_else(Arch::new, Arch::V3),
        _ => Arch::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_can_be_forced_and_nonsense_is_ignored() {
        assert!(matches!(choose(Some("scalar")), Arch::Scalar));
        assert_eq!(
            std::mem::discriminant(&choose(Some("no such set"))),
            std::mem::discriminant(&Arch::new())
        );
    }
}
