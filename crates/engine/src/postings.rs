//! Events gathered from chunks in any order, to be visited subject by subject in order of time.
//!
//! Subjects are spread over partitions as events come in, so that a partition's events fit into a cache when they are
//! sorted, and threads can take partitions in turn. Blocks of neighbouring numbers stay together: the rows of a segment
//! come by user. Knows no report: what an event means is in its tag.

mod scratch;
#[cfg(test)]
mod tests;

use crate::chunk::SubjectNo;
use crate::error::{Error, Result, try_vec};
use crate::gather::{Budget, TAG_BITS, grow_within, pack, pack_known, push_within, tag_of};
use crate::parallel::{PerThread, Workers};
use crate::partial::{Reader, Writer};
use crate::tick::{EVERY, Tick};
use scratch::Scratch;

/// Fewest partitions: 2 to this.
const LEAST_BITS: u32 = 7;
/// Neighbours that share a partition: 2 to this at least.
const LEAST_BLOCK_BITS: u32 = 4;
/// Events of one page. Pages never move, so that growing copies little and wastes little.
const PAGE: usize = 1024;
/// Runs of events with one tag that a page keeps in mind.
const MOST_RUNS: usize = 32;

/// How subjects are spread over partitions: a subject is a partition and a number of 16 bits inside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spread {
    /// Partitions: 2 to this.
    bits: u32,
    /// Neighbours that share a partition: 2 to this.
    block: u32,
}

impl Spread {
    #[inline]
    fn partitions(self) -> usize {
        1 << self.bits
    }

    #[inline]
    fn partition(self, no: SubjectNo) -> usize {
        (no >> self.block) as usize & (self.partitions() - 1)
    }

    /// The number inside of the partition, which ascends with the subject.
    #[inline]
    fn local(self, no: SubjectNo) -> Option<u16> {
        u16::try_from(self.wide_local(no)).ok()
    }

    #[inline]
    fn wide_local(self, no: SubjectNo) -> u64 {
        (u64::from(no) >> (self.block + self.bits) << self.block) | u64::from(no) & ((1 << self.block) - 1)
    }

    #[inline]
    fn subject(self, partition: usize, local: u16) -> SubjectNo {
        let (block, low) = (
            u64::from(local) >> self.block,
            u64::from(local) & ((1 << self.block) - 1),
        );
        (block << (self.block + self.bits) | (partition as u64) << self.block | low) as SubjectNo
    }
}

/// One of several parts of all subjects: what does not fit into memory at once is gathered part by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    index: u32,
    of: u32,
}

impl Part {
    /// All subjects.
    pub const WHOLE: Part = Part { index: 0, of: 1 };

    /// Parts that together hold every subject once.
    pub fn all(of: u32) -> impl Iterator<Item = Part> {
        (0..of).map(move |index| Part { index, of })
    }

    /// Is a subject in it, where subjects are told apart one by one?
    pub fn has(self, no: SubjectNo) -> bool {
        self.of == 1 || no % self.of == self.index
    }
}

#[derive(Debug, Clone, Default)]
struct Page {
    locals: Vec<u16>,
    entries: Vec<u64>,
    /// Where events with one tag begin, and the tag, of the first `told` events.
    runs: Vec<(u16, u32)>,
    told: usize,
}

impl Page {
    fn bytes(&self) -> usize {
        self.locals.capacity() * size_of::<u16>()
            + self.entries.capacity() * size_of::<u64>()
            + self.runs.capacity() * size_of::<(u16, u32)>()
    }

    /// The greatest number there is.
    fn top(&self) -> Option<u16> {
        // Unlike `max`, this is done for many at once.
        (!self.locals.is_empty()).then(|| self.locals.iter().fold(0, |top, local| top.max(*local)))
    }

    /// The events added since there were `before` have one tag.
    fn tell(&mut self, before: usize, tag: u32, budget: &mut Budget) -> Result<()> {
        if self.told != before {
            return Ok(());
        }
        if self.runs.last().is_none_or(|(_, t)| *t != tag) {
            if self.runs.len() == MOST_RUNS {
                return Ok(());
            }
            push_within(&mut self.runs, (before as u16, tag), budget)?;
        }
        self.told = self.entries.len();
        Ok(())
    }

