//! Tiled pair sums: `F_j = sum_i g(|x_i - x_j|^2) (x_i - x_j)` over all particles.
//!
//! Particles are cut into tiles of [`TILE`], stored as structures of arrays. Each pair of tiles is
//! visited once and serves both, since the force on one particle is the opposite of the force on
//! the other. The pairs of tiles follow the schedule of a round-robin tournament: in each round
//! every tile meets one other, so the meetings of a round write to disjoint memory and run in
//! parallel, and every tile adds up its meetings in the order of the rounds. Neither the tiles
//! nor the order depend on the number of threads, so the sums do not either, to the last bit.
//!
//! Coordinates are scaled by a power of two, which is exact, so that no intermediate of a force
//! law leaves the range of its type (see [`Range`](super::lanes::Range)).

use rayon::prelude::*;

use super::kernel::{Blob, Green4d, Kernel, Law, Plummer, Printed};
use super::lanes::Real;
use super::meeting::{meet, meet_itself};
use super::tile::{Block, Frame, TILE, Tile};
use crate::{Control, Result};

/// The arithmetic of the pair sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 64 bits.
    Double,
    /// 32 bits within a meeting of two tiles, 64 bits across meetings.
    Single,
}

/// What acts between two particles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Force {
    /// The law.
    pub kernel: Kernel,
    /// Its regularisation length.
    pub delta: f64,
    /// Its arithmetic.
    pub precision: Precision,
}

/// The number of meetings among `particles`, which is how far [`attraction`] advances its control.
#[must_use]
pub(super) fn meetings(particles: usize) -> u64 {
    let tiles = particles.div_ceil(TILE) as u64;
    tiles * (tiles + 1) / 2
}

/// For each point the sum of the attractions `g(|x_i - x_j|^2) (x_i - x_j)` by all others.
///
/// Runs on the current rayon pool; takes `n^2 / 2` evaluations of the force law.
pub fn attraction<const D: usize>(
    points: &[[f64; D]],
    force: &Force,
    control: &Control,
) -> Result<Vec<[f64; D]>> {
    match force.precision {
        Precision::Double => with_law::<f64, D>(points, force, control),
        Precision::Single => with_law::<f32, D>(points, force, control),
    }
}

fn with_law<T: Real, const D: usize>(
    points: &[[f64; D]],
    force: &Force,
    control: &Control,
) -> Result<Vec<[f64; D]>> {
    match force.kernel {
        Kernel::Printed | Kernel::Literal => tournament::<T, Printed, D>(points, force, control),
        Kernel::Blob => tournament::<T, Blob, D>(points, force, control),
        Kernel::Plummer => tournament::<T, Plummer, D>(points, force, control),
        Kernel::Green4d => tournament::<T, Green4d, D>(points, force, control),
    }
}

/// A tile in the tournament, with the force on it so far.
struct Player<T, const D: usize> {
    tile: Tile<T, D>,
    index: usize,
    force: [[f64; TILE]; D],
}

impl<T: Real, const D: usize> Player<T, D> {
    fn meet_itself<W: Law>(&mut self, d: T) {
        for force in meet_itself::<T, W, D>(&self.tile, d) {
            self.collect(&force);
        }
    }

    fn meet<W: Law>(&mut self, other: &mut Self, d: T) {
        // Only the last tile has free places.
        if !self.tile.is_full() {
            return other.meet::<W>(self, d);
        }
        let [force, on_other] = meet::<T, W, D>(&self.tile, &other.tile, d);
        self.collect(&force);
        other.collect(&on_other);
    }

    fn collect(&mut self, force: &[Block<T>; D]) {
        for (total, force) in self.force.iter_mut().zip(force) {
            for (total, &force) in total.iter_mut().zip(&force.0) {
                *total += force.to_f64();
            }
        }
    }
}

