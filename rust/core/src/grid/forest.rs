//! Plans without cycles.

use crate::ot::simplex::BasicArc;

const NONE: u32 = u32::MAX;

/// Trees of arcs that carry mass; every node but the roots holds the flow of the arc to its parent.
struct Forest {
    sources: u32,
    parent: Vec<u32>,
    flow: Vec<i64>,
}

/// A plan of the same marginals that has no cycle and costs no more.
pub(crate) fn without_cycles(
    sources: usize,
    targets: usize,
    plan: &[BasicArc],
    cost: impl Fn(usize, usize) -> f64,
) -> Vec<BasicArc> {
    let mut forest = Forest {
        sources: sources as u32,
        parent: vec![NONE; sources + targets],
        flow: vec![0; sources + targets],
    };
    for &(i, j, flow) in plan {
        forest.add(i, sources as u32 + j, flow, &cost);
    }
    forest.arcs()
}

impl Forest {
    fn add(&mut self, source: u32, target: u32, flow: i64, cost: &impl Fn(usize, usize) -> f64) {
        let (up, down) = (self.path(source), self.path(target));
        if up[up.len() - 1] != down[down.len() - 1] {
            self.link(source, target, flow);
            return;
        }
        // The paths meet where their ends begin to differ.
        let shared = up.iter().rev().zip(down.iter().rev());
        let shared = shared.take_while(|(one, other)| one == other).count();
        let sides = [&up[..up.len() - shared], &down[..down.len() - shared]];
        let between = |node: u32| {
            let parent = self.parent[node as usize];
            let (i, j) = if node < self.sources {
                (node, parent)
            } else {
                (parent, node)
            };
            cost(i as usize, (j - self.sources) as usize)
        };
        // Mass that goes over the new arc leaves the arcs next to it, and so on in turns.
        let falls = |side: usize, node: u32| (node < self.sources) == (side == 0);
        let mut saved = -cost(source as usize, (target - self.sources) as usize);
        let (mut fall, mut rise) = (i64::MAX, flow);
        for (side, path) in sides.iter().enumerate() {
            for &node in *path {
                if falls(side, node) {
                    saved += between(node);
                    fall = fall.min(self.flow[node as usize]);
                } else {
                    saved -= between(node);
                    rise = rise.min(self.flow[node as usize]);
                }
            }
        }
        let change = if saved >= 0.0 { fall } else { -rise };
        let mut empty = None;
        for (side, path) in sides.iter().enumerate() {
            for &node in *path {
                let falls = (node < self.sources) == (side == 0);
                self.flow[node as usize] += if falls { -change } else { change };
                if self.flow[node as usize] == 0 {
                    empty = Some((side, node));
                }
            }
        }
        let flow = flow + change;
        if flow == 0 {
            return;
        }
        // Some arc of the cycle is empty: the new one takes its place.
        if let Some((side, node)) = empty {
            self.parent[node as usize] = NONE;
            let (from, to) = if side == 0 {
                (source, target)
            } else {
                (target, source)
            };
            self.link(from, to, flow);
        }
    }

    /// A node and all above it.
    fn path(&self, node: u32) -> Vec<u32> {
        std::iter::successors(Some(node), |&node| {
            Some(self.parent[node as usize]).filter(|&parent| parent != NONE)
        })
        .collect()
    }

    /// Hang the tree of a node below another one by this node.
    fn link(&mut self, node: u32, parent: u32, flow: i64) {
        let (mut node, mut parent, mut flow) = (node, parent, flow);
        while node != NONE {
            let above = std::mem::replace(&mut self.parent[node as usize], parent);
            let above_flow = std::mem::replace(&mut self.flow[node as usize], flow);
            (parent, node, flow) = (node, above, above_flow);
        }
    }

    fn arcs(&self) -> Vec<BasicArc> {
        let nodes = (0..).zip(self.parent.iter().zip(&self.flow));
        nodes
            .filter(|&(_, (&parent, &flow))| parent != NONE && flow > 0)
            .map(|(node, (&parent, &flow))| {
                if node < self.sources {
                    (node, parent - self.sources, flow)
                } else {
                    (parent, node - self.sources, flow)
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_go_and_marginals_stay() {
        let (n, m) = (9_u32, 7_u32);
        let cost = |i: usize, j: usize| ((i * 31 + j * 57 + i * j) % 23) as f64;
        let plan: Vec<BasicArc> = (0..n * m)
            .filter(|k| k % 5 != 3)
            .map(|k| (k / m, k % m, i64::from(1 + k * 13 % 8)))
            .collect();
        let forest = without_cycles(n as usize, m as usize, &plan, cost);
        assert!(forest.len() < (n + m) as usize && forest.iter().all(|arc| arc.2 > 0));
        let sums = |plan: &[BasicArc]| {
            let mut sums = vec![0; (n + m) as usize];
            for &(i, j, flow) in plan {
                sums[i as usize] += flow;
                sums[(n + j) as usize] += flow;
            }
            sums
        };
        assert_eq!(sums(&forest), sums(&plan));
        let total = |plan: &[BasicArc]| -> f64 {
            let costs = plan.iter();
            costs
                .map(|&(i, j, flow)| flow as f64 * cost(i as usize, j as usize))
                .sum()
        };
        assert!(total(&forest) < total(&plan));
        // Taking leaves away one after the other leaves nothing.
        let mut rest = forest;
        while !rest.is_empty() {
            let mut degrees = vec![0; (n + m) as usize];
            for &(i, j, _) in &rest {
                degrees[i as usize] += 1;
                degrees[(n + j) as usize] += 1;
            }
            let before = rest.len();
            rest.retain(|&(i, j, _)| degrees[i as usize] > 1 && degrees[(n + j) as usize] > 1);
            assert!(rest.len() < before, "a cycle");
        }
    }
}
