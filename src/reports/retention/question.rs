//! The arguments that all retention reports share: from SQL to a plan, and from the store to what was gathered.

use crate::error::{Failure, Result};
use crate::pg::interrupts::Interrupts;
use crate::pg::jsonb::Jsonb;
use crate::pg::spi::Sql;
use crate::registry::{self, Project};
use crate::reports::arguments::{self, required};
use crate::reports::context::Context;
use crate::reports::insights::{dimensions, need, nobody_matters};
use crate::reports::parts::in_parts;
use crate::settings;
use crate::store::scan::{self, Need};
use engine::breakdown::Dimension;
use engine::chunk::{Kind, SubjectNo};
use engine::expr::{Expr, References, Selector};
use engine::parallel::Workers;
use engine::retention::detail::{self, Detail, Measure, last_bucket};
use engine::retention::{Alignment, Births, Criterion, Kernel, Plan, count_on, rows};
use engine::time::{Span64, Unit};
use pgrx::datum::Date;
use serde_json::Value as Json;

/// The arguments as they come from SQL.
pub struct Arguments<'a> {
    pub born: Option<Jsonb>,
    pub returned: Option<Jsonb>,
    pub from: Option<Date>,
    pub to: Option<Date>,
    pub by: Option<&'a str>,
    pub unit: Option<&'a str>,
    pub buckets: Option<i32>,
    pub brackets: Option<Vec<Option<i32>>>,
    pub criterion: Option<&'a str>,
    pub alignment: Option<&'a str>,
    pub births: Option<&'a str>,
    pub measure: Option<&'a str>,
    pub property: Option<&'a str>,
    pub breakdown: Option<Jsonb>,
    pub filter: Option<&'a str>,
    pub top: Option<i32>,
    pub project: Option<&'a str>,
}

/// What was asked, apart from the project.
pub struct Question<'a> {
    born: Json,
    returned: Json,
    days: (i32, i32),
    by: &'a str,
    unit: Unit,
    buckets: usize,
    brackets: Vec<usize>,
    criterion: Criterion,
    alignment: Alignment,
    births: Births,
    measure: &'a str,
    property: Option<&'a str>,
    breakdown: Option<Json>,
    filter: Option<Expr>,
    top: usize,
    project: Option<&'a str>,
}

/// A question about one project, ready to be asked.
pub struct Ready<'a> {
    pub sql: &'a Sql,
    pub project: &'a Project,
    pub by: Kind,
    pub detail: &'a Detail<'a>,
    /// Nothing is asked that needs more than the plain count.
    plain: bool,
    born: Selector,
    returned: Selector,
    need: Need,
    span: Span64,
    most: SubjectNo,
}

/// Picks one of a few words.
pub fn word<T: Copy>(argument: &str, value: Option<&str>, words: &[(&str, T)]) -> Result<T> {
    let found = words.iter().find(|(w, _)| Some(*w) == value);
    found.map(|(_, t)| *t).ok_or_else(|| {
        let allowed: Vec<String> = words.iter().map(|(w, _)| format!("'{w}'")).collect();
        Failure::param(
            format!(
                "unknown {argument} {}",
                value.map_or("NULL".into(), |v| format!("\"{v}\""))
            ),
            format!("Use one of {}.", allowed.join(", ")),
        )
    })
}

const BRACKETS_HINT: &str = "They are where each bracket ends, in units: brackets => '{1,7,30}'.";
const TOP_HINT: &str = "It is the number of segments to show; the rest becomes $other.";

