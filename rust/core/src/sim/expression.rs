//! Velocity fields as expressions: parsed once, evaluated for a tile of particles at a time.
//!
//! ```text
//! sum     = product (("+" | "-") product)*
//! product = sign (("*" | "/") sign)*
//! sign    = ("+" | "-")* power
//! power   = atom (("^" | "**") sign)?
//! atom    = number | name | name "(" sum ("," sum)* ")" | "(" sum ")"
//! ```
//!
//! Equal subexpressions are evaluated once, a sine and a cosine of the same argument together, and
//! what depends on time and parameters alone once per step instead of once per particle.

#![allow(
    clippy::needless_range_loop,
    reason = "closures of iterators are not compiled for the instruction set"
)]

use super::particles::TILE;
use crate::simd::{Vectorised, vectorise};
use crate::{Error, Result, math};

/// Parentheses and signs within each other; a deeper one could exhaust the stack.
const MAX_DEPTH: usize = 100;

/// The largest whole exponent that becomes products.
const MAX_POWER: f64 = 16.0;

type Array = [f64; TILE];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Function {
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
    fn of(self, x: f64) -> f64 {
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
enum Operation {
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
    fn of(self, x: f64, y: f64) -> f64 {
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
enum Call {
    One(Function),
    Two(Operation),
}

const CALLS: &[(&str, Call)] = &[
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
enum Node {
    Number(f64),
    Coordinate(usize),
    Time,
    Unary(Function, usize),
    Binary(Operation, usize, usize),
}

/// Where a value stands during an evaluation.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The same for all particles: the number of its node.
    Uniform(usize),
    Coordinate(usize),
    Register(usize),
}

/// Writes `output` and reads what was written before.
#[derive(Debug, Clone, Copy)]
enum Instruction {
    /// Sine into `output`, cosine into the register after it.
    SinCos {
        input: Place,
        output: usize,
    },
    Unary(Function, Place, usize),
    Binary(Operation, [Place; 2], usize),
}

/// A value of every particle of a tile.
#[derive(Debug, Clone, Copy)]
pub(super) enum Values<'a> {
    /// The same for all.
    Uniform(f64),
    /// One each.
    Each(&'a Array),
}

impl Values<'_> {
    #[inline(always)]
    pub(super) fn of(self, lane: usize) -> f64 {
        match self {
            Self::Uniform(value) => value,
            Self::Each(values) => values[lane],
        }
    }
}

/// One expression per component of a vector field, ready to be evaluated.
#[derive(Debug, Clone)]
pub struct Field {
    nodes: Vec<Node>,
    instructions: Vec<Instruction>,
    components: Vec<Place>,
    registers: usize,
}

impl Field {
    /// Parse `components` in as many coordinates as there are components.
    ///
    /// Names are the coordinates (`x`, `y`, `z` or `x1`, `x2`, `x3`), `t`, `pi` and `parameters`.
    /// `argument` is what an error is about.
    pub fn parse(
        argument: &'static str,
        components: &[&str],
        parameters: &[(&str, f64)],
    ) -> Result<Self> {
        let mut nodes = Vec::new();
        let roots = components
            .iter()
            .map(|text| {
                let parser = Parser {
                    argument,
                    text,
                    position: 0,
                    depth: 0,
                    dim: components.len(),
                    parameters,
                    nodes: &mut nodes,
                };
                parser.whole()
            })
            .collect::<Result<Vec<_>>>()?;
        let mut field = Self {
            nodes,
            instructions: Vec::new(),
            components: Vec::new(),
            registers: 0,
        };
        let places = field.compile();
        field.components = roots.into_iter().map(|root| places[root]).collect();
        Ok(field)
    }

    /// The field at `points` and time `t`; as many coordinates as components.
    #[must_use]
    pub fn velocity<const D: usize>(&self, points: &[[f64; D]], t: f64) -> Vec<[f64; D]> {
        let uniforms = self.uniforms(t);
        let mut registers = vec![[0.0; TILE]; self.registers];
        let mut velocity = Vec::with_capacity(points.len());
        for tile in points.chunks(TILE) {
            let mut x = [[0.0; TILE]; D];
            for (lane, point) in tile.iter().enumerate() {
                for axis in 0..D {
                    x[axis][lane] = point[axis];
                }
            }
            vectorise(Evaluate {
                field: self,
                x: &x,
                uniforms: &uniforms,
                registers: &mut registers,
            });
            let component = |axis| self.component(axis, &x, &uniforms, &registers);
            let at = |lane| std::array::from_fn(|axis| component(axis).of(lane));
            velocity.extend((0..tile.len()).map(at));
        }
        velocity
    }

    fn compile(&mut self) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::with_capacity(self.nodes.len());
        let mut waves: Vec<(usize, usize)> = Vec::new();
        for (index, &node) in self.nodes.iter().enumerate() {
            let uniform = |operand: usize| matches!(places[operand], Place::Uniform(_));
            let output = self.registers;
            let place = match node {
                Node::Number(_) | Node::Time => Place::Uniform(index),
                Node::Coordinate(axis) => Place::Coordinate(axis),
                Node::Unary(_, a) if uniform(a) => Place::Uniform(index),
                Node::Binary(_, a, b) if uniform(a) && uniform(b) => Place::Uniform(index),
                Node::Unary(function @ (Function::Sin | Function::Cos), a) => {
                    let sine = waves
                        .iter()
                        .find(|(input, _)| *input == a)
                        .map(|wave| wave.1);
                    let sine = sine.unwrap_or_else(|| {
                        let input = places[a];
                        self.instructions
                            .push(Instruction::SinCos { input, output });
                        self.registers += 2;
                        waves.push((a, output));
                        output
                    });
                    Place::Register(sine + usize::from(function == Function::Cos))
                }
                Node::Unary(function, a) => {
                    self.instructions
                        .push(Instruction::Unary(function, places[a], output));
                    self.registers += 1;
                    Place::Register(output)
                }
                Node::Binary(operation, a, b) => {
                    let inputs = [places[a], places[b]];
                    self.instructions
                        .push(Instruction::Binary(operation, inputs, output));
                    self.registers += 1;
                    Place::Register(output)
                }
            };
            places.push(place);
        }
        places
    }

    /// The number of components.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.components.len()
    }

    /// Arrays that [`Field::evaluate`] needs to write to.
    pub(super) fn registers(&self) -> usize {
        self.registers
    }

    /// What is the same for all particles at time `t`.
    pub(super) fn uniforms(&self, t: f64) -> Vec<f64> {
        let mut values: Vec<f64> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            values.push(match *node {
                Node::Number(value) => value,
                Node::Time => t,
                // Never read.
                Node::Coordinate(_) => f64::NAN,
                Node::Unary(function, a) => function.of(values[a]),
                Node::Binary(operation, a, b) => operation.of(values[a], values[b]),
            });
        }
        values
    }

    /// Evaluate everything for the particles at `x`; [`Field::component`] finds the results.
    #[inline(always)]
    pub(super) fn evaluate<const FMA: bool, const D: usize>(
        &self,
        x: &[Array; D],
        uniforms: &[f64],
        registers: &mut [Array],
    ) {
        for instruction in &self.instructions {
            match *instruction {
                Instruction::SinCos { input, output } => {
                    let (before, after) = registers.split_at_mut(output);
                    let (sine, after) = after.split_at_mut(1);
                    // What is the same for all is no instruction.
                    if let Values::Each(input) = values(input, x, uniforms, before) {
                        sin_cos::<FMA>(input, &mut sine[0], &mut after[0]);
                    }
                }
                Instruction::Unary(function, input, output) => {
                    let (before, after) = registers.split_at_mut(output);
                    unary::<FMA>(function, values(input, x, uniforms, before), &mut after[0]);
                }
                Instruction::Binary(operation, inputs, output) => {
                    let (before, after) = registers.split_at_mut(output);
                    let a = values(inputs[0], x, uniforms, before);
                    let b = values(inputs[1], x, uniforms, before);
                    binary(operation, a, b, &mut after[0]);
                }
            }
        }
    }

    /// Component `axis` after an evaluation with the same arguments.
    #[inline(always)]
    pub(super) fn component<'a, const D: usize>(
        &self,
        axis: usize,
        x: &'a [Array; D],
        uniforms: &[f64],
        registers: &'a [Array],
    ) -> Values<'a> {
        values(self.components[axis], x, uniforms, registers)
    }
}

