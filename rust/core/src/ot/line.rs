//! One axis: transport by sorting, on the line and on the circle.
//!
//! Let both sides be sorted and laid out along an axis of mass, one behind the other. On the line
//! the plan couples what lies at the same place of that axis. It walks a staircase in the table
//! of pairs: one step down to the next source, or one step right to the next target, at a time.
//! Convex costs of a difference fulfil `c(i, j) + c(i', j') <= c(i, j') + c(i', j)` for `i < i'`
//! and `j < j'` (Monge), so that duals which are tight along *any* staircase are feasible:
//! sources and targets without mass need no care.
//!
//! The circle is a line on which both clouds repeat; the targets may be shifted along the axis of
//! mass by any `theta`. The cost of a period is convex in `theta` (Delon, Salomon and Sobolevski,
//! SIAM J. Appl. Math. 70, 2010) and linear between whole units. Its slope is the `delta` by which
//! the duals of the sources grow over a period; where there are ties it depends on which side
//! moves first, and these are the slopes to the right and to the left. At the optimum they
//! enclose zero, and the mean of both staircases' duals for which `delta` vanishes is periodic:
//! a dual for the circle.

use super::cost::Metric;
use super::ground::Ground;
use super::masses::Masses;
use super::simplex::BasicArc;
use crate::domain::Domain;
use crate::{Control, Result};

/// An optimal plan on one axis, in the order of the input.
pub(crate) struct Solution {
    /// Pairs that carry mass, sorted, each once.
    pub(crate) entries: Vec<BasicArc>,
    pub(crate) u: Vec<f64>,
    pub(crate) v: Vec<f64>,
    /// Both sides in ascending order.
    pub(crate) order: [Vec<u32>; 2],
}

/// Transport between points on the line, or in `[0, period)` on the circle.
pub(crate) fn solve(
    points: &[Vec<f64>; 2],
    ground: &Ground,
    masses: &Masses,
    control: &Control,
) -> Result<Solution> {
    let period = match ground.domain {
        Domain::Free => None,
        Domain::Periodic(_) => Some(ground.period(0)),
    };
    let unrolled = period.and_then(|period| unrolled(points, period));
    let (points, period) = match &unrolled {
        Some(points) => (points, None),
        None => (points, period),
    };
    let axis = Axis {
        x: Side::new(&points[0], &masses.a),
        y: Side::new(&points[1], &masses.b),
        metric: ground.metric,
        period,
    };
    let (shift, [u, v]) = match axis.period {
        None => {
            let Duals { u, v, .. } = axis.duals(0, First::Source);
            (0, [u, v])
        }
        Some(_) => axis.best_shift(control)?,
    };
    let mut entries: Vec<BasicArc> = axis
        .walk(shift, First::Source)
        .filter(|step| step.flow > 0)
        .map(|step| {
            let (source, target) = (axis.x.order[step.source], axis.y.order[step.target.place]);
            (source, target, step.flow)
        })
        .collect();
    entries.sort_unstable();
    // Round a circle a source may meet a target twice.
    entries.dedup_by(|next, kept| {
        let same = (next.0, next.1) == (kept.0, kept.1);
        if same {
            kept.2 += next.2;
        }
        same
    });
    Ok(Solution {
        entries,
        u: axis.x.in_input_order(&u),
        v: axis.y.in_input_order(&v),
        order: [axis.x.order, axis.y.order],
    })
}

/// The points of a circle on a line, if both sides lie within half the circle, so that all ways
/// are as long there. The duals of a circle are sums of costs of whole turns: beside those of a
/// short arc, their rounding would be large.
fn unrolled(points: &[Vec<f64>; 2], period: f64) -> Option<[Vec<f64>; 2]> {
    let half = 0.5 * period;
    let all = || points.iter().flatten().copied();
    let (low, high) = (
        all().fold(f64::INFINITY, f64::min),
        all().fold(f64::NEG_INFINITY, f64::max),
    );
    if high - low < half {
        return Some(points.clone());
    }
    let last = all().filter(|&x| x < half).fold(0.0, f64::max);
    let first = all().filter(|&x| x >= half).fold(period, f64::min);
    // Numbers between half of another one and the other have an exact difference to it.
    (last + (period - first) < half).then(|| {
        points.each_ref().map(|side| {
            let turned = |&x: &f64| if x < half { x } else { x - period };
            side.iter().map(turned).collect()
        })
    })
}

