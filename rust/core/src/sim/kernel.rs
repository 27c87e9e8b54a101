//! Force laws between two particles.
//!
//! A law is a factor `g(s)` of the squared distance `s`: a particle at `x` feels another one at
//! `y` as `g(|y - x|^2) (y - x)`, towards it where `g > 0`. With `D = delta^2` and `b = s + D`:
//!
//! | kernel | dimension | potential / C | g |
//! |---|---|---|---|
//! | `printed` | 3 | `-r / b` | `(s - D) / (b^2 sqrt(s))`, repulsive below `delta` |
//! | `blob` | 3 | | `1 / (b sqrt(s))` |
//! | `plummer` | 3 | `-1 / sqrt(b)` | `b^(-3/2)` |
//! | `green4d` | 4 | `-1 / b` | `2 / b^2` |
//! | `literal` | 4 | `-r / b` | as `printed`: the kernel of three dimensions used in four |
//!
//! At `s = 0` the force is zero, whatever `g`: coincident particles do not see each other.
//! Each factor takes a single division or inverse square root, which is most of what a pair costs.

#![allow(
    clippy::inline_always,
    reason = "a call that is not inlined loses the instruction set"
)]

use super::lanes::{Lanes, Real};
use crate::{Error, Result};

/// The force law and regularisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// `K_delta = K r^2 / (r^2 + delta^2)` of the Newtonian kernel, in three dimensions.
    Printed,
    /// Newtonian force times `r^2 / (r^2 + delta^2)`.
    Blob,
    /// Force of the softened potential `-1 / sqrt(r^2 + delta^2)`.
    Plummer,
    /// Green function of four dimensions, regularised as [`Kernel::Printed`].
    Green4d,
    /// The formula of [`Kernel::Printed`] with distances of four dimensions.
    Literal,
}

impl Kernel {
    /// The kernel called `name` in `dim` dimensions.
    pub fn from_name(name: &str, dim: usize) -> Result<Self> {
        match (name, dim) {
            ("printed", 3) => Ok(Self::Printed),
            ("blob", 3) => Ok(Self::Blob),
            ("plummer", 3) => Ok(Self::Plummer),
            ("green4d", 4) => Ok(Self::Green4d),
            ("literal", 4) => Ok(Self::Literal),
            _ => {
                let expected: &[_] = if dim == 3 {
                    &["printed", "blob", "plummer"]
                } else {
                    &["green4d", "literal"]
                };
                Err(Error::UnknownOption {
                    name: "kernel",
                    expected,
                    got: name.into(),
                })
            }
        }
    }

    /// `p` where the force between far particles falls as `r^-p`.
    #[must_use]
    pub fn decay(self) -> i32 {
        if self == Self::Green4d { 3 } else { 2 }
    }
}

/// A force law as the pair loop sees it.
pub(super) trait Law: Send + Sync {
    /// `g` at squared distances `s`, with `d` the square of `delta`. Finite for `s > 0`, `d > 0`.
    fn factor<L: Lanes>(lanes: L, s: L::Register, d: L::Register) -> L::Register;
}

pub(super) struct Printed;
pub(super) struct Blob;
pub(super) struct Plummer;
pub(super) struct Green4d;

impl Law for Printed {
    #[inline(always)]
    fn factor<L: Lanes>(lanes: L, s: L::Register, d: L::Register) -> L::Register {
        let b = lanes.add(s, d);
        let b2 = lanes.mul(b, b);
        lanes.div_sqrt(lanes.sub(s, d), lanes.mul(s, lanes.mul(b2, b2)))
    }
}

impl Law for Blob {
    #[inline(always)]
    fn factor<L: Lanes>(lanes: L, s: L::Register, d: L::Register) -> L::Register {
        let b = lanes.add(s, d);
        let one = lanes.splat(Real::from_f64(1.0));
        lanes.div_sqrt(one, lanes.mul(s, lanes.mul(b, b)))
    }
}

impl Law for Plummer {
    #[inline(always)]
    fn factor<L: Lanes>(lanes: L, s: L::Register, d: L::Register) -> L::Register {
        let b = lanes.add(s, d);
        let one = lanes.splat(Real::from_f64(1.0));
        lanes.div_sqrt(one, lanes.mul(b, lanes.mul(b, b)))
    }
}

impl Law for Green4d {
    #[inline(always)]
    fn factor<L: Lanes>(lanes: L, s: L::Register, d: L::Register) -> L::Register {
        let b = lanes.add(s, d);
        lanes.div(lanes.splat(Real::from_f64(2.0)), lanes.mul(b, b))
    }
}
