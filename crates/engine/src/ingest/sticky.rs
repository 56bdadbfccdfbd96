//! Groups that a user is in until further notice, as the super properties of a client library: an event that does not carry
//! a key gets the user's groups of it.
//!
//! What an event carries wins, whatever it is: `null`, `""` or a list of others keep the user's groups off it, as a property
//! of `track` wins over a super property of the same name.

use super::{Event, Settings};
use crate::chunk::Kind;
use crate::value::Value;
use std::fmt::Debug;
use std::rc::Rc;

/// The ids of one key that a user is in: distinct, not empty, and as [`super::attribute`] gives them.
pub type Held = (Kind, Vec<Box<str>>);

/// Who is in which groups until further notice.
pub trait Sticky: Debug {
    /// The groups of the user whom a distinct id means. What goes wrong is kept by whoever answers.
    fn held(&self, distinct_id: &str) -> Rc<[Held]>;
}

/// The keys that an event leaves open. `pairs` are all properties that were sent, sorted by name.
pub(super) fn open<'a>(pairs: &[(Box<str>, Value)], settings: &Settings<'a>) -> Vec<(Kind, &'a str)> {
    if settings.sticky.is_none() {
        return Vec::new();
    }
    let sent = |name: &str| pairs.binary_search_by(|(k, _)| (**k).cmp(name)).is_ok();
    settings
        .keys
        .iter()
        .filter(|k| !sent(&k.property))
        .map(|k| (k.kind, k.property.as_str()))
        .collect()
}

/// Puts the user's groups of the open keys on an event, and stores them as if they had been sent. They do not count against
/// what one event may carry.
pub(super) fn attach(event: &mut Event, open: &[(Kind, &str)], settings: &Settings) {
    let Some(sticky) = settings
        .sticky
        .filter(|_| !open.is_empty() && !event.distinct_id.is_empty())
    else {
        return;
    };
    let held = sticky.held(&event.distinct_id);
    for (kind, property) in open {
        let Some((_, ids)) = held.iter().find(|(k, ids)| k == kind && !ids.is_empty()) else {
            continue;
        };
        let list = Value::List(ids.iter().map(|id| Value::Str(id.clone())).collect());
        let at = event.properties.partition_point(|(name, _)| **name < **property);
        event.properties.insert(at, ((*property).into(), list));
        event.groups.push((*kind, ids.clone()));
    }
    let place = |kind: Kind| settings.keys.iter().position(|k| k.kind == kind);
    event.groups.sort_by_key(|(kind, _)| place(*kind));
}
