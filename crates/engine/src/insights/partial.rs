//! Partial results of insights: merging, and the bytes they travel as.

use super::Plan;
use super::cell::{Cell, Extremes, Summed, Values};
use super::cells::Table;
use super::combinations::Combinations;
use super::latest::Latest;
use super::measure::{Aggregate, Inner, Measure};
use super::per_subject::PerSubject;
use super::subject_values::SubjectValues;
use super::touches::Touches;
use crate::breakdown::{MAX_SEGMENTS, Segments};
use crate::chunk::{Kind, SubjectNo};
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, zeroed};
use crate::partial::{Reader, Tag, Writer};
use crate::subjects::SubjectSet;
use crate::tick::Tick;

/// What was counted so far.
#[derive(Debug, Clone)]
pub struct Partial {
    pub(super) segments: Segments,
    pub(super) combinations: Combinations,
    /// Different values of properties, for metrics that count them: value k is number k + 1 of a set.
    pub(super) values: Segments,
    /// One per metric.
    pub(super) counts: Vec<Counts>,
    /// Per metric: subjects that are not in the set of the cell they were counted in last.
    pub(super) latest: Vec<Latest>,
    /// Per metric: events that may count alone of their subjects.
    pub(super) touches: Vec<Touches>,
    /// Which segments anything counts in, where it is not every one.
    pub(super) live: Option<Vec<bool>>,
    /// What each segment ranks by, once it was worked out.
    pub(super) scores: Option<Vec<Option<f64>>>,
    /// Per metric, if any: subjects of intervals that are known by number alone.
    pub(super) known: Vec<Vec<u64>>,
    pub(super) budget: Budget,
}

/// The cells of one metric.
#[derive(Debug, Clone)]
pub(super) enum Counts {
    Totals(Table<u64>),
    /// Subjects by interval, or by day for trailing windows; or sessions.
    Sets(Table<SubjectSet>),
    /// Numbers of values.
    Distinct(Table<SubjectSet>),
    Sums(Table<Summed>),
    Extremes(Table<Extremes>),
    Values(Table<Values>),
    /// Events of each subject.
    Times(Table<PerSubject>),
    /// Numbers of each subject.
    PerValue(Table<SubjectValues>),
    /// Numbers of values of each subject.
    PerDistinct(Table<SubjectValues>),
}

/// Runs `$do` with `$t` standing for the table, whatever is in it.
macro_rules! any_table {
    ($counts:expr, $t:ident => $do:expr) => {
        match $counts {
            Counts::Totals($t) => $do,
            Counts::Sets($t) => $do,
            Counts::Distinct($t) => $do,
            Counts::Sums($t) => $do,
            Counts::Extremes($t) => $do,
            Counts::Values($t) => $do,
            Counts::Times($t) => $do,
            Counts::PerValue($t) => $do,
            Counts::PerDistinct($t) => $do,
        }
    };
}
pub(super) use any_table;

impl Counts {
    fn new(measure: Measure, single: bool, buckets: usize, budget: &mut Budget) -> Result<Self> {
        let b = budget;
        Ok(match measure {
            Measure::Total => Counts::Totals(Table::new(single, buckets, b)?),
            Measure::Unique
            | Measure::UniqueIn(_)
            | Measure::CumulativeUnique
            | Measure::Active { .. }
            | Measure::Sessions => Counts::Sets(Table::new(single, buckets, b)?),
            Measure::Property { aggregate, .. } => match aggregate {
                Aggregate::Sum | Aggregate::Average => Counts::Sums(Table::new(single, buckets, b)?),
                Aggregate::Min | Aggregate::Max => Counts::Extremes(Table::new(single, buckets, b)?),
                Aggregate::Percentile(_) => Counts::Values(Table::new(single, buckets, b)?),
                Aggregate::Distinct => Counts::Distinct(Table::new(single, buckets, b)?),
                Aggregate::Distribution => {
                    return Err(Error::param("a distribution is one of subjects"));
                }
            },
            Measure::PerSubject {
                outer: Aggregate::Distinct,
                ..
            } => {
                return Err(Error::param("values of subjects can not be counted"));
            }
            Measure::PerSubject { inner, .. } => match inner {
                Inner::Total => Counts::Times(Table::new(single, buckets, b)?),
                Inner::Property { aggregate, .. } => match aggregate {
                    Aggregate::Distinct => Counts::PerDistinct(Table::new(single, buckets, b)?),
                    Aggregate::Sum | Aggregate::Average | Aggregate::Min | Aggregate::Max => {
                        Counts::PerValue(Table::new(single, buckets, b)?)
                    }
                    _ => {
                        return Err(Error::param(
                            "the value of a subject is a sum, average, min, max or distinct",
                        ));
                    }
                },
            },
        })
    }

