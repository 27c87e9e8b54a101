//! Offspring in the places of particles that have none.

use super::counts::Counts;
use crate::sim::particles::TILE;
use crate::simd::{Vectorised, vectorise};

/// Places that are compared at once.
const BLOCK: usize = 16;

/// The particles of a tile that leave, and those that have offspring beside themselves, once for
/// each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Births {
    free: Vec<u32>,
    parents: Vec<u32>,
}

impl Births {
    pub(crate) fn of(tiles: usize) -> Vec<Self> {
        vec![Self::default(); tiles]
    }

    /// Those of tile number `index`, of `particles` in all.
    pub(crate) fn find(&mut self, counts: &Counts, index: usize, particles: usize) {
        self.free.clear();
        self.parents.clear();
        vectorise(Find {
            births: self,
            counts,
            index,
            particles,
        });
    }

    /// Every free place with the parent of who will be there.
    pub(crate) fn pairs(births: &[Self]) -> impl Iterator<Item = (u32, u32)> {
        let free = births.iter().flat_map(|tile| &tile.free);
        let parents = births.iter().flat_map(|tile| &tile.parents);
        free.copied().zip(parents.copied())
    }
}

struct Find<'a> {
    births: &'a mut Births,
    counts: &'a Counts,
    index: usize,
    particles: usize,
}

impl Vectorised for Find<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (block, counts) in self.counts.as_chunks::<BLOCK>().0.iter().enumerate() {
            if counts.iter().fold(0, |other, count| other | (count ^ 1)) == 0 {
                continue;
            }
            for (lane, &count) in counts.iter().enumerate() {
                let particle = self.index * TILE + block * BLOCK + lane;
                if count == 0 && particle < self.particles {
                    self.births.free.push(particle as u32);
                }
                for _ in 1..count {
                    self.births.parents.push(particle as u32);
                }
            }
        }
    }
}
