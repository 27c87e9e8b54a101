//! The one place that chooses an instruction set, at run time.

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