impl<'a> Question<'a> {
    /// Reads the arguments; what needs the project is left for later.
    pub fn new(a: Arguments<'a>) -> Result<Self> {
        let born = required(a.born, "born", "The event that begins, for example '\"Sign Up\"'.")?.parse("born")?;
        let returned = required(
            a.returned,
            "returned",
            "The event to come back with; '\"$any\"' is any event.",
        )?
        .parse("returned")?;
        let measures = [("rate", false), ("count", false), ("sum", true), ("average", true)];
        let of_property = word("measure", a.measure, &measures)?;
        if of_property != a.property.is_some() {
            return Err(Failure::param(
                "measure and property do not belong together",
                "measure => 'sum' or 'average' needs a property of the events of returned, 'rate' and 'count' have none.",
            ));
        }
        let brackets = a.brackets.unwrap_or_default().into_iter().map(|b| {
            let b = required(b, "a bracket", BRACKETS_HINT)?;
            usize::try_from(b).map_err(|_| Failure::param("brackets must be positive", BRACKETS_HINT))
        });
        let brackets = brackets.collect::<Result<Vec<usize>>>()?;
        let buckets = a
            .buckets
            .and_then(|b| usize::try_from(b).ok())
            .ok_or_else(|| Failure::param("buckets must be 0 or more", "buckets => 7 gives the buckets 0 to 7."))?;
        Ok(Question {
            born,
            returned,
            by: required(a.by, "by", "Count by 'user' or a registered group key.")?,
            unit: word(
                "unit",
                a.unit,
                &[("day", Unit::Day), ("week", Unit::Week), ("month", Unit::Month)],
            )?,
            buckets: match brackets.is_empty() {
                true => buckets,
                false => last_bucket(&brackets)?,
            },
            brackets,
            criterion: word(
                "criterion",
                a.criterion,
                &[
                    ("on", Criterion::On),
                    ("on_or_after", Criterion::OnOrAfter),
                    ("on_or_before", Criterion::OnOrBefore),
                    ("streak", Criterion::Streak),
                ],
            )?,
            alignment: word(
                "alignment",
                a.alignment,
                &[("rolling", Alignment::Rolling), ("calendar", Alignment::Calendar)],
            )?,
            births: word(
                "births",
                a.births,
                &[("every", Births::Every), ("first", Births::First)],
            )?,
            measure: a.measure.unwrap_or("rate"),
            property: a.property,
            breakdown: a.breakdown.map(|b| b.parse("breakdown")).transpose()?,
            top: required(a.top, "top", TOP_HINT)?
                .try_into()
                .ok()
                .filter(|t: &usize| *t > 0)
                .ok_or_else(|| Failure::param("top must be 1 or more", TOP_HINT))?,
            filter: arguments::filter(a.filter)?,
            days: arguments::range(a.from, a.to)?,
            project: a.project,
        })
    }

    /// Looks up what the question names, and answers it with `f`.
    pub fn ask<R>(&self, sql: &Sql, f: impl FnOnce(&Ready) -> Result<R>) -> Result<R> {
        let project = registry::open(sql, self.project)?;
        let by = project.kind(self.by)?;
        let specs = [
            arguments::selector(&self.born, "born", &[])?,
            arguments::selector(&self.returned, "returned", &[])?,
        ];
        let refs = [&specs[0], &specs[1]];
        let references = self.filter.as_ref().map_or_else(References::default, Expr::references);
        let mut context = Context::new(sql, &project, &refs, references)?;
        arguments::notice_unknown(&context, &refs)?;
        let breakdown = dimensions(self.breakdown.as_ref(), &project)?
            .iter()
            .map(|d| {
                let loaded = d.load(&mut context, &project.calendar, by)?;
                loaded.ok_or_else(|| Failure::not_available("a breakdown of retention by \"users_who_did\""))
            })
            .collect::<Result<Vec<Dimension>>>()?;
        let property = self.property.map(|p| context.load_named(p)).transpose()?;
        let measure = match (self.measure, property) {
            ("sum", Some(p)) => Measure::Sum(p),
            ("average", Some(p)) => Measure::Average(p),
            ("count", _) => Measure::Count,
            _ => Measure::Rate,
        };
        let remap = context.remap()?;
        let born = context.bind(&specs[0], by, self.filter.as_ref())?;
        let returned = context.bind(&specs[1], by, self.filter.as_ref())?;
        let mut need = need([&born, &returned].into_iter(), [by], &breakdown);
        need.properties.extend(property);
        need.properties.sort_unstable();
        need.properties.dedup();
        need.nobody = nobody_matters([&born, &returned].into_iter(), [by]);
        let plain = breakdown.is_empty() && self.brackets.is_empty() && property.is_none();
        let plan = Plan::new(
            engine::retention::Question {
                by,
                unit: self.unit,
                buckets: self.buckets,
                criterion: self.criterion,
                alignment: self.alignment,
                births: self.births,
                from_day: self.days.0,
                to_day: self.days.1,
                now_ms: crate::ingest::now_ms(),
                remap: remap.as_deref(),
                memory_limit: settings::query_memory(),
            },
            &project.calendar,
        )?;
        let (born_span, returned_span) = plan.reads();
        let span = Span64 {
            from: born_span.from.min(returned_span.from),
            to: born_span.to.max(returned_span.to),
        };
        let detail = Detail::new(plan, self.brackets.clone(), breakdown, measure, self.top)?;
        let most = context.most(by)?;
        f(&Ready {
            sql,
            project: &project,
            by,
            detail: &detail,
            plain,
            born,
            returned,
            need,
            span,
            most,
        })
    }
}

