//! Optimality of a plan, from all pairs and nothing else.

/// Part of the largest cost that violations and gaps may reach: rounding.
const CERTIFIED: f64 = 1e-12;

/// A plan and its duals, beside what it has to be a plan of.
pub(crate) struct Claim<'a> {
    pub(crate) a: &'a [f64],
    pub(crate) b: &'a [f64],
    pub(crate) rows: &'a [u32],
    pub(crate) columns: &'a [u32],
    pub(crate) mass: &'a [f64],
    pub(crate) u: &'a [f64],
    pub(crate) v: &'a [f64],
    /// What "rounding" refers to.
    pub(crate) scale: f64,
    /// By how much costs were rounded before they were solved.
    pub(crate) rounding: f64,
}

impl Claim<'_> {
    /// What violations and gaps may reach.
    pub(crate) fn allowed(&self) -> f64 {
        CERTIFIED * self.scale + self.rounding
    }

    /// What a sum over all entries may be off by, of total mass one.
    fn summing(&self) -> f64 {
        f64::EPSILON * (10 + self.mass.len()) as f64
    }

    /// Check marginals, feasible duals, and equal values of both sides. Returns the cost.
    pub(crate) fn prove(&self, cost: impl Fn(usize, usize) -> f64) -> f64 {
        let total: f64 = self.a.iter().sum();
        let (mut left_a, mut left_b) = (self.a.to_vec(), self.b.to_vec());
        let mut primal = 0.0;
        for ((&i, &j), &mass) in self.rows.iter().zip(self.columns).zip(self.mass) {
            assert!(mass > 0.0, "mass {mass} of pair {i}, {j}");
            left_a[i as usize] -= mass;
            left_b[j as usize] -= mass;
            primal += mass * cost(i as usize, j as usize);
        }
        // The masses of the plan are exact multiples of a unit; their sum here is not.
        let summing = self.summing() * total;
        for left in left_a.iter().chain(&left_b) {
            assert!(left.abs() <= summing, "marginal off by {left}");
        }
        let allowed = self.allowed();
        for (i, u) in self.u.iter().enumerate() {
            for (j, v) in self.v.iter().enumerate() {
                let violation = u + v - cost(i, j);
                assert!(
                    violation <= allowed,
                    "pair {i}, {j} violated by {violation}"
                );
            }
        }
        let value = |mass: &[f64], duals: &[f64]| -> f64 {
            mass.iter().zip(duals).map(|(mass, dual)| mass * dual).sum()
        };
        let dual = value(self.a, self.u) + value(self.b, self.v);
        let gap = (primal - dual).abs();
        assert!(gap <= allowed * total, "gap {gap} of cost {primal}");
        primal
    }
}