struct Evaluate<'a, const D: usize> {
    field: &'a Field,
    x: &'a [Array; D],
    uniforms: &'a [f64],
    registers: &'a mut [Array],
}

impl<const D: usize> Vectorised for Evaluate<'_, D> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        self.field
            .evaluate::<FMA, D>(self.x, self.uniforms, self.registers);
    }
}

#[inline(always)]
fn values<'a, const D: usize>(
    place: Place,
    x: &'a [Array; D],
    uniforms: &[f64],
    registers: &'a [Array],
) -> Values<'a> {
    match place {
        Place::Uniform(node) => Values::Uniform(uniforms[node]),
        Place::Coordinate(axis) => Values::Each(&x[axis]),
        Place::Register(index) => Values::Each(&registers[index]),
    }
}

#[inline(always)]
fn sin_cos<const FMA: bool>(input: &Array, sine: &mut Array, cosine: &mut Array) {
    // In parts, which stand side by side in registers.
    let mut sizes = [0.0; 32];
    for input in input.as_chunks::<32>().0 {
        for part in 0..32 {
            let size = input[part].abs();
            sizes[part] = if size > sizes[part] {
                size
            } else {
                sizes[part]
            };
        }
    }
    let far = |size: &f64| u32::from(*size > math::LARGEST_ANGLE);
    if sizes.iter().map(far).sum::<u32>() == 0 {
        for lane in 0..TILE {
            [sine[lane], cosine[lane]] = math::sin_cos::<FMA>(input[lane]);
        }
    } else {
        for lane in 0..TILE {
            (sine[lane], cosine[lane]) = input[lane].sin_cos();
        }
    }
}

