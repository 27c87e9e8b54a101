//! Transport between cells of a lattice, as the solver sees it.

use rayon::prelude::*;

use super::envelope::{Envelope, Found};
use super::lattice::Lattice;
use super::start::Shipping;
use crate::ot::auction::{Opening, Outcome};
use crate::ot::candidates::merge;
use crate::ot::cost::{Cost, Pair};
use crate::ot::guess::Guess;
use crate::ot::masses::Masses;
use crate::ot::simplex::BasicArc;
use crate::{Control, Result};

/// Cheapest targets per source and cheapest sources per target, at guessed duals.
const CHEAPEST: (usize, usize) = (8, 4);

/// Without duals: neighbours on a lattice come in ties, and twice as many as between points save
/// a third of the pivots.
const TIES: usize = 2;

/// Targets per source that are looked for to ship what is left.
const LEFT: usize = 4;

/// Cells that are searched for between two looks at the control.
const CHUNK: usize = 256;

/// Costs between the occupied cells of two histograms, with separable searches.
pub(crate) struct GridCost<'a> {
    lattice: &'a Lattice,
    /// Occupied cells of both sides, ascending.
    cells: [&'a [u32]; 2],
    /// Their coordinates, row-major: a cost needs no division then.
    coordinates: [Vec<u32>; 2],
    /// Place of every cell on both sides.
    places: [Vec<u32>; 2],
    known: Option<Known<'a>>,
}

/// Duals of a problem that is like this one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// Those of the targets, at all cells.
    pub(crate) values: &'a [f64],
    /// Reduced cost of what counts as tight.
    pub(crate) slack: f64,
}

impl<'a> GridCost<'a> {
    pub(crate) fn new(
        lattice: &'a Lattice,
        cells: [&'a [u32]; 2],
        known: Option<Known<'a>>,
    ) -> Self {
        let places = cells.map(|cells| {
            let mut places = vec![u32::MAX; lattice.len()];
            for (place, &cell) in (0..).zip(cells) {
                places[cell as usize] = place;
            }
            places
        });
        let coordinates = cells.map(|cells| {
            let cells = cells.iter();
            cells
                .flat_map(|&cell| lattice.coordinates(cell as usize))
                .collect()
        });
        Self {
            lattice,
            cells,
            coordinates,
            places,
            known,
        }
    }

    /// For each cell of a side, up to `k` cells of the other side whose `c - value` is least and
    /// below a limit, as pairs of places.
    fn search(
        &self,
        side: usize,
        envelope: &Envelope<'_>,
        k: usize,
        limit: impl Fn(usize) -> f64 + Sync,
        control: &Control,
    ) -> Result<Vec<Pair>> {
        let places = &self.places[1 - side];
        let chunks: Vec<Result<Vec<Pair>>> = self.cells[side]
            .par_chunks(CHUNK)
            .enumerate()
            .map(|(chunk, cells)| {
                control.check()?;
                let mut pairs = Vec::new();
                let mut found = Found::new(k, 0.0);
                for (place, &cell) in (chunk * CHUNK..).zip(cells) {
                    found.restart(limit(place));
                    envelope.search(cell as usize, &mut found);
                    let others = found.entries.iter().map(|entry| places[entry.1 as usize]);
                    pairs.extend(others.map(|other| (place as u32, other)));
                }
                Ok(pairs)
            })
            .collect();
        let mut pairs = Vec::new();
        for chunk in chunks {
            pairs.extend(chunk?);
        }
        Ok(pairs)
    }

    /// A plan along the cheapest pairs at these duals; pairs that it needs beside are added.
    fn shipped(
        &self,
        (u, v): (&[f64], &[f64]),
        slack: f64,
        masses: &Masses,
        pairs: &mut Vec<Pair>,
    ) -> Vec<BasicArc> {
        let reduced = |&(i, j): &Pair| {
            let (i, j) = (i as usize, j as usize);
            self.cost(i, j) - u[i] - v[j]
        };
        let mut shipping = Shipping::new(masses);
        let tight: Vec<Pair> = pairs
            .iter()
            .filter(|p| reduced(p) <= slack)
            .copied()
            .collect();
        shipping.peel(&tight);
        let mut ranked = pairs.clone();
        loop {
            let mut keyed: Vec<(f64, Pair)> = ranked.iter().map(|p| (reduced(p), *p)).collect();
            keyed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            shipping.along(keyed.into_iter().map(|(_, pair)| pair));
            ranked.clear();
            let full = shipping.full();
            if full.is_empty() {
                pairs.sort_unstable();
                pairs.dedup();
                return shipping.plan;
            }
            let open = shipping.open();
            let cells: Vec<u32> = open.iter().map(|&j| self.cells[1][j as usize]).collect();
            let values: Vec<f64> = open.iter().map(|&j| v[j as usize]).collect();
            let envelope = Envelope::new(self.lattice, &cells, &values);
            let mut found = Found::new(LEFT, f64::INFINITY);
            for i in full {
                found.restart(f64::INFINITY);
                envelope.search(self.cells[0][i as usize] as usize, &mut found);
                let others = found.entries.iter();
                ranked.extend(others.map(|entry| (i, self.places[1][entry.1 as usize])));
            }
            pairs.extend_from_slice(&ranked);
        }
    }

    fn envelope(&self, side: usize, values: &[f64]) -> Envelope<'_> {
        Envelope::new(self.lattice, self.cells[side], values)
    }

