//! A feasible plan along pairs that are tight with given duals.

use crate::ot::cost::Pair;
use crate::ot::masses::Masses;
use crate::ot::simplex::BasicArc;

/// What is left to ship, and what is shipped.
///
/// Every step empties a source or fills a target, so the arcs have no cycle.
#[derive(Debug)]
pub(crate) struct Shipping {
    pub(crate) supply: Vec<i64>,
    pub(crate) demand: Vec<i64>,
    pub(crate) plan: Vec<BasicArc>,
}

impl Shipping {
    pub(crate) fn new(masses: &Masses) -> Self {
        Self {
            supply: masses.a.clone(),
            demand: masses.b.clone(),
            plan: Vec::with_capacity(masses.a.len() + masses.b.len()),
        }
    }

    /// Sources that have something left.
    pub(crate) fn full(&self) -> Vec<u32> {
        positive(&self.supply)
    }

    /// Targets that miss something.
    pub(crate) fn open(&self) -> Vec<u32> {
        positive(&self.demand)
    }

    /// Ship along these pairs in their order.
    pub(crate) fn along(&mut self, pairs: impl IntoIterator<Item = Pair>) {
        for pair in pairs {
            self.ship(pair);
        }
    }

    fn ship(&mut self, (i, j): Pair) {
        let (supply, demand) = (&mut self.supply[i as usize], &mut self.demand[j as usize]);
        let flow = (*supply).min(*demand);
        if flow > 0 {
            *supply -= flow;
            *demand -= flow;
            self.plan.push((i, j, flow));
        }
    }

    /// Ship along these pairs, nodes with one pair left first: they have no choice. On a tree
    /// that carries a plan this finds it.
    pub(crate) fn peel(&mut self, pairs: &[Pair]) {
        let sources = self.supply.len();
        let mut graph = Graph::new(sources, self.demand.len(), pairs);
        let mut rest = 0..pairs.len();
        while let Some(arc) = graph.leaf().or_else(|| rest.find(|&arc| graph.alive[arc])) {
            let (i, j) = pairs[arc];
            self.ship((i, j));
            if self.supply[i as usize] == 0 {
                graph.remove(i as usize);
            }
            if self.demand[j as usize] == 0 {
                graph.remove(sources + j as usize);
            }
        }
    }
}

fn positive(units: &[i64]) -> Vec<u32> {
    (0..)
        .zip(units)
        .filter(|&(_, &units)| units > 0)
        .map(|(place, _)| place)
        .collect()
}

/// Pairs as a graph that loses nodes.
struct Graph<'a> {
    pairs: &'a [Pair],
    sources: usize,
    /// Pairs of every node, in compressed rows.
    offsets: Vec<u32>,
    arcs: Vec<u32>,
    alive: Vec<bool>,
    degrees: Vec<u32>,
    /// Nodes that had one pair left at some time.
    leaves: Vec<u32>,
}

impl<'a> Graph<'a> {
    fn new(sources: usize, targets: usize, pairs: &'a [Pair]) -> Self {
        let nodes = sources + targets;
        let mut degrees = vec![0; nodes];
        for node in pairs.iter().flat_map(|&pair| ends(sources, pair)) {
            degrees[node] += 1;
        }
        let mut offsets = vec![0; nodes + 1];
        for node in 0..nodes {
            offsets[node + 1] = offsets[node] + degrees[node];
        }
        let mut next = offsets.clone();
        let mut arcs = vec![0; 2 * pairs.len()];
        for (arc, &pair) in (0..).zip(pairs) {
            for node in ends(sources, pair) {
                arcs[next[node] as usize] = arc;
                next[node] += 1;
            }
        }
        let is_leaf = |node: &u32| degrees[*node as usize] == 1;
        Self {
            leaves: (0..nodes as u32).filter(is_leaf).collect(),
            alive: vec![true; pairs.len()],
            pairs,
            sources,
            offsets,
            arcs,
            degrees,
        }
    }

    fn arcs_at(&self, node: usize) -> std::ops::Range<usize> {
        self.offsets[node] as usize..self.offsets[node + 1] as usize
    }

    /// The only pair of a node.
    fn leaf(&mut self) -> Option<usize> {
        while let Some(node) = self.leaves.pop() {
            let arcs = self.arcs_at(node as usize);
            let alive = |arc: &&u32| self.alive[**arc as usize];
            if let Some(&arc) = self.arcs[arcs].iter().find(alive) {
                return Some(arc as usize);
            }
        }
        None
    }

    fn remove(&mut self, node: usize) {
        for index in self.arcs_at(node) {
            let arc = self.arcs[index] as usize;
            if std::mem::replace(&mut self.alive[arc], false) {
                for end in ends(self.sources, self.pairs[arc]) {
                    self.degrees[end] -= 1;
                    if self.degrees[end] == 1 {
                        self.leaves.push(end as u32);
                    }
                }
            }
        }
    }
}

fn ends(sources: usize, (i, j): Pair) -> [usize; 2] {
    [i as usize, sources + j as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_of_a_tree_is_found() {
        // A path: source 0, target 0, source 1, target 1, source 2, target 2.
        let pairs = [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)];
        let masses = Masses::from_counts(&[2, 5, 4], &[4, 4, 3]).expect("balanced");
        for order in [pairs.to_vec(), pairs.iter().rev().copied().collect()] {
            let mut shipping = Shipping::new(&masses);
            shipping.peel(&order);
            assert!(shipping.full().is_empty() && shipping.open().is_empty());
            let mut plan = shipping.plan;
            plan.sort_unstable();
            assert_eq!(
                plan,
                [(0, 0, 2), (1, 0, 2), (1, 1, 3), (2, 1, 1), (2, 2, 3)]
            );
        }
    }

    #[test]
    fn cycles_are_broken_and_what_does_not_fit_is_left() {
        let masses = Masses::from_counts(&[3, 3], &[1, 5]).expect("balanced");
        let mut shipping = Shipping::new(&masses);
        shipping.peel(&[(0, 0), (1, 0)]);
        assert_eq!((shipping.full(), shipping.open()), (vec![0, 1], vec![1]));
        shipping.along([(0, 1), (1, 1)]);
        assert!(shipping.full().is_empty());
        assert!(shipping.plan.len() < 4, "a forest");
    }
}