#[inline(always)]
fn unary<const FMA: bool>(function: Function, input: Values<'_>, output: &mut Array) {
    macro_rules! each {
        ($f:expr) => {
            for lane in 0..TILE {
                output[lane] = $f(input.of(lane));
            }
        };
    }
    match function {
        Function::Neg => each!(std::ops::Neg::neg),
        Function::Exp => each!(math::exp::<FMA>),
        Function::Log => each!(math::log::<FMA>),
        Function::Sqrt => each!(f64::sqrt),
        Function::Abs => each!(f64::abs),
        other => each!(|x| other.of(x)),
    }
}

#[inline(always)]
fn binary(operation: Operation, a: Values<'_>, b: Values<'_>, output: &mut Array) {
    macro_rules! each {
        ($operation:expr) => {
            match (a, b) {
                (Values::Each(a), Values::Each(b)) => {
                    for lane in 0..TILE {
                        output[lane] = $operation.of(a[lane], b[lane]);
                    }
                }
                (Values::Uniform(a), b) => {
                    for lane in 0..TILE {
                        output[lane] = $operation.of(a, b.of(lane));
                    }
                }
                (Values::Each(a), Values::Uniform(b)) => {
                    for lane in 0..TILE {
                        output[lane] = $operation.of(a[lane], b);
                    }
                }
            }
        };
    }
    match operation {
        Operation::Add => each!(Operation::Add),
        Operation::Sub => each!(Operation::Sub),
        Operation::Mul => each!(Operation::Mul),
        Operation::Div => each!(Operation::Div),
        other => each!(other),
    }
}

struct Parser<'a> {
    argument: &'static str,
    text: &'a str,
    position: usize,
    depth: usize,
    dim: usize,
    parameters: &'a [(&'a str, f64)],
    nodes: &'a mut Vec<Node>,
}

