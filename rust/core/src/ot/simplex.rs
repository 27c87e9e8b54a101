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

use super::cost::Pair;
use crate::{Control, Error, Result};

const NONE: u32 = u32::MAX;

/// Pivots between two looks at the control.
const CHECK_INTERVAL: u64 = 256;

/// Arcs per block of the pricing scan: small enough for many cheap pivots, large enough for good
/// ones. Flat optimum between 64 and 256 on uniform and on general masses.
const BLOCK: usize = 128;

/// An arc that may enter the basis.
#[derive(Debug, Clone, Copy)]
struct Arc {
    source: u32,
    /// Node index of the target, that is `n + j`.
    target: u32,
    cost: i64,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    parent: u32,
    first_child: u32,
    next_sibling: u32,
    previous_sibling: u32,
    /// Nodes of the subtree below, with this one.
    size: u32,
    /// Flow of the arc between this node and its parent.
    flow: i64,
}

/// A basic arc of the plan: source, target, flow.
pub(crate) type BasicArc = (u32, u32, i64);

/// Spanning tree, potentials and candidate arcs.
pub(crate) struct Simplex {
    sources: u32,
    root: u32,
    nodes: Vec<Node>,
    /// Reduced cost of an arc: `cost - potential[source] + potential[target]`. Only differences
    /// matter, and they are exact where sums wrap around.
    potential: Vec<i64>,
    arcs: Vec<Arc>,
    cursor: usize,
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
        let blank = Node {
            parent: NONE,
            first_child: NONE,
            next_sibling: NONE,
            previous_sibling: NONE,
            size: 1,
            flow: 0,
        };
        let mut simplex = Self {
            sources: sources as u32,
            root: root as u32,
            nodes: vec![blank; root + 1],
            potential: vec![0; root + 1],
            arcs: Vec::new(),
            cursor: 0,
            pivots: 0,
        };
        simplex.grow_tree(forest, hanging, cost);
        simplex
    }

    /// Walk every component from its hanging node, attaching what is found.
    fn grow_tree(
        &mut self,
        forest: &[BasicArc],
        hanging: impl IntoIterator<Item = (u32, i64)>,
        cost: impl Fn(usize, usize) -> i64,
    ) {
        let mut reached = Vec::with_capacity(self.nodes.len());
        let adjacency = Adjacency::new(self.root as usize, self.sources, forest);
        let mut stack = Vec::new();
        for (start, potential) in hanging {
            if self.nodes[start as usize].parent != NONE {
                continue;
            }
            self.attach(start, self.root, 0);
            self.potential[start as usize] = potential;
            stack.push(start);
            while let Some(node) = stack.pop() {
                reached.push(node);
                for &index in adjacency.arcs_at(node) {
                    let (source, target, flow) = forest[index as usize];
                    let target_node = self.sources + target;
                    let child = if node == source { target_node } else { source };
                    if self.nodes[child as usize].parent != NONE {
                        continue;
                    }
                    self.attach(child, node, flow);
                    let cost = cost(source as usize, target as usize);
                    self.potential[child as usize] = if child == source {
                        self.potential[node as usize] + cost
                    } else {
                        self.potential[node as usize] - cost
                    };
                    stack.push(child);
                }
            }
        }
        // Children are reached after their parents.
        for &node in reached.iter().rev() {
            let Node { parent, size, .. } = self.nodes[node as usize];
            self.nodes[parent as usize].size += size;
        }
    }

    /// Add arcs that may enter the basis.
    pub(crate) fn add_arcs(&mut self, pairs: &[Pair], cost: impl Fn(usize, usize) -> i64) {
        self.arcs.extend(pairs.iter().map(|&(source, target)| Arc {
            source,
            target: self.sources + target,
            cost: cost(source as usize, target as usize),
        }));
    }

    /// Pivot until no arc has a negative reduced cost. `limit` bounds the pivots of all calls.
    pub(crate) fn optimise(&mut self, limit: u64, control: &Control) -> Result<()> {
        while let Some(entering) = self.entering_arc() {
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
            self.pivot(self.arcs[entering]);
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
                let Node { parent, flow, .. } = self.nodes[node as usize];
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
        let mut kept: Vec<(i64, Arc)> = self
            .arcs
            .iter()
            .map(|arc| (self.reduced_cost(arc), *arc))
            .collect();
        if kept.len() > most {
            kept.select_nth_unstable_by_key(most, |&(reduced, arc)| {
                (reduced, arc.source, arc.target)
            });
            kept.truncate(most);
            kept.sort_unstable_by_key(|&(_, arc)| (arc.source, arc.target));
        }
        kept.iter()
            .map(|(_, arc)| arc)
            .map(|arc| (arc.source, arc.target - self.sources))
            .collect()
    }

    #[inline(always)]
    fn reduced_cost(&self, arc: &Arc) -> i64 {
        arc.cost
            .wrapping_sub(self.potential[arc.source as usize])
            .wrapping_add(self.potential[arc.target as usize])
    }

    /// The most negative arc of the first block, from the cursor on, that has a negative one.
    fn entering_arc(&mut self) -> Option<usize> {
        let count = self.arcs.len();
        let mut scanned = 0;
        while scanned < count {
            if self.cursor >= count {
                self.cursor = 0;
            }
            let end = (self.cursor + BLOCK).min(count);
            let mut best = 0;
            let mut entering = None;
            for (offset, arc) in self.arcs[self.cursor..end].iter().enumerate() {
                let reduced = self.reduced_cost(arc);
                if reduced < best {
                    best = reduced;
                    entering = Some(self.cursor + offset);
                }
            }
            scanned += end - self.cursor;
            self.cursor = end;
            if entering.is_some() {
                return entering;
            }
        }
        None
    }

    fn pivot(&mut self, entering: Arc) {
        let reduced = self.reduced_cost(&entering);
        let (leaving, on_source_side, flow, join) =
            self.leaving_arc(entering.source, entering.target);
        if flow > 0 {
            self.augment(entering.source, entering.target, join, flow);
        }
        // The subtree that the leaving arc cuts off moves to the other end of the entering arc.
        let (top, new_parent, shift) = if on_source_side {
            (entering.source, entering.target, reduced)
        } else {
            (entering.target, entering.source, -reduced)
        };
        let moved = self.nodes[leaving as usize].size;
        self.grow_path(
            self.nodes[leaving as usize].parent,
            join,
            moved.wrapping_neg(),
        );
        self.grow_path(new_parent, join, moved);
        self.rehang(top, leaving, new_parent, flow);
        if 2 * moved as usize <= self.nodes.len() {
            self.shift_subtree(top, NONE, shift);
        } else {
            self.shift_subtree(self.root, top, -shift);
        }
    }

    /// The node whose arc to its parent leaves, the side it is on, the flow of the pivot, and
    /// the join of the cycle.
    ///
    /// The cycle runs from the join down to the source, over the entering arc, and from the
    /// target up to the join. Flow falls on arcs that are passed backwards: those above sources
    /// on the way down, and those above targets on the way up. Of several blocking arcs the last
    /// one in this order leaves: Cunningham's rule.
    fn leaving_arc(&self, source: u32, target: u32) -> (u32, bool, i64, u32) {
        let (mut down, mut up) = (source, target);
        let (mut source_side, mut source_flow) = (NONE, i64::MAX);
        let (mut target_side, mut target_flow) = (NONE, i64::MAX);
        while down != up {
            let (down_node, up_node) = (&self.nodes[down as usize], &self.nodes[up as usize]);
            // The smaller subtree cannot hold the other node.
            if down_node.size <= up_node.size {
                // Arcs above sources and all arcs at the root point upwards.
                let points_up = down < self.sources || down_node.parent == self.root;
                if points_up && down_node.flow < source_flow {
                    (source_side, source_flow) = (down, down_node.flow);
                }
                down = down_node.parent;
            } else {
                let points_down = up >= self.sources && up_node.parent != self.root;
                if points_down && up_node.flow <= target_flow {
                    (target_side, target_flow) = (up, up_node.flow);
                }
                up = up_node.parent;
            }
        }
        if target_flow <= source_flow {
            (target_side, false, target_flow, down)
        } else {
            (source_side, true, source_flow, down)
        }
    }

    /// Send `flow` round the cycle.
    fn augment(&mut self, source: u32, target: u32, join: u32, flow: i64) {
        for (start, falls_at_sources) in [(source, true), (target, false)] {
            let mut node = start;
            while node != join {
                let falls = (node < self.sources) == falls_at_sources;
                let entry = &mut self.nodes[node as usize];
                entry.flow += if falls { -flow } else { flow };
                node = entry.parent;
            }
        }
    }

    /// Change the sizes of a node and all above it, below `join`.
    fn grow_path(&mut self, from: u32, join: u32, change: u32) {
        let mut node = from;
        while node != join {
            let entry = &mut self.nodes[node as usize];
            entry.size = entry.size.wrapping_add(change);
            node = entry.parent;
        }
    }

    /// Turn the path from `top` up to `bottom` round and hang `top` under `new_parent`.
    fn rehang(&mut self, top: u32, bottom: u32, new_parent: u32, flow: i64) {
        let total = self.nodes[bottom as usize].size;
        let (mut node, mut parent, mut flow, mut before) = (top, new_parent, flow, 0);
        loop {
            let Node {
                parent: old_parent,
                flow: old_flow,
                size: old_size,
                ..
            } = self.nodes[node as usize];
            self.detach(node);
            self.attach(node, parent, flow);
            self.nodes[node as usize].size = total - before;
            if node == bottom {
                return;
            }
            (parent, node, flow, before) = (node, old_parent, old_flow, old_size);
        }
    }

    fn detach(&mut self, node: u32) {
        let Node {
            parent,
            next_sibling,
            previous_sibling,
            ..
        } = self.nodes[node as usize];
        if previous_sibling == NONE {
            self.nodes[parent as usize].first_child = next_sibling;
        } else {
            self.nodes[previous_sibling as usize].next_sibling = next_sibling;
        }
        if next_sibling != NONE {
            self.nodes[next_sibling as usize].previous_sibling = previous_sibling;
        }
    }

    fn attach(&mut self, node: u32, parent: u32, flow: i64) {
        let sibling = std::mem::replace(&mut self.nodes[parent as usize].first_child, node);
        if sibling != NONE {
            self.nodes[sibling as usize].previous_sibling = node;
        }
        let entry = &mut self.nodes[node as usize];
        entry.parent = parent;
        entry.next_sibling = sibling;
        entry.previous_sibling = NONE;
        entry.flow = flow;
    }

    /// Add `shift` to the potentials of a subtree, but for those below `skipped`, in preorder.
    fn shift_subtree(&mut self, top: u32, skipped: u32, shift: i64) {
        let mut node = top;
        loop {
            if node != skipped {
                let potential = &mut self.potential[node as usize];
                *potential = potential.wrapping_add(shift);
                let first_child = self.nodes[node as usize].first_child;
                if first_child != NONE {
                    node = first_child;
                    continue;
                }
            }
            loop {
                if node == top {
                    return;
                }
                let Node {
                    parent,
                    next_sibling,
                    ..
                } = self.nodes[node as usize];
                if next_sibling != NONE {
                    node = next_sibling;
                    break;
                }
                node = parent;
            }
        }
    }
}

/// Arcs of a forest by node, in compressed rows.
struct Adjacency {
    offsets: Vec<u32>,
    arcs: Vec<u32>,
}

impl Adjacency {
    fn new(nodes: usize, sources: u32, forest: &[BasicArc]) -> Self {
        let mut offsets = vec![0_u32; nodes + 1];
        for &(source, target, _) in forest {
            offsets[source as usize + 1] += 1;
            offsets[(sources + target) as usize + 1] += 1;
        }
        for node in 0..nodes {
            offsets[node + 1] += offsets[node];
        }
        let mut next = offsets.clone();
        let mut arcs = vec![0; 2 * forest.len()];
        for (index, &(source, target, _)) in forest.iter().enumerate() {
            for node in [source, sources + target] {
                arcs[next[node as usize] as usize] = index as u32;
                next[node as usize] += 1;
            }
        }
        Self { offsets, arcs }
    }

    fn arcs_at(&self, node: u32) -> &[u32] {
        &self.arcs[self.offsets[node as usize] as usize..self.offsets[node as usize + 1] as usize]
    }
}
