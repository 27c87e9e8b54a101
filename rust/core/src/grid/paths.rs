//! Shortest augmenting paths: what a plan leaves goes to where it is missing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::start::Shipping;
use crate::ot::cost::Pair;
use crate::{Control, Result};

const NONE: u32 = u32::MAX;
/// In place of the target before a source where a search begins.
const ROOT: u32 = u32::MAX - 1;

/// One in so many of the sources with mass left has to get rid of it in a search, or the simplex
/// is the faster way for the rest.
const FEW: usize = 4;

/// A plan on tight pairs, with duals that no pair violates.
///
/// Mass that is left goes along shortest paths, by reduced costs, to mass that is missing: over a
/// pair to its target, and from a target back to the sources of what it holds. One search begins
/// at all that is left and ends where as much is missing; duals change by what is left of the way,
/// which makes all these paths tight, and those that do not meet are used. Costs and duals are
/// whole multiples of one unit: nothing is rounded.
pub(crate) struct Paths<'a> {
    u: Vec<f64>,
    v: Vec<f64>,
    supply: Vec<i64>,
    demand: Vec<i64>,
    pairs: &'a [Pair],
    /// Where the pairs of a source begin.
    offsets: Vec<u32>,
    costs: Vec<f64>,
    /// Sources of what a target holds.
    held: Vec<Vec<(u32, i64)>>,
    search: Search,
}

/// A search for targets that miss mass, from all sources that have some left.
struct Search {
    /// Distance of a target, and the source before it.
    distances: Vec<f64>,
    before: Vec<u32>,
    /// Distance of a source, and the target before it.
    source_distances: Vec<f64>,
    from: Vec<u32>,
    heap: BinaryHeap<Reverse<(u64, u32)>>,
    /// Sources that were reached, and how many of them have been looked at.
    reached: Vec<u32>,
    seen: usize,
    /// Targets with a distance; those of them that miss mass, by their final distance.
    touched: Vec<u32>,
    open: Vec<u32>,
}

impl<'a> Paths<'a> {
    /// `pairs` are sorted; what is shipped goes along tight ones.
    pub(crate) fn new(
        pairs: &'a [Pair],
        cost: impl Fn(usize, usize) -> f64,
        (u, v): (Vec<f64>, Vec<f64>),
        shipping: Shipping,
    ) -> Self {
        let Shipping {
            supply,
            demand,
            plan,
        } = shipping;
        let (n, m) = (supply.len(), demand.len());
        let mut offsets = vec![0; n + 1];
        for &(i, _) in pairs {
            offsets[i as usize + 1] += 1;
        }
        for i in 0..n {
            offsets[i + 1] += offsets[i];
        }
        let mut held = vec![Vec::new(); m];
        for (i, j, flow) in plan {
            held[j as usize].push((i, flow));
        }
        Self {
            u,
            v,
            supply,
            demand,
            costs: pairs
                .iter()
                .map(|&(i, j)| cost(i as usize, j as usize))
                .collect(),
            pairs,
            offsets,
            held,
            search: Search {
                distances: vec![f64::INFINITY; m],
                before: vec![NONE; m],
                source_distances: vec![0.0; n],
                from: vec![NONE; n],
                heap: BinaryHeap::new(),
                reached: Vec::new(),
                seen: 0,
                touched: Vec::new(),
                open: Vec::new(),
            },
        }
    }

    /// Ship what is left, as long as searches find places for much of it.
    pub(crate) fn ship(&mut self, control: &Control) -> Result<()> {
        let mut full: Vec<u32> = (0..).take(self.supply.len()).collect();
        loop {
            full.retain(|&source| self.supply[source as usize] > 0);
            let before = full.len();
            control.check()?;
            let farthest = self.find(&full);
            self.adjust(farthest);
            for target in std::mem::take(&mut self.search.open) {
                self.augment(target);
            }
            self.search.forget();
            let emptied = full.iter().filter(|&&i| self.supply[i as usize] == 0);
            if FEW * emptied.count() <= before {
                return Ok(());
            }
        }
    }

    /// Look for targets that miss as much mass as these sources have; how far that was.
    fn find(&mut self, full: &[u32]) -> f64 {
        let Self {
            u,
            v,
            supply,
            demand,
            pairs,
            offsets,
            costs,
            held,
            search,
        } = self;
        let mut wanted = 0;
        for &source in full {
            wanted += supply[source as usize];
            search.reach(source, ROOT, 0.0);
        }
        let mut at = 0.0;
        let mut settle = |search: &mut Search, j: u32, at: f64| {
            if demand[j as usize] > 0 {
                search.open.push(j);
                wanted -= demand[j as usize];
            }
            for &(i, _) in &held[j as usize] {
                search.reach(i, j, at);
            }
            wanted <= 0
        };
        loop {
            while search.seen < search.reached.len() {
                let i = search.reached[search.seen];
                search.seen += 1;
                let range = offsets[i as usize] as usize..offsets[i as usize + 1] as usize;
                let base = at - u[i as usize];
                for (&(_, j), cost) in pairs[range.clone()].iter().zip(&costs[range]) {
                    let distance = base + (cost - v[j as usize]);
                    let known = &mut search.distances[j as usize];
                    if distance < *known {
                        if *known == f64::INFINITY {
                            search.touched.push(j);
                        }
                        *known = distance;
                        search.before[j as usize] = i;
                        if distance > at {
                            search.heap.push(Reverse((distance.to_bits(), j)));
                        } else if settle(search, j, at) {
                            return at;
                        }
                    }
                }
            }
            loop {
                let Some(Reverse((bits, j))) = search.heap.pop() else {
                    return at;
                };
                let distance = f64::from_bits(bits);
                if distance <= search.distances[j as usize] {
                    at = distance;
                    if settle(search, j, at) {
                        return at;
                    }
                    break;
                }
            }
        }
    }

