//! Particles in tiles of fixed size, which are the unit of all parallel work and of all sums.
//!
//! A sum over particles is a sum over each tile and then over the tiles in their order, whatever
//! thread computed them: results do not depend on the number of threads.

use std::convert::Infallible;

use rayon::prelude::*;

use crate::Error;

/// Particles in a tile: what a step works on stays in the L1 cache.
pub(super) const TILE: usize = 256;

/// Tiles that a thread takes at a time: some tens of microseconds of work.
const GROUP: usize = 8;

/// The tiles of `particles`.
pub(super) fn tiles(particles: usize) -> usize {
    particles.div_ceil(TILE)
}

/// The counters of random numbers hold 32-bit particle numbers, with those of the last tile.
pub(super) fn particle_count(name: &'static str, n: usize, least: usize) -> Result<(), Error> {
    if n >= least && n <= u32::MAX as usize - TILE {
        return Ok(());
    }
    Err(Error::OutOfRange {
        name,
        expected: if least == 1 {
            "from 1 to 2^32 - 257"
        } else {
            "from 2 to 2^32 - 257"
        },
        got: n as f64,
    })
}

/// Call `act` with the number and contents of every tile, each of which has a part in `a` and one
/// in `b`, and with something of `scratch` that is used again for a few tiles.
///
/// On the threads of the current pool; outside of one, which is the place for small problems, on
/// the calling thread.
pub(super) fn for_each_tile<A: Send, B: Send, S>(
    a: &mut [A],
    b: &mut [B],
    scratch: impl Fn() -> S + Sync,
    act: impl Fn(usize, &mut A, &mut B, &mut S) + Sync,
) {
    let never = try_for_each_tile(a, b, scratch, |index, a, b, scratch| {
        act(index, a, b, scratch);
        Ok::<(), Infallible>(())
    });
    match never {
        Ok(()) => {}
    }
}

/// [`for_each_tile`] until `act` fails; the error is that of the first tile that fails, whatever
/// thread comes to one first.
pub(super) fn try_for_each_tile<A: Send, B: Send, S, E: Send>(
    a: &mut [A],
    b: &mut [B],
    scratch: impl Fn() -> S + Sync,
    act: impl Fn(usize, &mut A, &mut B, &mut S) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let on_group = |(group, (a, b)): (usize, (&mut [A], &mut [B]))| {
        let mut scratch = scratch();
        for (index, (a, b)) in a.iter_mut().zip(b).enumerate() {
            act(group * GROUP + index, a, b, &mut scratch)?;
        }
        Ok(())
    };
    let parallel = rayon::current_thread_index().is_some() && rayon::current_num_threads() > 1;
    if parallel && a.len() > GROUP {
        a.par_chunks_mut(GROUP)
            .zip(b.par_chunks_mut(GROUP))
            .enumerate()
            .map(on_group)
            .find_first(Result::is_err)
            .unwrap_or(Ok(()))
    } else {
        on_group((0, (a, b)))
    }
}
