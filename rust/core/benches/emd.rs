//! Exact transport: cold and warm solves between two independent draws of one law.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use twostep_core::domain::Domain;
use twostep_core::ot::emd::PointProblem;
use twostep_core::ot::{Masses, Metric, emd};
use twostep_core::{Control, pool};

/// Points of a skewed low-discrepancy sequence: half of them in a narrow core.
fn cloud(n: usize, dim: usize, offset: f64) -> Vec<f64> {
    let steps = [
        0.819_172_513_396_164,
        0.671_043_606_703_789,
        0.549_700_477_901_960,
    ];
    (0..n)
        .flat_map(|k| {
            let width = if k % 2 == 0 { 0.15 } else { 1.0 };
            steps
                .map(|step| width * ((offset + k as f64 * step).fract() - 0.5))
                .into_iter()
                .take(dim)
        })
        .collect()
}

fn benchmark(criterion: &mut Criterion) {
    let pool = pool::pool(Some(1)).expect("one thread");
    let control = Control::new();
    let mut group = criterion.benchmark_group("emd");
    group.sample_size(10);
    for n in [500, 1500, 3500] {
        let (x, y) = (cloud(n, 3, 0.1), cloud(n, 3, 0.7));
        let moved: Vec<f64> = x
            .iter()
            .enumerate()
            .map(|(k, x)| x + 0.003 * (k as f64).sin())
            .collect();
        let masses = Masses::uniform(n, n).expect("sizes");
        let domain = Domain::Free;
        let problem = |x| PointProblem {
            x,
            y: &y,
            dim: 3,
            metric: Metric::SqEuclidean,
            domain: &domain,
            masses: &masses,
        };
        let solve = |x, warm| {
            pool.install(|| emd(&problem(x), warm, None, &control))
                .expect("solved")
        };
        group.bench_function(BenchmarkId::new("cold", n), |bench| {
            bench.iter(|| black_box(solve(&x, None)));
        });
        let warm = solve(&x, None).1;
        group.bench_function(BenchmarkId::new("warm", n), |bench| {
            bench.iter(|| black_box(solve(&moved, warm.as_ref())));
        });
    }
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
