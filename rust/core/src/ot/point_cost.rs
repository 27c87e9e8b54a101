//! What pairs of points cost, with the searches that their geometry allows.

use super::auction::{Opening, Outcome, auction};
use super::blocks::{Blocks, Values};
use super::candidates::{merge, nearest};
use super::cost::{Cost, Pair, Pricing};
use super::ground::Ground;
use super::guess::{Guess, guess};
use super::masses::Masses;
use super::pricing;
use super::single::Single;
use crate::{Control, Result, pool};

/// Costs between two clouds, by place.
pub(super) struct PointCost<'a> {
    pub(super) x: Blocks,
    pub(super) y: Blocks,
    pub(super) single: Single,
    ground: &'a Ground,
    bound: f64,
}

impl<'a> PointCost<'a> {
    pub(super) fn new(points: &[Vec<f64>; 2], dim: usize, ground: &'a Ground) -> Self {
        let [x, y] = points;
        let blocks = pool::both(|| Blocks::new(x, dim), || Blocks::new(y, dim));
        Self::of_blocks(blocks, ground)
    }

    pub(super) fn with_order(
        points: &[Vec<f64>; 2],
        dim: usize,
        ground: &'a Ground,
        order: &[Vec<u32>; 2],
    ) -> Self {
        let side = |side: usize| Blocks::with_order(&points[side], dim, order[side].clone());
        Self::of_blocks(pool::both(|| side(0), || side(1)), ground)
    }

    fn of_blocks((x, y): (Blocks, Blocks), ground: &'a Ground) -> Self {
        let bound = ground.largest_cost([x.rows(), y.rows()], x.dim());
        Self {
            single: Single::new(x.rows(), y.rows(), x.dim(), ground),
            x,
            y,
            ground,
            bound,
        }
    }

    pub(super) fn ordered_masses(&self, masses: &Masses) -> Masses {
        let gather = |units: &[i64], order: &[u32]| {
            order.iter().map(|&index| units[index as usize]).collect()
        };
        Masses {
            a: gather(&masses.a, &self.x.order),
            b: gather(&masses.b, &self.y.order),
            unit: masses.unit,
        }
    }
}

fn no_values(points: &Blocks) -> Values {
    Values::new(&vec![0.0; points.len()])
}

impl Cost for PointCost<'_> {
    fn sources(&self) -> usize {
        self.x.len()
    }

    fn targets(&self) -> usize {
        self.y.len()
    }

    #[inline(always)]
    fn cost(&self, source: usize, target: usize) -> f64 {
        self.ground.cost(self.x.point(source), self.y.point(target))
    }

    fn upper_bound(&self) -> f64 {
        self.bound
    }

    fn cheapest(
        &self,
        per_source: usize,
        per_target: usize,
        control: &Control,
    ) -> Result<Vec<Pair>> {
        let forward = nearest(
            &self.x,
            &self.y,
            self.ground,
            &no_values(&self.y),
            per_source,
            control,
        )?;
        let backward = nearest(
            &self.y,
            &self.x,
            self.ground,
            &no_values(&self.x),
            per_target,
            control,
        )?;
        Ok(merge(forward, backward))
    }

    fn auction(&self, opening: Option<&Opening>, control: &Control) -> Result<Option<Outcome>> {
        auction(&self.single, opening, control).map(Some)
    }

    fn guess(&self, masses: &Masses, control: &Control) -> Result<Option<Guess>> {
        guess(&self.x, &self.y, self.ground, masses, control)
    }

    fn violations(&self, pricing: &Pricing<'_>, control: &Control) -> Result<Vec<Pair>> {
        let blocks = [&self.x, &self.y];
        pricing::violations(&self.single, blocks, self.ground, pricing, control)
    }
}

#[cfg(test)]
mod tests {
    use super::super::cost::{Metric, Rise};
    use super::super::solve::{Basis, Start, solve};
    use super::*;
    use crate::domain::Domain;

    #[test]
    fn pairs_whose_duals_have_not_risen_need_no_second_look() {
        let count = 400;
        let cloud =
            |step: f64| -> Vec<f64> { (0..3 * count).map(|k| (k as f64 * step).fract()).collect() };
        let points = [cloud(0.819_172_513), cloud(0.671_043_607)];
        let ground = Ground {
            metric: Metric::SqEuclidean,
            domain: Domain::Free,
        };
        let cost = PointCost::new(&points, 3, &ground);
        let masses = Masses::uniform(count, count).expect("sizes");
        let control = Control::new();
        let solved = solve(&cost, &masses, &Start::Cold, None, &control).expect("solved");
        let Basis { u, v, .. } = solved.basis;
        // Up and down, here and there; the sum of both may vanish.
        let change = |k: usize, step: usize| ((k / step % 5) as f64 - 2.0) * 2.0_f64.powi(-12);
        let rise = Rise {
            u: (0..count).map(|i| change(i, 16)).collect(),
            v: (0..count).map(|j| change(j, 40)).collect(),
        };
        let sum = |duals: &[f64], rise: &[f64]| -> Vec<f64> {
            duals
                .iter()
                .zip(rise)
                .map(|(dual, rise)| dual + rise)
                .collect()
        };
        let (u, v) = (sum(&u, &rise.u), sum(&v, &rise.v));
        let priced = |rise: Option<&Rise>| {
            let pricing = Pricing {
                u: &u,
                v: &v,
                tolerance: 1e-12,
                per_source: 400,
                rise,
            };
            cost.violations(&pricing, &control).expect("not cancelled")
        };
        let all = priced(None);
        assert!(all.len() > count / 4, "{} pairs", all.len());
        assert_eq!(priced(Some(&rise)), all);
        let still = Rise {
            u: vec![0.0; count],
            v: vec![0.0; count],
        };
        assert!(priced(Some(&still)).is_empty());
    }
}
