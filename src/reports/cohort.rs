//! Finding the members of cohorts: once per report, before its own scan. Reads only.

mod members;

use super::arguments;
use super::attributed::ALWAYS;
use super::context::{Context, Inside};
use super::insights::need;
use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::{Arg, Sql};
use crate::registry::Project;
use crate::settings;
use crate::store::cohort::{self, Stored};
use crate::store::identity::Remap;
use crate::store::scan::{self, Need};
use engine::chunk::{Hits, Kind, USER};
use engine::cohort::{
    Answers, Blank, Counted, Definition, Kernel, Members, Plan, Test, What, evaluate, finish, may_be_unknown,
    nobody_fits, who,
};
use engine::expr::{Filter, SelectorSpec};
use engine::gather::{Budget, try_for_each_subject};
use engine::subjects::SubjectSet;
use engine::time::Span64;
use std::collections::{BTreeMap, BTreeSet};

/// The members of a cohort, as they are counted after identity merges.
pub struct Found {
    pub kind: Kind,
    pub members: Members,
    /// There may be numbers among them of whom neither an event nor a profile is known; see [`known`].
    pub open: bool,
    pub remap: Remap,
}

/// The members of a stored cohort, as of the end of a day.
pub fn find(sql: &Sql, project: &Project, name: &str, inside: &Inside) -> Result<Found> {
    let within = |f: Failure| f.within(format!("cohort \"{name}\""));
    let stored = cohort::read(sql, project, name)?;
    if let Some(bytes) = &stored.frozen {
        return frozen(sql, project, name, &stored, bytes);
    }
    let definition = Definition::parse(&stored.definition)
        .map_err(Failure::from)
        .map_err(within)?;
    let inside = inside.enter(name)?;
    of_definition(sql, project, &definition, stored.kind, &inside).map_err(within)
}

fn frozen(sql: &Sql, project: &Project, name: &str, stored: &Stored, bytes: &[u8]) -> Result<Found> {
    let mut budget = Budget::new(settings::query_memory());
    let set = cohort::members(name, bytes, &mut budget)?;
    let context = Context::new(sql, project, &[], Default::default())?;
    let remap = context.remap()?.filter(|_| stored.kind == USER);
    let mut members = Members::none(context.most(stored.kind)?, &mut budget)?;
    members.add(&set);
    members.merged(remap.as_deref());
    Ok(Found {
        kind: stored.kind,
        members,
        open: false,
        remap,
    })
}

/// A definition with its names looked up.
struct Bound<'a> {
    context: Context<'a>,
    /// Of users, also where groups are chosen by what theirs did.
    remap: Remap,
    counted: Vec<Counted>,
    filters: Vec<Filter>,
}

fn bind<'a>(
    sql: &'a Sql,
    project: &'a Project,
    definition: &Definition,
    kind: Kind,
    inside: &Inside,
) -> Result<Bound<'a>> {
    let specs: Vec<&SelectorSpec> = definition.selectors().collect();
    let mut context = Context::inside(sql, project, &specs, definition.references(), inside.clone())?;
    let remap = context.remap()?;
    let counted = counted(project, &mut context, definition, kind, inside.day())?;
    let filters = definition
        .filters
        .iter()
        .map(|f| engine::expr::bind(f, &context, kind).map_err(|e| Failure::from(e).within("where")))
        .collect::<Result<_>>()?;
    for name in definition.named() {
        let other = context.load_cohort(name)?;
        if other.kind != kind {
            return Err(Failure::param(
                format!(
                    "cohort \"{name}\" holds {}, and this one something else",
                    project.plural(other.kind)
                ),
                "A cohort can be made of cohorts of the same users or groups.",
            ));
        }
    }
    Ok(Bound {
        context,
        remap,
        counted,
        filters,
    })
}

/// Looks up every name of a definition, without counting its events: what is unknown is an error, or a notice for events.
pub fn check_names(sql: &Sql, project: &Project, definition: &Definition, kind: Kind, inside: &Inside) -> Result<()> {
    let bound = bind(sql, project, definition, kind, inside)?;
    let specs: Vec<&SelectorSpec> = definition.selectors().collect();
    arguments::notice_unknown(&bound.context, &specs)
}

/// The members by a definition, of users or of the groups of a key.
fn of_definition(sql: &Sql, project: &Project, definition: &Definition, kind: Kind, inside: &Inside) -> Result<Found> {
    let Bound {
        mut context,
        remap,
        counted,
        filters,
    } = bind(sql, project, definition, kind, inside)?;
    let most = context.most(kind)?;
    let plan = Plan {
        by: kind,
        counted,
        most,
        remap: remap.as_deref(),
        memory_limit: settings::query_memory(),
    };
    let mut budget = Budget::new(plan.memory_limit);
    let mut answers = Answers {
        behaviours: count(sql, project, &plan)?,
        ..Answers::default()
    };
    let behaviours: Vec<Blank> = plan.counted.iter().map(|c| Blank::is(c.holds_for_none())).collect();
    let mut blanks = Vec::new();
    for (expr, filter) in definition.filters.iter().zip(&filters) {
        answers
            .filters
            .push(who(filter, kind, most, &mut budget, &mut Interrupts)?);
        let r = expr.references();
        let by_id = r.distinct_id || r.user.contains("$distinct_id") || r.group.iter().any(|(_, p)| p == "$group_id");
        blanks.push(if by_id || !r.cohorts.is_empty() {
            Blank::UNSURE
        } else {
            Blank::is(!nobody_fits(filter, kind, most, &mut Interrupts)?)
        });
    }
    let mut cohorts = BTreeMap::new();
    for name in definition.named() {
        let other = context.load_cohort(name)?;
        let blank = if other.open { Blank::UNSURE } else { Blank::is(false) };
        cohorts.insert(name.to_string(), blank);
        answers
            .cohorts
            .insert(name.to_string(), other.members.copy(&mut budget)?);
    }
    let mut members = evaluate(&definition.root, &answers, most, &mut budget)?;
    let remap = remap.filter(|_| kind == USER);
    members.canonical(remap.as_deref());
    let open = may_be_unknown(&definition.root, &behaviours, &blanks, &cohorts);
    Ok(Found {
        kind,
        members,
        open,
        remap,
    })
}

