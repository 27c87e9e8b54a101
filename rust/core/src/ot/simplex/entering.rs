//! Which arc enters the basis.

use crate::simd::{Vectorised, vectorise};

/// Arcs that are priced at a time.
const BLOCK: usize = 128;

/// Negative arcs that a list is filled with, at least if there are as many, and pivots that it
/// serves for. Where few arcs are negative, most of the time goes into finding them, and a list
/// finds many at once. Flat between 32 and 128 for both, on uniform and on general masses.
const LIST: (usize, u32) = (64, 32);

/// An arc that may enter the basis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arc {
    pub(super) source: u32,
    /// Node index of the target, that is `n + j`.
    pub(super) target: u32,
    pub(super) cost: i64,
}

impl Arc {
    #[inline(always)]
    pub(super) fn reduced_cost(&self, potential: &[i64]) -> i64 {
        self.cost
            .wrapping_sub(potential[self.source as usize])
            .wrapping_add(potential[self.target as usize])
    }
}

/// Arcs that may enter, and a list of those that are worth it.
pub(super) struct Candidates {
    arcs: Vec<Arc>,
    /// Arcs that were negative when they were last looked at.
    list: Vec<Arc>,
    /// Pivots since the list was filled.
    list_age: u32,
    /// Room for the reduced costs of a list or a block.
    room: Vec<i64>,
    /// Where among the arcs the next look begins.
    cursor: usize,
}

impl Candidates {
    /// No arcs.
    pub(super) fn new() -> Self {
        Self {
            arcs: Vec::new(),
            list: Vec::new(),
            list_age: 0,
            room: vec![0; LIST.0 + BLOCK],
            cursor: 0,
        }
    }

    pub(super) fn add(&mut self, arcs: impl Iterator<Item = Arc>) {
        self.arcs.extend(arcs);
    }

    /// What `of` makes of all arcs, or, sorted, of the `most` of least reduced cost.
    pub(super) fn best<T: Ord + Copy>(
        &self,
        most: usize,
        potential: &[i64],
        of: impl Fn(&Arc) -> T,
    ) -> Vec<T> {
        if self.arcs.len() <= most {
            return self.arcs.iter().map(of).collect();
        }
        let arcs = self.arcs.iter();
        let mut best: Vec<(i64, T)> = arcs
            .map(|arc| (arc.reduced_cost(potential), of(arc)))
            .collect();
        best.select_nth_unstable(most);
        best.truncate(most);
        let mut best: Vec<T> = best.into_iter().map(|(_, arc)| arc).collect();
        best.sort_unstable();
        best
    }

    /// The most negative arc of a list of arcs that were negative when it was filled.
    pub(super) fn entering(&mut self, potential: &[i64]) -> Option<Arc> {
        let listed = (self.list_age < LIST.1).then(|| self.most_negative(potential));
        let at = if let Some(Some(at)) = listed {
            at
        } else {
            self.fill_list(potential);
            self.most_negative(potential)?
        };
        self.list_age += 1;
        Some(self.list.swap_remove(at))
    }

    /// The place of the most negative arc of the list.
    fn most_negative(&mut self, potential: &[i64]) -> Option<usize> {
        vectorise(MostNegative {
            arcs: &self.list,
            potential,
            room: &mut self.room,
        })
    }

    /// Fill the list with the negative arcs of the next blocks, until it has enough of them.
    fn fill_list(&mut self, potential: &[i64]) {
        self.list.clear();
        self.list_age = 0;
        let mut unseen = self.arcs.len();
        while unseen > 0 && self.list.len() < LIST.0 {
            if self.cursor == self.arcs.len() {
                self.cursor = 0;
            }
            let size = BLOCK.min(unseen).min(self.arcs.len() - self.cursor);
            vectorise(AllNegative {
                arcs: &self.arcs[self.cursor..][..size],
                potential,
                room: &mut self.room,
                list: &mut self.list,
            });
            self.cursor += size;
            unseen -= size;
        }
    }
}

/// The reduced costs of some arcs. Loads need not wait for what is then done with them, and
/// that is done by whole registers.
#[inline(always)]
fn reduced_costs<'a>(arcs: &[Arc], potential: &[i64], room: &'a mut [i64]) -> &'a [i64] {
    let reduced = &mut room[..arcs.len()];
    for (reduced, arc) in reduced.iter_mut().zip(arcs) {
        *reduced = arc.reduced_cost(potential);
    }
    reduced
}

/// The least of some numbers and zero.
#[inline(always)]
fn least(numbers: &[i64]) -> i64 {
    let mut least = 0;
    for &number in numbers {
        least = if number < least { number } else { least };
    }
    least
}

/// The place of the most negative of some arcs, the first of several.
struct MostNegative<'a> {
    arcs: &'a [Arc],
    potential: &'a [i64],
    room: &'a mut [i64],
}

impl Vectorised for MostNegative<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> Option<usize> {
        let reduced = reduced_costs(self.arcs, self.potential, self.room);
        let least = least(reduced);
        (least < 0).then(|| reduced.iter().position(|&reduced| reduced == least))?
    }
}

/// Adds the negative ones of some arcs to a list.
struct AllNegative<'a> {
    arcs: &'a [Arc],
    potential: &'a [i64],
    room: &'a mut [i64],
    list: &'a mut Vec<Arc>,
}

impl Vectorised for AllNegative<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let reduced = reduced_costs(self.arcs, self.potential, self.room);
        if least(reduced) < 0 {
            let both = self.arcs.iter().zip(reduced);
            let negative = both.filter(|&(_, &reduced)| reduced < 0);
            self.list.extend(negative.map(|(arc, _)| *arc));
        }
    }
}