impl Parser<'_> {
    fn whole(mut self) -> Result<usize> {
        let root = self.sum()?;
        match self.peek() {
            None => Ok(root),
            Some(_) => Err(self.error("an operator or the end")),
        }
    }

    fn sum(&mut self) -> Result<usize> {
        let mut left = self.product()?;
        loop {
            let operation = match self.peek() {
                Some(b'+') => Operation::Add,
                Some(b'-') => Operation::Sub,
                _ => return Ok(left),
            };
            self.position += 1;
            let right = self.product()?;
            left = self.node(Node::Binary(operation, left, right));
        }
    }

    fn product(&mut self) -> Result<usize> {
        let mut left = self.sign()?;
        loop {
            let operation = match self.peek() {
                Some(b'*') => Operation::Mul,
                Some(b'/') => Operation::Div,
                _ => return Ok(left),
            };
            self.position += 1;
            let right = self.sign()?;
            left = self.node(Node::Binary(operation, left, right));
        }
    }

    fn sign(&mut self) -> Result<usize> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("fewer parts within each other"));
        }
        let result = match self.peek() {
            Some(b'-') => {
                self.position += 1;
                let operand = self.sign()?;
                self.node(Node::Unary(Function::Neg, operand))
            }
            Some(b'+') => {
                self.position += 1;
                self.sign()?
            }
            _ => self.power()?,
        };
        self.depth -= 1;
        Ok(result)
    }

    fn power(&mut self) -> Result<usize> {
        let base = self.atom()?;
        let rest = &self.text.as_bytes()[self.position..];
        let operator = match self.peek() {
            Some(b'^') => 1,
            Some(b'*') if rest.trim_ascii_start().starts_with(b"**") => 2,
            _ => return Ok(base),
        };
        self.position += operator;
        let exponent = self.sign()?;
        Ok(self.raised(base, exponent))
    }

    /// Products where the exponent is a small whole number.
    fn raised(&mut self, base: usize, exponent: usize) -> usize {
        match self.nodes[exponent] {
            Node::Number(n) if n.fract() == 0.0 && (1.0..=MAX_POWER).contains(&n) => {
                let mut product = base;
                for _ in 1..n as usize {
                    product = self.node(Node::Binary(Operation::Mul, product, base));
                }
                product
            }
            _ => self.node(Node::Binary(Operation::Pow, base, exponent)),
        }
    }

    fn atom(&mut self) -> Result<usize> {
        match self.peek() {
            Some(b'(') => {
                self.position += 1;
                let inner = self.sum()?;
                self.expect(b')', "')'")?;
                Ok(inner)
            }
            Some(byte) if byte.is_ascii_digit() || byte == b'.' => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => self.name(),
            _ => Err(self.error("a number, a name or '('")),
        }
    }

    fn number(&mut self) -> Result<usize> {
        let bytes = self.text.as_bytes();
        let mut end = self.position;
        while end < bytes.len() {
            let exponent_sign =
                matches!(bytes[end], b'+' | b'-') && matches!(bytes[end - 1], b'e' | b'E');
            if !(bytes[end].is_ascii_alphanumeric() || bytes[end] == b'.' || exponent_sign) {
                break;
            }
            end += 1;
        }
        match self.text[self.position..end].parse::<f64>() {
            Ok(value) if value.is_finite() => {
                self.position = end;
                Ok(self.node(Node::Number(value)))
            }
            _ => Err(self.error("a number")),
        }
    }

    fn name(&mut self) -> Result<usize> {
        let bytes = &self.text.as_bytes()[self.position..];
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let length = bytes.iter().take_while(|byte| is_part(byte)).count();
        let name = &self.text[self.position..][..length];
        if let Some((_, call)) = CALLS.iter().find(|(known, _)| *known == name) {
            self.position += length;
            return self.call(*call);
        }
        let axis = ["x", "y", "z"].iter().position(|known| *known == name);
        let axis = axis.or_else(|| ["x1", "x2", "x3"].iter().position(|known| *known == name));
        let node = match (axis, name) {
            (Some(axis), _) if axis < self.dim => Node::Coordinate(axis),
            (_, "t") => Node::Time,
            (_, "pi") => Node::Number(std::f64::consts::PI),
            _ => match self.parameters.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => Node::Number(*value),
                None => return Err(self.error(&self.names())),
            },
        };
        self.position += length;
        Ok(self.node(node))
    }

    fn call(&mut self, call: Call) -> Result<usize> {
        self.expect(b'(', "'('")?;
        let first = self.sum()?;
        let result = match call {
            Call::One(function) => self.node(Node::Unary(function, first)),
            Call::Two(operation) => {
                self.expect(b',', "','")?;
                let second = self.sum()?;
                match operation {
                    Operation::Pow => self.raised(first, second),
                    _ => self.node(Node::Binary(operation, first, second)),
                }
            }
        };
        self.expect(b')', "')'")?;
        Ok(result)
    }

    /// The index of `node`, which is made if there is none like it.
    fn node(&mut self, node: Node) -> usize {
        let known = self.nodes.iter().position(|other| *other == node);
        known.unwrap_or_else(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    /// The next byte that is no space, where the position is then.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.position..];
        self.position += rest.len() - rest.trim_ascii_start().len();
        self.text.as_bytes().get(self.position).copied()
    }

    fn expect(&mut self, byte: u8, word: &str) -> Result<()> {
        if self.peek() == Some(byte) {
            self.position += 1;
            return Ok(());
        }
        Err(self.error(word))
    }

    fn names(&self) -> String {
        let coordinates = ["x", "y", "z"].into_iter().take(self.dim);
        let names = coordinates
            .chain(["t", "pi"])
            .chain(self.parameters.iter().map(|(name, _)| *name))
            .chain(CALLS.iter().map(|(name, _)| *name));
        format!("one of the names {}", names.collect::<Vec<_>>().join(", "))
    }

    fn error(&self, expected: &str) -> Error {
        let rest = &self.text[self.position..];
        let word: String = rest
            .chars()
            .enumerate()
            .take_while(|(index, c)| *index == 0 || c.is_ascii_alphanumeric() || *c == '_')
            .map(|(_, c)| c)
            .collect();
        Error::Syntax {
            name: self.argument,
            text: self.text.into(),
            position: self.text[..self.position].chars().count() + 1,
            expected: expected.into(),
            got: if word.is_empty() {
                "the end".into()
            } else {
                format!("{word:?}")
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, x: f64, y: f64, t: f64) -> f64 {
        let field = Field::parse("flow", &[text, "0"], &[("theta", 0.5)]).expect(text);
        let x = [[x; TILE], [y; TILE]];
        let uniforms = field.uniforms(t);
        let mut registers = vec![[0.0; TILE]; field.registers()];
        field.evaluate::<false, 2>(&x, &uniforms, &mut registers);
        field.component(0, &x, &uniforms, &registers).of(TILE - 1)
    }

    #[test]
    fn values_are_those_of_the_formula() {
        let (x, y, t): (f64, f64, f64) = (0.7, 2.5, 0.3);
        let cases = [
            ("1 + 2*3 - 4/8", 6.5),
            ("2^3^2", 512.0),
            ("-2^2", -4.0),
            ("2**-1", 0.5),
            ("(1+2)*3", 9.0),
            ("1e-2 + 2.5E+1", 25.01),
            ("x - y - t", x - y - t),
            ("x/y/2", x / y / 2.0),
            ("x1*x2", x * y),
            (
                "sin(x)*cos(x) + sin(y + t)",
                x.sin() * x.cos() + (y + t).sin(),
            ),
            (
                "theta*cos(2*pi*t)*sin(x)",
                0.5 * (std::f64::consts::TAU * t).cos() * x.sin(),
            ),
            ("x^3 + y^2.5 + pow(x, 2)", x.powi(3) + y.powf(2.5) + x * x),
            (
                "exp(-x^2) + log(y) + sqrt(x)",
                (-x * x).exp() + y.ln() + x.sqrt(),
            ),
            ("abs(-x) + tanh(y) + tan(x)", x + y.tanh() + x.tan()),
            ("sinh(x) - cosh(y)", x.sinh() - y.cosh()),
            ("min(x, y) + max(x, 1)", x + 1.0),
            ("sin(1e7*x)", (1e7 * x).sin()),
            ("3", 3.0),
            ("y", y),
        ];
        for (text, expected) in cases {
            let got = at(text, x, y, t);
            assert!(
                (got - expected).abs() < 1e-13 * expected.abs().max(1.0),
                "{text}: {got}"
            );
        }
        assert!(at("min(x, log(-y))", x, y, t).is_nan());
    }

    #[test]
    fn errors_say_where() {
        let cases = [
            ("", 1, "the end"),
            ("x +", 4, "the end"),
            ("sin(x", 6, "the end"),
            ("sin x", 5, "\"x\""),
            ("2 * foo(x)", 5, "\"foo\""),
            ("x y", 3, "\"y\""),
            ("z", 1, "\"z\""),
            ("1.2.3", 1, "\"1\""),
            ("x + é", 5, "\"é\""),
            ("min(x)", 6, "\")\""),
            ("x $ y", 3, "\"$\""),
        ];
        for (text, position, got) in cases {
            match Field::parse("flow", &[text, "0"], &[]) {
                Err(Error::Syntax {
                    position: at,
                    got: word,
                    ..
                }) => {
                    assert_eq!((at, word.as_str()), (position, got), "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        let deep = "(".repeat(100_000);
        assert!(Field::parse("flow", &[&deep, "0"], &[]).is_err());
    }

    #[test]
    fn equal_parts_are_evaluated_once() {
        let flow = ["-cos(y) - sin(x)", "cos(x) + sin(y)"];
        let field = Field::parse("flow", &flow, &[]).expect("a flow");
        let waves = field.instructions.iter();
        assert_eq!(
            waves
                .filter(|i| matches!(i, Instruction::SinCos { .. }))
                .count(),
            2
        );
        let steady = Field::parse("flow", &["sin(2*pi*t)", "exp(t)"], &[]).expect("a flow");
        assert_eq!(steady.registers(), 0);
    }
}
