//! A step of a tile: weights, moves and the sum of the weights.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use std::f64::consts::TAU;

use pulp::bytemuck;

use super::tile::ParticleTile;
use crate::rng::Stream;
use crate::sim::expression::{Array, Field};
use crate::sim::particles::TILE;
use crate::sim::resample::TileSum;
use crate::simd::{Aligned, Vectorised};
use crate::{Error, math};

/// What is the same for all particles in a step.
pub(super) struct Step<'a> {
    pub(super) field: &'a Field,
    pub(super) uniforms: &'a [f64],
    /// Those of the field when the step ends, where the velocity there counts.
    pub(super) uniforms_later: Option<&'a [f64]>,
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
    pub(super) scratch: &'a mut Scratch<D>,
}

/// Room for what a step needs of a tile.
pub(super) struct Scratch<const D: usize> {
    /// Registers of the field where the step begins,
    registers: Vec<Array>,
    /// and where it ends.
    registers_later: Vec<Array>,
    /// Where Euler-Maruyama steps end.
    predicted: [Array; D],
    /// Normal numbers, then the next places.
    next: Vec<Array>,
}

impl<const D: usize> Scratch<D> {
    pub(super) fn new(field: &Field, two_stages: bool) -> Self {
        let zeros = |count| vec![Aligned([0.0; TILE]); count];
        Self {
            registers: zeros(field.registers()),
            registers_later: zeros(if two_stages { field.registers() } else { 0 }),
            predicted: [Aligned([0.0; TILE]); D],
            next: zeros(D.next_multiple_of(2)),
        }
    }
}

/// A particle that has no next place.
pub(super) struct Lost {
    component: usize,
    point: Vec<f64>,
    value: f64,
    /// Whether that is where the step ends.
    ends: bool,
}

impl Lost {
    /// What became of the particle at `lane`: its first velocity that is no number, or the first at
    /// all, which was too large.
    fn of<const D: usize>(
        lane: usize,
        step: &Step<'_>,
        x: &[Array; D],
        scratch: &Scratch<D>,
    ) -> Self {
        let begin = (x, step.uniforms, &scratch.registers, false);
        let end = step
            .uniforms_later
            .map(|uniforms| (&scratch.predicted, uniforms, &scratch.registers_later, true));
        let mut velocities: Vec<Self> = [Some(begin), end]
            .into_iter()
            .flatten()
            .flat_map(|(x, uniforms, registers, ends)| {
                (0..D).map(move |component| Self {
                    component,
                    point: x.iter().map(|x| x[lane]).collect(),
                    value: step
                        .field
                        .component(component, x, uniforms, registers)
                        .of(lane),
                    ends,
                })
            })
            .collect();
        let lost = velocities.iter().position(|one| !one.value.is_finite());
        velocities.swap_remove(lost.unwrap_or(0))
    }

    /// The error of a step from one time to another.
    pub(super) fn error(self, [begin, end]: [f64; 2]) -> Error {
        Error::FieldNotFinite {
            name: "flow",
            component: self.component + 1,
            point: self.point,
            time: if self.ends { end } else { begin },
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
        let Scratch {
            registers, next, ..
        } = &mut *scratch;
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
                .map(|array| bytemuck::cast_mut::<_, [[f64; TILE / 2]; 2]>(&mut array.0));
            step.noise
                .fill_normals::<FMA, { TILE / 2 }>(first, step.number, block as u32, halves);
        }
        for axis in 0..D {
            let velocity = field.component(axis, &tile.x, uniforms, registers);
            let twist = if axis == 0 { step.twist } else { 0.0 };
            let (x, next) = (&tile.x[axis], &mut next[axis]);
            for lane in 0..TILE {
                let drift = dt * (velocity.of(lane) + twist);
                let place = math::mul_add::<FMA, _>(step.noise_scale, next[lane], x[lane] + drift);
                next[lane] = wrapped::<FMA>(place);
            }
        }
        if let Some(uniforms_later) = step.uniforms_later {
            correct::<FMA, D>(step, uniforms_later, tile, scratch);
        }
        let next = &scratch.next;
        if !all_finite::<FMA, D>(next, &tile.log_weights) {
            let lost = (0..live).find(|&lane| {
                !tile.log_weights[lane].is_finite()
                    || next[..D].iter().any(|x| !x[lane].is_finite())
            });
            if let Some(lane) = lost {
                return Some(Lost::of(lane, step, &tile.x, scratch));
            }
        }
        tile.x.copy_from_slice(&next[..D]);
        if step.sums {
            *sum = TileSum::of_exponentials::<FMA>(&tile.log_weights[..live], &mut tile.weights);
        }
        None
    }
}

/// Make an Euler-Maruyama step one of Heun's: the mean of two velocities is the first and half of
/// what it changes by.
#[inline(always)]
fn correct<const FMA: bool, const D: usize>(
    step: &Step<'_>,
    uniforms_later: &[f64],
    tile: &mut ParticleTile<D>,
    scratch: &mut Scratch<D>,
) {
    let Step {
        field, uniforms, ..
    } = *step;
    let Scratch {
        registers,
        registers_later,
        predicted,
        next,
    } = scratch;
    predicted.copy_from_slice(&next[..D]);
    field.evaluate::<FMA, D>(predicted, uniforms_later, registers_later);
    for axis in 0..D {
        let before = field.component(axis, &tile.x, uniforms, registers);
        let after = field.component(axis, predicted, uniforms_later, registers_later);
        for lane in 0..TILE {
            let change = 0.5 * (after.of(lane) - before.of(lane));
            let place = math::mul_add::<FMA, _>(step.dt, change, predicted[axis][lane]);
            next[axis][lane] = wrapped::<FMA>(place);
            if axis == 0 {
                tile.log_weights[lane] += step.weight_rate * change;
            }
        }
    }
}

/// The place on the torus.
#[inline(always)]
fn wrapped<const FMA: bool>(place: f64) -> f64 {
    let turns = (place * (1.0 / TAU)).floor();
    math::mul_add::<FMA, _>(-TAU, turns, place)
}

/// Whether all places and weights are finite; also false where a sum of them overflows.
#[inline(always)]
fn all_finite<const FMA: bool, const D: usize>(
    places: &[Array],
    log_weights: &[f64; TILE],
) -> bool {
    // A chain of additions waits for itself.
    const PARTS: usize = 32;
    let mut zeros = [0.0; PARTS];
    for start in (0..TILE).step_by(PARTS) {
        for part in 0..PARTS {
            let mut sum = log_weights[start + part];
            for axis in 0..D {
                sum += places[axis][start + part];
            }
            // Zero, or NaN.
            zeros[part] = math::mul_add::<FMA, _>(0.0, sum, zeros[part]);
        }
    }
    !zeros.iter().any(|zero| zero.is_nan())
}
