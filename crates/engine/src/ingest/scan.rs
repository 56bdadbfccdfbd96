//! A forward reader of JSON text that borrows what it finds. It knows the common shapes alone: whatever else it meets ends
//! it with `None`, and the text goes to the reader that knows everything and words the errors.

use crate::value::Value;
use std::ops::Range;

/// A place in a line.
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What a scalar is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) enum Scalar {
    /// A string whose characters lie between two places of the line.
    Text {
        start: u32,
        end: u32,
        /// It has escapes, so that these are not its characters yet.
        escaped: bool,
    },
    Int(i64),
    Float(f64),
    Bool(bool),
    #[default]
    Null,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Marks in the high bit of each byte whether it ends a run of plain characters: a quote, a backslash, a control
/// character. Only the lowest mark is sure: the subtraction may carry into the bytes above it.
fn marks(word: u64) -> u64 {
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    let zero = |w: u64| w.wrapping_sub(ONES) & !w;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (zero(quote) | zero(backslash) | control) & HIGH
}

/// Length of the run of plain characters that `bytes` begins with.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut n = 0;
    for w in words {
        let m = marks(u64::from_le_bytes(*w));
        if m != 0 {
            return n + (m.trailing_zeros() / 8) as usize;
        }
        n += 8;
    }
    let plain = |b: &&u8| **b >= 0x20 && **b != b'"' && **b != b'\\';
    n + tail.iter().take_while(plain).count()
}

impl<'a> Scan<'a> {
    /// Begins at the start of `bytes`, which must be UTF-8 and shorter than 4 GB.
    pub fn new(bytes: &'a [u8]) -> Self {
        Scan { bytes, at: 0 }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes over white space.
    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Passes over one space, if it is just here.
    #[inline]
    pub fn pass_space(&mut self) {
        self.at += usize::from(self.peek() == Some(b' '));
    }

    /// Passes over `b`, with white space before it.
    #[inline]
    pub fn expect(&mut self, b: u8) -> Option<()> {
        self.eat(b).then_some(())
    }

    /// Passes over `b`, with white space before it, if it is there.
    #[inline]
    pub fn eat(&mut self, b: u8) -> bool {
        if self.peek() != Some(b) {
            self.space();
            if self.peek() != Some(b) {
                return false;
            }
        }
        self.at += 1;
        true
    }

    /// Passes over `word`, if it is just here.
    #[inline]
    pub fn eat_all(&mut self, word: &[u8]) -> bool {
        let there = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        if there {
            self.at += word.len();
        }
        there
    }

    /// True when only white space is left.
    pub fn at_end(&mut self) -> bool {
        self.space();
        self.at == self.bytes.len()
    }

    /// The place of a string without escapes, with white space before it.
    pub fn name(&mut self) -> Option<Range<usize>> {
        self.expect(b'"')?;
        let start = self.at;
        let end = start + plain_run(self.bytes.get(start..)?);
        if self.bytes.get(end) != Some(&b'"') {
            return None;
        }
        self.at = end + 1;
        Some(start..end)
    }

    /// A string, number, `true`, `false` or `null`, with white space before it.
    pub fn scalar(&mut self) -> Option<Scalar> {
        if self.peek() == Some(b' ') {
            self.space();
        }
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.text()
            }
            b't' => self.word(b"true", Scalar::Bool(true)),
            b'f' => self.word(b"false", Scalar::Bool(false)),
            b'n' => self.word(b"null", Scalar::Null),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn word(&mut self, word: &[u8], scalar: Scalar) -> Option<Scalar> {
        let end = self.at + word.len();
        (self.bytes.get(self.at..end)? == word).then(|| {
            self.at = end;
            scalar
        })
    }

    /// After the opening quote.
    fn text(&mut self) -> Option<Scalar> {
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_run(self.bytes.get(self.at..)?);
            match self.peek()? {
                b'"' => {
                    let end = self.at;
                    self.at += 1;
                    return Some(Scalar::Text {
                        start: start as u32,
                        end: end as u32,
                        escaped,
                    });
                }
                b'\\' => {
                    escaped = true;
                    // Whether this is an escape that exists is judged when it is read; it is two bytes at least.
                    self.at += 2;
                }
                _ => return None,
            }
        }
    }