impl Ready<'_> {
    /// The rows of the report.
    pub fn rows(&self) -> Result<Vec<detail::Row>> {
        if self.plain {
            return self.plain_rows();
        }
        let counts = self.walk(
            |partial, workers| detail::count_on(self.detail, partial, workers, &mut Interrupts),
            detail::Counts::merge,
        )?;
        Ok(detail::rows(self.detail, counts, &mut Interrupts)?)
    }

    fn plain_rows(&self) -> Result<Vec<detail::Row>> {
        let Ready {
            ref born,
            ref returned,
            by,
            most,
            ..
        } = *self;
        let plan = &self.detail.plan;
        let workers = settings::workers();
        let count = |part| {
            let kernels = scan::scan_on(
                self.sql,
                self.project,
                &self.need,
                self.span,
                &workers,
                || Ok(Kernel::new(plan).for_subjects(most)?.only(part)),
                |kernel, chunk, keep, tick| {
                    let b = born.hits(chunk, keep, by, tick)?;
                    let r = returned.hits(chunk, keep, by, tick)?;
                    kernel.push(chunk, &b, &r, tick)
                },
            )?;
            let partials = kernels.into_iter().map(Kernel::finish).collect::<Result<Vec<_>, _>>()?;
            let partial = engine::parallel::merge(partials.into_iter(), |a, b| a.merge(b, plan))?;
            Ok(count_on(plan, partial, &workers, &mut Interrupts)?)
        };
        let counts = in_parts(count, |a, b| Ok(a.merge(b)))?;
        let found = rows(plan, &counts, &mut Interrupts)?;
        let mut out = engine::error::try_vec(found.len(), "rows of a report")?;
        let segment: std::sync::Arc<[String]> = std::sync::Arc::new([]);
        out.extend(found.into_iter().map(|r| detail::Row {
            segment: segment.clone(),
            cohort: r.cohort,
            size: r.size,
            bucket: r.bucket,
            retained: r.retained,
            value: match self.detail.measure {
                Measure::Count => Some(r.retained as f64),
                _ => r.value,
            },
            complete: r.complete,
        }));
        Ok(out)
    }

    /// Reads the store in detail; `count` walks what was gathered of some subjects, `merge` adds what it found of others.
    pub fn walk<C>(
        &self,
        count: impl Fn(detail::Partial, &Workers) -> engine::error::Result<C>,
        merge: impl Fn(C, C) -> engine::error::Result<C>,
    ) -> Result<C> {
        let Ready {
            ref born,
            ref returned,
            by,
            most,
            detail,
            ..
        } = *self;
        let workers = settings::workers();
        let walk = |part| {
            let kernels = scan::scan_on(
                self.sql,
                self.project,
                &self.need,
                self.span,
                &workers,
                || Ok(detail::Kernel::new(detail)?.for_subjects(most)?.only(part)),
                |kernel, chunk, keep, tick| {
                    let b = born.hits(chunk, keep, by, tick)?;
                    let r = returned.hits(chunk, keep, by, tick)?;
                    kernel.push(chunk, &b, &r, tick)
                },
            )?;
            let partials = kernels.into_iter().map(detail::Kernel::finish);
            let partial = engine::parallel::merge(partials, |a, b| a.merge(b, detail))?;
            Ok(count(partial, &workers)?)
        };
        in_parts(walk, |a, b| Ok(merge(a, b)?))
    }
}
