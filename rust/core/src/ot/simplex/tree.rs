//! The tree and its preorder, when a subtree moves.

use super::{NONE, Node, Simplex};

impl Simplex {
    #[inline(always)]
    pub(super) fn link(&mut self, node: u32, next: u32) {
        self.links[node as usize].next = next;
        self.links[next as usize].previous = node;
    }

    /// Take a subtree out of the preorder of the tree.
    pub(super) fn cut(&mut self, top: u32) {
        let last = self.last[top as usize];
        let before = self.links[top as usize].previous;
        self.link(before, self.links[last as usize].next);
        self.end_above(self.nodes[top as usize].parent, last, before);
    }

    /// Put a subtree into the preorder, as the first below `parent`.
    pub(super) fn hang(&mut self, top: u32, parent: u32) {
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
    pub(super) fn turn(&mut self, top: u32, bottom: u32, new_parent: u32, flow: i64) {
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
    pub(super) fn shift_potentials(&mut self, first: u32, last: u32, count: u32, shift: i64) {
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
