//! Particles side by side.

use std::f64::consts::TAU;

use crate::domain::wrap;
use crate::sim::expression::Array;
use crate::sim::particles::TILE;
use crate::simd::Aligned;

/// Some particles.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(super) struct ParticleTile<const D: usize> {
    pub(super) x: [Array; D],
    pub(super) log_weights: [f64; TILE],
    /// Weights in the unit of the sum of the tile.
    pub(super) weights: [f64; TILE],
    /// Number of the ancestor at the start of the period.
    pub(super) roots: [u32; TILE],
    /// Row of the cloud.
    pub(super) rows: [u32; TILE],
}

impl<const D: usize> ParticleTile<D> {
    /// Up to [`TILE`] points; free places are filled with copies of the last, which go unseen.
    pub(super) fn new((index, points): (u32, &[[f64; D]])) -> Self {
        let place = |lane: usize, axis: usize| points[lane.min(points.len() - 1)][axis];
        Self {
            x: std::array::from_fn(|axis| {
                Aligned(std::array::from_fn(|lane| wrap(place(lane, axis), TAU)))
            }),
            log_weights: [0.0; TILE],
            weights: [0.0; TILE],
            roots: [0; TILE],
            rows: std::array::from_fn(|lane| index * TILE as u32 + lane as u32),
        }
    }
}