/// Binds the conditions on events.
fn counted(
    project: &Project,
    context: &mut Context,
    definition: &Definition,
    kind: Kind,
    day: i32,
) -> Result<Vec<Counted>> {
    let mut out = Vec::new();
    for b in &definition.behaviours {
        let what = match &b.test {
            Test::Times(is) => What::Times(*is),
            Test::Users { .. } if kind == USER => {
                return Err(Failure::param(
                    "\"users_who_did\" counts the users of groups, and the cohort holds users",
                    "Define it by a group key, for example by => 'company_id'.",
                ));
            }
            Test::Users { times, is } => What::Users { times: *times, is: *is },
            Test::Measured {
                property,
                aggregate,
                is,
            } => What::Measured {
                property: context.load_named(property)?,
                aggregate: *aggregate,
                is: *is,
            },
            Test::FirstTime => What::FirstTime,
            Test::Sequence => What::Sequence,
        };
        let selectors = b.steps.iter().map(|s| context.bind(s, kind, None));
        out.push(Counted {
            selectors: selectors.collect::<Result<_>>()?,
            span: b.window.span(&project.calendar, day)?,
            what,
        });
    }
    Ok(out)
}

/// One pass over the store for all conditions on events.
fn count(sql: &Sql, project: &Project, plan: &Plan) -> Result<Vec<Members>> {
    let selectors = plan.counted.iter().flat_map(|c| &c.selectors);
    let mut need = need(selectors, [plan.by], &[]);
    need.properties.extend(plan.counted.iter().filter_map(|c| match c.what {
        What::Measured { property, .. } => Some(property),
        _ => None,
    }));
    need.properties.sort_unstable();
    need.properties.dedup();
    let span = plan.reads();
    let workers = settings::workers();
    let nothing = need.events.as_ref().is_some_and(Vec::is_empty) || span.from >= span.to;
    let kernels = if nothing {
        vec![Kernel::new(plan)?]
    } else {
        let waiting = scan::waiting(sql, project, &need, span)?;
        scan::scan_with(
            sql,
            project,
            &need,
            span,
            &waiting,
            &|head| {
                plan.counted
                    .iter()
                    .any(|c| c.wants(head.event, head.at_min, head.at_max))
            },
            &workers,
            || Kernel::new(plan),
            |kernel, chunk, keep, tick| kernel.push(chunk, keep, tick),
        )?
    };
    let partial = engine::parallel::merge(kernels.into_iter().map(Kernel::finish), |a, b| a.merge(b, plan))?;
    Ok(finish(plan, partial, &workers, &mut Interrupts)?)
}

/// Everybody of whom a profile or an event (before an instant) is known.
pub fn known(sql: &Sql, project: &Project, found: &Found, before: i64) -> Result<Members> {
    let kind = found.kind;
    let mut budget = Budget::new(settings::query_memory());
    let mut all = Members::none(found.members.most(), &mut budget)?;
    let rows = if kind == USER {
        sql.read(&project.sql("SELECT no FROM @.user_profile"), &[])?
    } else {
        sql.read(
            &project.sql("SELECT no FROM @.group_profile WHERE kind = $1"),
            &[Arg::Int2(kind as i16)],
        )?
    };
    for i in 0..rows.len() {
        all.put(u32::try_from(rows.int(i, 0)?).unwrap_or(0), true);
    }
    drop(rows);
    let need = Need {
        events: None,
        kinds: if kind == USER { Vec::new() } else { vec![kind] },
        properties: Vec::new(),
        ..Need::default()
    };
    let span = Span64 { to: before, ..ALWAYS };
    let limit = settings::query_memory();
    let sets = scan::scan_on(
        sql,
        project,
        &need,
        span,
        &settings::workers(),
        || Ok((SubjectSet::default(), Budget::new(limit))),
        |(set, budget), chunk, keep, tick| {
            let mut last = 0;
            let hits = Hits::rows(keep.clone());
            try_for_each_subject(chunk, kind, &hits, found.remap.as_deref(), tick, |_, no| {
                if no == last {
                    return Ok(());
                }
                last = no;
                set.add(no, budget)
            })
        },
    )?;
    sets.iter().for_each(|(set, _)| all.add(set));
    all.canonical(found.remap.as_deref());
    Ok(all)
}

/// The members of whom something is known, before an instant.
pub fn known_members(sql: &Sql, project: &Project, found: Found, before: i64) -> Result<Members> {
    if !found.open {
        return Ok(found.members);
    }
    let known = known(sql, project, &found, before)?;
    let mut members = found.members;
    members.and(&known);
    Ok(members)
}

/// Makes sure that a cohort does not depend on itself once it has this definition; `others` says what the rest depends on.
pub fn check(name: &str, definition: &Definition, others: &BTreeMap<String, BTreeSet<String>>) -> Result<()> {
    let mut open: Vec<String> = definition.cohorts().into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        if next == name {
            return Err(Failure::param(
                format!("cohort \"{name}\" would depend on itself"),
                "A cohort can not be a condition of itself, nor of a cohort that it is made of.",
            ));
        }
        if seen.insert(next.clone()) {
            open.extend(others.get(&next).into_iter().flatten().cloned());
        }
    }
    Ok(())
}
