//! Instructions on the values of a tile of particles.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use super::node::{Function, Operation};
use super::program::Place;
use crate::math;
use crate::sim::particles::TILE;
use crate::simd::Aligned;

/// A number for every particle of a tile.
pub(in crate::sim) type Array = Aligned<[f64; TILE]>;

/// A value of every particle of a tile.
#[derive(Debug, Clone, Copy)]
pub(in crate::sim) enum Values<'a> {
    /// The same for all.
    Uniform(f64),
    /// One each.
    Each(&'a Array),
}

impl Values<'_> {
    #[inline(always)]
    pub(in crate::sim) fn of(self, lane: usize) -> f64 {
        match self {
            Self::Uniform(value) => value,
            Self::Each(values) => values[lane],
        }
    }
}

#[inline(always)]
pub(super) fn values<'a, const D: usize>(
    place: Place,
    x: &'a [Array; D],
    uniforms: &[f64],
    registers: &'a [Array],
) -> Values<'a> {
    match place {
        Place::Uniform(node) => Values::Uniform(uniforms[node]),
        Place::Coordinate(axis) => Values::Each(&x[axis]),
        Place::Register(index) => Values::Each(&registers[index]),
    }
}

#[inline(always)]
pub(super) fn sin_cos<const FMA: bool>(input: &Array, sine: &mut Array, cosine: &mut Array) {
    let mut far = 0_u64;
    for lane in 0..TILE {
        far |= u64::from(input[lane].abs() > math::LARGEST_ANGLE);
        [sine[lane], cosine[lane]] = math::sin_cos::<FMA>(input[lane]);
    }
    // Angles that are too far have been reduced with loss.
    if far != 0 {
        for lane in 0..TILE {
            (sine[lane], cosine[lane]) = input[lane].sin_cos();
        }
    }
}

#[inline(always)]
pub(super) fn unary<const FMA: bool>(function: Function, input: Values<'_>, output: &mut Array) {
    macro_rules! each {
        ($f:expr) => {
            for lane in 0..TILE {
                output[lane] = $f(input.of(lane));
            }
        };
    }
    match function {
        Function::Neg => each!(std::ops::Neg::neg),
        Function::Exp => each!(math::exp::<FMA>),
        Function::Log => each!(math::log::<FMA>),
        Function::Sqrt => each!(f64::sqrt),
        Function::Abs => each!(f64::abs),
        other => each!(|x| other.of(x)),
    }
}

#[inline(always)]
pub(super) fn binary(operation: Operation, a: Values<'_>, b: Values<'_>, output: &mut Array) {
    macro_rules! each {
        ($operation:expr) => {
            match (a, b) {
                (Values::Each(a), Values::Each(b)) => {
                    for lane in 0..TILE {
                        output[lane] = $operation.of(a[lane], b[lane]);
                    }
                }
                (Values::Uniform(a), b) => {
                    for lane in 0..TILE {
                        output[lane] = $operation.of(a, b.of(lane));
                    }
                }
                (Values::Each(a), Values::Uniform(b)) => {
                    for lane in 0..TILE {
                        output[lane] = $operation.of(a[lane], b);
                    }
                }
            }
        };
    }
    match operation {
        Operation::Add => each!(Operation::Add),
        Operation::Sub => each!(Operation::Sub),
        Operation::Mul => each!(Operation::Mul),
        Operation::Div => each!(Operation::Div),
        other => each!(other),
    }
}
