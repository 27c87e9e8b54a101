//! The primal network simplex on a sparse set of arcs.
//!
//! Nodes are the sources `0..n`, the targets `n..n+m` and an artificial root. A basis is a
//! spanning tree; every node but the root carries the flow of the arc to its parent. A component
//! of a feasible plan hangs on the root by an artificial arc that points to the root. No flow can
//! ever pass such an arc, since nothing leaves the root, but its cost is free: it sets the
//! potential of the component, which is how known duals enter.
//!
//! The tree stays *strongly feasible* (arcs without flow point towards the root) by Cunningham's
//! rule for the leaving arc, so the method cannot cycle; costs and flows are integers, so it ends.

mod cycle;
mod entering;
mod forest;
mod tree;

use super::cost::Pair;
use crate::{Control, Error, Result};
use entering::{Arc, Candidates};

const NONE: u32 = u32::MAX;

/// Pivots between two looks at the control.
const CHECK_INTERVAL: u64 = 256;

#[derive(Debug, Clone, Copy)]
struct Node {
    parent: u32,
    /// Nodes of the subtree below, with this one.
    size: u32,
}

/// Neighbours of a node in preorder; the order is closed to a ring.
#[derive(Debug, Clone, Copy)]
struct Link {
    next: u32,
    previous: u32,
}

/// A basic arc of the plan: source, target, flow.
pub(crate) type BasicArc = (u32, u32, i64);

/// Spanning tree, potentials and candidate arcs.
///
/// A ring through all nodes in preorder makes a subtree a chain of nodes that follow one another,
/// from its top to its last node: potentials are shifted, and subtrees are moved, along it.
pub(crate) struct Simplex {
    sources: u32,
    root: u32,
    nodes: Vec<Node>,
    /// Flow of the arc between a node and its parent.
    flow: Vec<i64>,
    links: Vec<Link>,
    /// The last node, in preorder, of the subtree below a node.
    last: Vec<u32>,
    /// Reduced cost of an arc: `cost - potential[source] + potential[target]`. Only differences
    /// matter, and they are exact where sums wrap around.
    potential: Vec<i64>,
    candidates: Candidates,
    pivots: u64,
}

impl Simplex {
    /// Build the tree of a forest of basic arcs.
    ///
    /// `forest` must have no cycle and carry a feasible plan. Every node of `hanging` that no
    /// earlier one reached hangs its component on the root, with the potential given for it;
    /// together they must reach all nodes. Where the forest holds arcs without flow, the hanging
    /// nodes must be those of the tree that it came from. `cost(i, j)` is the integer cost of a
    /// pair.
    pub(crate) fn new(
        sources: usize,
        targets: usize,
        forest: &[BasicArc],
        hanging: impl IntoIterator<Item = (u32, i64)>,
        cost: impl Fn(usize, usize) -> i64,
    ) -> Self {
        let root = sources + targets;
        let mut simplex = Self {
            sources: sources as u32,
            root: root as u32,
            nodes: vec![
                Node {
                    parent: NONE,
                    size: 1,
                };
                root + 1
            ],
            flow: vec![0; root + 1],
            links: vec![
                Link {
                    next: root as u32,
                    previous: root as u32,
                };
                root + 1
            ],
            last: (0..=root as u32).collect(),
            potential: vec![0; root + 1],
            candidates: Candidates::new(),
            pivots: 0,
        };
        simplex.grow_tree(forest, hanging, cost);
        simplex
    }

    /// Add arcs that may enter the basis.
    pub(crate) fn add_arcs(&mut self, pairs: &[Pair], cost: impl Fn(usize, usize) -> i64) {
        self.candidates
            .add(pairs.iter().map(|&(source, target)| Arc {
                source,
                target: self.sources + target,
                cost: cost(source as usize, target as usize),
            }));
    }

    /// Pivot until no arc has a negative reduced cost. `limit` bounds the pivots of all calls.
    pub(crate) fn optimise(&mut self, limit: u64, control: &Control) -> Result<()> {
        while let Some(entering) = self.candidates.entering(&self.potential) {
            if self.pivots.is_multiple_of(CHECK_INTERVAL) {
                control.check()?;
            }
            if self.pivots >= limit {
                return Err(Error::IterationLimit {
                    limit,
                    gap: f64::INFINITY,
                });
            }
            self.pivots += 1;
            self.pivot(entering);
        }
        Ok(())
    }

