//! Work on several threads: a leader that may do what workers must not (it alone talks to the database), and workers that
//! run pure functions over data they own.
//!
//! Threads live no longer than one call and are joined in every case: when the work is done, when a job fails, when the
//! leader is cancelled and when it unwinds. Knows no report and no store.

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::tick::Tick;
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How much waits in a queue before the leader helps instead of feeding it.
const QUEUE_WEIGHT: usize = 1 << 20;

/// Threads to use and how to start them.
#[derive(Clone, Copy)]
pub struct Workers<'a> {
    threads: usize,
    least: usize,
    quiet: Option<&'a (dyn Fn() -> Box<dyn Any> + 'a)>,
}

impl std::fmt::Debug for Workers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").field("threads", &self.threads).finish()
    }
}

impl<'a> Workers<'a> {
    /// The leader alone.
    pub const fn serial() -> Self {
        Workers {
            threads: 1,
            least: 0,
            quiet: None,
        }
    }

    /// The leader and `threads - 1` workers, started as soon as there is work of `least` rows.
    pub const fn new(threads: usize, least: usize) -> Self {
        Workers {
            threads: if threads == 0 { 1 } else { threads },
            least,
            quiet: None,
        }
    }

    /// What `quiet` returns is kept while threads start: they inherit what it set, such as blocked signals.
    pub const fn quietly(self, quiet: &'a (dyn Fn() -> Box<dyn Any> + 'a)) -> Self {
        Workers {
            quiet: Some(quiet),
            ..self
        }
    }

    /// Threads that may run at once, the leader included: jobs are told a number below it.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `job(thread, item)` for every item below `items`, in any order; `rows` is how much work they are together.
    pub fn each(
        &self,
        items: usize,
        rows: usize,
        tick: &mut dyn Tick,
        job: &(dyn Fn(usize, usize, &mut dyn Tick) -> Result<()> + Sync),
    ) -> Result<()> {
        let next = AtomicUsize::new(0);
        let run = |thread: usize, tick: &mut dyn Tick| {
            loop {
                let item = next.fetch_add(1, Relaxed);
                if item >= items {
                    return Ok(());
                }
                tick.tick()?;
                job(thread, item, tick)?;
            }
        };
        if self.threads < 2 || rows < self.least || items < 2 {
            return run(0, tick);
        }
        let crew = Crew::default();
        let led = std::thread::scope(|scope| {
            let _end = crew.stop_at_end();
            let quiet = self.quiet.map(|q| q());
            for thread in 1..self.threads.min(items) {
                let crew = &crew;
                let run = &run;
                start(scope, move || crew.work(|tick| run(thread, tick)));
            }
            drop(quiet);
            let led = run(0, tick);
            if led.is_err() {
                crew.stop();
            }
            led
        });
        crew.outcome(led)
    }

    /// Runs `job(thread, item)` for every item that `feed` hands out, while `feed` goes on. Items of `weight` rows.
    pub fn stream<T: Send, E: From<Error>>(
        &self,
        tick: &mut dyn Tick,
        feed: impl FnOnce(&mut Feeder<'_, '_, T>) -> Result<(), E>,
        job: &(dyn Fn(usize, T, &mut dyn Tick) -> Result<()> + Sync),
    ) -> Result<(), E> {
        let crew = Crew::default();
        let queue = Queue::default();
        let led = std::thread::scope(|scope| {
            let _end = crew.stop_at_end();
            let _wake = queue.close_at_end();
            let mut started = self.threads < 2;
            let start_all = || {
                let quiet = self.quiet.map(|q| q());
                for thread in 1..self.threads {
                    let (crew, queue) = (&crew, &queue);
                    start(scope, move || {
                        crew.work(|tick| {
                            while let Some(item) = queue.wait(crew) {
                                job(thread, item, tick)?;
                            }
                            Ok(())
                        })
                    });
                }
                drop(quiet);
            };
            let led = feed(&mut Feeder {
                queue: &queue,
                crew: &crew,
                tick: &mut *tick,
                total: 0,
                start: &mut |total| {
                    if !started && total >= self.least {
                        started = true;
                        start_all();
                    }
                },
                lead: &mut |item, tick| job(0, item, tick),
            });
            queue.close();
            let led = led.and_then(|()| {
                while let Some(item) = queue.take() {
                    crew.go_on()?;
                    tick.tick()?;
                    job(0, item, tick)?;
                }
                Ok(())
            });
            if led.is_err() {
                crew.stop();
            }
            led
        });
        crew.outcome(led)
    }
}

/// Where the leader puts items.
pub struct Feeder<'f, 'q, T> {
    queue: &'q Queue<T>,
    crew: &'q Crew,
    tick: &'f mut dyn Tick,
    total: usize,
    start: &'f mut dyn FnMut(usize),
    lead: &'f mut dyn FnMut(T, &mut dyn Tick) -> Result<()>,
}

impl<T> Feeder<'_, '_, T> {
    /// Hands out an item of `weight` rows. When much waits already, the leader does it at once.
    pub fn push(&mut self, item: T, weight: usize) -> Result<()> {
        self.tick.tick()?;
        self.total = self.total.saturating_add(weight);
        (self.start)(self.total);
        self.crew.go_on()?;
        match self.queue.put(item, weight) {
            Some(item) => (self.lead)(item, self.tick),
            None => Ok(()),
        }
    }
}

