//! Feynman-Kac particles of the KPP front speed.
//!
//! Particles on the torus of period `2 pi` follow `dX = (2 kappa lambda e_1 + v(X, t)) dt +
//! sqrt(2 kappa) dW` by Euler-Maruyama steps. A step from `X` at time `t` multiplies the weight by
//! `exp(dt lambda v_1(X, t))`; now and then particles are resampled by their weights. The
//! logarithms of the mean weights add up to the growth, whose mean per period tends to the
//! principal eigenvalue `mu_0`, and the particles to the law of the forward eigenfunction.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use std::f64::consts::TAU;

use pulp::bytemuck;
use rayon::prelude::*;

use super::expression::Field;
use super::particles::{TILE, for_each_tile, particle_count, tiles, try_for_each_tile};
use super::resample::{Births, Counts, Draw, Scheme, TileSum, total};
use crate::domain::wrap;
use crate::rng::{Purpose, Stream};
use crate::simd::{Vectorised, vectorise};
use crate::{Control, Error, Result, math};

/// When particles are resampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trigger {
    /// After every so many steps.
    Every(u32),
    /// When the effective sample size falls below this part of the particles.
    EffectiveSize(f64),
}

/// What [`FeynmanKac::new`] is told.
#[derive(Debug, Clone)]
pub struct FeynmanKacSettings {
    /// The velocity `v`, of period `2 pi` in each coordinate and 1 in time.
    pub field: Field,
    /// `lambda`, the decay of the front.
    pub lambda: f64,
    /// Diffusivity.
    pub kappa: f64,
    /// Steps in a period.
    pub steps: u32,
    /// How particles are resampled,
    pub scheme: Scheme,
    /// and when.
    pub trigger: Trigger,
}

/// The particle system, in `D` dimensions.
#[derive(Debug, Clone)]
pub struct FeynmanKac<const D: usize> {
    settings: FeynmanKacSettings,
}

/// What a run has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Generations<const D: usize> {
    /// The particles at the end, all of the same weight.
    pub cloud: Vec<[f64; D]>,
    /// Growth of the total weight in each period.
    pub growth: Vec<f64>,
    /// The smallest effective sample size in each period.
    pub effective_size: Vec<f64>,
    /// Particles at the start of each period with descendants at its end.
    pub ancestors: Vec<u32>,
}

/// Some particles.
#[derive(Debug, Clone)]
#[repr(align(64))]
struct ParticleTile<const D: usize> {
    x: [[f64; TILE]; D],
    log_weights: [f64; TILE],
    /// Weights in the unit of the sum of the tile.
    weights: [f64; TILE],
    /// Number of the ancestor at the start of the period.
    roots: [u32; TILE],
    /// Row of the cloud.
    rows: [u32; TILE],
}

/// Sums of the weights since the last resampling and in this period.
#[derive(Debug, Clone, Copy)]
struct Account {
    growth: f64,
    /// The part of the present weights that is in earlier periods' growth.
    counted: f64,
    effective_size: f64,
}

impl<const D: usize> FeynmanKac<D> {
    /// The system with these settings, after a check of each.
    pub fn new(settings: FeynmanKacSettings) -> Result<Self> {
        let out_of_range = |name, expected, got| {
            Err(Error::OutOfRange {
                name,
                expected,
                got,
            })
        };
        let FeynmanKacSettings {
            lambda,
            kappa,
            steps,
            trigger,
            ..
        } = settings;
        if settings.field.dim() != D {
            return Err(Error::ShapeMismatch {
                name: "flow",
                expected: format!("{D} components"),
                got: settings.field.dim().to_string(),
            });
        }
        if !(kappa.is_finite() && kappa > 0.0) {
            return out_of_range("kappa", "a positive number", kappa);
        }
        if !lambda.is_finite() {
            return out_of_range("lam", "a finite number", lambda);
        }
        if steps == 0 {
            return out_of_range("steps", "at least 1", 0.0);
        }
        match trigger {
            Trigger::Every(0) => out_of_range("every", "at least 1", 0.0),
            Trigger::EffectiveSize(part) if !(part > 0.0 && part <= 1.0) => {
                out_of_range("ess", "above 0 and at most 1", part)
            }
            _ => Ok(Self { settings }),
        }
    }

