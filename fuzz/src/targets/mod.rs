//! What is done with the bytes: one function for each reader. They stop at the first answer that is wrong.
//!
//! The fuzzer calls them with whatever it makes up, and a test of the engine with the inputs that were kept.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod behaviour;
mod input;
mod narrow;
mod states;
mod texts;
mod wide;

/// Reads one input.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 13] = [
    ("bitmap32", narrow::run),
    ("bitmap64", wide::run),
    ("text32", texts::narrow),
    ("text64", texts::wide),
    ("state32", states::narrow),
    ("state64", states::wide),
    ("funnel", behaviour::funnel),
    ("retention", behaviour::retention),
    ("sequence", behaviour::sequence),
    ("path", behaviour::path),
    ("touch", behaviour::touch),
    ("pattern", texts::pattern),
    ("modes", texts::modes),
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(n, _)| *n == name).map(|(_, t)| *t)
}
