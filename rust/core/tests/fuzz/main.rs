//! Random transport problems of every awkward kind, solved cold and through sequences of warm
//! starts. Whatever comes back is proved optimal here, by loops over all pairs that share no code
//! with the solver; whatever does not come back in time fails.
//!
//! `PROPTEST_CASES=100000 cargo test --test fuzz` searches for hours; what it finds is
//! kept in `regressions.txt` and tried first from then on.

mod clouds;
mod draws;
mod grids;
mod proof;
mod watch;

use proptest::test_runner::{Config, FileFailurePersistence};

/// As many cases as the environment asks for, else few enough for every day.
fn config(everyday: u32) -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok();
    Config {
        cases: cases.map_or(everyday, |text| text.parse().expect("a number of cases")),
        max_shrink_iters: 2_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fuzz/regressions.txt"
        )))),
        ..Config::default()
    }
}
