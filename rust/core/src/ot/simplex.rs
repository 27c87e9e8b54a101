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
use crate::simd::{Vectorised, vectorise};
use crate::{Control, Error, Result};

const NONE: u32 = u32::MAX;

/// Pivots between two looks at the control.
const CHECK_INTERVAL: u64 = 256;

/// Arcs that are priced at a time.
const BLOCK: usize = 128;

/// Negative arcs that a list is filled with, at least if there are as many, and pivots that it
/// serves for. Where few arcs are negative, most of the time goes into finding them, and a list
/// finds many at once. Flat between 32 and 128 for both, on uniform and on general masses.
const LIST: (usize, u32) = (64, 32);

/// An arc that may enter the basis.
#[derive(Debug, Clone, Copy)]
struct Arc {
    source: u32,
    /// Node index of the target, that is `n + j`.
    target: u32,
    cost: i64,
}

impl Arc {
    #[inline(always)]
    fn reduced_cost(&self, potential: &[i64]) -> i64 {
        self.cost
            .wrapping_sub(potential[self.source as usize])
            .wrapping_add(potential[self.target as usize])
    }
}

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
    arcs: Vec<Arc>,
    /// Arcs that were negative when they were last looked at.
    list: Vec<Arc>,
    /// Pivots since the list was filled.
    list_age: u32,
    /// Room for the reduced costs of a list or a block.
    room: Vec<i64>,
    /// Where among the arcs the next look begins.
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
            arcs: Vec::new(),
            list: Vec::new(),
            list_age: 0,
            room: vec![0; LIST.0 + BLOCK],
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
            self.nodes[start as usize].parent = self.root;
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
                    self.nodes[child as usize].parent = node;
                    self.flow[child as usize] = flow;
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
        // What was reached one after the other is a preorder.
        let mut previous = self.root;
        for &node in &reached {
            self.link(previous, node);
            previous = node;
        }
        self.link(previous, self.root);
        for &node in reached.iter().rev() {
            let Node { parent, size } = self.nodes[node as usize];
            self.nodes[parent as usize].size += size;
            if self.last[parent as usize] == parent {
                self.last[parent as usize] = self.last[node as usize];
            }
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
        if self.arcs.len() <= most {
            return self.arcs.iter().map(pair).collect();
        }
        let reduced = |arc: &Arc| arc.reduced_cost(&self.potential);
        let mut kept: Vec<(i64, Pair)> = self
            .arcs
            .iter()
            .map(|arc| (reduced(arc), pair(arc)))
            .collect();
        kept.select_nth_unstable(most);
        kept.truncate(most);
        let mut pairs: Vec<Pair> = kept.into_iter().map(|(_, pair)| pair).collect();
        pairs.sort_unstable();
        pairs
    }

    fn reduced_cost(&self, arc: &Arc) -> i64 {
        arc.reduced_cost(&self.potential)
    }

    /// The most negative arc of a list of arcs that were negative when it was filled.
    fn entering_arc(&mut self) -> Option<Arc> {
        let listed = (self.list_age < LIST.1).then(|| self.most_negative());
        let at = if let Some(Some(at)) = listed {
            at
        } else {
            self.fill_list();
            self.most_negative()?
        };
        self.list_age += 1;
        Some(self.list.swap_remove(at))
    }

    /// The place of the most negative arc of the list.
    fn most_negative(&mut self) -> Option<usize> {
        vectorise(MostNegative {
            arcs: &self.list,
            potential: &self.potential,
            room: &mut self.room,
        })
    }

    /// Fill the list with the negative arcs of the next blocks, until it has enough of them.
    fn fill_list(&mut self) {
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
                potential: &self.potential,
                room: &mut self.room,
                list: &mut self.list,
            });
            self.cursor += size;
            unseen -= size;
        }
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
        let old_parent = self.nodes[leaving as usize].parent;
        self.grow_path(old_parent, join, moved.wrapping_neg());
        self.grow_path(new_parent, join, moved);
        self.cut(leaving);
        self.turn(top, leaving, new_parent, flow);
        self.hang(top, new_parent);
        let last = self.last[top as usize];
        let others = self.nodes.len() as u32 - moved;
        if moved <= others {
            self.shift_potentials(top, last, moved, shift);
        } else {
            let (first, last) = (
                self.links[last as usize].next,
                self.links[top as usize].previous,
            );
            self.shift_potentials(first, last, others, shift.wrapping_neg());
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
        let join = self.join(source, target);
        let (mut source_side, mut source_flow) = (NONE, i64::MAX);
        let mut node = source;
        while node != join {
            let (parent, flow) = (self.nodes[node as usize].parent, self.flow[node as usize]);
            // Arcs above sources and all arcs at the root point upwards.
            let points_up = node < self.sources || parent == self.root;
            if points_up && flow < source_flow {
                (source_side, source_flow) = (node, flow);
            }
            node = parent;
        }
        let (mut target_side, mut target_flow) = (NONE, i64::MAX);
        let mut node = target;
        while node != join {
            let (parent, flow) = (self.nodes[node as usize].parent, self.flow[node as usize]);
            let points_down = node >= self.sources && parent != self.root;
            if points_down && flow <= target_flow {
                (target_side, target_flow) = (node, flow);
            }
            node = parent;
        }
        if target_flow <= source_flow {
            (target_side, false, target_flow, join)
        } else {
            (source_side, true, source_flow, join)
        }
    }

    /// The node where the paths to the root meet.
    fn join(&self, source: u32, target: u32) -> u32 {
        let (mut down, mut up) = (source, target);
        while down != up {
            let (one, other) = (&self.nodes[down as usize], &self.nodes[up as usize]);
            // The smaller subtree cannot hold the other node. Which one it is cannot be
            // predicted: both parents are read, and one is kept.
            let first = one.size <= other.size;
            down = if first { one.parent } else { down };
            up = if first { up } else { other.parent };
        }
        down
    }

    /// Send `flow` round the cycle.
    fn augment(&mut self, source: u32, target: u32, join: u32, flow: i64) {
        for (start, falls_at_sources) in [(source, true), (target, false)] {
            let mut node = start;
            while node != join {
                let falls = (node < self.sources) == falls_at_sources;
                self.flow[node as usize] += if falls { -flow } else { flow };
                node = self.nodes[node as usize].parent;
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

    #[inline(always)]
    fn link(&mut self, node: u32, next: u32) {
        self.links[node as usize].next = next;
        self.links[next as usize].previous = node;
    }

    /// Take a subtree out of the preorder of the tree.
    fn cut(&mut self, top: u32) {
        let last = self.last[top as usize];
        let before = self.links[top as usize].previous;
        self.link(before, self.links[last as usize].next);
        self.end_above(self.nodes[top as usize].parent, last, before);
    }

    /// Put a subtree into the preorder, as the first below `parent`.
    fn hang(&mut self, top: u32, parent: u32) {
        let last = self.last[top as usize];
        self.link(last, self.links[parent as usize].next);
        self.link(parent, top);
        self.end_above(parent, parent, last);
    }

    /// Subtrees of a node and of those above it that ended at one node now end at another.
    fn end_above(&mut self, from: u32, before: u32, now: u32) {
        let mut node = from;
        while node != NONE && self.last[node as usize] == before {
            self.last[node as usize] = now;
            node = self.nodes[node as usize].parent;
        }
    }

    /// Turn the path from `top` up to `bottom` round, and make `new_parent` the parent of `top`.
    /// The preorder within the subtree follows, from `top` on.
    ///
    /// What hangs on each node of the path but for the one below comes after all that came before,
    /// in its old order; the node above the path's last one ends the subtrees of all.
    fn turn(&mut self, top: u32, bottom: u32, new_parent: u32, flow: i64) {
        let total = self.nodes[bottom as usize].size;
        let (mut node, mut parent, mut flow, mut below) = (top, new_parent, flow, 0);
        // The chain so far ends at `tail`; the part that was below stood in the old order between
        // `before` and `after`, and ended at `end`.
        let (mut tail, mut before, mut after, mut end) = (NONE, NONE, NONE, NONE);
        loop {
            let old = self.nodes[node as usize];
            let old_previous = self.links[node as usize].previous;
            let old_end = self.last[node as usize];
            if tail == NONE {
                tail = old_end;
                after = self.links[old_end as usize].next;
            } else {
                let end_after = self.links[old_end as usize].next;
                self.link(tail, node);
                if old_end == end {
                    // Nothing stood behind the part that was below.
                    tail = before;
                } else {
                    self.link(before, after);
                    tail = old_end;
                    after = end_after;
                }
            }
            (before, end) = (old_previous, old_end);
            self.nodes[node as usize] = Node {
                parent,
                size: total - below,
            };
            let old_flow = std::mem::replace(&mut self.flow[node as usize], flow);
            if node == bottom {
                break;
            }
            (parent, node, flow, below) = (node, old.parent, old_flow, old.size);
        }
        while node != new_parent {
            self.last[node as usize] = tail;
            node = self.nodes[node as usize].parent;
        }
    }

    /// Add `shift` to the potentials of `count` nodes of the preorder, from `first` to `last`.
    fn shift_potentials(&mut self, first: u32, last: u32, count: u32, shift: i64) {
        let (mut first, mut last) = (first, last);
        // From both ends: the steps of the one need not wait for those of the other.
        for _ in 0..count / 2 {
            for node in [first, last] {
                let potential = &mut self.potential[node as usize];
                *potential = potential.wrapping_add(shift);
            }
            first = self.links[first as usize].next;
            last = self.links[last as usize].previous;
        }
        if count % 2 == 1 {
            let potential = &mut self.potential[first as usize];
            *potential = potential.wrapping_add(shift);
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
            for arc in &self.arcs {
                let tight = (arc.source, arc.target - self.sources);
                if basis.iter().any(|&(i, j, _)| (i, j) == tight) {
                    assert_eq!(self.reduced_cost(arc), 0);
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
