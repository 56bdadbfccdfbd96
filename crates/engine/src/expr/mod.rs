//! The filter language: which events, users and groups a report or a query picks.
//!
//! A text becomes an [`Expr`] ([`parse`]), which names properties as people wrote them. [`bind`] ties it to one project
//! and to what is counted and gives a [`Filter`], which picks rows of a [`crate::chunk::Chunk`]; [`ProfileFilter`] is the
//! same for single profiles. [`SelectorSpec`] reads event selectors, which combine event names and filters.
//!
//! # The language
//!
//! ```text
//! sources    properties["p"]  user["p"]  group["key"]["p"]  group["key"]["$group_id"]
//!            lookup["p"]["column"]  lookup["user.p"]["column"]  lookup["group.key.p"]["column"]
//!            event["$time"] = properties["$time"] = "$time", event["$name"], event["$distinct_id"] = "$distinct_id"
//! literals   12  -1.5e3  "text" (JSON escapes)  'text'  true  false  null  undefined  [1, 2]
//! operators  or < and < not < == != < <= > >= in, not in < + - < * / % < unary -
//! functions  floor round ceil boolean number string(e[, default]) defined datetime(e) lower upper len
//!            has_prefix/starts_with has_suffix/ends_with contains (s, part)  matches(s, "regex")  in_list(e, [...])
//!            any(X, list, condition) all(X, list, condition)  cohort("name")
//! members    value["key"] of objects, value[0] of lists
//! ```
//!
//! Keywords and function names are case-insensitive, everything else is not. A missing property is `undefined`, a JSON
//! null is `null`; `defined` is false for both.
//!
//! # What the law leaves open
//!
//! * Instants are numbers: milliseconds since 1970-01-01 UTC. `datetime` reads a text (a bare date is where that day begins
//!   in the project's zone) or a number (below 1e10 seconds, else milliseconds).
//! * A list against a scalar in `==`, `<`, `in`, `contains` …: any element decides; `!=` is the negation of `==`. Two lists are
//!   equal as wholes. `x in list` is membership, `x in "text"` is substring.
//! * `number`, `string`, `floor`, `round`, `ceil`, `lower`, `upper` and `datetime` of a list are the list of their results.
//! * `round` rounds halves away from zero. `boolean` is false for `"false"`, `""`, 0, null and undefined, else true.
//! * `cohort("name")` is true when what is counted is a member: a cohort of users is for reports by user, a cohort of groups
//!   for reports by their key (semantics §8.3). Nobody, the user of an event without one, is in no cohort.
//! * What a property stands for in a lookup table is a property of the same: a list has the list of what its elements stand
//!   for, null where one is not in the table.
//! * Several groups on one event make one list of their set values; elements of list-valued properties are elements of it.
mod ast;
mod bind;
mod eval;
mod filter;
mod first;
mod lexer;
mod number;
mod ops;
mod parser;
mod plan;
mod profile;
mod read_selector;
mod select;
#[cfg(test)]
mod tests;

pub use ast::{BinaryOp, Expr, Func, References, Step};
pub use bind::{CohortColumn, LookedUp, Names};
pub use filter::{Filter, bind};
pub use first::{FirstTimes, FirstTimesKernel};
pub use parser::{MAX_CHARS, MAX_DEPTH, parse};
pub use profile::{ProfileFilter, ProfileScope, eval_object};
pub use select::{Alternative, AlternativeSpec, Selector, SelectorSpec};
