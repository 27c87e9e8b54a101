//! The particles of a run, from step to step.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use std::f64::consts::TAU;

use rayon::prelude::*;

use super::curve::Places;
use super::step::{Advance, Scratch, Step};
use super::tile::ParticleTile;
use super::{FeynmanKac, FeynmanKacIntegrator, FeynmanKacSettings, Trigger};
use crate::domain::wrap;
use crate::rng::{Purpose, Stream};
use crate::sim::particles::{TILE, for_each_tile, tiles, try_for_each_tile};
use crate::sim::resample::{Births, Counts, Draw, TileSum, total};
use crate::simd::{Aligned, vectorise};
use crate::{Control, Result};

/// Sums of the weights since the last resampling and in this period.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) growth: f64,
    /// The part of the present weights that is in earlier periods' growth.
    counted: f64,
    pub(super) effective_size: f64,
}

pub(super) struct Run<'a, const D: usize> {
    settings: &'a FeynmanKacSettings,
    particles: usize,
    tiles: Vec<ParticleTile<D>>,
    sums: Vec<TileSum>,
    counts: Vec<Counts>,
    births: Vec<Births>,
    noise: Stream,
    resampling: Stream,
    /// Whether the weights have been used up.
    fresh: bool,
    counted: f64,
}

impl<'a, const D: usize> Run<'a, D> {
    pub(super) fn new(system: &'a FeynmanKac<D>, source: &[[f64; D]], seed: u64) -> Self {
        let settings = &system.settings;
        let stream = |purpose| {
            Stream::new(seed, purpose)
                .fold(settings.kappa.to_bits())
                .fold(settings.steps.into())
        };
        let particles = source.len();
        Self {
            settings,
            particles,
            tiles: (0..)
                .zip(source.chunks(TILE))
                .map(ParticleTile::new)
                .collect(),
            sums: vec![TileSum::ZERO; tiles(particles)],
            counts: vec![Aligned([0; TILE]); tiles(particles)],
            births: Births::of(tiles(particles)),
            noise: stream(Purpose::Brownian),
            resampling: stream(Purpose::Resampling),
            fresh: true,
            counted: 0.0,
        }
    }

    pub(super) fn period(&mut self, period: u32, last: bool, control: &Control) -> Result<Account> {
        let steps = self.settings.steps;
        let mut account = Account {
            growth: 0.0,
            counted: self.counted,
            effective_size: self.particles as f64,
        };
        self.sort();
        for (index, tile) in self.tiles.iter_mut().enumerate() {
            for (lane, root) in tile.roots.iter_mut().enumerate() {
                *root = (index * TILE + lane) as u32;
            }
        }
        for step in 0..steps {
            let number = period * steps + step;
            let ends = step + 1 == steps;
            let due = match self.settings.trigger {
                Trigger::Every(count) => (number + 1).is_multiple_of(count),
                Trigger::EffectiveSize(_) => false,
            };
            let sums = due || ends || matches!(self.settings.trigger, Trigger::EffectiveSize(_));
            let times = [step, step + 1].map(|step| f64::from(step) / f64::from(steps));
            self.advance(number, times, sums, control)?;
            if sums {
                self.settle(number, due || (ends && last), ends, &mut account);
            }
            control.advance(1);
        }
        self.counted = account.counted;
        Ok(account)
    }

    /// Put the particles into the order of a space-filling curve.
    ///
    /// Systematic and stratified resampling take as many offspring from every stretch of the order
    /// as its weights say; a stretch that is a region makes their variance small.
    fn sort(&mut self) {
        let mut keys = vec![[0; TILE]; self.tiles.len()];
        for_each_tile(
            &mut self.tiles,
            &mut keys,
            || (),
            |_, tile, keys, ()| vectorise(Places { x: &tile.x, keys }),
        );
        // Place and number in one word: equal places stay in the order of their numbers.
        let mut order: Vec<u64> = keys.as_flattened()[..self.particles]
            .iter()
            .zip(0u32..)
            .map(|(&key, number)| u64::from(key) << 32 | u64::from(number))
            .collect();
        order.par_sort_unstable();
        let old = self.tiles.clone();
        for (particle, from) in order.into_iter().enumerate() {
            let from = from as u32 as usize;
            let (from, of) = (&old[from / TILE], from % TILE);
            let (tile, lane) = (&mut self.tiles[particle / TILE], particle % TILE);
            for axis in 0..D {
                tile.x[axis][lane] = from.x[axis][of];
            }
            tile.log_weights[lane] = from.log_weights[of];
            tile.rows[lane] = from.rows[of];
        }
    }

