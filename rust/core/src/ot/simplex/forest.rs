//! The tree that a forest of basic arcs hangs on the root.

use super::{BasicArc, NONE, Node, Simplex};

impl Simplex {
    /// Walk every component from its hanging node, attaching what is found.
    pub(super) fn grow_tree(
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
