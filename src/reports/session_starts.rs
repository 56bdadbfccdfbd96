//! The sessions that other reports count, or look into: by inactivity of 30 minutes, cut at midnight of the project's zone.

use super::stream::{self, Order};
use crate::error::Result;
use crate::pg::interrupts::Interrupts;
use crate::pg::spi::Sql;
use crate::registry::Project;
use crate::registry::event_names::EventNames;
use crate::settings;
use crate::store::scan::{self, Need};
use crate::store::stream::Reading;
use engine::chunk::{Kind, SubjectNo, USER};
use engine::sessions::{EventStarts, Mode, Plan, Starts, StreamStarts, USUAL_TIMEOUT};
use engine::time::{Span64, Unit};

/// All sessions of the days that a span touches.
pub fn read(sql: &Sql, project: &Project, by: Kind, span: Span64, remap: Option<&[SubjectNo]>) -> Result<Starts> {
    let calendar = &project.calendar;
    let (first, last) = (calendar.day_of(span.from)?, calendar.day_of(span.to.saturating_sub(1))?);
    let names = EventNames::read(sql, project, false)?;
    let buckets = calendar.buckets(Unit::Range, first, last)?;
    let mut plan = Plan::new(Mode::Timeout(USUAL_TIMEOUT), calendar, first, last, buckets)?;
    plan.excluded = names.no_activity();
    plan.remap = remap;
    plan.memory_limit = settings::query_memory();
    let workers = settings::workers();
    let found = if by == USER && Reading::fits(sql, project, first, last, remap)? {
        let columns = StreamStarts::new(&plan)?.columns();
        let kernels = stream::walk(
            Reading::open(sql, project, &names.ranks, (first, last), remap)?,
            &names.ranks,
            columns,
            Order::Any,
            &workers,
            || StreamStarts::new(&plan),
            |kernel, piece, part, tick| kernel.push(piece.part, calendar.day_start(piece.day)?, part, tick),
        )?;
        kernels.into_iter().map(StreamStarts::finish).collect()
    } else {
        let need = Need {
            kinds: [by].into_iter().filter(|k| *k != USER).collect(),
            ..Need::default()
        };
        let kernels = scan::scan_on(
            sql,
            project,
            &need,
            plan.buckets.range,
            &workers,
            || EventStarts::new(&plan, by),
            |kernel, chunk, keep, tick| kernel.push(chunk, keep, tick),
        )?;
        EventStarts::finish(kernels, &workers, &mut Interrupts)?
    };
    Ok(Starts::new(&plan, found, &mut Interrupts)?)
}