    /// Neighbours that have one tag, and it; those of which it is not known come last.
    fn runs(&self) -> impl Iterator<Item = (Option<u32>, &[u16], &[u64])> {
        let ends = self.runs.iter().skip(1).map(|(from, _)| usize::from(*from));
        let tagged = self.runs.iter().zip(ends.chain([self.told]));
        let tagged = tagged.map(|((from, tag), to)| (Some(*tag), usize::from(*from)..to));
        tagged
            .chain([(None, self.told..self.entries.len())])
            .map(|(tag, rows)| {
                let locals = self.locals.get(rows.clone()).unwrap_or(&[]);
                (tag, locals, self.entries.get(rows).unwrap_or(&[]))
            })
    }
}

/// Which events of a partition are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    All,
    Nothing,
    /// Of each subject those from a packed event on.
    From,
}

/// The events of some subjects, as they came.
#[derive(Debug, Clone, Copy)]
pub struct Partition<'p> {
    postings: &'p Postings,
    number: usize,
}

impl<'p> Partition<'p> {
    /// The subject of a number inside of the partition.
    pub fn subject(&self, local: usize) -> SubjectNo {
        self.postings.spread.subject(self.number, local as u16)
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.pages().map(|(_, events)| events.len()).sum()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers inside of the partition are below this.
    pub fn subjects(&self) -> usize {
        let pages = self.postings.pages(self.number);
        pages.filter_map(Page::top).max().map_or(0, |top| usize::from(top) + 1)
    }

    /// Numbers inside of the partition and events.
    pub fn pages(&self) -> impl Iterator<Item = (&'p [u16], &'p [u64])> {
        let pages = self.postings.pages(self.number);
        pages.map(|p| (p.locals.as_slice(), p.entries.as_slice()))
    }

    /// The same, in pieces whose events all have the tag that is said; where none is, they have any.
    pub fn runs(&self) -> impl Iterator<Item = (Option<u32>, &'p [u16], &'p [u64])> {
        self.postings.pages(self.number).flat_map(Page::runs)
    }
}

/// Events by subject. An event is its time and a tag, packed by [`crate::gather::pack`].
#[derive(Debug, Clone)]
pub struct Postings {
    spread: Spread,
    /// Events of other subjects are passed over.
    part: Part,
    /// The page of each partition that is being filled.
    open: Vec<Page>,
    full: Vec<Vec<Page>>,
    /// Events of subjects beyond what was expected.
    beyond: Vec<(SubjectNo, u64)>,
    len: usize,
    last: Option<usize>,
}

impl Default for Postings {
    fn default() -> Self {
        let spread = Spread {
            bits: LEAST_BITS,
            block: LEAST_BLOCK_BITS,
        };
        Postings {
            spread,
            part: Part::WHOLE,
            open: vec![Page::default(); spread.partitions()],
            full: vec![Vec::new(); spread.partitions()],
            beyond: Vec::new(),
            len: 0,
            last: None,
        }
    }
}

impl Postings {
    /// No events yet, of subjects up to about `most`. `in_runs` when the rows of a chunk come in order of the subject: the
    /// neighbours of one partition are then added together. Otherwise blocks are small, since neighbours may all be large:
    /// numbers are given in order of appearance.
    pub fn for_subjects(most: SubjectNo, in_runs: bool, budget: &mut Budget) -> Result<Self> {
        let wide = u32::BITS - most.leading_zeros();
        let bits = wide.saturating_sub(u16::BITS).max(LEAST_BITS);
        let block = if in_runs {
            wide.saturating_sub(bits).max(LEAST_BLOCK_BITS)
        } else {
            LEAST_BLOCK_BITS
        };
        let spread = Spread { bits, block };
        let n = spread.partitions();
        budget.take(n * (size_of::<Page>() + size_of::<Vec<Page>>()))?;
        let (mut open, mut full) = (try_vec(n, "a report")?, try_vec(n, "a report")?);
        open.resize_with(n, Page::default);
        full.resize_with(n, Vec::new);
        Ok(Postings {
            spread,
            part: Part::WHOLE,
            open,
            full,
            beyond: Vec::new(),
            len: 0,
            last: None,
        })
    }

    /// The same for one part of the subjects. Neighbours are in one part.
    pub fn only(self, part: Part) -> Self {
        Postings { part, ..self }
    }