    fn tag(&self) -> u32 {
        match self {
            Counts::Totals(_) => 0,
            Counts::Sets(_) => 1,
            Counts::Distinct(_) => 2,
            Counts::Sums(_) => 3,
            Counts::Extremes(_) => 4,
            Counts::Values(_) => 5,
            Counts::Times(_) => 6,
            Counts::PerValue(_) => 7,
            Counts::PerDistinct(_) => 8,
        }
    }

    /// True when cells are kept per segment and never per combination, because whatever is in two segments is in their
    /// union once anyway.
    pub(super) fn is_union(&self) -> bool {
        matches!(self, Counts::Sets(_) | Counts::Distinct(_))
    }

    /// True when cells hold numbers of values.
    fn of_values(&self) -> bool {
        matches!(self, Counts::Distinct(_) | Counts::PerDistinct(_))
    }
}

/// Cells a metric has per line.
fn columns(plan: &Plan, measure: Measure) -> usize {
    match measure {
        Measure::Active { .. } => plan.time.days.len(),
        _ => plan.time.buckets.len(),
    }
}

impl Partial {
    /// Nothing counted.
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        let mut budget = Budget::new(plan.memory_limit);
        let single = plan.breakdown.is_empty();
        let counts = plan
            .metrics
            .iter()
            .map(|m| Counts::new(m.measure, single, columns(plan, m.measure), &mut budget));
        // Only where the sets of cells are looked at once, in the end.
        let latest = plan.metrics.iter().map(|m| match m.measure {
            Measure::Unique if !single => Latest::default(),
            _ => Latest::none(),
        });
        Ok(Partial {
            counts: counts.collect::<Result<_>>()?,
            latest: latest.collect(),
            touches: plan.metrics.iter().map(|m| Touches::new(m.measure.touch())).collect(),
            live: None,
            scores: None,
            segments: Segments::new(plan.breakdown.len()),
            combinations: Combinations::default(),
            values: Segments::new(1),
            known: vec![Vec::new(); plan.metrics.len()],
            budget,
        })
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }

    /// Says what the id of a subject is that segments are known by the number of.
    pub fn name(&mut self, kind: Kind, no: SubjectNo, id: &str) -> Result<()> {
        self.segments.name(kind, no, id, &mut self.budget)
    }

    /// True when this partial can belong to `plan`.
    pub(super) fn fits(&self, plan: &Plan) -> bool {
        let known = |(k, m): (&Vec<u64>, &super::Metric)| k.is_empty() || k.len() == columns(plan, m.measure);
        self.segments.dimensions() == plan.breakdown.len()
            && self.counts.len() == plan.metrics.len()
            && self.known.len() == plan.metrics.len()
            && self.known.iter().zip(&plan.metrics).all(known)
    }

    /// Where the day that begins at `start` counts for a metric, if it does.
    fn column_of(plan: &Plan, metric: usize, start: i64) -> Result<Option<usize>> {
        let m = plan
            .metrics
            .get(metric)
            .ok_or_else(|| Error::param("insights: no such metric"))?;
        if !plan.breakdown.is_empty() {
            return Err(Error::param("insights: a whole day has no segments"));
        }
        Ok(match m.measure.trailing_days() {
            Some(n) => plan
                .time
                .days
                .of(start)
                .filter(|d| plan.time.looked_at(n, 0).get(*d) == Some(&true)),
            None => plan.time.buckets.of(start).filter(|b| !plan.time.is_gap(*b)),
        })
    }

    /// Adds the subjects of one metric on a whole day, which begins at `day`, instead of that day's rows. Nothing
    /// happens when the metric does not look at the day. Only without a breakdown, for measures that count subjects
    /// (`unique`, trailing and cumulative), and for intervals of days and more. Subject 0 is passed over; the subjects
    /// are as they are counted, after identity merges.
    pub fn add_set(&mut self, plan: &Plan, metric: usize, day: i64, subjects: impl Iterator<Item = u32>) -> Result<()> {
        let Some(column) = Self::column_of(plan, metric, day)? else {
            return Ok(());
        };
        let Some(Counts::Sets(table)) = self.counts.get_mut(metric) else {
            return Err(Error::param("insights: the metric does not count subjects"));
        };
        let set = table.slot(0, column, &mut self.budget)?;
        for no in subjects.filter(|no| *no != 0) {
            set.add(no, &mut self.budget)?;
        }
        Ok(())
    }

    /// [`Partial::add_set`] for subjects in the portable format of roaring bitmaps.
    pub fn add_portable(&mut self, plan: &Plan, metric: usize, day: i64, subjects: &[u8]) -> Result<()> {
        let Some(column) = Self::column_of(plan, metric, day)? else {
            return Ok(());
        };
        let Some(Counts::Sets(table)) = self.counts.get_mut(metric) else {
            return Err(Error::param("insights: the metric does not count subjects"));
        };
        let set = table.slot(0, column, &mut self.budget)?;
        set.union_portable(subjects, &mut self.budget)
    }

    /// Adds events of one metric that fell into the interval of the instant `at`, instead of their rows. Only for
    /// totals, and without a breakdown.
    pub fn add_total(&mut self, plan: &Plan, metric: usize, at: i64, events: u64) -> Result<()> {
        let Some(column) = Self::column_of(plan, metric, at)? else {
            return Ok(());
        };
        let Some(Counts::Totals(table)) = self.counts.get_mut(metric) else {
            return Err(Error::param("insights: the metric does not count events"));
        };
        let cell = table.slot(0, column, &mut self.budget)?;
        *cell = cell.saturating_add(events);
        Ok(())
    }

    /// Says how many subjects one metric has on a whole day, which begins at `day`, instead of that day's rows. Only
    /// without a breakdown, and where the day is an interval of its own: `unique` by day, `dau`. Nothing else may be
    /// added for that day.
    pub fn add_known(&mut self, plan: &Plan, metric: usize, day: i64, subjects: u64) -> Result<()> {
        let Some(column) = Self::column_of(plan, metric, day)? else {
            return Ok(());
        };
        let measure = plan.metrics.get(metric).map(|m| m.measure);
        let (Some(Measure::Unique | Measure::Active { days: 0 | 1 }), Some(known)) =
            (measure, self.known.get_mut(metric))
        else {
            return Err(Error::param("insights: the metric needs to know which subjects"));
        };
        if known.is_empty() {
            *known = zeroed(columns(plan, measure.unwrap_or(Measure::Unique)), &mut self.budget)?;
        }
        if let Some(n) = known.get_mut(column) {
            *n = n.saturating_add(subjects);
        }
        Ok(())
    }

    /// Both together; the order makes no difference to what comes out in the end.
    pub fn merge(self, other: Partial, plan: &Plan) -> Result<Partial> {
        if !self.fits(plan) || !other.fits(plan) {
            return Err(other_report());
        }
        let (mut into, from) = if self.bytes() >= other.bytes() {
            (self, other)
        } else {
            (other, self)
        };
        let Partial {
            segments,
            combinations,
            values,
            counts,
            latest,
            touches,
            live,
            scores,
            known,
            budget,
        } = &mut into;
        (*scores, *live) = (None, None);
        budget.set_limit(plan.memory_limit);
        let translation = segments.absorb(&from.segments, budget)?;
        let sets = combinations.absorb(&from.combinations, &translation, budget)?;
        let ids = values.absorb(&from.values, budget)?;
        let ours = |line: u32| match line.checked_sub(MAX_SEGMENTS) {
            None => translation.get(line as usize).copied().unwrap_or(0),
            Some(n) => sets.get(n as usize).copied().unwrap_or(0),
        };
        for ((a, b), (near, far)) in counts
            .iter_mut()
            .zip(from.counts)
            .zip(latest.iter_mut().zip(from.latest))
        {
            let ids = a.of_values().then_some(ids.as_slice());
            match (a, b) {
                (Counts::Totals(a), Counts::Totals(b)) => merge(a, b, ours, ids, budget)?,
                (Counts::Sets(a), Counts::Sets(b)) => {
                    let places = merge_sets(a, b, ours, budget)?;
                    near.absorb(far, &places, a, budget)?;
                }
                (Counts::Distinct(a), Counts::Distinct(b)) => merge(a, b, ours, ids, budget)?,
                (Counts::Sums(a), Counts::Sums(b)) => merge(a, b, ours, ids, budget)?,
                (Counts::Extremes(a), Counts::Extremes(b)) => merge(a, b, ours, ids, budget)?,
                (Counts::Values(a), Counts::Values(b)) => merge(a, b, ours, ids, budget)?,
                (Counts::Times(a), Counts::Times(b)) => merge(a, b, ours, ids, budget)?,
                (Counts::PerValue(a), Counts::PerValue(b)) => merge(a, b, ours, ids, budget)?,
                (Counts::PerDistinct(a), Counts::PerDistinct(b)) => merge(a, b, ours, ids, budget)?,
                _ => return Err(other_report()),
            }
        }
        for (a, b) in touches.iter_mut().zip(from.touches) {
            a.absorb(b, &translation, segments, budget)?;
        }
        for (a, b) in known.iter_mut().zip(from.known) {
            if a.is_empty() {
                budget.take(b.capacity() * size_of::<u64>())?;
                *a = b;
            } else {
                a.iter_mut().zip(&b).for_each(|(a, b)| *a = a.saturating_add(*b));
            }
        }
        Ok(into)
    }

    /// Brings subjects that count in one segment only into that one. Segments that nothing counts in after that are no
    /// longer there.
    pub(super) fn settle(&mut self, plan: &Plan, tick: &mut dyn Tick) -> Result<()> {
        let one_only = |m: &super::Metric| m.measure.touch().is_some();
        if self.live.is_some() || plan.breakdown.is_empty() || !plan.metrics.iter().any(one_only) {
            return Ok(());
        }
        for (touches, counts) in self.touches.iter_mut().zip(&mut self.counts) {
            if let Counts::Sets(table) = counts {
                touches.settle(table, &mut self.budget, tick)?;
            }
        }
        let mut live: Vec<bool> = zeroed(self.segments.len(), &mut self.budget)?;
        for counts in &self.counts {
            any_table!(counts, t => for (line, _) in t.keys() {
                for segment in self.combinations.members(&line) {
                    if let Some(l) = live.get_mut(*segment as usize) {
                        *l = true;
                    }
                }
            });
        }
        self.live = Some(live);
        Ok(())
    }

    /// Does anything count in a segment?
    pub(super) fn is_live(&self, segment: usize) -> bool {
        let live = self.live.as_ref();
        live.is_none_or(|l| l.get(segment).copied().unwrap_or(false))
    }

    /// Bytes for another process.
    pub fn encode(&mut self) -> Result<Vec<u8>> {
        let mut w = Writer::new(Tag::Insights, self.bytes())?;
        self.segments.encode(&mut w)?;
        self.combinations.encode(&mut w)?;
        self.values.encode(&mut w)?;
        w.len(self.counts.len())?;
        for ((counts, latest), known) in self.counts.iter_mut().zip(&mut self.latest).zip(&self.known) {
            if let Counts::Sets(table) = counts {
                latest.flush(table, &mut self.budget)?;
            }
            w.u32(counts.tag())?;
            any_table!(counts, t => encode(t, &mut w)?);
            w.u64s(known)?;
        }
        let asked = self.touches.iter().filter(|t| t.are_asked_for());
        asked.into_iter().try_for_each(|t| t.encode(&mut w))?;
        w.finish()
    }

    /// Reads what `encode` wrote for the same plan.
    pub fn decode(bytes: &[u8], plan: &Plan) -> Result<Partial> {
        let mut r = Reader::new(Tag::Insights, bytes)?;
        let mut p = Partial::new(plan)?;
        p.segments = Segments::decode(&mut r, &mut p.budget)?;
        p.combinations = Combinations::decode(&mut r, p.segments.len(), &mut p.budget)?;
        p.values = Segments::decode(&mut r, &mut p.budget)?;
        if p.values.dimensions() != 1 || r.len(16)? != p.counts.len() {
            return Err(other_report());
        }
        for ((counts, known), m) in p.counts.iter_mut().zip(&mut p.known).zip(&plan.metrics) {
            if r.u32()? != counts.tag() {
                return Err(other_report());
            }
            let bounds = Bounds {
                segments: p.segments.len(),
                combinations: if counts.is_union() { 0 } else { p.combinations.len() },
                columns: columns(plan, m.measure),
                values: counts.of_values().then_some(p.values.len()),
            };
            any_table!(counts, t => decode(t, &mut r, &bounds, &mut p.budget)?);
            *known = r.u64s()?;
            p.budget.take(known.capacity() * size_of::<u64>())?;
        }
        for (touches, m) in p.touches.iter_mut().zip(&plan.metrics) {
            if touches.are_asked_for() {
                touches.read(&mut r, columns(plan, m.measure), &p.segments, &mut p.budget)?;
            }
        }
        r.finish()?;
        if p.fits(plan) { Ok(p) } else { Err(other_report()) }
    }
}

