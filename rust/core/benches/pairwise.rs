//! Pair sums over a uniform ball on one thread: every force law, in both precisions.
//!
//! The throughput counts ordered pairs, `n^2` a sum, whatever symmetry saves.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use criterion::{criterion_group, criterion_main};
use twostep_core::sim::{Force, Kernel, Precision, attraction, uniform_ball};
use twostep_core::{Control, pool};

const PARTICLES: usize = 15_000;

fn benchmark(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pairwise");
    group.sample_size(10);
    group.throughput(Throughput::Elements((PARTICLES * PARTICLES) as u64));
    for precision in [Precision::Double, Precision::Single] {
        for kernel in ["printed", "blob", "plummer"] {
            measure::<3>(&mut group, kernel, precision);
        }
        for kernel in ["green4d", "literal"] {
            measure::<4>(&mut group, kernel, precision);
        }
    }
    group.finish();
}

fn measure<const D: usize>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    kernel: &str,
    precision: Precision,
) {
    let pool = pool::pool(Some(1)).expect("one thread");
    let control = Control::new();
    let points = uniform_ball::<D>(PARTICLES, 0, &control).expect("points");
    let force = Force {
        kernel: Kernel::from_name(kernel, D).expect("a kernel of this dimension"),
        delta: 1e-3,
        precision,
    };
    group.bench_function(
        BenchmarkId::new(kernel, format!("{precision:?}")),
        |bench| {
            bench.iter(|| black_box(pool.install(|| attraction(&points, &force, &control))));
        },
    );
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