    /// Is a subject in that part?
    #[inline]
    pub(crate) fn takes(&self, no: SubjectNo) -> bool {
        self.part.of == 1 || (no >> self.spread.block) % self.part.of == self.part.index
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an event.
    #[inline]
    pub fn push(&mut self, no: SubjectNo, entry: u64, budget: &mut Budget) -> Result<()> {
        if !self.takes(no) {
            return Ok(());
        }
        let at = self.spread.partition(no);
        if let Some(local) = self.spread.local(no)
            && let Some(page) = self.open.get_mut(at)
            && page.entries.len() < page.entries.capacity()
            && page.locals.len() < page.locals.capacity()
        {
            page.locals.push(local);
            page.entries.push(entry);
            self.len += 1;
            self.last = Some(at);
            return Ok(());
        }
        self.push_slowly(no, entry, budget)
    }

    #[cold]
    fn push_slowly(&mut self, no: SubjectNo, entry: u64, budget: &mut Budget) -> Result<()> {
        if self.spread.local(no).is_none() {
            push_within(&mut self.beyond, (no, entry), budget)?;
            self.len += 1;
            self.last = None;
            return Ok(());
        }
        self.make_room(self.spread.partition(no), budget)?;
        self.push(no, entry, budget)
    }

    /// After this the partition's open page takes an event.
    fn make_room(&mut self, at: usize, budget: &mut Budget) -> Result<()> {
        let (Some(page), Some(full)) = (self.open.get_mut(at), self.full.get_mut(at)) else {
            return Err(Error::corrupt("postings without a partition"));
        };
        if page.entries.len() >= PAGE {
            push_within(full, std::mem::take(page), budget)?;
        }
        let more = if full.is_empty() {
            page.entries.len().clamp(16, PAGE)
        } else {
            PAGE
        };
        grow_within(&mut page.locals, more, budget)?;
        grow_within(&mut page.entries, more, budget)
    }

    /// Adds an event of each row: its subject, unless that is 0, its time, and one tag for all.
    pub fn push_rows(
        &mut self,
        subjects: &[SubjectNo],
        times: &[i64],
        tag: u32,
        budget: &mut Budget,
        tick: &mut dyn Tick,
    ) -> Result<()> {
        for (subjects, times) in subjects.chunks(EVERY).zip(times.chunks(EVERY)) {
            tick.tick()?;
            if let (Some(a), Some(b)) = (times.iter().min(), times.iter().max()) {
                pack(*a, tag)?;
                pack(*b, tag)?;
            }
            let (mut subjects, mut times) = (subjects, times);
            while let Some(first) = subjects.first().copied() {
                let at = self.spread.partition(first);
                let block = first >> self.spread.block;
                let run = subjects.iter().take_while(|no| **no >> self.spread.block == block);
                let run = run.count().min(times.len());
                let (Some((own, rest)), Some((own_times, rest_times))) =
                    (subjects.split_at_checked(run), times.split_at_checked(run))
                else {
                    return Err(Error::corrupt("postings of columns of different length"));
                };
                (subjects, times) = (rest, rest_times);
                if !self.takes(first) {
                    continue;
                }
                let few = run < 4 && self.spread.block == LEAST_BLOCK_BITS;
                if block == 0 || self.spread.local(first | ((1 << self.spread.block) - 1)).is_none() || few {
                    for (no, t) in own.iter().zip(own_times).filter(|(no, _)| **no != 0) {
                        self.push(*no, pack_known(*t, tag), budget)?;
                    }
                } else {
                    self.push_run(at, own, own_times, tag, budget)?;
                }
            }
        }
        Ok(())
    }

    /// Adds events of neighbours that share partition `at`.
    fn push_run(
        &mut self,
        at: usize,
        mut subjects: &[SubjectNo],
        mut times: &[i64],
        tag: u32,
        budget: &mut Budget,
    ) -> Result<()> {
        let spread = self.spread;
        while !subjects.is_empty() {
            let Some(page) = self.open.get_mut(at) else {
                return Err(Error::corrupt("postings without a partition"));
            };
            let room = page.entries.capacity().min(page.locals.capacity()) - page.entries.len();
            if room == 0 {
                self.make_room(at, budget)?;
                continue;
            }
            let n = room.min(subjects.len());
            let (Some((own, rest)), Some((own_times, rest_times))) =
                (subjects.split_at_checked(n), times.split_at_checked(n))
            else {
                return Err(Error::corrupt("postings of columns of different length"));
            };
            (subjects, times) = (rest, rest_times);
            let before = page.entries.len();
            page.locals.extend(own.iter().map(|no| spread.wide_local(*no) as u16));
            page.entries.extend(own_times.iter().map(|t| pack_known(*t, tag)));
            page.tell(before, tag, budget)?;
            self.len += n;
            self.last = Some(at);
        }
        Ok(())
    }

    /// The last event added, to replace it.
    #[inline]
    pub fn last_mut(&mut self) -> Option<(SubjectNo, &mut u64)> {
        let Some(at) = self.last else {
            return self.beyond.last_mut().map(|(no, e)| (*no, e));
        };
        let page = self.open.get_mut(at)?;
        let local = page.locals.last().copied()?;
        page.told = page.told.min(page.locals.len() - 1);
        Some((self.spread.subject(at, local), page.entries.last_mut()?))
    }

    fn pages(&self, partition: usize) -> impl Iterator<Item = &Page> + Clone + '_ {
        let full = self.full.get(partition).map(Vec::as_slice).unwrap_or(&[]);
        full.iter().chain(self.open.get(partition))
    }