fn other_report() -> Error {
    Error::corrupt("partial: of another report")
}

fn merge<T: Cell>(
    a: &mut Table<T>,
    mut b: Table<T>,
    ours: impl Fn(u32) -> u32,
    ids: Option<&[u32]>,
    budget: &mut Budget,
) -> Result<()> {
    for (line, column, cell) in b.iter_mut() {
        a.slot(ours(line), column, budget)?.merge(cell, ids, budget)?;
    }
    Ok(())
}

/// The same for sets; the answer has our position of each of their cells.
fn merge_sets(
    a: &mut Table<SubjectSet>,
    mut b: Table<SubjectSet>,
    ours: impl Fn(u32) -> u32,
    budget: &mut Budget,
) -> Result<Vec<u32>> {
    let mut places = try_vec(b.len(), "segments")?;
    for (line, column, set) in b.iter_mut() {
        let at = a.place(ours(line), column, budget)?;
        if let Some(cell) = a.at(at) {
            cell.union(set, budget)?;
        }
        places.push(u32::try_from(at).unwrap_or(u32::MAX));
    }
    Ok(places)
}

fn encode<T: Cell>(table: &mut Table<T>, w: &mut Writer) -> Result<()> {
    w.len(table.len())?;
    for (line, column, cell) in table.iter_mut() {
        w.u32(line)?;
        w.u32(column as u32)?;
        cell.encode(w)?;
    }
    Ok(())
}

/// What keys and numbers of a table may be.
struct Bounds {
    segments: usize,
    combinations: usize,
    columns: usize,
    values: Option<usize>,
}

fn decode<T: Cell>(table: &mut Table<T>, r: &mut Reader, bounds: &Bounds, budget: &mut Budget) -> Result<()> {
    for n in 0..r.len(8 + T::SMALLEST)? {
        let (line, column) = (r.u32()?, r.u32()? as usize);
        let known = match line.checked_sub(MAX_SEGMENTS) {
            None => (line as usize) < bounds.segments,
            Some(n) => (n as usize) < bounds.combinations,
        };
        if !known || column >= bounds.columns {
            return Err(other_report());
        }
        *table.slot(line, column, budget)? = T::decode(r, bounds.values, budget)?;
        if table.len() != n + 1 {
            return Err(other_report());
        }
    }
    Ok(())
}
