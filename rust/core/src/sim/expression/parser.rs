//! From text to nodes, by recursive descent.

use super::node::{CALLS, Call, Function, Node, Operation};
use crate::{Error, Result};

/// Parentheses and signs within each other; a deeper one could exhaust the stack.
const MAX_DEPTH: usize = 100;

/// The largest whole exponent that becomes products.
const MAX_POWER: f64 = 16.0;

pub(super) struct Parser<'a> {
    pub(super) argument: &'static str,
    pub(super) text: &'a str,
    pub(super) position: usize,
    pub(super) depth: usize,
    pub(super) dim: usize,
    pub(super) parameters: &'a [(&'a str, f64)],
    pub(super) nodes: &'a mut Vec<Node>,
}

impl Parser<'_> {
    /// The index of the node that the whole text is.
    pub(super) fn whole(mut self) -> Result<usize> {
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
