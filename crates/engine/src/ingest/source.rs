//! Walking over the records of a text: JSON with one object or an array, or one object a line.

use super::json::{Draft, Record};
use super::record::accept;
use super::{Batch, Intake, Outcome, RecordProblem, Settings};
use crate::error::{Error, Result};
use crate::tick::{EVERY, Tick};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use std::fmt;

/// What takes the records, one by one and in order.
pub type Sink<'a> = &'a mut dyn FnMut(Outcome) -> Result<()>;

/// Reads one event or an array of events. See [`each_json`] for a version that needs no memory for the whole batch.
///
/// # Errors
/// [`Error::Syntax`] when the text is not JSON: the records can't be told apart then, so none is stored.
/// [`Error::Param`] when it is JSON of another shape, [`Error::Limit`] for too many records.
pub fn parse_batch_json(text: &str, settings: &Settings, tick: &mut dyn Tick) -> Result<Batch> {
    let mut batch = Batch::default();
    each_json(text, settings, tick, &mut |o| batch.push(o))?;
    Ok(batch)
}

/// Reads one object a line. Blank lines don't count; whatever is wrong with a line fails that line alone.
/// See [`each_ndjson`] for a version that needs no memory for the whole batch.
///
/// # Errors
/// [`Error::Limit`] for too many records.
pub fn parse_ndjson(bytes: &[u8], settings: &Settings, tick: &mut dyn Tick) -> Result<Batch> {
    let mut batch = Batch::default();
    each_ndjson(bytes, settings, tick, &mut |o| batch.push(o))?;
    Ok(batch)
}

/// Counts records, asks whether to go on, and stops at the most a call may have.
struct Counter<'a> {
    index: usize,
    most: usize,
    tick: &'a mut dyn Tick,
}

impl Counter<'_> {
    fn next(&mut self) -> Result<usize> {
        if self.index >= self.most {
            return Err(Error::Limit {
                message: format!("more than {} records in one call", self.most),
                hint: Some("Split the records over several calls.".into()),
            });
        }
        if self.index.is_multiple_of(EVERY) {
            self.tick.tick()?;
        }
        let i = self.index;
        self.index += 1;
        Ok(i)
    }
}

/// As [`parse_ndjson`], handing on each record as it is read.
pub fn each_ndjson(bytes: &[u8], settings: &Settings, tick: &mut dyn Tick, sink: Sink) -> Result<()> {
    each_line(bytes, settings, tick, |line, index| {
        sink(one_line(line, index, settings))
    })
}

/// As [`parse_ndjson`], into columns. `turn` is called whenever the batch is full, and after every record that was not
/// taken as the usual ones are: it may store and clear the batch, or end the call.
pub fn fill_ndjson(
    bytes: &[u8],
    settings: &Settings,
    tick: &mut dyn Tick,
    intake: &mut Intake,
    turn: &mut dyn FnMut(&mut Intake) -> Result<()>,
) -> Result<()> {
    each_line(bytes, settings, tick, |line, index| {
        // What users are in is asked for record by record; the fast reader asks nobody.
        if settings.sticky.is_none()
            && line.len() <= settings.limits.record_bytes
            && let Ok(text) = std::str::from_utf8(line)
            && intake.take_plain(text, settings)?
        {
            return if intake.is_full() { turn(intake) } else { Ok(()) };
        }
        intake.take(one_line(line, index, settings), line.len())?;
        turn(intake)
    })
}

/// Calls `f` with every line that is not blank, and its number.
fn each_line(
    bytes: &[u8],
    settings: &Settings,
    tick: &mut dyn Tick,
    mut f: impl FnMut(&[u8], usize) -> Result<()>,
) -> Result<()> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut count = Counter {
        index: 0,
        most: settings.limits.batch_records,
        tick,
    };
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', bytes).chain([bytes.len()]);
    for (n, end) in ends.enumerate() {
        if n % EVERY == 0 {
            count.tick.tick()?;
        }
        let line = bytes.get(start..end).unwrap_or_default().trim_ascii();
        start = end + 1;
        if !line.is_empty() {
            let index = count.next()?;
            f(line, index)?;
        }
    }
    Ok(())
}

