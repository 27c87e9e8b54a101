//! Functions of small symmetric matrices, by Jacobi's rotations.

/// Sweeps over all pairs of axes; convergence is quadratic and needs fewer than ten.
const SWEEPS: usize = 30;

/// `V f(L) V^T` for the symmetric row-major matrix `V L V^T`.
pub(crate) fn function(matrix: &[f64], dim: usize, f: impl Fn(f64) -> f64) -> Vec<f64> {
    let (values, vectors) = eigen(matrix, dim);
    let images: Vec<f64> = values.into_iter().map(f).collect();
    let mut result = vec![0.0; dim * dim];
    for row in 0..dim {
        for column in 0..dim {
            result[row * dim + column] = (0..dim)
                .map(|k| vectors[row * dim + k] * images[k] * vectors[column * dim + k])
                .sum();
        }
    }
    result
}

/// Product of two square row-major matrices.
pub(crate) fn product(a: &[f64], b: &[f64], dim: usize) -> Vec<f64> {
    let mut result = vec![0.0; dim * dim];
    for row in 0..dim {
        for column in 0..dim {
            result[row * dim + column] = (0..dim)
                .map(|k| a[row * dim + k] * b[k * dim + column])
                .sum();
        }
    }
    result
}

/// Eigenvalues, and eigenvectors in the columns of a row-major matrix.
fn eigen(matrix: &[f64], dim: usize) -> (Vec<f64>, Vec<f64>) {
    let mut a = matrix.to_vec();
    let mut vectors = vec![0.0; dim * dim];
    for axis in 0..dim {
        vectors[axis * dim + axis] = 1.0;
    }
    let size: f64 = a.iter().map(|entry| entry * entry).sum();
    for _ in 0..SWEEPS {
        let off: f64 = (0..dim * dim)
            .filter(|index| index / dim != index % dim)
            .map(|index| a[index] * a[index])
            .sum();
        if off <= f64::EPSILON * f64::EPSILON * size {
            break;
        }
        for p in 0..dim {
            for q in p + 1..dim {
                rotate(&mut a, &mut vectors, dim, p, q);
            }
        }
    }
    ((0..dim).map(|axis| a[axis * dim + axis]).collect(), vectors)
}

/// The rotation in the plane of `p` and `q` that makes the entry `(p, q)` vanish.
fn rotate(a: &mut [f64], vectors: &mut [f64], dim: usize, p: usize, q: usize) {
    let entry = a[p * dim + q];
    if entry == 0.0 {
        return;
    }
    let theta = (a[q * dim + q] - a[p * dim + p]) / (2.0 * entry);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..dim {
        let (kp, kq) = (a[k * dim + p], a[k * dim + q]);
        a[k * dim + p] = c * kp - s * kq;
        a[k * dim + q] = s * kp + c * kq;
    }
    for k in 0..dim {
        let (pk, qk) = (a[p * dim + k], a[q * dim + k]);
        a[p * dim + k] = c * pk - s * qk;
        a[q * dim + k] = s * pk + c * qk;
        let (kp, kq) = (vectors[k * dim + p], vectors[k * dim + q]);
        vectors[k * dim + p] = c * kp - s * kq;
        vectors[k * dim + q] = s * kp + c * kq;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_square_of_the_root_is_the_matrix() {
        for dim in 1..7 {
            let half: Vec<f64> = (0..dim * dim)
                .map(|k| (k as f64 * 0.618_034).fract() - 0.3)
                .collect();
            let transposed: Vec<f64> = (0..dim * dim)
                .map(|k| half[(k % dim) * dim + k / dim])
                .collect();
            let matrix = product(&half, &transposed, dim);
            let root = function(&matrix, dim, |value| value.max(0.0).sqrt());
            let square = product(&root, &root, dim);
            for (a, b) in square.iter().zip(&matrix) {
                assert!((a - b).abs() < 1e-13, "{a} {b}");
            }
        }
    }
}
