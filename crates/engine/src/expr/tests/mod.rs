//! Tests of the filter language: meaning, syntax, selectors, and random filters against a naive evaluator.

mod first;
mod golden;
mod naive;
mod random;
mod select;
mod syntax;
mod world;