/// The points of one side in ascending order, with the ends of their masses.
struct Side {
    order: Vec<u32>,
    points: Vec<f64>,
    /// Mass of the points up to each, with itself.
    ends: Vec<i64>,
}

impl Side {
    fn new(points: &[f64], masses: &[i64]) -> Self {
        let mut order: Vec<u32> = (0..points.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| {
            points[a as usize]
                .total_cmp(&points[b as usize])
                .then(a.cmp(&b))
        });
        let ends = order
            .iter()
            .scan(0, |end, &index| {
                *end += masses[index as usize];
                Some(*end)
            })
            .collect();
        Self {
            points: order.iter().map(|&index| points[index as usize]).collect(),
            order,
            ends,
        }
    }

    fn len(&self) -> usize {
        self.points.len()
    }

    fn in_input_order(&self, values: &[f64]) -> Vec<f64> {
        let mut result = vec![0.0; values.len()];
        for (&index, &value) in self.order.iter().zip(values) {
            result[index as usize] = value;
        }
        result
    }
}

/// The side that moves on where both could.
#[derive(Clone, Copy, PartialEq)]
enum First {
    Source,
    Target,
}

/// A place of a side and how many periods it lies ahead.
#[derive(Clone, Copy)]
struct Lifted {
    place: usize,
    turns: i64,
}

impl Lifted {
    fn next(self, count: usize) -> Self {
        if self.place + 1 < count {
            Self {
                place: self.place + 1,
                ..self
            }
        } else {
            Self {
                place: 0,
                turns: self.turns + 1,
            }
        }
    }
}

/// A pair of the staircase, with the mass it carries and the side that moves on after it.
struct Step {
    source: usize,
    target: Lifted,
    flow: i64,
    next: First,
}

/// Duals that are tight along a staircase.
struct Duals {
    u: Vec<f64>,
    v: Vec<f64>,
    /// What the duals of the sources grow by over a period.
    growth: f64,
}

struct Axis {
    x: Side,
    y: Side,
    metric: Metric,
    /// None on the line.
    period: Option<f64>,
}

impl Axis {
    /// The staircase along the line, or over one period of the circle, from the first source on.
    fn walk(&self, shift: i64, first: First) -> impl Iterator<Item = Step> {
        let (n, m) = (self.x.len(), self.y.len());
        let total = self.y.ends[m - 1];
        let ends_here = self.period.is_none();
        let mut source = 0;
        let mut target = self.first_target(shift, first);
        let mut at = 0;
        (0..n + m - usize::from(ends_here)).map(move |_| {
            let source_end = self.x.ends[source];
            let target_end = self.y.ends[target.place] + target.turns * total + shift;
            let source_is_next = match first {
                _ if ends_here && source + 1 == n => false,
                _ if ends_here && target.place + 1 == m => true,
                First::Source => source_end <= target_end,
                First::Target => source_end < target_end,
            };
            let end = source_end.min(target_end);
            let step = Step {
                source,
                target,
                flow: end - at,
                next: if source_is_next {
                    First::Source
                } else {
                    First::Target
                },
            };
            at = end;
            if source_is_next {
                source += 1;
            } else {
                target = target.next(m);
            }
            step
        })
    }

    /// The target at the origin of the axis of mass: the first one that ends there or behind it,
    /// or only behind it where targets move first.
    fn first_target(&self, shift: i64, first: First) -> Lifted {
        if self.period.is_none() {
            return Lifted { place: 0, turns: 0 };
        }
        let total = self.y.ends[self.y.len() - 1];
        let before = match first {
            First::Source => -shift - 1,
            First::Target => -shift,
        };
        let within = before.rem_euclid(total);
        Lifted {
            place: self.y.ends.partition_point(|&end| end <= within),
            turns: before.div_euclid(total),
        }
    }