fn one_line(line: &[u8], index: usize, settings: &Settings) -> Outcome {
    let failed = |why: String| Outcome::Failed(RecordProblem::new("record", why).at(index, None));
    if line.len() > settings.limits.record_bytes {
        return failed(too_large(settings.limits.record_bytes));
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return failed("must be valid UTF-8".into());
    };
    match Draft::parse(text, settings.limits) {
        Ok(draft) => accept(draft, None, index, settings),
        Err(e) => failed(format!("must be one JSON object: {}, byte {}", reason(&e), e.column())),
    }
}

pub(super) fn too_large(bytes: usize) -> String {
    format!("must not be larger than {bytes} bytes")
}

/// The message of a JSON error without its position.
fn reason(e: &serde_json::Error) -> String {
    let mut text = e.to_string();
    if let Some(at) = text.rfind(" at line ") {
        text.truncate(at);
    }
    text
}

/// As [`parse_batch_json`], handing on each record as it is read. On an error, records handed on before do not count.
pub fn each_json(text: &str, settings: &Settings, tick: &mut dyn Tick, sink: Sink) -> Result<()> {
    let mut count = Counter {
        index: 0,
        most: settings.limits.batch_records,
        tick,
    };
    let mut stopped = None;
    let mut d = serde_json::Deserializer::from_str(text);
    let walk = Records {
        settings,
        count: &mut count,
        stopped: &mut stopped,
        sink,
    };
    let done = d.deserialize_any(walk).and_then(|()| d.end());
    match (stopped, done) {
        (Some(e), _) => Err(e),
        (None, Ok(())) => Ok(()),
        (None, Err(e)) if e.is_data() => Err(Error::param_hint(
            "events must be a JSON object or an array of objects",
            "An event looks like {\"event\": \"Signup\", \"properties\": {\"time\": 1700000000, \"distinct_id\": \"u1\"}}.",
        )),
        (None, Err(e)) => Err(Error::Syntax {
            message: format!("invalid JSON: {}", reason(&e)),
            position: position(text, &e),
            hint: Some("Send one event per line to track_ndjson to have a broken one refused alone.".into()),
        }),
    }
}

/// The place of a JSON error, in characters from 1.
fn position(text: &str, e: &serde_json::Error) -> usize {
    let line_start: usize = text
        .split_inclusive('\n')
        .take(e.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = line_start.saturating_add(e.column().saturating_sub(1));
    text.char_indices().take_while(|(i, _)| *i < at).count() + 1
}

/// The top level of a JSON text: one record or an array of records.
struct Records<'a, 'b, 'c> {
    settings: &'a Settings<'a>,
    count: &'a mut Counter<'b>,
    /// Why the walk was stopped from our side.
    stopped: &'a mut Option<Error>,
    sink: Sink<'c>,
}

impl Records<'_, '_, '_> {
    fn take<E: serde::de::Error>(&mut self, draft: Draft) -> Result<(), E> {
        let settings = self.settings;
        let done = self
            .count
            .next()
            .and_then(|index| (self.sink)(accept(draft, None, index, settings)));
        done.map_err(|e| {
            *self.stopped = Some(e);
            E::custom("stopped")
        })
    }
}

impl<'de> Visitor<'de> for Records<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an event or an array of events")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        let limits = self.settings.limits;
        let draft = Record { limits }.deserialize(MapAccessDeserializer::new(map))?;
        self.take(draft)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let limits = self.settings.limits;
        while let Some(draft) = seq.next_element_seed(Record { limits })? {
            self.take::<A::Error>(draft)?;
        }
        Ok(())
    }
}