    fn least(&self, side: usize, envelope: &Envelope<'_>) -> Vec<f64> {
        let cells = self.cells[side].iter();
        cells.map(|&cell| envelope.least(cell as usize)).collect()
    }
}

impl Cost for GridCost<'_> {
    fn sources(&self) -> usize {
        self.cells[0].len()
    }

    fn targets(&self) -> usize {
        self.cells[1].len()
    }

    #[inline(always)]
    fn cost(&self, source: usize, target: usize) -> f64 {
        let dim = self.lattice.dim();
        let [from, to] = &self.coordinates;
        self.lattice
            .cost_between(&from[source * dim..][..dim], &to[target * dim..][..dim])
    }

    fn upper_bound(&self) -> f64 {
        self.lattice.largest_cost()
    }

    fn cheapest(
        &self,
        per_source: usize,
        per_target: usize,
        control: &Control,
    ) -> Result<Vec<Pair>> {
        let [forward, backward] =
            [(0, TIES * per_source), (1, TIES * per_target)].map(|(side, k)| {
                let zeros = vec![0.0; self.cells[1 - side].len()];
                let envelope = self.envelope(1 - side, &zeros);
                self.search(side, &envelope, k, |_| f64::INFINITY, control)
            });
        Ok(merge(forward?, backward?))
    }

    fn auction(&self, _: Option<&Opening>, _: &Control) -> Result<Option<Outcome>> {
        Ok(None)
    }

    fn guess(&self, masses: &Masses, control: &Control) -> Result<Option<Guess>> {
        let Some(Known { values, slack }) = self.known else {
            return Ok(None);
        };
        let values: Vec<f64> = self.cells[1].iter().map(|&c| values[c as usize]).collect();
        let envelope = self.envelope(1, &values);
        let u = self.least(0, &envelope);
        let forward = self.search(0, &envelope, CHEAPEST.0, |_| f64::INFINITY, control)?;
        let envelope = self.envelope(0, &u);
        let v = self.least(1, &envelope);
        let backward = self.search(1, &envelope, CHEAPEST.1, |_| f64::INFINITY, control)?;
        let mut pairs = merge(forward, backward);
        let plan = self.shipped((&u, &v), slack, masses, &mut pairs);
        Ok(Some(Guess {
            u,
            v,
            pairs,
            plan: Some(plan),
        }))
    }

    fn violations(
        &self,
        u: &[f64],
        v: &[f64],
        tolerance: f64,
        per_source: usize,
        control: &Control,
    ) -> Result<Vec<Pair>> {
        let envelope = self.envelope(1, v);
        self.search(0, &envelope, per_source, |i| u[i] - tolerance, control)
    }
}
