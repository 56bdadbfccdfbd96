//! Every aggregate against a slow, obvious counterpart, over small random cases; the laws of putting parts together;
//! and bytes that were tampered with.
//!
//! `BEHAVIOUR_CASES` sets the number of random cases of each kind, `BEHAVIOUR_MUTATIONS` that of damaged states.

use super::funnel::{Mode, Plan};
use super::state::{self, Asked, Kind};
use super::*;
use crate::error::Error;
use crate::tick::NoTick;

mod bytes;
mod funnel_definition;
mod laws;
mod others;
mod sequences;

fn cases(default: usize) -> usize {
    std::env::var("BEHAVIOUR_CASES")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}

/// Numbers that only look random, the same in every run.
pub(super) struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// Rows in the way transition functions take them.
fn state_of(asked: Asked<'_>, rows: &[Row]) -> Vec<u8> {
    let mut s = state::start(asked).unwrap();
    for row in rows {
        if let Some(new) = state::push(&mut s, asked, *row, None).unwrap() {
            s = new;
        }
    }
    s
}

/// The same through parts: rows in any order, spread over workers, sent as bytes, and put together in any order.
fn state_of_parts(asked: Asked<'_>, rows: &[Row], dice: &mut Dice) -> Vec<u8> {
    let mut rows = rows.to_vec();
    dice.shuffle(&mut rows);
    let n = 1 + dice.below(4) as usize;
    let mut parts = vec![Vec::new(); n];
    for row in rows {
        parts[dice.below(n as u64) as usize].push(row);
    }
    let mut states: Vec<Vec<u8>> = parts.iter().map(|p| state_of(asked, p)).collect();
    while states.len() > 1 {
        let other = states.swap_remove(dice.below(states.len() as u64) as usize);
        let other = state::used(&other).unwrap().to_vec();
        state::check(&other, |_| true).unwrap();
        let i = dice.below(states.len() as u64) as usize;
        if let Some(new) = state::combine(&mut states[i], &other).unwrap() {
            states[i] = new;
        }
    }
    states.pop().unwrap()
}
