//! Boxes around sixteen targets, and around sixteen such boxes.

use super::super::lanes::LANES;

/// A point or a box that a search starts from.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(super) low: &'a [f32],
    pub(super) high: &'a [f32],
}

/// Boxes as `[sixteen boxes][axis][lane]`; unused lanes hold nothing.
pub(super) struct Boxes {
    pub(super) low: Vec<f32>,
    pub(super) high: Vec<f32>,
}

impl Boxes {
    /// Empty boxes.
    pub(super) fn new(count: usize, dim: usize) -> Self {
        let room = count.next_multiple_of(LANES) * dim;
        Self {
            low: vec![f32::INFINITY; room],
            high: vec![f32::NEG_INFINITY; room],
        }
    }

    /// Make a box hold a point.
    pub(super) fn hold(&mut self, index: usize, point: &[f32]) {
        for (axis, &x) in point.iter().enumerate() {
            let at = (index / LANES * point.len() + axis) * LANES + index % LANES;
            self.low[at] = self.low[at].min(x);
            self.high[at] = self.high[at].max(x);
        }
    }
}
