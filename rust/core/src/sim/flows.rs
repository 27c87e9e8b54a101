//! Background velocity fields.

use std::f64::consts::TAU;

use crate::{Error, Result};

/// A steady flow of strength `sigma`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// `v = sigma exp(-|x_perp|^2) e_1`, where `x_perp` holds all coordinates but the first.
    Laminar,
    /// `v = sigma (sin 2 pi z, sin 2 pi x, sin 2 pi y)`, in three dimensions.
    Kolmogorov,
}

impl Flow {
    /// The flow called `name` in `dim` dimensions.
    pub fn from_name(name: &str, dim: usize) -> Result<Self> {
        let expected: &[_] = if dim == 3 {
            &["laminar", "kolmogorov"]
        } else {
            &["laminar"]
        };
        match name {
            "laminar" => Ok(Self::Laminar),
            "kolmogorov" if dim == 3 => Ok(Self::Kolmogorov),
            _ => Err(Error::UnknownOption {
                name: "flow",
                expected,
                got: name.into(),
            }),
        }
    }

    /// The velocity at `x`.
    #[must_use]
    pub fn velocity<const D: usize>(self, x: &[f64; D], sigma: f64) -> [f64; D] {
        let mut velocity = [0.0; D];
        match self {
            Self::Laminar => {
                let squared_distance: f64 = x[1..].iter().map(|x| x * x).sum();
                velocity[0] = sigma * (-squared_distance).exp();
            }
            Self::Kolmogorov => {
                for (axis, component) in velocity.iter_mut().enumerate() {
                    *component = sigma * (TAU * x[(axis + D - 1) % D]).sin();
                }
            }
        }
        velocity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laminar_flow_follows_the_first_axis() {
        let [u, v, w, t] = Flow::Laminar.velocity(&[9.0, 1.0, 0.5, 0.5], 10.0);
        assert!((u - 10.0 * (-1.5f64).exp()).abs() < 1e-14);
        assert_eq!([v, w, t], [0.0; 3]);
    }

    #[test]
    fn kolmogorov_flow_takes_each_component_from_the_previous_axis() {
        let velocity = Flow::Kolmogorov.velocity(&[0.25, 0.125, 0.75], 2.0);
        for (got, expected) in velocity.iter().zip([-2.0, 2.0, 2.0f64.sqrt()]) {
            assert!((got - expected).abs() < 1e-14);
        }
    }

    #[test]
    fn four_dimensions_have_no_kolmogorov_flow() {
        assert_eq!(
            Flow::from_name("kolmogorov", 4),
            Err(Error::UnknownOption {
                name: "flow",
                expected: &["laminar"],
                got: "kolmogorov".into()
            })
        );
        assert!(Flow::from_name("shear", 3).is_err());
    }
}
