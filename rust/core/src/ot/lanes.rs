//! Sixteen numbers compared at once, and the lanes where a comparison holds.

use pulp::{Simd, bytemuck};

/// Sixteen of anything fill the vector registers of any instruction set.
pub(crate) const LANES: usize = 16;

/// Powers of two that stand for lanes.
const BIT_64: [f64; LANES] = {
    let mut bits = [1.0; LANES];
    let mut lane = 1;
    while lane < LANES {
        bits[lane] = 2.0 * bits[lane - 1];
        lane += 1;
    }
    bits
};
const BIT_32: [f32; LANES] = {
    let mut bits = [1.0; LANES];
    let mut lane = 0;
    while lane < LANES {
        bits[lane] = BIT_64[lane] as f32;
        lane += 1;
    }
    bits
};

/// The lanes in which a number is less than its limit, as bits.
#[inline(always)]
pub(crate) fn where_less<S: Simd>(simd: S, numbers: &[f64; LANES], limits: &[f64; LANES]) -> u32 {
    let (numbers, _) = S::as_simd_f64s(numbers);
    let (limits, _) = S::as_simd_f64s(limits);
    let mut below = 0;
    for (part, (&number, &limit)) in numbers.iter().zip(limits).enumerate() {
        let mask = simd.less_than_f64s(number, limit);
        below |= bits_64(simd, mask) << (part * S::F64_LANES);
    }
    below
}

/// The lanes of a mask, as bits.
#[inline(always)]
fn bits_64<S: Simd>(simd: S, mask: S::m64s) -> u32 {
    if let Some(bits) = bits_of(&mask, S::F64_LANES) {
        return bits;
    }
    let (bit, _) = S::as_simd_f64s(&BIT_64);
    // Every sum of these is exact.
    simd.reduce_sum_f64s(simd.select_f64s(mask, bit[0], simd.splat_f64s(0.0))) as u32
}

/// The lanes of a mask, as bits.
#[inline(always)]
pub(crate) fn bits_32<S: Simd>(simd: S, mask: S::m32s) -> u32 {
    if let Some(bits) = bits_of(&mask, S::F32_LANES) {
        return bits;
    }
    let (bit, _) = S::as_simd_f32s(&BIT_32);
    simd.reduce_sum_f32s(simd.select_f32s(mask, bit[0], simd.splat_f32s(0.0))) as u32
}

/// The bits of a mask where it is made of nothing else: one bit for each lane.
#[inline(always)]
fn bits_of<M: bytemuck::NoUninit>(mask: &M, lanes: usize) -> Option<u32> {
    match (lanes, bytemuck::bytes_of(mask)) {
        (8, &[bits]) => Some(u32::from(bits)),
        (16, &[low, high]) => Some(u32::from(u16::from_le_bytes([low, high]))),
        _ => None,
    }
}

/// The lanes of a mask, in order.
#[inline(always)]
pub(crate) fn bits(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (mask != 0).then(|| {
            let lane = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            lane
        })
    })
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;

    struct Compare([f64; LANES], [f64; LANES]);

    impl WithSimd for Compare {
        type Output = [u32; 2];

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> [u32; 2] {
            let [numbers, limits] = [self.0, self.1].map(|all| all.map(|x| x as f32));
            let (numbers, _) = S::as_simd_f32s(&numbers);
            let (limits, _) = S::as_simd_f32s(&limits);
            let single = numbers.iter().zip(limits).enumerate().fold(
                0,
                #[inline(always)]
                |bits, (part, (&number, &limit))| {
                    let mask = simd.less_than_f32s(number, limit);
                    bits | bits_32(simd, mask) << (part * S::F32_LANES)
                },
            );
            [where_less(simd, &self.0, &self.1), single]
        }
    }

    #[test]
    fn comparisons_are_those_of_the_lanes() {
        for seed in 0..200_u32 {
            let number = |lane: usize| f64::from((seed * 7919 + 104_729 * lane as u32) & 63);
            let numbers = std::array::from_fn(number);
            let limits = std::array::from_fn(|lane| number(lane + 5));
            let expected = (0..LANES).fold(0, |bits, lane| {
                bits | u32::from(numbers[lane] < limits[lane]) << lane
            });
            for arch in [crate::simd::arch(), pulp::Arch::Scalar] {
                assert_eq!(arch.dispatch(Compare(numbers, limits)), [expected; 2]);
            }
            let listed = bits(expected).fold(0, |bits, lane| bits | 1 << lane);
            assert_eq!(listed, expected);
        }
    }
}
