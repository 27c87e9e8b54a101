//! Independent points.

use rayon::prelude::*;

use crate::{Control, Result};

/// Points that are drawn between two looks at the control.
const CHUNK: usize = 4096;

/// `n` points, each from its number alone: the same for any number of threads.
pub(super) fn drawn<const D: usize>(
    n: usize,
    control: &Control,
    point: impl Fn(u32) -> [f64; D] + Sync,
) -> Result<Vec<[f64; D]>> {
    let mut points = vec![[0.0; D]; n];
    points
        .par_chunks_mut(CHUNK)
        .enumerate()
        .try_for_each(|(chunk, points)| {
            control.check()?;
            for (offset, place) in points.iter_mut().enumerate() {
                *place = point((chunk * CHUNK + offset) as u32);
            }
            Ok(())
        })?;
    Ok(points)
}
