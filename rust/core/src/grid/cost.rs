//! Transport between cells of a lattice, as the solver sees it.

use rayon::prelude::*;

use super::envelope::Envelope;
use super::forest::without_cycles;
use super::lattice::Lattice;
use super::paths::Paths;
use super::start::Shipping;
use crate::ot::auction::{Opening, Outcome};
use crate::ot::candidates::merge;
use crate::ot::cost::{Cost, Pair, Pricing};
use crate::ot::guess::Guess;
use crate::ot::masses::Masses;
use crate::{Control, Result};

/// Cheapest targets per source and cheapest sources per target, at guessed duals.
const CHEAPEST: (usize, usize) = (8, 4);

/// Targets per source that are looked for to ship what is left: in the first round, and at most.
const LEFT: usize = 4;
const MOST_LEFT: usize = 1024;

/// Pairs that a later round looks for, at most: they are kept.
const ROUND: usize = 1 << 20;

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
    known: Known<'a>,
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
    pub(crate) fn new(lattice: &'a Lattice, cells: [&'a [u32]; 2], known: Known<'a>) -> Self {
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
                let start = chunk * CHUNK;
                let mut pairs = Vec::new();
                envelope.search(
                    cells,
                    k,
                    |place| limit(start + place),
                    |place, others| {
                        let others = others.iter().map(|entry| places[entry.1 as usize]);
                        pairs.extend(others.map(|other| ((start + place) as u32, other)));
                    },
                );
                Ok(pairs)
            })
            .collect();
        let mut pairs = Vec::new();
        for chunk in chunks {
            pairs.extend(chunk?);
        }
        Ok(pairs)
    }

    /// A plan along pairs that are tight up to `slack`, then along the cheapest ones.
    fn shipped(
        &self,
        (u, v): (Vec<f64>, Vec<f64>),
        slack: f64,
        masses: &Masses,
        mut pairs: Vec<Pair>,
        control: &Control,
    ) -> Result<Guess> {
        let reduced = |i: usize, j: usize| self.cost(i, j) - u[i] - v[j];
        let mut keyed: Vec<(f64, Pair)> = pairs
            .iter()
            .map(|&(i, j)| (reduced(i as usize, j as usize), (i, j)))
            .collect();
        let mut shipping = Shipping::new(masses);
        shipping.peel(&within(slack, &keyed));
        shipping.along(by_cost(&mut keyed));
        self.complete(&mut shipping, &v, &mut pairs, control)?;
        Ok(Guess {
            plan: Some(shipping.plan),
            u,
            v,
            pairs,
        })
    }

    /// A plan along tight pairs and shortest paths, which change the duals.
    fn shipped_tight(
        &self,
        (u, v): (Vec<f64>, Vec<f64>),
        masses: &Masses,
        mut pairs: Vec<Pair>,
        control: &Control,
    ) -> Result<Guess> {
        let cost = |i: usize, j: usize| self.cost(i, j);
        let reduced = |&(i, j): &Pair| cost(i as usize, j as usize) - u[i as usize] - v[j as usize];
        let keyed: Vec<(f64, Pair)> = pairs.iter().map(|pair| (reduced(pair), *pair)).collect();
        let mut shipping = Shipping::new(masses);
        shipping.peel(&within(0.0, &keyed));
        let mut paths = Paths::new(&pairs, cost, (u, v), shipping);
        paths.ship(control)?;
        let (u, v, mut shipping) = paths.into_shipping();
        self.complete(&mut shipping, &v, &mut pairs, control)?;
        Ok(Guess {
            plan: Some(without_cycles(u.len(), v.len(), &shipping.plan, cost)),
            u,
            v,
            pairs,
        })
    }

    /// Ship the rest to the cheapest targets that miss something, along new pairs.
    fn complete(
        &self,
        shipping: &mut Shipping,
        v: &[f64],
        pairs: &mut Vec<Pair>,
        control: &Control,
    ) -> Result<()> {
        // A heavy source may have to serve very many targets: each round looks at more of them.
        for round in 0.. {
            control.check()?;
            let full = shipping.full();
            if full.is_empty() {
                break;
            }
            let most = (LEFT << round.min(16))
                .min(MOST_LEFT)
                .min(ROUND / full.len())
                .max(LEFT);
            let open = shipping.open();
            let cells: Vec<u32> = open.iter().map(|&j| self.cells[1][j as usize]).collect();
            let values: Vec<f64> = open.iter().map(|&j| v[j as usize]).collect();
            let envelope = Envelope::new(self.lattice, &cells, &values);
            let from: Vec<u32> = full.iter().map(|&i| self.cells[0][i as usize]).collect();
            let mut keyed = Vec::with_capacity(most.min(open.len()) * full.len());
            envelope.search(
                &from,
                most,
                |_| f64::INFINITY,
                |place, others| {
                    let pair = |cell: u32| (full[place], self.places[1][cell as usize]);
                    keyed.extend(others.iter().map(|&(value, cell)| (value, pair(cell))));
                },
            );
            pairs.extend(keyed.iter().map(|entry| entry.1));
            shipping.along(by_cost(&mut keyed));
        }
        pairs.sort_unstable();
        pairs.dedup();
        Ok(())
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
        let [forward, backward] = [(0, per_source), (1, per_target)].map(|(side, k)| {
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
        let Known { values, slack } = self.known;
        let values: Vec<f64> = self.cells[1].iter().map(|&c| values[c as usize]).collect();
        let envelope = self.envelope(1, &values);
        let u = self.least(0, &envelope);
        let forward = self.search(0, &envelope, CHEAPEST.0, |_| f64::INFINITY, control)?;
        let envelope = self.envelope(0, &u);
        let v = self.least(1, &envelope);
        let backward = self.search(1, &envelope, CHEAPEST.1, |_| f64::INFINITY, control)?;
        let pairs = merge(forward, backward);
        if slack > 0.0 {
            return self
                .shipped((u, v), slack, masses, pairs, control)
                .map(Some);
        }
        self.shipped_tight((u, v), masses, pairs, control).map(Some)
    }

    fn violations(&self, pricing: &Pricing<'_>, control: &Control) -> Result<Vec<Pair>> {
        let Pricing {
            u,
            tolerance,
            per_source,
            ..
        } = *pricing;
        let envelope = self.envelope(1, pricing.v);
        self.search(0, &envelope, per_source, |i| u[i] - tolerance, control)
    }
}

/// The pairs whose key is at most `slack`.
fn within(slack: f64, keyed: &[(f64, Pair)]) -> Vec<Pair> {
    let tight = keyed.iter().filter(|entry| entry.0 <= slack);
    tight.map(|entry| entry.1).collect()
}

/// The pairs, the least key first.
fn by_cost(keyed: &mut [(f64, Pair)]) -> impl Iterator<Item = Pair> {
    keyed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    keyed.iter().map(|entry| entry.1)
}
