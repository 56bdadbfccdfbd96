//! The states of the bitmap aggregates, which are values of types of their own and can come from outside, too.

use super::input::Input;
use engine::bitmap::state::{self, Change, Kind, Narrow, Wide, Width};
use engine::bitmap::wide::{self as sets64, View64};
use engine::bitmap::{Op, View, of_ids, ops};
use engine::error::Result;

/// Ids a made state is given at most, and how many when it shall be filled until it merges; a small set counts as eight.
const FEW: usize = 150;
const MANY: usize = 1200;

/// The two widths, seen alike.
trait Ids: Width {
    fn id(id: u64) -> Self::Id;
    fn set(ids: &[u64]) -> Vec<u8>;
    fn ids(set: &[u8]) -> Vec<u64>;
    fn import(set: &[u8]) -> Result<Vec<u8>>;
}

impl Ids for Narrow {
    fn id(id: u64) -> u32 {
        id as u32
    }
    fn set(ids: &[u64]) -> Vec<u8> {
        of_ids(ids.iter().map(|id| *id as u32).collect()).unwrap()
    }
    fn ids(set: &[u8]) -> Vec<u64> {
        let view = View::new(set).unwrap();
        ops::into_ids(&view).unwrap().map(u64::from).collect()
    }
    fn import(set: &[u8]) -> Result<Vec<u8>> {
        ops::import(set)
    }
}

impl Ids for Wide {
    fn id(id: u64) -> u64 {
        id
    }
    fn set(ids: &[u64]) -> Vec<u8> {
        sets64::of_ids(ids.to_vec()).unwrap()
    }
    fn ids(set: &[u8]) -> Vec<u64> {
        let view = View64::new(set).unwrap();
        sets64::into_ids(&view).unwrap().collect()
    }
    fn import(set: &[u8]) -> Result<Vec<u8>> {
        sets64::import(set)
    }
}

pub fn narrow(bytes: &[u8]) {
    run::<Narrow>(bytes);
}

pub fn wide(bytes: &[u8]) {
    run::<Wide>(bytes);
}

const KINDS: [Kind; 4] = [Kind::Build, Kind::Or, Kind::And, Kind::Xor];

/// Containers of bits are the business of the targets of sets; here they would only take time.
const LONGEST: usize = 2500;

fn run<W: Ids>(bytes: &[u8]) {
    let Some(i) = Input::read(bytes) else { return };
    if i.a.len() + i.b.len() > LONGEST {
        return;
    }
    if i.made {
        made::<W>(&i);
    } else if i.unchecked {
        use_all::<W>(&i);
    } else if state::check::<W>(&i.a).is_ok() {
        laws::<W>(&i);
    }
}

fn kind(state: &[u8]) -> Kind {
    KINDS[usize::from(state[1]) - 1]
}

fn op(kind: Kind) -> Op {
    match kind {
        Kind::Build | Kind::Or => Op::Or,
        Kind::And => Op::And,
        Kind::Xor => Op::Xor,
    }
}

fn after(mut state: Vec<u8>, f: impl FnOnce(&mut [u8]) -> Result<Change>) -> Result<Vec<u8>> {
    Ok(f(&mut state)?.unwrap_or(state))
}

fn same<W: Ids>(a: &[u8], b: &[u8]) {
    let differ = W::apply(Op::Xor, a, b).unwrap();
    assert_eq!(W::cardinality(&differ), Ok(0));
    assert_eq!(W::cardinality(a), W::cardinality(b));
}

/// What holds of a state that went through the check.
fn sound<W: Ids>(s: &[u8]) -> Vec<u8> {
    let set = state::finish::<W>(s).unwrap();
    W::check(&set).unwrap();
    assert_eq!(state::cardinality::<W>(s), W::cardinality(&set));
    let used = state::used(s).unwrap();
    state::check::<W>(used).unwrap();
    set
}

