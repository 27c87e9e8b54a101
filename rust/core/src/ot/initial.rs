//! A feasible plan to start from.

use super::cost::Pair;
use super::masses::Masses;
use super::simplex::BasicArc;

/// Fill the cheapest pairs first, then what is left in the order of the places.
///
/// Every step empties a source or fills a target, so the arcs have no cycle. `key(i, j)` is what
/// "cheap" means.
pub(crate) fn greedy(
    masses: &Masses,
    pairs: &[Pair],
    key: impl Fn(usize, usize) -> i64,
) -> Vec<BasicArc> {
    let mut ranked: Vec<(i64, Pair)> = pairs
        .iter()
        .map(|&(i, j)| (key(i as usize, j as usize), (i, j)))
        .collect();
    ranked.sort_unstable();
    let ranked: Vec<Pair> = ranked.into_iter().map(|(_, pair)| pair).collect();
    complete(masses, &ranked)
}

/// Fill these pairs in their order, then what is left in the order of the places.
pub(crate) fn complete(masses: &Masses, pairs: &[Pair]) -> Vec<BasicArc> {
    let mut supply = masses.a.clone();
    let mut demand = masses.b.clone();
    let mut plan = Vec::with_capacity(supply.len() + demand.len());
    for &(i, j) in pairs {
        ship(&mut plan, &mut supply, &mut demand, i as usize, j as usize);
    }
    // What is left: both orders keep near points together, so that the north-west corner rule
    // makes a poor plan, but not the worst.
    let mut j = 0;
    for i in 0..supply.len() {
        while supply[i] > 0 {
            while demand[j] == 0 {
                j += 1;
            }
            ship(&mut plan, &mut supply, &mut demand, i, j);
        }
    }
    plan
}

fn ship(plan: &mut Vec<BasicArc>, supply: &mut [i64], demand: &mut [i64], i: usize, j: usize) {
    let flow = supply[i].min(demand[j]);
    if flow > 0 {
        supply[i] -= flow;
        demand[j] -= flow;
        plan.push((i as u32, j as u32, flow));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_has_the_marginals() {
        let masses = Masses::from_counts(&[3, 0, 5, 2], &[1, 4, 4, 0, 1]).expect("balanced");
        let pairs: Vec<Pair> = (0..4).map(|i| (i, (i + 1) % 5)).collect();
        let plan = greedy(&masses, &pairs, |i, j| (i * 7 + j) as i64);
        let mut rows = vec![0; 4];
        let mut columns = vec![0; 5];
        for &(i, j, flow) in &plan {
            assert!(flow > 0);
            rows[i as usize] += flow;
            columns[j as usize] += flow;
        }
        assert_eq!((rows, columns), (masses.a.clone(), masses.b.clone()));
        assert!(plan.len() < 9, "more arcs than a forest has");
    }
}
