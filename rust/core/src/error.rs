//! The one error type of the crate. Variants carry data; wording for users is made at the border.

/// Result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong, with the values that a message needs.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array has the wrong shape.
    #[error("{name}: expected {expected}, got {got}")]
    ShapeMismatch {
        /// Argument.
        name: &'static str,
        /// Shape or relation that was expected.
        expected: String,
        /// Shape that came.
        got: String,
    },
    /// An array that must have at least one entry has none.
    #[error("{name}: expected at least one entry, got none")]
    Empty {
        /// Argument.
        name: &'static str,
    },
    /// An entry is NaN or infinite.
    #[error("{name}: expected finite values, got {value} at flat index {index}")]
    NotFinite {
        /// Argument.
        name: &'static str,
        /// Flat index of the first such entry.
        index: usize,
        /// NaN or an infinity.
        value: f64,
    },
    /// A mass is negative.
    #[error("{name}: expected non-negative masses, got {value} at index {index}")]
    NegativeMass {
        /// Argument.
        name: &'static str,
        /// Index of the first such entry.
        index: usize,
        /// The mass.
        value: f64,
    },
    /// The two sides of a transport problem do not carry the same total mass, or carry none.
    #[error("a, b: expected equal positive total masses, got {sum_a} and {sum_b}")]
    MassImbalance {
        /// Total mass of the sources.
        sum_a: f64,
        /// Total mass of the targets.
        sum_b: f64,
    },
    /// A number lies outside its range.
    #[error("{name}: expected {expected}, got {}", readable(*got))]
    OutOfRange {
        /// Argument.
        name: &'static str,
        /// Range in words.
        expected: &'static str,
        /// The number.
        got: f64,
    },
    /// An option has a value that does not exist.
    #[error("{name}: expected one of {expected:?}, got {got:?}")]
    UnknownOption {
        /// Argument.
        name: &'static str,
        /// The values that exist.
        expected: &'static [&'static str],
        /// The value.
        got: String,
    },
    /// A text is no expression.
    #[error("{name}: expected {expected} at position {position} of {text:?}, got {got}")]
    Syntax {
        /// Argument.
        name: &'static str,
        /// The text.
        text: String,
        /// Where it stops making sense, counted in characters from 1.
        position: usize,
        /// What could stand there.
        expected: String,
        /// What does.
        got: String,
    },
    /// A velocity field is NaN or infinite somewhere, or moves or weighs a particle beyond the
    /// range of numbers.
    #[error(
        "{name}: expected finite values, got {value} in component {component} at x = {point:?}, \
         t = {time}"
    )]
    FieldNotFinite {
        /// Argument.
        name: &'static str,
        /// Component of the field, counted from 1.
        component: usize,
        /// Position.
        point: Vec<f64>,
        /// Time.
        time: f64,
        /// NaN, an infinity, or a number that is too large.
        value: f64,
    },
    /// An iteration budget ran out before the solution was optimal.
    #[error("not optimal after {limit} iterations: gap {gap}")]
    IterationLimit {
        /// The budget.
        limit: u64,
        /// Upper bound of the distance to the optimal cost.
        gap: f64,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A worker panicked: a defect of this crate.
    #[error("internal error: {0}")]
    Internal(String),
}

/// A number as one writes it: very large and very small ones by their powers of ten.
fn readable(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && size.is_finite() && !(1e-5..1e16).contains(&size) {
        format!("{number:e}")
    } else {
        number.to_string()
    }
}
