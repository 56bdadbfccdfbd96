//! Kernels over the user-major stream, on several threads: the leader fetches parts, workers decode and count them.

use crate::error::Result;
use crate::pg::interrupts::Interrupts;
use crate::store::stream::Reading;
use engine::error::Error;
use engine::parallel::{PerThread, Workers};
use engine::stream::{Columns, Part, Piece, Ranks};
use engine::tick::Tick;

/// How parts are handed out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Each day of each part on its own, to whoever has time.
    Any,
    /// All days of one part number to one worker, in order: users are followed from day to day.
    Days,
}

/// Each thread makes a state for itself and is given parts; the answer has the states of all, at least one.
pub fn walk<K: Send>(
    reading: Reading,
    ranks: &Ranks,
    columns: Columns,
    order: Order,
    workers: &Workers,
    make: impl Fn() -> Result<K, Error> + Sync,
    push: impl Fn(&mut K, &Piece, &Part, &mut dyn Tick) -> Result<(), Error> + Sync,
) -> Result<Vec<K>> {
    let states = PerThread::new(workers);
    let job = |thread: usize, pieces: Vec<Piece>, tick: &mut dyn Tick| {
        let fresh = || Ok((make()?, Part::default()));
        states.with(thread, fresh, |(state, part)| {
            pieces.iter().try_for_each(|piece| {
                piece.load(columns, ranks, part)?;
                push(state, piece, part, tick)
            })
        })
    };
    workers.stream(
        &mut Interrupts,
        |feeder| {
            let (mut together, mut rows) = (Vec::new(), 0);
            reading.pieces(columns, &mut |piece| {
                let goes_on = |last: &Piece| order == Order::Days && last.part == piece.part;
                if !together.last().is_none_or(goes_on) {
                    feeder.push(std::mem::take(&mut together), std::mem::take(&mut rows))?;
                }
                rows += piece.len();
                together.push(piece);
                Ok(())
            })?;
            if !together.is_empty() {
                feeder.push(together, rows)?;
            }
            Ok::<_, crate::error::Failure>(())
        },
        &job,
    )?;
    let mut out: Vec<K> = states.into_states().map(|(state, _)| state).collect();
    if out.is_empty() {
        out.push(make()?);
    }
    Ok(out)
}