    /// Make the paths to all targets within a distance tight.
    fn adjust(&mut self, distance: f64) {
        let Self { u, v, search, .. } = self;
        for &j in &search.touched {
            v[j as usize] -= (distance - search.distances[j as usize]).max(0.0);
        }
        for &i in &search.reached {
            u[i as usize] += distance - search.source_distances[i as usize];
        }
    }

    /// Send what fits along the path to a target.
    fn augment(&mut self, target: u32) {
        let (mut flow, mut j) = (self.demand[target as usize], target);
        let root = loop {
            let i = self.search.before[j as usize];
            j = self.search.from[i as usize];
            if j == ROOT {
                break i;
            }
            let held = self.held[j as usize].iter().find(|held| held.0 == i);
            flow = flow.min(held.map_or(0, |held| held.1));
        };
        flow = flow.min(self.supply[root as usize]);
        if flow == 0 {
            return;
        }
        self.supply[root as usize] -= flow;
        self.demand[target as usize] -= flow;
        let mut j = target;
        loop {
            let i = self.search.before[j as usize];
            let held = &mut self.held[j as usize];
            match held.iter_mut().find(|held| held.0 == i) {
                Some(held) => held.1 += flow,
                None => held.push((i, flow)),
            }
            j = self.search.from[i as usize];
            if j == ROOT {
                return;
            }
            let held = &mut self.held[j as usize];
            if let Some(at) = held.iter().position(|held| held.0 == i) {
                held[at].1 -= flow;
                if held[at].1 == 0 {
                    held.swap_remove(at);
                }
            }
        }
    }

    /// The duals, and what is shipped along tight pairs; it may have cycles.
    pub(crate) fn into_shipping(self) -> (Vec<f64>, Vec<f64>, Shipping) {
        let held = (0..).zip(self.held);
        let arcs = held.flat_map(|(j, held)| held.into_iter().map(move |(i, flow)| (i, j, flow)));
        let shipping = Shipping {
            plan: arcs.collect(),
            supply: self.supply,
            demand: self.demand,
        };
        (self.u, self.v, shipping)
    }
}

impl Search {
    /// Come to a source, from a target that holds mass of it.
    #[inline(always)]
    fn reach(&mut self, source: u32, target: u32, distance: f64) {
        if self.from[source as usize] == NONE {
            self.from[source as usize] = target;
            self.source_distances[source as usize] = distance;
            self.reached.push(source);
        }
    }

    fn forget(&mut self) {
        for j in self.touched.drain(..) {
            self.distances[j as usize] = f64::INFINITY;
        }
        for i in self.reached.drain(..) {
            self.from[i as usize] = NONE;
        }
        self.seen = 0;
        self.heap.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::masses::Masses;

    #[test]
    fn paths_are_tight_and_duals_feasible() {
        let (n, m) = (40, 30);
        let cost = |i: usize, j: usize| ((i * 131 + j * 57 + i * j * 3) % 101) as f64;
        let pairs: Vec<Pair> = (0..n)
            .flat_map(|i| (0..m).map(move |j| (i, j)))
            .filter(|(i, j)| (i + 2 * j) % 3 > 0)
            .collect();
        let counts = |count: u32, factor: u32| -> Vec<u64> {
            (0..count).map(|k| u64::from(1 + k * factor % 9)).collect()
        };
        let mut b = counts(m, 5);
        let a = counts(n, 7);
        b[0] += a.iter().sum::<u64>() - b.iter().sum::<u64>();
        let masses = Masses::from_counts(&a, &b).expect("balanced");
        let u: Vec<f64> = (0..n)
            .map(|i| {
                let costs = pairs.iter().filter(|pair| pair.0 == i);
                costs
                    .map(|&(i, j)| cost(i as usize, j as usize))
                    .fold(f64::INFINITY, f64::min)
            })
            .collect();
        let shipping = Shipping::new(&masses);
        let mut paths = Paths::new(&pairs, cost, (u, vec![0.0; m as usize]), shipping);
        paths.ship(&Control::new()).expect("not cancelled");
        let (u, v, shipping) = paths.into_shipping();
        let reduced = |i: u32, j: u32| cost(i as usize, j as usize) - u[i as usize] - v[j as usize];
        assert!(pairs.iter().all(|&(i, j)| reduced(i, j) >= 0.0));
        let (mut left_a, mut left_b) = (masses.a.clone(), masses.b.clone());
        for &(i, j, flow) in &shipping.plan {
            assert!(flow > 0 && reduced(i, j) == 0.0);
            left_a[i as usize] -= flow;
            left_b[j as usize] -= flow;
        }
        assert_eq!((&left_a, &left_b), (&shipping.supply, &shipping.demand));
        assert!(left_a.iter().sum::<i64>() * 2 < masses.a.iter().sum());
    }
}