    /// Weigh and move all particles.
    fn advance(
        &mut self,
        number: u32,
        times: [f64; 2],
        sums: bool,
        control: &Control,
    ) -> Result<()> {
        let FeynmanKacSettings {
            field,
            lambda,
            kappa,
            steps,
            integrator,
            ..
        } = self.settings;
        let dt = 1.0 / f64::from(*steps);
        let uniforms = field.uniforms(times[0]);
        let two_stages = *integrator == FeynmanKacIntegrator::Heun;
        let uniforms_later = two_stages.then(|| field.uniforms(times[1]));
        let step = Step {
            field,
            uniforms: &uniforms,
            uniforms_later: uniforms_later.as_deref(),
            weight_rate: dt * lambda,
            dt,
            twist: 2.0 * kappa * lambda,
            noise_scale: (2.0 * kappa * dt).sqrt(),
            noise: self.noise,
            number,
            fresh: self.fresh,
            sums,
        };
        let particles = self.particles;
        self.fresh = false;
        try_for_each_tile(
            &mut self.tiles,
            &mut self.sums,
            || Scratch::new(field, two_stages),
            |index, tile, sum, scratch| {
                control.check()?;
                let live = TILE.min(particles - index * TILE);
                vectorise(Advance {
                    step: &step,
                    index,
                    live,
                    tile,
                    sum,
                    scratch,
                })
                .map_or(Ok(()), |lost| Err(lost.error(times)))
            },
        )
    }

    /// Add up the weights, and resample where it is `due` or the effective size is too small.
    fn settle(&mut self, number: u32, due: bool, ends: bool, account: &mut Account) {
        let total = total(&mut self.sums);
        let size = total.effective_size();
        account.effective_size = account.effective_size.min(size);
        let resamples = match self.settings.trigger {
            Trigger::EffectiveSize(part) if size < part * self.particles as f64 => true,
            _ => due,
        };
        if !resamples && !ends {
            return;
        }
        let log_mean = total.log_sum() - (self.particles as f64).ln();
        account.growth += log_mean - account.counted;
        account.counted = log_mean;
        if resamples {
            account.counted = 0.0;
            self.fresh = true;
            let tiles = &self.tiles;
            let draw = Draw {
                source: &|index, _| Some(&tiles[index].weights),
                total,
                largest: 1.0,
                particles: self.particles,
                offspring: self.particles,
                stream: self.resampling,
                step: number,
            };
            draw.counts(self.settings.scheme, &mut self.sums, &mut self.counts);
            self.replace();
        }
    }

    /// Put offspring into the places of particles without.
    fn replace(&mut self) {
        let particles = self.particles;
        for_each_tile(
            &mut self.counts,
            &mut self.births,
            || (),
            |index, counts, births, ()| births.find(counts, index, particles),
        );
        for (free, parent) in Births::pairs(&self.births) {
            let place = |particle: u32| (particle as usize / TILE, particle as usize % TILE);
            let ((tile, lane), (from, of)) = (place(free), place(parent));
            for axis in 0..D {
                self.tiles[tile].x[axis][lane] = self.tiles[from].x[axis][of];
            }
            self.tiles[tile].roots[lane] = self.tiles[from].roots[of];
        }
    }

    pub(super) fn ancestors(&self) -> u32 {
        let mut has_descendants = vec![false; self.particles];
        for particle in 0..self.particles {
            let root = self.tiles[particle / TILE].roots[particle % TILE];
            has_descendants[root as usize] = true;
        }
        has_descendants.iter().map(|&has| u32::from(has)).sum()
    }

    pub(super) fn cloud(&self) -> Vec<[f64; D]> {
        let mut cloud = vec![[0.0; D]; self.particles];
        for particle in 0..self.particles {
            let (tile, lane) = (&self.tiles[particle / TILE], particle % TILE);
            let point = std::array::from_fn(|axis| wrap(tile.x[axis][lane], TAU));
            cloud[tile.rows[lane] as usize] = point;
        }
        cloud
    }
}