    /// Run `periods` from the particles of `source`.
    pub fn run(
        &self,
        source: &[[f64; D]],
        periods: u32,
        seed: u64,
        control: &Control,
    ) -> Result<Generations<D>> {
        particle_count("particles", source.len(), 2)?;
        let steps = u64::from(periods) * u64::from(self.settings.steps);
        if steps > u64::from(u32::MAX) {
            return Err(Error::OutOfRange {
                name: "generations",
                expected: "at most 2^32 - 1 steps in all",
                got: steps as f64,
            });
        }
        control.set_total(steps);
        let mut run = Run::new(self, source, seed);
        let mut result = Generations {
            cloud: Vec::new(),
            growth: Vec::with_capacity(periods as usize),
            effective_size: Vec::with_capacity(periods as usize),
            ancestors: Vec::with_capacity(periods as usize),
        };
        for period in 0..periods {
            let account = run.period(period, period + 1 == periods, control)?;
            result.growth.push(account.growth);
            result.effective_size.push(account.effective_size);
            result.ancestors.push(run.ancestors());
        }
        result.cloud = run.cloud();
        Ok(result)
    }
}

struct Run<'a, const D: usize> {
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
    fn new(system: &'a FeynmanKac<D>, source: &[[f64; D]], seed: u64) -> Self {
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
            counts: vec![[0; TILE]; tiles(particles)],
            births: Births::of(tiles(particles)),
            noise: stream(Purpose::Brownian),
            resampling: stream(Purpose::Resampling),
            fresh: true,
            counted: 0.0,
        }
    }

    fn period(&mut self, period: u32, last: bool, control: &Control) -> Result<Account> {
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
            self.advance(number, f64::from(step) / f64::from(steps), sums, control)?;
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
    fn advance(&mut self, number: u32, time: f64, sums: bool, control: &Control) -> Result<()> {
        let FeynmanKacSettings {
            field,
            lambda,
            kappa,
            steps,
            ..
        } = self.settings;
        let dt = 1.0 / f64::from(*steps);
        let uniforms = field.uniforms(time);
        let step = Step {
            field,
            uniforms: &uniforms,
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
            || vec![[0.0; TILE]; field.registers() + D.next_multiple_of(2)],
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
                .map_or(Ok(()), |lost| Err(lost.error(time)))
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

    fn ancestors(&self) -> u32 {
        let mut has_descendants = vec![false; self.particles];
        for particle in 0..self.particles {
            let root = self.tiles[particle / TILE].roots[particle % TILE];
            has_descendants[root as usize] = true;
        }
        has_descendants.iter().map(|&has| u32::from(has)).sum()
    }

    fn cloud(&self) -> Vec<[f64; D]> {
        let mut cloud = vec![[0.0; D]; self.particles];
        for particle in 0..self.particles {
            let (tile, lane) = (&self.tiles[particle / TILE], particle % TILE);
            let point = std::array::from_fn(|axis| wrap(tile.x[axis][lane], TAU));
            cloud[tile.rows[lane] as usize] = point;
        }
        cloud
    }
}

impl<const D: usize> ParticleTile<D> {
    /// Up to [`TILE`] points; free places are filled with copies of the last, which go unseen.
    fn new((index, points): (u32, &[[f64; D]])) -> Self {
        let place = |lane: usize, axis: usize| points[lane.min(points.len() - 1)][axis];
        Self {
            x: std::array::from_fn(|axis| std::array::from_fn(|lane| wrap(place(lane, axis), TAU))),
            log_weights: [0.0; TILE],
            weights: [0.0; TILE],
            roots: [0; TILE],
            rows: std::array::from_fn(|lane| index * TILE as u32 + lane as u32),
        }
    }
}

/// The places on a Hilbert curve of the particles of a tile.
struct Places<'a, const D: usize> {
    x: &'a [[f64; TILE]; D],
    keys: &'a mut [u32; TILE],
}

impl<const D: usize> Vectorised for Places<'_, D> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for lane in 0..TILE {
            let point = std::array::from_fn(|axis| self.x[axis][lane] * (1.0 / TAU));
            self.keys[lane] = hilbert::<D>(point);
        }
    }
}

