//! Particles that a run begins with.

use std::f64::consts::TAU;

use crate::domain::wrap;
use crate::rng::{Purpose, Stream};
use crate::sim::drawn::drawn;
use crate::sim::particles::particle_count;
use crate::{Control, Error, Result};

/// `n` independent points, uniform on the torus of period `2 pi`.
pub fn uniform_torus<const D: usize>(
    n: usize,
    seed: u64,
    control: &Control,
) -> Result<Vec<[f64; D]>> {
    on_torus(n, seed, control, |stream, particle, block| {
        stream.uniforms(particle, 0, block).map(|u| TAU * u)
    })
}

/// `n` independent points of the normal law around the centre of `[0, 2 pi]^D` with this
/// `deviation`, wrapped around the torus.
pub fn gaussian_torus<const D: usize>(
    n: usize,
    deviation: f64,
    seed: u64,
    control: &Control,
) -> Result<Vec<[f64; D]>> {
    if !deviation.is_finite() {
        return Err(Error::OutOfRange {
            name: "deviation",
            expected: "a finite number",
            got: deviation,
        });
    }
    on_torus(n, seed, control, |stream, particle, block| {
        let normals = stream.normals(particle, 0, block);
        normals.map(|normal| TAU / 2.0 + deviation * normal)
    })
}

fn on_torus<const D: usize>(
    n: usize,
    seed: u64,
    control: &Control,
    pair: impl Fn(Stream, u32, u32) -> [f64; 2] + Sync,
) -> Result<Vec<[f64; D]>> {
    particle_count("n", n, 1)?;
    let stream = Stream::new(seed, Purpose::Prior);
    drawn(n, control, |particle| {
        let mut point = [0.0; D];
        for (block, part) in point.chunks_mut(2).enumerate() {
            part.copy_from_slice(&pair(stream, particle, block as u32)[..part.len()]);
        }
        point.map(|x| wrap(x, TAU))
    })
}
