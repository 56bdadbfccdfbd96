//! Conditions on one number, decided without the interpreter.

use super::ast::BinaryOp;
use super::eval::Node;
use crate::error::Result;
use crate::mask::Mask;
use crate::tick::Tick;

/// A condition on one number that IEEE comparison decides as the language does, NaN standing for "not set".
#[derive(Debug, Clone)]
pub(super) enum NumberTest {
    Compare(BinaryOp, f64),
    And(Vec<NumberTest>),
    Or(Vec<NumberTest>),
    Not(Box<NumberTest>),
}

/// Whole numbers below this are exact in both forms of a number.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl NumberTest {
    /// The test for a condition on one leaf, when it is made of comparisons with constants.
    pub fn of(node: &Node) -> Option<NumberTest> {
        let all = |l: &[Node]| l.iter().map(NumberTest::of).collect::<Option<Vec<_>>>();
        match node {
            Node::And(l) => Some(NumberTest::And(all(l)?)),
            Node::Or(l) => Some(NumberTest::Or(all(l)?)),
            Node::Not(e) => Some(NumberTest::Not(Box::new(NumberTest::of(e)?))),
            Node::Binary(op, a, b) => {
                let (op, constant) = match (&**a, &**b) {
                    (Node::Leaf(_), Node::Const(Some(c))) => (*op, c),
                    (Node::Const(Some(c)), Node::Leaf(_)) => (turned(*op)?, c),
                    _ => return None,
                };
                let known = matches!(
                    op,
                    BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge
                );
                constant
                    .as_f64()
                    .filter(|c| known && c.abs() < EXACT)
                    .map(|c| NumberTest::Compare(op, c))
            }
            _ => None,
        }
    }

    /// Keeps the picked items whose value passes.
    pub fn retain(&self, picked: &mut Mask, tick: &mut dyn Tick, value: impl Fn(usize) -> f64) -> Result<()> {
        // One loop per operator, so that a plain comparison decides nothing else per row.
        match self {
            NumberTest::Compare(BinaryOp::Eq, c) => picked.retain(tick, |i| value(i) == *c),
            NumberTest::Compare(BinaryOp::Ne, c) => picked.retain(tick, |i| value(i) != *c),
            NumberTest::Compare(BinaryOp::Lt, c) => picked.retain(tick, |i| value(i) < *c),
            NumberTest::Compare(BinaryOp::Le, c) => picked.retain(tick, |i| value(i) <= *c),
            NumberTest::Compare(BinaryOp::Gt, c) => picked.retain(tick, |i| value(i) > *c),
            NumberTest::Compare(BinaryOp::Ge, c) => picked.retain(tick, |i| value(i) >= *c),
            test => picked.retain(tick, |i| test.test(value(i))),
        }
    }

    fn test(&self, x: f64) -> bool {
        match self {
            NumberTest::Compare(op, c) => match op {
                BinaryOp::Eq => x == *c,
                BinaryOp::Ne => x != *c,
                BinaryOp::Lt => x < *c,
                BinaryOp::Le => x <= *c,
                BinaryOp::Gt => x > *c,
                _ => x >= *c,
            },
            NumberTest::And(l) => l.iter().all(|t| t.test(x)),
            NumberTest::Or(l) => l.iter().any(|t| t.test(x)),
            NumberTest::Not(t) => !t.test(x),
        }
    }
}

/// The operator that says the same with its operands exchanged.
fn turned(op: BinaryOp) -> Option<BinaryOp> {
    Some(match op {
        BinaryOp::Eq | BinaryOp::Ne => op,
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        _ => return None,
    })
}