fn tournament<T: Real, W: Law, const D: usize>(
    points: &[[f64; D]],
    force: &Force,
    control: &Control,
) -> Result<Vec<[f64; D]>> {
    let Some(frame) = Frame::new::<T>(points, force.delta)? else {
        return Ok(Vec::new());
    };
    let d = frame.square::<T>(force.delta);
    let mut players: Vec<_> = points
        .par_chunks(TILE)
        .enumerate()
        .map(|(index, points)| {
            control.check()?;
            let mut player = Box::new(Player {
                tile: Tile::new(points, &frame),
                index,
                force: [[0.0; TILE]; D],
            });
            player.meet_itself::<W>(d);
            control.advance(1);
            Ok(Some(player))
        })
        .collect::<Result<_>>()?;

    // The circle method: the first player stays, the others move on by one place each round, and
    // each plays the one opposite. An empty place makes the number even.
    if players.len() % 2 == 1 {
        players.push(None);
    }
    let half = players.len() / 2;
    for _ in 1..players.len() {
        let (near, far) = players.split_at_mut(half);
        near.par_iter_mut()
            .zip(far.par_iter_mut().rev())
            .try_for_each(|opponents| {
                if let (Some(a), Some(b)) = opponents {
                    control.check()?;
                    a.meet::<W>(b, d);
                    control.advance(1);
                }
                Ok(())
            })?;
        players[1..].rotate_right(1);
    }

    let unscale = frame.scale.powi(force.kernel.decay());
    let mut result = vec![[0.0; D]; points.len()];
    for player in players.into_iter().flatten() {
        let rows = &mut result[player.index * TILE..][..player.tile.len];
        for (index, row) in rows.iter_mut().enumerate() {
            *row = std::array::from_fn(|axis| player.force[axis][index] * unscale);
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::sim::uniform_ball;

    const DELTA: f64 = 0.05;

    /// The laws of the table in `kernel.rs`, as they stand there.
    fn law(kernel: Kernel, s: f64) -> f64 {
        let d = DELTA * DELTA;
        let b = s + d;
        match kernel {
            Kernel::Printed | Kernel::Literal => (s - d) / (b * b * s.sqrt()),
            Kernel::Blob => 1.0 / (b * s.sqrt()),
            Kernel::Plummer => b.powf(-1.5),
            Kernel::Green4d => 2.0 / (b * b),
        }
    }

    fn naive<const D: usize>(points: &[[f64; D]], kernel: Kernel) -> Vec<[f64; D]> {
        let on = |x: &[f64; D]| {
            let mut force = [0.0; D];
            for y in points.iter().filter(|&y| y != x) {
                let offset: [f64; D] = std::array::from_fn(|axis| y[axis] - x[axis]);
                let g = law(kernel, offset.iter().map(|dx| dx * dx).sum());
                for axis in 0..D {
                    force[axis] += g * offset[axis];
                }
            }
            force
        };
        points.iter().map(on).collect()
    }

    fn ball<const D: usize>(n: usize) -> Vec<[f64; D]> {
        uniform_ball(n, 3, &Control::new()).expect("points")
    }

    fn compare<const D: usize>(kernel: Kernel, n: usize, precision: Precision, tolerance: f64) {
        let points = ball::<D>(n);
        let force = Force {
            kernel,
            delta: DELTA,
            precision,
        };
        let got = attraction(&points, &force, &Control::new()).expect("forces");
        let expected = naive(&points, kernel);
        let size = |force: &[f64; D]| force.iter().map(|f| f * f).sum::<f64>().sqrt();
        let mean = expected.iter().map(size).sum::<f64>() / n as f64;
        for (got, expected) in got.iter().zip(&expected) {
            let error: [f64; D] = std::array::from_fn(|axis| got[axis] - expected[axis]);
            assert!(size(&error) <= tolerance * mean, "{kernel:?}, {n}");
        }
    }

    #[test]
    fn sums_are_those_of_the_definition() {
        // Free places of every number up to a register of sixteen, and each kind of tile.
        let sizes = (1..=17).chain([255, 256, 257, 511, 512, 700, 1030]);
        for n in sizes {
            for (precision, tolerance) in [(Precision::Double, 1e-13), (Precision::Single, 1e-4)] {
                for kernel in [Kernel::Printed, Kernel::Blob, Kernel::Plummer] {
                    compare::<3>(kernel, n, precision, tolerance);
                }
                for kernel in [Kernel::Green4d, Kernel::Literal] {
                    compare::<4>(kernel, n, precision, tolerance);
                }
            }
        }
    }

    #[test]
    fn work_adds_up_and_can_be_cancelled() {
        let points = ball::<3>(1000);
        let force = Force {
            kernel: Kernel::Plummer,
            delta: DELTA,
            precision: Precision::Double,
        };
        let control = Control::new();
        attraction(&points, &force, &control).expect("forces");
        assert_eq!(control.progress().0, meetings(points.len()));
        control.cancel();
        assert_eq!(attraction(&points, &force, &control), Err(Error::Cancelled));
    }
}