/// The place on a Hilbert curve of a point of the unit cube, to ten bits an axis.
///
/// J. Skilling, "Programming the Hilbert curve", AIP Conference Proceedings 707 (2004); without
/// branches, so that it vectorises.
#[inline(always)]
fn hilbert<const D: usize>(point: [f64; D]) -> u32 {
    const BITS: u32 = 10;
    const { assert!(D as u32 * BITS <= u32::BITS) };
    // The position of `bit` says whether: all ones, or none.
    let ones = |x: u32, bit: u32| (x >> bit & 1).wrapping_neg();
    let mut x = point.map(|x| (x * f64::from(1 << BITS)) as i32 as u32 & ((1 << BITS) - 1));
    for bit in (1..BITS).rev() {
        let below = (1 << bit) - 1;
        for axis in 0..D {
            let set = ones(x[axis], bit);
            let swap = (x[0] ^ x[axis]) & below & !set;
            x[0] ^= swap | below & set;
            x[axis] ^= swap;
        }
    }
    for axis in 1..D {
        x[axis] ^= x[axis - 1];
    }
    let mut flips = 0;
    for bit in (1..BITS).rev() {
        flips ^= ((1 << bit) - 1) & ones(x[D - 1], bit);
    }
    let mut key = 0;
    for bit in (0..BITS).rev() {
        for coordinate in x {
            key = key << 1 | (coordinate ^ flips) >> bit & 1;
        }
    }
    key
}

/// What is the same for all particles in a step.
struct Step<'a> {
    field: &'a Field,
    uniforms: &'a [f64],
    weight_rate: f64,
    dt: f64,
    twist: f64,
    noise_scale: f64,
    noise: Stream,
    number: u32,
    fresh: bool,
    sums: bool,
}

struct Advance<'a, const D: usize> {
    step: &'a Step<'a>,
    index: usize,
    live: usize,
    tile: &'a mut ParticleTile<D>,
    sum: &'a mut TileSum,
    /// The registers of the field, and the next places.
    scratch: &'a mut [[f64; TILE]],
}

/// A particle that has no next place.
struct Lost {
    component: usize,
    point: Vec<f64>,
    value: f64,
}

