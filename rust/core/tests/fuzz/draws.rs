//! Clouds and masses that make solvers slow, cycle or fail, each a function of a seed.

use proptest::prelude::*;
use twostep_core::rng::{Purpose, Stream};

/// How points lie.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Law {
    Normal,
    Cube,
    Lattice(u8),
    Duplicates(u8),
    Collinear,
    HeavyTails,
    Clusters,
    Shell,
    OnePoint,
    Flat,
    Tiny,
    Huge,
    Far,
}

/// How masses are spread.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Weights {
    Equal,
    Random,
    Counts(u8),
    Sparse,
    Spread,
    OneHeavy,
}

pub(crate) fn laws() -> impl Strategy<Value = Law> {
    prop_oneof![
        3 => Just(Law::Normal),
        2 => Just(Law::Cube),
        3 => (2..8_u8).prop_map(Law::Lattice),
        2 => (1..20_u8).prop_map(Law::Duplicates),
        1 => Just(Law::Collinear),
        1 => Just(Law::HeavyTails),
        2 => Just(Law::Clusters),
        1 => Just(Law::Shell),
        1 => Just(Law::OnePoint),
        1 => Just(Law::Flat),
        1 => Just(Law::Tiny),
        1 => Just(Law::Huge),
        1 => Just(Law::Far),
    ]
}

pub(crate) fn weights() -> impl Strategy<Value = Weights> {
    prop_oneof![
        5 => Just(Weights::Equal),
        1 => Just(Weights::Random),
        1 => (1..6_u8).prop_map(Weights::Counts),
        1 => Just(Weights::Sparse),
        1 => Just(Weights::Spread),
        1 => Just(Weights::OneHeavy),
    ]
}

/// Random numbers in the order in which they are asked for.
pub(crate) struct Numbers {
    stream: Stream,
    drawn: u32,
}

impl Numbers {
    pub(crate) fn new(seed: u64, tag: u64) -> Self {
        Self {
            stream: Stream::new(seed, Purpose::Prior).fold(tag),
            drawn: 0,
        }
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.drawn += 1;
        self.stream.uniforms(self.drawn, 0, 0)[0]
    }

    pub(crate) fn normal(&mut self) -> f64 {
        self.drawn += 1;
        self.stream.normals(self.drawn, 0, 0)[0]
    }

    /// Uniform in `0..count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.uniform() * count as f64) as usize
    }

    fn normals(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.normal()).collect()
    }

    /// `n` points of a law, row-major.
    pub(crate) fn points(&mut self, law: Law, n: usize, dim: usize) -> Vec<f64> {
        let count = n * dim;
        match law {
            Law::Normal => self.normals(count),
            Law::Cube => (0..count).map(|_| self.uniform()).collect(),
            Law::Lattice(side) => (0..count)
                .map(|_| self.below(usize::from(side)) as f64)
                .collect(),
            Law::Duplicates(distinct) => {
                let few = self.normals(usize::from(distinct) * dim);
                let picks = (0..n).map(|_| self.below(usize::from(distinct)));
                picks.flat_map(|k| few[k * dim..][..dim].to_vec()).collect()
            }
            Law::Collinear => (0..n)
                .flat_map(|_| {
                    let along = self.normal();
                    (0..dim).map(move |axis| along * (axis as f64 + 1.0))
                })
                .collect(),
            Law::HeavyTails => (0..count)
                .map(|_| self.normal() / self.normal().abs().max(1e-3))
                .collect(),
            Law::Clusters => (0..n)
                .flat_map(|_| {
                    let centre = if self.uniform() < 0.7 { 10.0 } else { 0.0 };
                    let around = self.normals(dim);
                    around.into_iter().map(move |z| centre + 0.01 * z)
                })
                .collect(),
            Law::Shell => (0..n)
                .flat_map(|_| {
                    let point = self.normals(dim);
                    let length = point.iter().map(|z| z * z).sum::<f64>().sqrt().max(1e-9);
                    point.into_iter().map(move |z| z / length)
                })
                .collect(),
            Law::OnePoint => self.normals(dim).repeat(n),
            Law::Flat => (0..count)
                .map(|k| self.normal() * [0.0, 1.0, 1e3, 1e-6][k % dim % 4])
                .collect(),
            Law::Tiny => (0..count).map(|_| 1e-9 * self.normal()).collect(),
            Law::Huge => (0..count).map(|_| 1e9 * self.normal()).collect(),
            Law::Far => (0..count).map(|_| 1e3 + self.normal()).collect(),
        }
    }

    /// Masses of total one; counts are whole numbers of any total.
    pub(crate) fn masses(&mut self, weights: Weights, n: usize) -> Vec<f64> {
        let mut mass: Vec<f64> = (0..n)
            .map(|_| match weights {
                Weights::Equal | Weights::OneHeavy => 1.0,
                Weights::Counts(most) => 1.0 + self.below(usize::from(most)) as f64,
                Weights::Sparse if self.uniform() < 0.5 => 0.0,
                Weights::Random | Weights::Sparse => self.uniform(),
                Weights::Spread => (6.0 * self.normal()).exp(),
            })
            .collect();
        let chosen = self.below(n);
        match weights {
            Weights::Sparse => mass[chosen] = 1.0,
            Weights::OneHeavy => mass[chosen] = 1e9,
            _ => {}
        }
        mass
    }
}