    /// Difference of a source and of a target some periods ahead.
    fn difference(&self, source: usize, target: Lifted) -> f64 {
        let ahead = target.turns as f64 * self.period.unwrap_or(0.0);
        self.x.points[source] - self.y.points[target.place] - ahead
    }

    /// What the cost of a pair grows by as one side moves on from it.
    fn rise(&self, step: &Step) -> f64 {
        let from = self.difference(step.source, step.target);
        let period = self.period.unwrap_or(0.0);
        let gap = |side: &Side, place: usize| match side.points.get(place + 1) {
            Some(next) => next - side.points[place],
            None => side.points[0] + period - side.points[place],
        };
        let change = match step.next {
            First::Source => gap(&self.x, step.source),
            First::Target => -gap(&self.y, step.target.place),
        };
        let to = from + change;
        // These forms lose nothing to cancellation: errors stay in proportion to the change.
        match self.metric {
            Metric::SqEuclidean => change * (from + to),
            Metric::Euclidean if from >= 0.0 && to >= 0.0 => change,
            Metric::Euclidean if from <= 0.0 && to <= 0.0 => -change,
            Metric::Euclidean => to.abs() - from.abs(),
        }
    }

    /// Duals that are tight along a staircase.
    fn duals(&self, shift: i64, first: First) -> Duals {
        let (n, m) = (self.x.len(), self.y.len());
        let (mut u, mut v, mut turns) = (vec![0.0; n], vec![0.0; m], vec![0; m]);
        let origin = self.difference(0, self.first_target(shift, first)).abs();
        let (mut source_dual, mut target_dual) = (Sum::default(), Sum::default());
        target_dual.add(match self.metric {
            Metric::SqEuclidean => origin * origin,
            Metric::Euclidean => origin,
        });
        for step in self.walk(shift, first) {
            u[step.source] = source_dual.value();
            v[step.target.place] = target_dual.value();
            turns[step.target.place] = step.target.turns;
            let rise = self.rise(&step);
            match step.next {
                First::Source => source_dual.add(rise),
                First::Target => target_dual.add(rise),
            }
        }
        let growth = source_dual.value();
        for (v, turns) in v.iter_mut().zip(turns) {
            *v += turns as f64 * growth;
        }
        Duals { u, v, growth }
    }

    /// Slope of the cost to the right of a shift.
    fn slope(&self, shift: i64) -> f64 {
        let mut slope = Sum::default();
        for step in self.walk(shift, First::Source) {
            if step.next == First::Source {
                slope.add(self.rise(&step));
            }
        }
        slope.value()
    }

