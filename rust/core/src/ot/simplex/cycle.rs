//! A pivot: the cycle that an entering arc closes, and the arc that leaves it.

use super::entering::Arc;
use super::{NONE, Simplex};

impl Simplex {
    pub(super) fn pivot(&mut self, entering: Arc) {
        let reduced = entering.reduced_cost(&self.potential);
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
}