    /// Passes over digits; their value is right for up to 19 of them.
    #[inline]
    fn digits(&mut self, value: &mut u64) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut n = 0;
        for b in rest {
            let d = b.wrapping_sub(b'0');
            if d > 9 {
                break;
            }
            *value = value.wrapping_mul(10).wrapping_add(u64::from(d));
            n += 1;
        }
        self.at += n;
        n
    }

    fn number(&mut self) -> Option<Scalar> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let mut value = 0;
        let first = self.peek()?;
        let whole = self.digits(&mut value);
        if whole == 0 || first == b'0' && whole > 1 {
            return None;
        }
        let mut fraction = 0;
        if self.peek() == Some(b'.') {
            self.at += 1;
            fraction = self.digits(&mut value);
            if fraction == 0 {
                return None;
            }
        }
        let exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if exponent {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits(&mut 0) == 0 {
                return None;
            }
        }
        if !exponent && fraction == 0 {
            // Longer ones may be beyond 64 bits.
            let sign = if negative { -1 } else { 1 };
            return (whole <= 18).then_some(Scalar::Int(value as i64 * sign));
        }
        let float = if !exponent && whole + fraction <= 15 {
            // Both are exact, and so the quotient is the nearest number there is (Clinger 1990).
            let quotient = value as f64 / POWERS.get(fraction)?;
            if negative { -quotient } else { quotient }
        } else {
            let text = std::str::from_utf8(self.bytes.get(start..self.at)?).ok()?;
            text.parse().ok().filter(|f: &f64| f.is_finite())?
        };
        Some(match Value::number(float) {
            Value::Int(i) => Scalar::Int(i),
            Value::Float(f) => Scalar::Float(f),
            _ => return None,
        })
    }
}

/// Powers of ten that are exact.
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a scalar of a text is, said by serde_json.
    fn naive(text: &str) -> Option<Value> {
        serde_json::from_str(text).ok()
    }

    fn value(text: &str) -> Option<Value> {
        let mut s = Scan::new(text.as_bytes());
        let scalar = s.scalar()?;
        if !s.at_end() {
            return None;
        }
        Some(match scalar {
            Scalar::Text { escaped: true, .. } => return None,
            Scalar::Text { start, end, .. } => Value::str(&text[start as usize..end as usize]),
            Scalar::Int(i) => Value::Int(i),
            Scalar::Float(f) => Value::Float(f),
            Scalar::Bool(b) => Value::Bool(b),
            Scalar::Null => Value::Null,
        })
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_serde_json(text in "-?[0-9]{1,20}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?") {
            if let Some(got) = value(&text) {
                prop_assert_eq!(Some(got), naive(&text));
            }
        }

        #[test]
        fn floats_come_back(f in any::<f64>().prop_filter("finite", |f| f.is_finite())) {
            let text = serde_json::to_string(&f).unwrap();
            prop_assert_eq!(value(&text), naive(&text));
        }

        #[test]
        fn what_is_accepted_means_the_same(text in "[ \t]?(\"[ -~é\u{1}]{0,20}\"|[-+.0-9eE]{0,8}|true|false|null|nul|\\[1\\]) ?") {
            if let Some(got) = value(&text) {
                prop_assert_eq!(Some(got), naive(&text));
            }
        }

        #[test]
        fn runs_end_where_the_obvious_loop_ends(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let naive = bytes.iter().take_while(|b| **b >= 0x20 && **b != b'"' && **b != b'\\').count();
            prop_assert_eq!(plain_run(&bytes), naive);
        }
    }

    #[test]
    fn the_usual_is_accepted() {
        for text in [
            "0",
            "-0",
            "12",
            "-7.25",
            "1e3",
            "123456789012345678",
            "0.1",
            "1.5E-7",
            "\"\"",
            "\"a b\"",
            "true",
        ] {
            assert_eq!(value(text), naive(text), "{text}");
            assert!(value(text).is_some(), "{text}");
        }
        for text in [
            "", "01", "-", "1.", ".5", "1e", "+1", "tru", "1e999", "\"a", "\"\\u12", "\"\\",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
    }
}
