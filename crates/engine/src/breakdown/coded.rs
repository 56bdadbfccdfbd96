//! The shortcut of a breakdown by one dimension: where one code of each row decides its segments.

use super::{Breakdown, Dimension};
use crate::chunk::{Chunk, Column, Kind, ProfileColumn, SubjectNo, USER};

/// Above this many subjects there is no array for what their numbers mean.
const MOST_NUMBERS: SubjectNo = 1 << 20;

/// A code of each row that decides its segments.
#[derive(Debug, Clone, Copy)]
pub enum Coded<'c> {
    /// By row.
    Column(&'c [u32]),
    /// The same for all rows: nothing is set.
    Unset,
    /// By the subject that is counted.
    Subject(&'c ProfileColumn),
    /// The number of the subject that is counted.
    Number,
    /// The number of the group of the event; `alone` as below.
    GroupNumber { first: &'c [SubjectNo], alone: bool },
    /// By the group of the event; `alone`: an event without one has nothing set.
    Group {
        first: &'c [SubjectNo],
        column: &'c ProfileColumn,
        alone: bool,
    },
}

impl Coded<'_> {
    /// The code of a row; `None` where it does not decide.
    #[inline]
    pub fn code(&self, row: usize, subject: SubjectNo) -> Option<u32> {
        match self {
            Coded::Column(codes) => codes.get(row).copied(),
            Coded::Unset => Some(0),
            // 0 is nobody: profiles say nothing of it, cohorts do.
            Coded::Subject(column) => Some(column.code(subject)),
            Coded::Number => Some(subject),
            Coded::GroupNumber { first, alone } => match first.get(row).copied().unwrap_or(0) {
                0 if !alone => None,
                group => Some(group),
            },
            Coded::Group { first, column, alone } => match first.get(row).copied().unwrap_or(0) {
                0 if *alone => Some(0),
                0 => None,
                group => Some(column.code(group)),
            },
        }
    }
}

impl<'p> Breakdown<'p> {
    /// Where one code of each row decides its segments, when what is counted has one subject per row at most: the code,
    /// the number of different codes, and whether they mean the same in every chunk.
    pub fn coded<'c>(&self, chunk: &'c Chunk, by: Kind) -> Option<(Coded<'c>, usize, bool)>
    where
        'p: 'c,
    {
        let [dimension] = self.dimensions else { return None };
        match dimension.plain().0 {
            Dimension::EventProperty(p) | Dimension::Lookup { property: p, .. } => match chunk.property(*p) {
                Some(Column::Dict { values, codes }) => Some((Coded::Column(codes), values.len() + 1, false)),
                Some(Column::Number(_)) => None,
                None => Some((Coded::Unset, 1, false)),
            },
            Dimension::UserProfile(column) if by == USER => {
                Some((Coded::Subject(column), column.values.len() + 1, true))
            }
            Dimension::GroupProperty {
                kind,
                column,
                membership,
                via_profile: false,
            }
            | Dimension::GroupId {
                kind,
                ids: column,
                membership,
            } => {
                let codes = column.values.len() + 1;
                if *kind == by {
                    return Some((Coded::Subject(column), codes, true));
                }
                let groups = chunk.group(*kind).filter(|g| g.more.is_empty())?;
                let coded = Coded::Group {
                    first: &groups.first,
                    column,
                    alone: membership.is_none() || by != USER,
                };
                Some((coded, codes, true))
            }
            Dimension::Numbers { kind, most, membership } if *most <= MOST_NUMBERS => {
                let codes = *most as usize + 1;
                if *kind == by {
                    return Some((Coded::Number, codes, true));
                }
                let groups = chunk.group(*kind).filter(|g| g.more.is_empty())?;
                let coded = Coded::GroupNumber {
                    first: &groups.first,
                    alone: membership.is_none() || by != USER,
                };
                Some((coded, codes, true))
            }
            _ => None,
        }
    }
}
