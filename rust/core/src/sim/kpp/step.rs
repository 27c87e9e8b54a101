//! A step of a tile: weights, moves and the sum of the weights.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use std::f64::consts::TAU;

use pulp::bytemuck;

use super::tile::ParticleTile;
use crate::rng::Stream;
use crate::sim::expression::Field;
use crate::sim::particles::TILE;
use crate::sim::resample::TileSum;
use crate::simd::Vectorised;
use crate::{Error, math};

/// What is the same for all particles in a step.
pub(super) struct Step<'a> {
    pub(super) field: &'a Field,
    pub(super) uniforms: &'a [f64],
    pub(super) weight_rate: f64,
    pub(super) dt: f64,
    pub(super) twist: f64,
    pub(super) noise_scale: f64,
    pub(super) noise: Stream,
    pub(super) number: u32,
    pub(super) fresh: bool,
    pub(super) sums: bool,
}

pub(super) struct Advance<'a, const D: usize> {
    pub(super) step: &'a Step<'a>,
    pub(super) index: usize,
    pub(super) live: usize,
    pub(super) tile: &'a mut ParticleTile<D>,
    pub(super) sum: &'a mut TileSum,
    /// The registers of the field, and the next places.
    pub(super) scratch: &'a mut [[f64; TILE]],
}

/// A particle that has no next place.
pub(super) struct Lost {
    component: usize,
    point: Vec<f64>,
    value: f64,
}

impl Lost {
    pub(super) fn error(self, time: f64) -> Error {
        Error::FieldNotFinite {
            name: "flow",
            component: self.component + 1,
            point: self.point,
            time,
            value: self.value,
        }
    }
}

impl<const D: usize> Vectorised for Advance<'_, D> {
    type Output = Option<Lost>;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> Option<Lost> {
        let Self {
            step,
            index,
            live,
            tile,
            sum,
            scratch,
        } = self;
        let Step {
            field,
            uniforms,
            dt,
            ..
        } = *step;
        let (registers, next) = scratch.split_at_mut(field.registers());
        field.evaluate::<FMA, D>(&tile.x, uniforms, registers);

        let along = field.component(0, &tile.x, uniforms, registers);
        for lane in 0..TILE {
            let before = if step.fresh {
                0.0
            } else {
                tile.log_weights[lane]
            };
            tile.log_weights[lane] = before + step.weight_rate * along.of(lane);
        }

        // Normal numbers first, then the next places; a tile is two halves.
        for (block, pair) in next.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let first = (index * TILE / 2) as u32;
            let halves = pair
                .each_mut()
                .map(bytemuck::cast_mut::<_, [[f64; TILE / 2]; 2]>);
            step.noise
                .fill_normals::<FMA, { TILE / 2 }>(first, step.number, block as u32, halves);
        }
        let mut finite = [0.0; 8];
        for axis in 0..D {
            let velocity = field.component(axis, &tile.x, uniforms, registers);
            let twist = if axis == 0 { step.twist } else { 0.0 };
            let (x, next) = (&tile.x[axis], &mut next[axis]);
            for lane in 0..TILE {
                let drift = dt * (velocity.of(lane) + twist);
                let place = math::mul_add::<FMA, _>(step.noise_scale, next[lane], x[lane] + drift);
                let turns = (place * (1.0 / TAU)).floor();
                next[lane] = math::mul_add::<FMA, _>(-TAU, turns, place);
            }
            add_zeros(next, &mut finite);
        }
        add_zeros(&tile.log_weights, &mut finite);
        if finite.iter().any(|zero| zero.is_nan()) {
            let lost = (0..live).find(|&lane| {
                !tile.log_weights[lane].is_finite()
                    || next[..D].iter().any(|x| !x[lane].is_finite())
            });
            if let Some(lane) = lost {
                let velocity = |axis| field.component(axis, &tile.x, uniforms, registers).of(lane);
                let bad = |axis: &usize| !velocity(*axis).is_finite();
                let component = (0..D).find(bad).unwrap_or(0);
                return Some(Lost {
                    component,
                    point: tile.x.iter().map(|x| x[lane]).collect(),
                    value: velocity(component),
                });
            }
        }
        tile.x.copy_from_slice(&next[..D]);
        if step.sums {
            *sum = TileSum::of_exponentials::<FMA>(&tile.log_weights[..live], &mut tile.weights);
        }
        None
    }
}

/// Add zero for every finite one of `values`, and NaN for the others.
#[inline(always)]
fn add_zeros(values: &[f64; TILE], zeros: &mut [f64; 8]) {
    for values in values.as_chunks::<8>().0 {
        for (zero, value) in zeros.iter_mut().zip(values) {
            *zero += value * 0.0;
        }
    }
}
