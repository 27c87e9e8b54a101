//! Exact W2 between two histograms on one grid.

use super::histogram::Grid;
use crate::domain::Domain;
use crate::ot::emd::{PointProblem, emd};
use crate::ot::{Certificate, Masses, Metric};
use crate::{Control, Result};

/// Squared distance between the histograms of two clouds, with its proof.
#[derive(Debug, Clone)]
pub struct HistogramDistance {
    /// W2 squared between the two histograms, each normalised to total mass one.
    pub w2_squared: f64,
    /// Occupied cells of the first and of the second histogram.
    pub occupied: [usize; 2],
    /// Proof of optimality.
    pub certificate: Certificate,
}

/// Histogram two clouds (row-major) on `grid` and transport one onto the other: mass sits at the
/// centres of the cells, empty cells take no part, and on a torus distance goes the shorter way.
pub fn histogram_w2(
    grid: &Grid,
    x: &[f64],
    y: &[f64],
    control: &Control,
) -> Result<HistogramDistance> {
    let (from, to) = (grid.histogram("x", x)?, grid.histogram("y", y)?);
    let domain = if grid.periodic {
        Domain::Periodic(grid.high.clone())
    } else {
        Domain::Free
    };
    let masses = Masses::from_counts(&from.counts, &to.counts)?;
    let problem = PointProblem {
        x: &grid.centres(&from.cells),
        y: &grid.centres(&to.cells),
        dim: grid.dim(),
        metric: Metric::SqEuclidean,
        domain: &domain,
        masses: &masses,
    };
    let (plan, _) = emd(&problem, None, None, control)?;
    Ok(HistogramDistance {
        w2_squared: plan.certificate.primal,
        occupied: [from.cells.len(), to.cells.len()],
        certificate: plan.certificate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_by_whole_cells_costs_its_square() {
        let grid = Grid::new(&[0.0, 0.0], &[10.0, 10.0], &[10, 10]).expect("a box");
        let x: Vec<f64> = (0..400).map(|k| 0.5 + f64::from((k * 7) % 5)).collect();
        let y: Vec<f64> = x.iter().map(|x| x + 3.0).collect();
        let distance = histogram_w2(&grid, &x, &y, &Control::new()).expect("solved");
        assert!(
            (distance.w2_squared - 18.0).abs() < 1e-12,
            "{}",
            distance.w2_squared
        );
    }

    #[test]
    fn round_the_torus_is_shorter() {
        let grid = Grid::torus(&[1.0], &[10]).expect("a torus");
        let distance = histogram_w2(&grid, &[0.05], &[0.95], &Control::new()).expect("solved");
        assert!((distance.w2_squared - 0.01).abs() < 1e-15);
    }
}