impl Lost {
    fn error(self, time: f64) -> Error {
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

/// `n` independent points, uniform on the torus of period `2 pi`.
pub fn uniform_torus<const D: usize>(n: usize, seed: u64) -> Result<Vec<[f64; D]>> {
    on_torus(n, seed, |stream, particle, block| {
        stream.uniforms(particle, 0, block).map(|u| TAU * u)
    })
}

/// `n` independent points of the normal law around the centre of `[0, 2 pi]^D` with this
/// `deviation`, wrapped around the torus.
pub fn gaussian_torus<const D: usize>(
    n: usize,
    deviation: f64,
    seed: u64,
) -> Result<Vec<[f64; D]>> {
    on_torus(n, seed, |stream, particle, block| {
        let normals = stream.normals(particle, 0, block);
        normals.map(|normal| TAU / 2.0 + deviation * normal)
    })
}

fn on_torus<const D: usize>(
    n: usize,
    seed: u64,
    pair: impl Fn(Stream, u32, u32) -> [f64; 2] + Sync,
) -> Result<Vec<[f64; D]>> {
    particle_count("n", n, 1)?;
    let stream = Stream::new(seed, Purpose::Prior);
    let point = |particle: usize| {
        let mut point = [0.0; D];
        for (block, part) in point.chunks_mut(2).enumerate() {
            part.copy_from_slice(&pair(stream, particle as u32, block as u32)[..part.len()]);
        }
        point.map(|x| wrap(x, TAU))
    };
    Ok((0..n).into_par_iter().map(point).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool;
    use crate::rng::LANES;

    fn system(flow: [&str; 2], trigger: Trigger, scheme: Scheme) -> FeynmanKac<2> {
        FeynmanKac::new(FeynmanKacSettings {
            field: Field::parse("flow", &flow, &[]).expect("a flow"),
            lambda: 2.0,
            kappa: 0.25,
            steps: 16,
            scheme,
            trigger,
        })
        .expect("a system")
    }

    const CELLS: [&str; 2] = ["-cos(y) - sin(2*pi*t)*sin(x)", "cos(x)"];

    #[test]
    fn a_constant_flow_has_its_growth_exactly() {
        let source = uniform_torus(1000, 0).expect("points");
        for trigger in [
            Trigger::Every(1),
            Trigger::Every(7),
            Trigger::EffectiveSize(0.5),
        ] {
            let run = system(["0.75", "-0.5"], trigger, Scheme::Systematic)
                .run(&source, 5, 0, &Control::new())
                .expect("a run");
            assert!(run.growth.iter().all(|growth| (growth - 1.5).abs() < 1e-12));
            assert!(
                run.effective_size
                    .iter()
                    .all(|size| (size - 1000.0).abs() < 1e-6)
            );
            // Equal weights leave every particle where it is.
            assert_eq!(run.ancestors, [1000; 5]);
        }
    }

    #[test]
    fn threads_change_nothing() {
        let source = uniform_torus(9001, 0).expect("points");
        for (trigger, scheme) in [
            (Trigger::Every(1), Scheme::Systematic),
            (Trigger::Every(3), Scheme::Multinomial),
            (Trigger::EffectiveSize(0.99), Scheme::Ssp),
        ] {
            let system = system(CELLS, trigger, scheme);
            let run = |threads| {
                let pool = pool::pool(Some(threads)).expect("a pool");
                pool.install(|| system.run(&source, 3, 1, &Control::new()).expect("a run"))
            };
            let one = run(1);
            assert!(run(2) == one && run(7) == one, "{trigger:?}");
        }
    }

    #[test]
    fn the_curve_goes_from_neighbour_to_neighbour() {
        let cells = 64;
        let at = |cell: u32| (f64::from(cell) + 0.5) / f64::from(cells);
        let mut points: Vec<[f64; 2]> = (0..cells * cells)
            .map(|cell| [at(cell / cells), at(cell % cells)])
            .collect();
        points.sort_unstable_by_key(|point| hilbert(*point));
        for pair in points.windows(2) {
            let step: f64 = (0..2)
                .map(|axis| (pair[1][axis] - pair[0][axis]).abs())
                .sum();
            assert!((step * f64::from(cells) - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn rows_of_the_cloud_keep_their_particles() {
        let source = uniform_torus(1000, 0).expect("points");
        let mut run = system(["0", "0"], Trigger::Every(1), Scheme::Systematic);
        run.settings.kappa = 1e-12;
        let cloud = run
            .run(&source, 3, 0, &Control::new())
            .expect("a run")
            .cloud;
        for (before, after) in source.iter().zip(&cloud) {
            let moved = (0..2).map(|axis| (before[axis] - after[axis]).abs());
            assert!(moved.sum::<f64>() < 1e-3);
        }
    }

    /// Normal numbers as this processor makes them: in single precision, fused or not.
    struct Noise<'a> {
        stream: Stream,
        block: u32,
        step: u32,
        normals: [&'a mut [[f64; LANES]; 2]; 2],
    }

    impl Vectorised for Noise<'_> {
        type Output = ();

        #[inline(always)]
        fn run<const FMA: bool>(self) {
            self.stream
                .fill_normals::<FMA, LANES>(self.block, self.step, 0, self.normals);
        }
    }

    /// All steps written out, particle by particle, with the standard library's functions.
    #[test]
    fn a_period_without_resampling_is_the_written_one() {
        let (n, steps, lambda, kappa) = (300, 16, 2.0f64, 0.25f64);
        let source: Vec<[f64; 2]> = uniform_torus(n, 3).expect("points");
        // Without resampling before the end there are n weights to compare with.
        let run = system(CELLS, Trigger::Every(1000), Scheme::Systematic)
            .run(&source, 1, 5, &Control::new())
            .expect("a run");
        let noise = Stream::new(5, Purpose::Brownian)
            .fold(kappa.to_bits())
            .fold(steps);
        // Two places of a tile share a block of random bits.
        let noise_of = |place: usize, step: u64| {
            let [mut a, mut b] = [[[0.0; LANES]; 2]; 2];
            let (tile, lane) = (place / TILE, place % TILE);
            let (half, block) = (lane / (TILE / 2), tile * TILE / 2 + lane % (TILE / 2));
            vectorise(Noise {
                stream: noise,
                block: block as u32,
                step: step as u32,
                normals: [&mut a, &mut b],
            });
            [a[half][0], b[half][0]]
        };
        let dt = 1.0 / steps as f64;
        let mut mean = 0.0;
        // The noise belongs to the place on the curve.
        let key = |row: &usize| (hilbert(source[*row].map(|x| x * (1.0 / TAU))), *row);
        let mut rows: Vec<usize> = (0..n).collect();
        rows.sort_unstable_by_key(key);
        for (particle, &row) in rows.iter().enumerate() {
            let [mut x, mut y] = source[row];
            let mut log_weight = 0.0;
            for step in 0..steps {
                let t = step as f64 * dt;
                let v = [-y.cos() - (TAU * t).sin() * x.sin(), x.cos()];
                let [a, b] = noise_of(particle, step);
                log_weight += dt * lambda * v[0];
                x += dt * (2.0 * kappa * lambda + v[0]) + (2.0 * kappa * dt).sqrt() * a;
                y += dt * v[1] + (2.0 * kappa * dt).sqrt() * b;
            }
            mean += log_weight.exp() / n as f64;
            let place = [wrap(x, TAU), wrap(y, TAU)];
            let near = |q: &&[f64; 2]| (0..2).all(|axis| (q[axis] - place[axis]).abs() < 1e-12);
            // A particle is at its place unless resampling has put another one there.
            assert!(near(&&run.cloud[row]) || !run.cloud.iter().any(|q| near(&q)));
        }
        assert!((run.growth[0] - mean.ln()).abs() < 1e-12);
    }

    #[test]
    fn a_flow_that_is_nowhere_is_an_error_that_says_where() {
        let source = uniform_torus(1000, 0).expect("points");
        let flow = ["1", "log(1.5 + sin(x))*sqrt(cos(2*pi*t) + 0.5)"];
        let error = system(flow, Trigger::Every(1), Scheme::Systematic)
            .run(&source, 1, 0, &Control::new())
            .expect_err("no number");
        match error {
            Error::FieldNotFinite {
                component,
                time,
                value,
                ..
            } => {
                assert_eq!(component, 2);
                assert!(value.is_nan() && time == 0.375, "{time}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_run_can_be_cancelled() {
        let control = Control::new();
        control.cancel();
        let source = uniform_torus(1000, 0).expect("points");
        let run = system(CELLS, Trigger::Every(1), Scheme::Systematic).run(&source, 1, 0, &control);
        assert_eq!(run, Err(Error::Cancelled));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let settings = system(CELLS, Trigger::Every(1), Scheme::Systematic).settings;
        let refused = |change: fn(&mut FeynmanKacSettings)| {
            let mut settings = settings.clone();
            change(&mut settings);
            FeynmanKac::<2>::new(settings).is_err()
        };
        assert!(refused(|settings| settings.kappa = 0.0));
        assert!(refused(|settings| settings.kappa = f64::NAN));
        assert!(refused(|settings| settings.lambda = f64::INFINITY));
        assert!(refused(|settings| settings.steps = 0));
        assert!(refused(|settings| settings.trigger = Trigger::Every(0)));
        assert!(refused(
            |settings| settings.trigger = Trigger::EffectiveSize(1.5)
        ));
        assert!(FeynmanKac::<3>::new(settings.clone()).is_err());
        let system = FeynmanKac::<2>::new(settings).expect("a system");
        let one = uniform_torus(1, 0).expect("a point");
        assert!(system.run(&one, 1, 0, &Control::new()).is_err());
    }
}
