//! From nodes to instructions.

use super::node::{Function, Node, Operation};

/// Where a value stands during an evaluation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// The same for all particles: the number of its node.
    Uniform(usize),
    Coordinate(usize),
    Register(usize),
}

/// Writes `output` and reads what was written before.
#[derive(Debug, Clone, Copy)]
pub(super) enum Instruction {
    /// Sine into `output`, cosine into the register after it.
    SinCos {
        input: Place,
        output: usize,
    },
    Unary(Function, Place, usize),
    Binary(Operation, [Place; 2], usize),
}

/// What is done for every tile of particles.
#[derive(Debug, Clone, Default)]
pub(super) struct Program {
    pub(super) instructions: Vec<Instruction>,
    /// Arrays that it writes to.
    pub(super) registers: usize,
}

impl Program {
    /// The program of `nodes`, and where the value of each is then.
    pub(super) fn of(nodes: &[Node]) -> (Self, Vec<Place>) {
        let mut program = Self::default();
        let mut places: Vec<Place> = Vec::with_capacity(nodes.len());
        let mut waves: Vec<(usize, usize)> = Vec::new();
        for (index, &node) in nodes.iter().enumerate() {
            let uniform = |operand: usize| matches!(places[operand], Place::Uniform(_));
            let output = program.registers;
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
                        program
                            .instructions
                            .push(Instruction::SinCos { input, output });
                        program.registers += 2;
                        waves.push((a, output));
                        output
                    });
                    Place::Register(sine + usize::from(function == Function::Cos))
                }
                Node::Unary(function, a) => {
                    program
                        .instructions
                        .push(Instruction::Unary(function, places[a], output));
                    program.registers += 1;
                    Place::Register(output)
                }
                Node::Binary(operation, a, b) => {
                    let inputs = [places[a], places[b]];
                    program
                        .instructions
                        .push(Instruction::Binary(operation, inputs, output));
                    program.registers += 1;
                    Place::Register(output)
                }
            };
            places.push(place);
        }
        (program, places)
    }
}
