use std::f64::consts::TAU;

use super::curve::hilbert;
use super::*;
use crate::domain::wrap;
use crate::pool;
use crate::rng::{LANES, Purpose, Stream};
use crate::sim::particles::TILE;
use crate::simd::{Vectorised, vectorise};

fn system(flow: [&str; 2], trigger: Trigger, scheme: Scheme) -> FeynmanKac<2> {
    FeynmanKac::new(FeynmanKacSettings {
        field: Field::parse("flow", &flow, &[]).expect("a flow"),
        lambda: 2.0,
        kappa: 0.25,
        steps: 16,
        integrator: FeynmanKacIntegrator::Euler,
        scheme,
        trigger,
    })
    .expect("a system")
}

const CELLS: [&str; 2] = ["-cos(y) - sin(2*pi*t)*sin(x)", "cos(x)"];

#[test]
fn a_prior_of_no_finite_deviation_is_refused() {
    let drawn = gaussian_torus::<2>(10, f64::NAN, 0, &Control::new());
    assert!(matches!(
        drawn,
        Err(Error::OutOfRange {
            name: "deviation",
            ..
        })
    ));
}

#[test]
fn a_constant_flow_has_its_growth_exactly() {
    let source = uniform_torus(1000, 0, &Control::new()).expect("points");
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
    let source = uniform_torus(9001, 0, &Control::new()).expect("points");
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
fn rows_of_the_cloud_keep_their_particles() {
    let source = uniform_torus(1000, 0, &Control::new()).expect("points");
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
fn a_period_is_the_written_one(integrator: FeynmanKacIntegrator) {
    let (n, steps, lambda, kappa) = (300, 16, 2.0f64, 0.25f64);
    let source: Vec<[f64; 2]> = uniform_torus(n, 3, &Control::new()).expect("points");
    // Without resampling before the end there are n weights to compare with.
    let mut system = system(CELLS, Trigger::Every(1000), Scheme::Systematic);
    system.settings.integrator = integrator;
    let run = system.run(&source, 1, 5, &Control::new()).expect("a run");
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
            let velocity = |x: f64, y: f64, step: u64| {
                let t = step as f64 * dt;
                [-y.cos() - (TAU * t).sin() * x.sin(), x.cos()]
            };
            let [a, b] = noise_of(particle, step).map(|normal| (2.0 * kappa * dt).sqrt() * normal);
            let moved = |v: [f64; 2]| {
                [
                    x + dt * (2.0 * kappa * lambda + v[0]) + a,
                    y + dt * v[1] + b,
                ]
            };
            let mut v = velocity(x, y, step);
            if integrator == FeynmanKacIntegrator::Heun {
                let [x, y] = moved(v);
                let w = velocity(x, y, step + 1);
                v = [f64::midpoint(v[0], w[0]), f64::midpoint(v[1], w[1])];
            }
            [x, y] = moved(v);
            log_weight += dt * lambda * v[0];
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
fn a_period_of_euler_is_the_written_one() {
    a_period_is_the_written_one(FeynmanKacIntegrator::Euler);
}

#[test]
fn a_period_of_heun_is_the_written_one() {
    a_period_is_the_written_one(FeynmanKacIntegrator::Heun);
}

#[test]
fn a_flow_that_is_nowhere_is_an_error_that_says_where() {
    let source = uniform_torus(1000, 0, &Control::new()).expect("points");
    let flow = ["1", "log(1.5 + sin(x))*sqrt(cos(2*pi*t) + 0.5)"];
    // Euler's first step without a velocity begins at that time, Heun's ends there.
    for integrator in [FeynmanKacIntegrator::Euler, FeynmanKacIntegrator::Heun] {
        let mut system = system(flow, Trigger::Every(1), Scheme::Systematic);
        system.settings.integrator = integrator;
        let error = system
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
                assert!(value.is_nan() && time == 0.375, "{integrator:?}: {time}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_run_can_be_cancelled() {
    let control = Control::new();
    control.cancel();
    let source = uniform_torus(1000, 0, &Control::new()).expect("points");
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
    let one = uniform_torus(1, 0, &Control::new()).expect("a point");
    assert!(system.run(&one, 1, 0, &Control::new()).is_err());
}
