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

mod evaluation;
mod node;
mod parser;
mod program;

pub(super) use self::evaluation::Array;
use self::evaluation::{Values, binary, sin_cos, unary, values};
use self::node::Node;
use self::parser::Parser;
use self::program::{Instruction, Place, Program};
use super::particles::TILE;
use crate::Result;
use crate::simd::{Aligned, Vectorised, vectorise};

/// One expression per component of a vector field, ready to be evaluated.
#[derive(Debug, Clone)]
pub struct Field {
    nodes: Vec<Node>,
    program: Program,
    components: Vec<Place>,
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
        let (program, places) = Program::of(&nodes);
        Ok(Self {
            nodes,
            program,
            components: roots.into_iter().map(|root| places[root]).collect(),
        })
    }

    /// The field at `points` and time `t`; as many coordinates as components.
    #[must_use]
    pub fn velocity<const D: usize>(&self, points: &[[f64; D]], t: f64) -> Vec<[f64; D]> {
        let uniforms = self.uniforms(t);
        let mut registers = vec![Aligned([0.0; TILE]); self.program.registers];
        let mut velocity = Vec::with_capacity(points.len());
        for tile in points.chunks(TILE) {
            let mut x = [Aligned([0.0; TILE]); D];
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

    /// The number of components.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.components.len()
    }

    /// Arrays that [`Field::evaluate`] needs to write to.
    pub(super) fn registers(&self) -> usize {
        self.program.registers
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
        for instruction in &self.program.instructions {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn at(text: &str, x: f64, y: f64, t: f64) -> f64 {
        let field = Field::parse("flow", &[text, "0"], &[("theta", 0.5)]).expect(text);
        let x = [x, y].map(|place| Aligned([place; TILE]));
        let uniforms = field.uniforms(t);
        let mut registers = vec![Aligned([0.0; TILE]); field.registers()];
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
        let waves = field.program.instructions.iter();
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