    /// The best shift of the targets, and periodic duals.
    fn best_shift(&self, control: &Control) -> Result<(i64, [Vec<f64>; 2])> {
        // Shifted by a whole turn one way or the other, all mass flows in one direction.
        let total = self.x.ends[self.x.len() - 1];
        let (mut low, mut high) = (-total, total);
        while low < high {
            control.check()?;
            let middle = low + (high - low) / 2;
            if self.slope(middle) >= 0.0 {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let right = self.duals(low, First::Source);
        let left = self.duals(low, First::Target);
        let spread = right.growth - left.growth;
        let part = if spread > 0.0 {
            (-left.growth / spread).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let mean = |right: &[f64], left: &[f64]| {
            let pairs = right.iter().zip(left);
            pairs.map(|(r, l)| part * r + (1.0 - part) * l).collect()
        };
        Ok((low, [mean(&right.u, &left.u), mean(&right.v, &left.v)]))
    }
}

/// A sum that carries the rounding of its additions along (Neumaier).
#[derive(Default)]
struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        let sum = self.high + term;
        self.low += if self.high.abs() >= term.abs() {
            (self.high - sum) + term
        } else {
            (term - sum) + self.high
        };
        self.high = sum;
    }

    fn value(&self) -> f64 {
        self.high + self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(metric: Metric, period: Option<f64>) -> Ground {
        Ground {
            metric,
            domain: period.map_or(Domain::Free, |period| Domain::Periodic(vec![period])),
        }
    }

    /// A reproducible number in `[0, 1)`; every third repeats an earlier one.
    fn draw(k: usize) -> f64 {
        let k = if k.is_multiple_of(3) { k / 3 } else { k };
        (k as f64 * 0.754_877_666).fract()
    }

    #[test]
    fn duals_on_a_short_arc_are_as_sharp_as_on_the_line() {
        for (low, width) in [(0.3, 1e-6), (0.999_999_5, 1e-6), (0.9, 0.3), (0.0, 1e-9)] {
            let wrapped = |offset: f64| {
                let x: f64 = low + width * offset;
                if x < 1.0 { x } else { x - 1.0 }
            };
            let points: [Vec<f64>; 2] = [
                (0..9).map(|k| wrapped(draw(k))).collect(),
                (0..12).map(|k| wrapped(draw(k + 5))).collect(),
            ];
            let masses = Masses::uniform(9, 12).expect("sizes");
            let ground = ground(Metric::SqEuclidean, Some(1.0));
            let found = solve(&points, &ground, &masses, &Control::new()).expect("solved");
            let cost = |i: usize, j: usize| ground.cost(&points[0][i..=i], &points[1][j..=j]);
            for i in 0..9 {
                for j in 0..12 {
                    let violation = found.u[i] + found.v[j] - cost(i, j);
                    assert!(violation <= 1e-14 * width * width, "{low} {violation}");
                }
            }
            for &(i, j, _) in &found.entries {
                let (i, j) = (i as usize, j as usize);
                assert!((found.u[i] + found.v[j] - cost(i, j)).abs() <= 1e-14 * width * width);
            }
        }
    }

    #[test]
    fn duals_are_feasible_and_tight_for_ties_zero_masses_and_any_sizes() {
        for (n, m) in [(1, 1), (1, 7), (9, 1), (12, 12), (20, 13), (31, 50)] {
            for (metric, period) in [
                (Metric::SqEuclidean, None),
                (Metric::Euclidean, None),
                (Metric::SqEuclidean, Some(1.0)),
                (Metric::Euclidean, Some(1.0)),
            ] {
                let points: [Vec<f64>; 2] = [
                    (0..n).map(draw).collect(),
                    (0..m).map(|k| draw(k + 5) * 0.6).collect(),
                ];
                let weight = |k: usize| (k % 4) as f64 + f64::from(u8::from(k == 0));
                let [a, b]: [Vec<f64>; 2] = [n, m].map(|count| (0..count).map(weight).collect());
                let (sum_a, sum_b) = (a.iter().sum::<f64>(), b.iter().sum::<f64>());
                let b: Vec<f64> = b.iter().map(|b| b * sum_a / sum_b).collect();
                let masses = Masses::new(&a, &b).expect("balanced");
                let ground = ground(metric, period);
                let found = solve(&points, &ground, &masses, &Control::new()).expect("solved");
                let cost = |i: usize, j: usize| ground.cost(&points[0][i..=i], &points[1][j..=j]);
                for i in 0..n {
                    for j in 0..m {
                        assert!(
                            found.u[i] + found.v[j] - cost(i, j) < 1e-14,
                            "{n} {m} {i} {j}"
                        );
                    }
                }
                let (mut left_a, mut left_b) = (masses.a.clone(), masses.b.clone());
                for &(i, j, flow) in &found.entries {
                    let (i, j) = (i as usize, j as usize);
                    assert!(flow > 0);
                    assert!((found.u[i] + found.v[j] - cost(i, j)).abs() < 1e-14);
                    left_a[i] -= flow;
                    left_b[j] -= flow;
                }
                assert!(left_a.iter().chain(&left_b).all(|&left| left == 0));
            }
        }
    }

    #[test]
    fn a_narrow_cloud_is_shifted_over_the_end_of_the_period() {
        let x: Vec<f64> = (0..100)
            .map(|k| 0.7 + 0.2 * (f64::from(k) * 0.618_033_988).fract())
            .collect();
        let y = x.iter().map(|x| (x + 0.3).fract()).collect();
        let masses = Masses::uniform(100, 100).expect("sizes");
        let ground = ground(Metric::SqEuclidean, Some(1.0));
        let found = solve(&[x, y], &ground, &masses, &Control::new()).expect("solved");
        assert!(found.entries.iter().all(|&(i, j, _)| i == j));
    }
}
