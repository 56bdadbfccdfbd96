//! Who came back: in which periods after the birth of a subject something happened, and which conditions were met at all.

use super::state::{Asked, Kind, asked_as, rows};
use crate::error::{Error, Result, try_vec};
use crate::tick::{EVERY, Tick};

/// So many periods an answer can have.
const MAX_PERIODS: i32 = 10_000;
/// A row is a birth.
pub const BORN: u64 = 1;
/// A row is a return.
pub const RETURNED: u64 = 2;

/// Which of `conditions` were met by any row: the first as it is, the others only if the first was met, too.
pub fn met(state: &[u8]) -> Result<Vec<bool>> {
    let asked = asked_as(state, [Kind::Conditions])?;
    let meets = rows(state)?.next().transpose()?.map_or(0, |r| r.meets);
    let mut out = try_vec(asked.conditions, "conditions")?;
    out.extend((0..asked.conditions).map(|i| meets & 1 == 1 && meets >> i & 1 == 1));
    Ok(out)
}

/// Periods of equal length that begin with the birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    length: i64,
    count: i32,
}

impl Periods {
    pub fn new(length: i64, count: i32) -> Result<Self> {
        if length <= 0 {
            return Err(Error::param_hint(
                "the length of a period must be positive",
                "Give an interval such as '1 day' or '7 days'.",
            ));
        }
        if !(1..=MAX_PERIODS).contains(&count) {
            return Err(Error::param_hint(
                format!("there can't be {count} periods"),
                format!("From 1 to {MAX_PERIODS} can be asked for."),
            ));
        }
        Ok(Periods { length, count })
    }

    /// What a state keeps of it.
    pub fn parameters(self) -> [u8; 12] {
        let [a, b, c, d, e, f, g, h] = self.length.to_le_bytes();
        let [i, j, k, l] = self.count.to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// The question a state was asked.
    pub fn read(asked: Asked<'_>) -> Result<Self> {
        let bad = || Error::corrupt("parameters of a retention");
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *asked.parameters else {
            return Err(bad());
        };
        if asked.kind != Kind::Returns || asked.conditions != 2 {
            return Err(bad());
        }
        let length = i64::from_le_bytes([a, b, c, d, e, f, g, h]);
        Periods::new(length, i32::from_le_bytes([i, j, k, l])).map_err(|_| bad())
    }
}

/// For each period whether the subject returned in it; `None` when it was never born. The birth is the earliest row that
/// is one, and a return is later than that.
pub fn returns(state: &[u8], tick: &mut impl Tick) -> Result<Option<Vec<bool>>> {
    let periods = Periods::read(asked_as(state, [Kind::Returns])?)?;
    let mut birth = None;
    for (i, row) in rows(state)?.enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        let row = row?;
        if row.meets & BORN != 0 && birth.is_none_or(|b| row.at < b) {
            birth = Some(row.at);
        }
    }
    let Some(birth) = birth else { return Ok(None) };
    let mut out = try_vec(periods.count as usize, "periods")?;
    out.resize(periods.count as usize, false);
    for (i, row) in rows(state)?.enumerate() {
        if i % EVERY == 0 {
            tick.tick()?;
        }
        let row = row?;
        if row.meets & RETURNED != 0 && row.at > birth {
            let period = (row.at as u64).wrapping_sub(birth as u64) / periods.length as u64;
            if let Some(p) = usize::try_from(period).ok().and_then(|p| out.get_mut(p)) {
                *p = true;
            }
        }
    }
    Ok(Some(out))
}
