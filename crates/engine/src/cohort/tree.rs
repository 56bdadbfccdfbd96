//! Putting the answers of single conditions together.

use super::definition::Condition;
use super::members::Members;
use crate::chunk::SubjectNo;
use crate::error::{Error, Result};
use crate::gather::Budget;
use std::collections::BTreeMap;

/// Who fulfils each condition.
#[derive(Debug, Default)]
pub struct Answers {
    pub behaviours: Vec<Members>,
    pub filters: Vec<Members>,
    pub cohorts: BTreeMap<String, Members>,
}

/// Who fulfils the whole tree, of the subjects `1 ..= most`.
pub fn evaluate(tree: &Condition, answers: &Answers, most: SubjectNo, budget: &mut Budget) -> Result<Members> {
    fn of(m: Option<&Members>) -> Result<&Members> {
        m.ok_or_else(|| Error::corrupt("a cohort's condition without an answer"))
    }
    match tree {
        Condition::Behaviour(i) => of(answers.behaviours.get(*i))?.copy(budget),
        Condition::Where(i) => of(answers.filters.get(*i))?.copy(budget),
        Condition::Cohort(name) => {
            let mut m = Members::none(most, budget)?;
            m.or(of(answers.cohorts.get(name))?);
            Ok(m)
        }
        Condition::Not(c) => {
            let mut m = evaluate(c, answers, most, budget)?;
            m.not();
            Ok(m)
        }
        Condition::All(list) => {
            let mut all = Members::all(most, budget)?;
            for c in list {
                all.and(&evaluate(c, answers, most, budget)?);
            }
            Ok(all)
        }
        Condition::Any(list) => {
            let mut any = Members::none(most, budget)?;
            for c in list {
                any.or(&evaluate(c, answers, most, budget)?);
            }
            Ok(any)
        }
    }
}

/// What a condition may say of somebody without any event and any profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blank {
    pub yes: bool,
    pub no: bool,
}

impl Blank {
    /// It always says the same.
    pub fn is(yes: bool) -> Self {
        Blank { yes, no: !yes }
    }

    /// It may say either.
    pub const UNSURE: Blank = Blank { yes: true, no: true };
}

/// Could the tree hold for somebody without any event and any profile? Then its answer may contain numbers of the
/// dictionary that belong to nobody, and has to be compared with who is known.
pub fn may_be_unknown(
    tree: &Condition,
    behaviours: &[Blank],
    filters: &[Blank],
    cohorts: &BTreeMap<String, Blank>,
) -> bool {
    fn of(tree: &Condition, b: &[Blank], f: &[Blank], c: &BTreeMap<String, Blank>) -> Blank {
        let each = |list: &[Condition]| -> Vec<Blank> { list.iter().map(|t| of(t, b, f, c)).collect() };
        match tree {
            Condition::Behaviour(i) => b.get(*i).copied().unwrap_or(Blank::UNSURE),
            Condition::Where(i) => f.get(*i).copied().unwrap_or(Blank::UNSURE),
            Condition::Cohort(name) => c.get(name).copied().unwrap_or(Blank::UNSURE),
            Condition::Not(t) => {
                let t = of(t, b, f, c);
                Blank { yes: t.no, no: t.yes }
            }
            Condition::All(list) => {
                let list = each(list);
                Blank {
                    yes: list.iter().all(|t| t.yes),
                    no: list.iter().any(|t| t.no),
                }
            }
            Condition::Any(list) => {
                let list = each(list);
                Blank {
                    yes: list.iter().any(|t| t.yes),
                    no: list.iter().all(|t| t.no),
                }
            }
        }
    }
    of(tree, behaviours, filters, cohorts).yes
}