    pub(crate) fn pivots(&self) -> u64 {
        self.pivots
    }

    /// Integer dual of a source: `u_i`.
    pub(crate) fn source_dual(&self, source: usize) -> i64 {
        self.potential[source].wrapping_sub(self.potential[self.root as usize])
    }

    /// Integer dual of a target: `v_j`.
    pub(crate) fn target_dual(&self, target: usize) -> i64 {
        self.potential[self.root as usize]
            .wrapping_sub(self.potential[self.sources as usize + target])
    }

    /// All arcs of the basis between a source and a target, with their flow (zero or more).
    pub(crate) fn basis(&self) -> Vec<BasicArc> {
        (0..self.root)
            .filter(|&node| self.nodes[node as usize].parent != self.root)
            .map(|node| {
                let (parent, flow) = (self.nodes[node as usize].parent, self.flow[node as usize]);
                if node < self.sources {
                    (node, parent - self.sources, flow)
                } else {
                    (parent, node - self.sources, flow)
                }
            })
            .collect()
    }

    /// The nodes that hang on the root.
    pub(crate) fn hanging(&self) -> Vec<u32> {
        (0..self.root)
            .filter(|&node| self.nodes[node as usize].parent == self.root)
            .collect()
    }

    /// The candidate arcs, as pairs: all, or the `most` of least reduced cost.
    pub(crate) fn pairs(&self, most: usize) -> Vec<Pair> {
        let pair = |arc: &Arc| (arc.source, arc.target - self.sources);
        self.candidates.best(most, &self.potential, pair)
    }
}

#[cfg(test)]
mod tests {
    use super::super::initial::complete;
    use super::super::masses::Masses;
    use super::*;

    impl Simplex {
        /// Assert that preorder, sizes, ends, flows and potentials belong to one tree.
        fn check(&self) {
            let count = self.nodes.len();
            let mut order = vec![self.root];
            while order.len() < count {
                let last = order[order.len() - 1];
                let next = self.links[last as usize].next;
                assert_eq!(self.links[next as usize].previous, last);
                order.push(next);
            }
            assert_eq!(self.links[order[count - 1] as usize].next, self.root);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.iter().copied().eq(0..count as u32));
            let mut place = vec![0; count];
            for (at, &node) in order.iter().enumerate() {
                place[node as usize] = at;
            }
            for &node in &order {
                let Node { parent, size } = self.nodes[node as usize];
                let end = place[node as usize] + size as usize;
                assert_eq!(order[end - 1], self.last[node as usize]);
                if parent != NONE {
                    let above = place[parent as usize];
                    assert!(above < place[node as usize]);
                    assert!(end <= above + self.nodes[parent as usize].size as usize);
                }
                assert!(self.flow[node as usize] >= 0);
            }
            let basis = self.basis();
            for arc in self
                .candidates
                .best(usize::MAX, &self.potential, |arc| *arc)
            {
                let tight = (arc.source, arc.target - self.sources);
                if basis.iter().any(|&(i, j, _)| (i, j) == tight) {
                    assert_eq!(arc.reduced_cost(&self.potential), 0);
                }
            }
        }
    }

    #[test]
    fn every_pivot_leaves_a_tree() {
        for (n, m, seed) in [(1, 1, 1), (1, 9, 2), (12, 17, 3), (30, 30, 4), (40, 7, 5)] {
            // Small costs make ties, and pivots that move no mass.
            let cost = |i: usize, j: usize| ((i * 31 + j * 57 + i * j * seed) % 23) as i64;
            let masses = Masses::uniform(n, m).expect("sizes");
            let pairs: Vec<Pair> = (0..n as u32)
                .flat_map(|i| (0..m as u32).map(move |j| (i, j)))
                .collect();
            let plan = complete(&masses, &[]);
            let hanging = (0..(n + m) as u32).map(|node| (node, 0));
            let mut simplex = Simplex::new(n, m, &plan, hanging, cost);
            simplex.add_arcs(&pairs, cost);
            simplex.check();
            let control = Control::new();
            while simplex.optimise(simplex.pivots() + 1, &control).is_err() {
                simplex.check();
            }
            assert!(simplex.pivots() > 0 || n * m < 10);
            let duals = pairs.iter().all(|&(i, j)| {
                let (i, j) = (i as usize, j as usize);
                simplex.source_dual(i) + simplex.target_dual(j) <= cost(i, j)
            });
            assert!(duals, "duals that are not feasible");
        }
    }
}