    /// Every event with its subject, by partition.
    pub fn iter(&self) -> impl Iterator<Item = (SubjectNo, u64)> + '_ {
        let inside = (0..self.spread.partitions()).flat_map(move |p| {
            self.pages(p).flat_map(move |page| {
                let rows = page.locals.iter().zip(&page.entries);
                rows.map(move |(local, e)| (self.spread.subject(p, *local), *e))
            })
        });
        inside.chain(self.beyond.iter().copied())
    }

    /// Writes subjects and events.
    pub fn encode(&self, w: &mut Writer) -> Result<()> {
        w.len(self.len)?;
        self.iter().try_for_each(|(no, e)| {
            w.u32(no)?;
            w.u64(e)
        })
    }

    /// Reads what `encode` wrote; every tag must be `known`.
    pub fn decode(r: &mut Reader, budget: &mut Budget, known: impl Fn(u32) -> bool) -> Result<Self> {
        let mut p = Postings::default();
        for _ in 0..r.len(12)? {
            let (no, e) = (r.u32()?, r.u64()?);
            if no == 0 || !known(tag_of(e)) {
                return Err(Error::corrupt("partial: not events of this report"));
            }
            p.push(no, e, budget)?;
        }
        Ok(p)
    }

    /// Gives every tag the number that `numbers` has in its place.
    pub fn retag(&mut self, numbers: &[u32]) {
        if numbers.iter().enumerate().all(|(i, n)| i == *n as usize) {
            return;
        }
        let number = |tag: u32| numbers.get(tag as usize).copied().unwrap_or(0);
        let new = |e: &mut u64| *e = *e >> TAG_BITS << TAG_BITS | u64::from(number(tag_of(*e)));
        for page in self.full.iter_mut().flatten().chain(&mut self.open) {
            page.entries.iter_mut().for_each(new);
            page.runs.iter_mut().for_each(|(_, tag)| *tag = number(*tag));
        }
        self.beyond.iter_mut().for_each(|(_, e)| new(e));
    }

    /// Adds the events of another, whose memory `budget` takes over.
    pub fn append(&mut self, other: Postings, budget: &mut Budget) -> Result<()> {
        if self.spread != other.spread {
            return other.iter().try_for_each(|(no, e)| self.push(no, e, budget));
        }
        self.len += other.len;
        self.last = None;
        for (no, e) in &other.beyond {
            push_within(&mut self.beyond, (*no, *e), budget)?;
        }
        let theirs = other.full.into_iter().zip(other.open);
        for ((full, open), (mut more, last)) in self.full.iter_mut().zip(&mut self.open).zip(theirs) {
            budget.take(more.iter().map(Page::bytes).sum())?;
            if more.len() + 1 > full.capacity() - full.len() {
                grow_within(full, more.len() + 1, budget)?;
            }
            full.append(&mut more);
            // Pages that are not full may lie among full ones.
            if !last.entries.is_empty() {
                budget.take(last.bytes())?;
                let done = std::mem::replace(open, last);
                if !done.entries.is_empty() {
                    full.push(done);
                }
            }
        }
        Ok(())
    }