/// Starts a thread. One that cannot be had is done without: the others take its items.
fn start<'scope>(scope: &'scope std::thread::Scope<'scope, '_>, work: impl FnOnce() + Send + 'scope) {
    let builder = std::thread::Builder::new().name("analytics_groups".into());
    drop(builder.spawn_scoped(scope, work));
}

/// What the threads of one call share.
#[derive(Default)]
struct Crew {
    stopped: AtomicBool,
    failure: Mutex<Option<Error>>,
}

struct StopAtEnd<'a>(&'a Crew);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        // When the work is done nobody is left to hear it; when the leader unwinds, everybody is.
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}

/// Asks whether the others still want the work.
struct Stopped<'a>(&'a Crew);

impl Tick for Stopped<'_> {
    fn tick(&mut self) -> Result<()> {
        self.0.go_on()
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crew {
    fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    fn go_on(&self) -> Result<()> {
        if self.stopped.load(Relaxed) {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    fn stop_at_end(&self) -> StopAtEnd<'_> {
        StopAtEnd(self)
    }

    /// Runs a worker; what goes wrong in it stops the others.
    fn work(&self, f: impl FnOnce(&mut dyn Tick) -> Result<()>) {
        let done = catch_unwind(AssertUnwindSafe(|| f(&mut Stopped(self))));
        let failure = match done {
            Ok(Ok(())) => return,
            Ok(Err(e)) => e,
            Err(_) => Error::corrupt("a worker thread of a report panicked"),
        };
        let mut first = lock(&self.failure);
        // A worker that only followed the others has nothing to say.
        if first.is_none() && !(failure == Error::Cancelled && self.stopped.load(Relaxed)) {
            *first = Some(failure);
        }
        self.stop();
    }

    /// What came of it all: a worker's failure explains that of a leader who only followed.
    fn outcome<E: From<Error>>(&self, led: Result<(), E>) -> Result<(), E> {
        match lock(&self.failure).take() {
            Some(e) => Err(e.into()),
            None => led,
        }
    }
}

struct Waiting<T> {
    items: VecDeque<(T, usize)>,
    weight: usize,
    closed: bool,
}

struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    ready: Condvar,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue {
            waiting: Mutex::new(Waiting {
                items: VecDeque::new(),
                weight: 0,
                closed: false,
            }),
            ready: Condvar::new(),
        }
    }
}

struct CloseAtEnd<'a, T>(&'a Queue<T>);

impl<T> Drop for CloseAtEnd<'_, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<T> Queue<T> {
    /// Puts an item in, or gives it back when enough waits.
    fn put(&self, item: T, weight: usize) -> Option<T> {
        let mut w = lock(&self.waiting);
        if w.weight.saturating_add(weight) > QUEUE_WEIGHT && !w.items.is_empty() || w.items.try_reserve(1).is_err() {
            return Some(item);
        }
        w.weight += weight;
        w.items.push_back((item, weight));
        drop(w);
        self.ready.notify_one();
        None
    }

    fn pop(w: &mut Waiting<T>) -> Option<T> {
        let (item, weight) = w.items.pop_front()?;
        w.weight -= weight;
        Some(item)
    }

    /// The next item, if one is there.
    fn take(&self) -> Option<T> {
        Self::pop(&mut lock(&self.waiting))
    }

    /// The next item, as soon as one is there; `None` when there will be none.
    fn wait(&self, crew: &Crew) -> Option<T> {
        let mut w = lock(&self.waiting);
        loop {
            if crew.stopped.load(Relaxed) {
                return None;
            }
            if let Some(item) = Self::pop(&mut w) {
                return Some(item);
            }
            if w.closed {
                return None;
            }
            w = self.ready.wait(w).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        lock(&self.waiting).closed = true;
        self.ready.notify_all();
    }

    fn close_at_end(&self) -> CloseAtEnd<'_, T> {
        CloseAtEnd(self)
    }
}

/// One state per thread, made when the thread first needs it.
#[derive(Debug)]
pub struct PerThread<S> {
    slots: Vec<Mutex<Option<S>>>,
}

impl<S> PerThread<S> {
    /// Room for the threads of `workers`.
    pub fn new(workers: &Workers) -> Self {
        PerThread {
            slots: (0..workers.threads()).map(|_| Mutex::new(None)).collect(),
        }
    }

    /// Runs `f` with the state of a thread.
    pub fn with<R>(
        &self,
        thread: usize,
        make: impl FnOnce() -> Result<S>,
        f: impl FnOnce(&mut S) -> Result<R>,
    ) -> Result<R> {
        let slot = self
            .slots
            .get(thread)
            .ok_or_else(|| Error::corrupt("a thread without a state"))?;
        // Never contended: a thread has one job at a time.
        let mut slot = lock(slot);
        match slot.as_mut() {
            Some(s) => f(s),
            None => f(slot.insert(make()?)),
        }
    }

    /// The states that were made.
    pub fn into_states(self) -> impl Iterator<Item = S> {
        self.slots
            .into_iter()
            .filter_map(|s| s.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Merges what several threads found; there must be at least one.
pub fn merge<P>(parts: impl Iterator<Item = P>, mut two: impl FnMut(P, P) -> Result<P>) -> Result<P> {
    let mut merged = None;
    for part in parts {
        merged = Some(match merged.take() {
            Some(m) => two(m, part)?,
            None => part,
        });
    }
    merged.ok_or_else(|| Error::corrupt("a report without a thread"))
}
