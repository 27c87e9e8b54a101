//! The parts of expressions.

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Function {
    Neg,
    Sin,
    Cos,
    Tan,
    Sinh,
    Cosh,
    Tanh,
    Exp,
    Log,
    Sqrt,
    Abs,
}

impl Function {
    pub(super) fn of(self, x: f64) -> f64 {
        match self {
            Self::Neg => -x,
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Tan => x.tan(),
            Self::Sinh => x.sinh(),
            Self::Cosh => x.cosh(),
            Self::Tanh => x.tanh(),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Abs => x.abs(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operation {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Min,
    Max,
}

impl Operation {
    #[inline(always)]
    pub(super) fn of(self, x: f64, y: f64) -> f64 {
        match self {
            Self::Add => x + y,
            Self::Sub => x - y,
            Self::Mul => x * y,
            Self::Div => x / y,
            Self::Pow => x.powf(y),
            // Unlike f64::min and max these hand a NaN on.
            Self::Min => {
                if y < x || y.is_nan() {
                    y
                } else {
                    x
                }
            }
            Self::Max => {
                if y > x || y.is_nan() {
                    y
                } else {
                    x
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Call {
    One(Function),
    Two(Operation),
}

pub(super) const CALLS: &[(&str, Call)] = &[
    ("sin", Call::One(Function::Sin)),
    ("cos", Call::One(Function::Cos)),
    ("tan", Call::One(Function::Tan)),
    ("sinh", Call::One(Function::Sinh)),
    ("cosh", Call::One(Function::Cosh)),
    ("tanh", Call::One(Function::Tanh)),
    ("exp", Call::One(Function::Exp)),
    ("log", Call::One(Function::Log)),
    ("sqrt", Call::One(Function::Sqrt)),
    ("abs", Call::One(Function::Abs)),
    ("pow", Call::Two(Operation::Pow)),
    ("min", Call::Two(Operation::Min)),
    ("max", Call::Two(Operation::Max)),
];

/// A part of an expression; operands are indices of earlier parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Node {
    Number(f64),
    Coordinate(usize),
    Time,
    Unary(Function, usize),
    Binary(Operation, usize, usize),
}