    /// Calls `f` with each subject that has a candidate among its events, and those in order of (time, tag). Subjects
    /// come in no particular order, those of one thread with the state that `make` made for it; the answer has the states.
    pub fn walk<S: Send>(
        self,
        workers: &Workers,
        candidate: impl Fn(u64) -> bool + Sync,
        memory_limit: usize,
        tick: &mut dyn Tick,
        make: impl Fn() -> Result<S> + Sync,
        f: impl Fn(&mut S, SubjectNo, &[u64]) -> Result<()> + Sync,
    ) -> Result<Vec<S>> {
        self.walk_long(workers, candidate, memory_limit, tick, make, |s, no, events, _| {
            f(s, no, events)
        })
    }

    /// The same for work that may take long for one subject: `f` has to ask whether to go on.
    pub fn walk_long<S: Send>(
        self,
        workers: &Workers,
        candidate: impl Fn(u64) -> bool + Sync,
        memory_limit: usize,
        tick: &mut dyn Tick,
        make: impl Fn() -> Result<S> + Sync,
        f: impl Fn(&mut S, SubjectNo, &[u64], &mut dyn Tick) -> Result<()> + Sync,
    ) -> Result<Vec<S>> {
        let all = |_: &mut S, _: Partition, _: &mut Vec<u64>, _: &mut dyn Tick| Ok(Wanted::All);
        self.walk_sifted(workers, candidate, memory_limit, tick, make, all, f)
    }

    /// The same, after `sift` has seen the unsorted events of a partition and said which of them are wanted. Events beyond
    /// what was expected it does not see; they all are.
    #[allow(clippy::too_many_arguments)]
    pub fn walk_sifted<S: Send>(
        self,
        workers: &Workers,
        candidate: impl Fn(u64) -> bool + Sync,
        memory_limit: usize,
        tick: &mut dyn Tick,
        make: impl Fn() -> Result<S> + Sync,
        sift: impl Fn(&mut S, Partition, &mut Vec<u64>, &mut dyn Tick) -> Result<Wanted> + Sync,
        f: impl Fn(&mut S, SubjectNo, &[u64], &mut dyn Tick) -> Result<()> + Sync,
    ) -> Result<Vec<S>> {
        let states: PerThread<(S, Scratch)> = PerThread::new(workers);
        // The largest first, so that nobody is left with much at the end.
        let sizes = (0..self.spread.partitions()).map(|p| (self.pages(p).map(|g| g.entries.len()).sum(), Some(p)));
        let sizes = sizes.chain([(self.beyond.len(), None)]);
        let mut order: Vec<(usize, Option<usize>)> = try_vec(self.spread.partitions() + 1, "a report")?;
        order.extend(sizes.filter(|(n, _)| *n > 0));
        order.sort_unstable_by(|a, b| b.cmp(a));
        let make_both = || Ok((make()?, Scratch::new(memory_limit)));
        workers.each(order.len(), self.len, tick, &|thread, item, tick| {
            let Some(&(rows, partition)) = order.get(item) else {
                return Ok(());
            };
            states.with(thread, make_both, |(state, scratch)| match partition {
                Some(p) => {
                    let partition = Partition {
                        postings: &self,
                        number: p,
                    };
                    let mut from = std::mem::take(&mut scratch.from);
                    let wanted = sift(state, partition, &mut from, tick)?;
                    scratch.from = from;
                    if wanted == Wanted::Nothing {
                        return Ok(());
                    }
                    scratch.sort(self.pages(p), rows, wanted == Wanted::From, tick)?;
                    scratch.visit(&candidate, tick, |local, run, tick| {
                        f(state, self.spread.subject(p, local as u16), run, tick)
                    })
                }
                None => {
                    scratch.sort_pairs(&self.beyond, tick)?;
                    scratch.visit(&candidate, tick, |no, run, tick| f(state, no, run, tick))
                }
            })
        })?;
        let mut out = try_vec(workers.threads(), "a report")?;
        out.extend(states.into_states().map(|(s, _)| s));
        if out.is_empty() {
            out.push(make()?);
        }
        Ok(out)
    }
}