fn laws<W: Ids>(i: &Input) {
    let a = i.a.clone();
    let (k, before) = (kind(&a), sound::<W>(&a));
    assert_eq!(state::used(&a).unwrap(), a);
    match i.op % 4 {
        0 => {
            let pushed = after(a, |s| state::push_id::<W>(s, W::id(i.x)));
            assert_eq!(pushed.is_ok(), k == Kind::Build);
            if let Ok(s) = pushed {
                same::<W>(&sound::<W>(&s), &W::apply(Op::Or, &before, &W::set(&[i.x])).unwrap());
            }
        }
        1 => {
            let set = W::import(&i.b).unwrap_or_else(|_| W::set(&[i.x, u64::from(i.y), 1, 2]));
            let other = KINDS[usize::from(i.op / 4) % 4];
            assert_eq!(
                after(a.clone(), |s| state::push_set::<W>(s, other, &set)).is_ok(),
                other == k
            );
            let s = after(a, |s| state::push_set::<W>(s, k, &set)).unwrap();
            same::<W>(&sound::<W>(&s), &W::apply(op(k), &before, &set).unwrap());
        }
        2 => {
            if state::check::<W>(&i.b).is_err() {
                return;
            }
            let (other, more) = (kind(&i.b), sound::<W>(&i.b));
            let both = after(a, |s| state::combine::<W>(s, &i.b));
            assert_eq!(both.is_ok(), other == k);
            if let Ok(s) = both {
                same::<W>(&sound::<W>(&s), &W::apply(op(k), &before, &more).unwrap());
                let turned = after(i.b.clone(), |s| state::combine::<W>(s, &i.a)).unwrap();
                same::<W>(&sound::<W>(&turned), &sound::<W>(&s));
            }
        }
        _ => {
            // A buffer with free room, as it lies in memory: filled up, and over.
            let mut s = a;
            let n = s.len() + usize::from(i.op) * 4;
            s.resize(n, 0);
            let set = W::set(&[i.x, u64::from(i.y)]);
            for _ in 0..4 {
                s = match k {
                    Kind::Build => after(s, |s| state::push_id::<W>(s, W::id(i.x))),
                    _ => after(s, |s| state::push_set::<W>(s, k, &set)),
                }
                .unwrap();
                sound::<W>(&s);
            }
        }
    }
}

/// Every function, on bytes of which nothing is known. They may refuse.
fn use_all<W: Ids>(i: &Input) {
    let other = KINDS[usize::from(i.op / 4) % 4];
    match i.op % 4 {
        0 => {
            let _ = (state::finish::<W>(&i.a), state::cardinality::<W>(&i.a));
            let _ = (state::used(&i.a), state::check::<W>(&i.a));
        }
        1 => drop(after(i.a.clone(), |s| state::push_id::<W>(s, W::id(i.x)))),
        2 => drop(after(i.a.clone(), |s| state::push_set::<W>(s, other, &i.b))),
        _ => {
            let _ = after(i.a.clone(), |s| state::combine::<W>(s, &i.b));
            let good = match other {
                Kind::Build => state::start_id::<W>(W::id(i.x)),
                k => state::start_set::<W>(k, &W::set(&[i.x, 7])),
            };
            let _ = after(good.unwrap(), |s| state::combine::<W>(s, &i.a));
        }
    }
}

/// What a state was given: the ids of each set, and how many sets.
#[derive(Default)]
struct Given {
    ids: Vec<u64>,
    sets: usize,
}

impl Given {
    /// The ids the aggregate answers.
    fn answer(mut self, kind: Kind) -> Vec<u64> {
        self.ids.sort_unstable();
        let in_answer = |n: usize| match kind {
            Kind::Build | Kind::Or => true,
            Kind::And => n == self.sets,
            Kind::Xor => n % 2 == 1,
        };
        let same = self.ids.chunk_by(|a, b| a == b);
        same.filter(|s| in_answer(s.len())).map(|s| s[0]).collect()
    }
}

/// Two states built row by row, put together, and what they must stand for.
fn made<W: Ids>(i: &Input) {
    let k = KINDS[usize::from(i.op) % 4];
    let (mut next, step) = (i.x, u64::from(i.y));
    let mut states: Vec<Vec<u8>> = Vec::new();
    let mut given = Given::default();
    let mut left = if i.op & 0xe0 == 0xe0 { MANY } else { FEW };
    for part in [&i.a, &i.b] {
        let mut now: Option<Vec<u8>> = None;
        for c in part {
            // A few ids, or many that are neighbours but one.
            let (n, step) = match *c {
                c @ 0..=127 => (usize::from(c % 8) + 1, step.wrapping_add(u64::from(c / 8))),
                c => ((usize::from(c) - 127) * 8, 2),
            };
            if n > left {
                break;
            }
            left = left.saturating_sub(n.max(8));
            let mut ids = Vec::with_capacity(n);
            for _ in 0..n {
                ids.push(if W::ID == 4 { next & 0xffff_ffff } else { next });
                next = next.wrapping_add(step);
            }
            now = Some(if k == Kind::Build {
                let s = now.unwrap_or_else(|| state::start_id::<W>(W::id(ids[0])).unwrap());
                let s = ids
                    .iter()
                    .try_fold(s, |s, id| after(s, |s| state::push_id::<W>(s, W::id(*id))));
                s.unwrap()
            } else {
                let set = W::set(&ids);
                match now {
                    None => state::start_set::<W>(k, &set).unwrap(),
                    Some(s) => after(s, |s| state::push_set::<W>(s, k, &set)).unwrap(),
                }
            });
            ids.sort_unstable();
            ids.dedup();
            given.ids.extend(ids);
            given.sets += 1;
        }
        states.extend(now);
    }
    let Some(mut s) = states.pop() else { return };
    if let Some(t) = states.pop() {
        let sent = state::used(&t).unwrap().to_vec();
        s = after(s, |s| state::combine::<W>(s, &sent)).unwrap();
    }
    assert_eq!(W::ids(&sound::<W>(&s)), given.answer(k));
}
