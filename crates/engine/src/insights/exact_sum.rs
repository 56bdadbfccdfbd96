//! Sums of floating-point numbers that are exact, and so do not depend on the order of the summands.
//!
//! Nearly every number of real data is a multiple of 2^-64 and stays below 2^63: such are added as whole numbers of 128
//! bits. What does not fit goes into an accumulator as wide as the whole range of `f64` (R. M. Neal, "Fast exact
//! summation using small and large superaccumulators", 2015). The total is rounded once, at the very end, so that any
//! way of dealing the numbers out to workers gives the same bits.

use crate::error::{Error, Result};
use crate::gather::{Budget, zeroed};
use crate::partial::{Reader, Writer};

/// The sum of the numbers added so far.
#[derive(Debug, Clone, Default)]
pub struct ExactSum {
    /// In units of 2^-64.
    near: i128,
    /// Digits of 32 bits from 2^-1074 up, with room for carries; empty until a number needs it.
    far: Vec<i64>,
    /// Additions to `far` since its digits were last brought below 2^32.
    loose: u32,
}

/// Of the unit of `near`.
const POINT: i32 = 64;
/// Exponent of the lowest bit of a subnormal number.
const LOWEST: i32 = -1074;
const DIGIT: i32 = 32;
/// 2098 bits of numbers, 64 of carries.
const DIGITS: usize = 68;
/// Each addition changes a digit by less than 2^33; 2^29 of them fit.
const LOOSE: u32 = 1 << 29;

/// Sign (as 0 or -1), whole number and exponent: the number is ± mantissa · 2^exponent.
#[inline]
fn split(x: f64) -> (i64, u64, i32) {
    let bits = x.to_bits();
    let field = (bits >> 52) as i32 & 0x7ff;
    let fraction = bits & ((1 << 52) - 1);
    let mantissa = fraction | u64::from(field != 0) << 52;
    (bits as i64 >> 63, mantissa, field.max(1) + LOWEST - 1)
}

impl ExactSum {
    /// Adds a finite number.
    #[inline]
    pub fn add(&mut self, x: f64, budget: &mut Budget) -> Result<()> {
        let (sign, mantissa, exponent) = split(x);
        let shift = exponent + POINT;
        // 53 bits and a shift of at most 73 stay below the sign bit.
        if (0..=73).contains(&shift) {
            let whole = (i128::from(mantissa) << shift ^ i128::from(sign)) - i128::from(sign);
            if let Some(sum) = self.near.checked_add(whole) {
                self.near = sum;
                return Ok(());
            }
        }
        self.add_far(x, budget)
    }

    #[cold]
    fn add_far(&mut self, x: f64, budget: &mut Budget) -> Result<()> {
        let (sign, mantissa, exponent) = split(x);
        if mantissa == 0 {
            return Ok(());
        }
        let up = exponent + POINT;
        if up < 0 && mantissa.trailing_zeros() as i32 >= -up {
            let whole = (i128::from(mantissa >> -up) ^ i128::from(sign)) - i128::from(sign);
            if let Some(sum) = self.near.checked_add(whole) {
                self.near = sum;
                return Ok(());
            }
        }
        self.place(u128::from(mantissa), exponent, sign != 0, budget)
    }

    /// Adds ± whole · 2^exponent, with less than 2^96 in `whole`, to the wide accumulator.
    fn place(&mut self, whole: u128, exponent: i32, negative: bool, budget: &mut Budget) -> Result<()> {
        if self.far.is_empty() {
            self.far = zeroed(DIGITS, budget)?;
        }
        if self.loose >= LOOSE {
            carry(&mut self.far);
            self.loose = 0;
        }
        self.loose += 1;
        let at = (exponent - LOWEST).max(0);
        let (digit, shift) = (at / DIGIT, at % DIGIT);
        // Up to 127 bits: three digits of 32 bits and what is left.
        let mut rest = whole << shift;
        for d in self.far.iter_mut().skip(digit as usize) {
            if rest == 0 {
                break;
            }
            let part = (rest & 0xffff_ffff) as i64;
            *d += if negative { -part } else { part };
            rest >>= DIGIT;
        }
        Ok(())
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &ExactSum, budget: &mut Budget) -> Result<()> {
        match self.near.checked_add(other.near) {
            Some(sum) => self.near = sum,
            None => self.place_near(other.near, budget)?,
        }
        if !other.far.is_empty() {
            if self.far.is_empty() {
                self.far = zeroed(DIGITS, budget)?;
            }
            if self.loose.saturating_add(other.loose).saturating_add(1) >= LOOSE {
                carry(&mut self.far);
                self.loose = 0;
            }
            let mut theirs = other.far.clone();
            carry(&mut theirs);
            for (a, b) in self.far.iter_mut().zip(&theirs) {
                *a += b;
            }
            self.loose += 1;
        }
        Ok(())
    }

    fn place_near(&mut self, near: i128, budget: &mut Budget) -> Result<()> {
        let (negative, whole) = (near < 0, near.unsigned_abs());
        self.place(whole & u128::from(u64::MAX), -POINT, negative, budget)?;
        self.place(whole >> 64, 0, negative, budget)
    }

    /// The sum, rounded to the nearest `f64`, ties to even; infinite when it is beyond the largest.
    pub fn value(&self) -> f64 {
        if self.far.is_empty() {
            // The conversion rounds, the scaling is exact: at least 2^-64, far from subnormal.
            return self.near as f64 * 2f64.powi(-POINT);
        }
        let mut all = self.clone();
        let mut unlimited = Budget::new(usize::MAX);
        if all.place_near(self.near, &mut unlimited).is_err() {
            return f64::NAN;
        }
        carry(&mut all.far);
        let negative = all.far.iter().rev().find(|d| **d != 0).is_some_and(|d| *d < 0);
        if negative {
            all.far.iter_mut().for_each(|d| *d = -*d);
            carry(&mut all.far);
        }
        let size = round(&all.far);
        if negative { -size } else { size }
    }

    /// Writes the sum.
    pub fn encode(&self, w: &mut Writer) -> Result<()> {
        w.u64(self.near as u64)?;
        w.u64((self.near >> 64) as u64)?;
        let mut far = self.far.clone();
        carry(&mut far);
        w.len(far.len())?;
        far.iter().try_for_each(|d| w.u64(*d as u64))
    }

    /// Reads a sum.
    pub fn decode(r: &mut Reader, budget: &mut Budget) -> Result<Self> {
        let (low, high) = (r.u64()?, r.u64()?);
        let near = (u128::from(high) << 64 | u128::from(low)) as i128;
        let digits = r.u64s()?;
        let sound = |d: &u64| (*d as i64).unsigned_abs() < 1 << 33;
        if !(digits.is_empty() || digits.len() == DIGITS && digits.iter().all(sound)) {
            return Err(Error::corrupt("partial: not a sum"));
        }
        budget.take(digits.capacity() * size_of::<i64>())?;
        let far = digits.iter().map(|d| *d as i64).collect();
        Ok(ExactSum { near, far, loose: 1 })
    }
}

/// Brings every digit but the last below 2^32 in size, and from 0 up.
fn carry(digits: &mut [i64]) {
    let mut over = 0;
    let last = digits.len().saturating_sub(1);
    for (i, d) in digits.iter_mut().enumerate() {
        let sum = *d + over;
        if i == last {
            *d = sum;
        } else {
            over = sum >> DIGIT;
            *d = sum & 0xffff_ffff;
        }
    }
}

/// The nearest `f64` of digits that are all below 2^32 and not negative.
fn round(digits: &[i64]) -> f64 {
    let Some(top) = digits.iter().rposition(|d| *d != 0) else {
        return 0.0;
    };
    let digit = |i: usize| u128::from(digits.get(i).copied().unwrap_or(0) as u64);
    let below = |n: usize| top.checked_sub(n).map_or(0, digit);
    // The highest 96 bits, and whether anything is below them: enough to round, since 53 of them are kept.
    let mut high = digit(top) << 64 | below(1) << 32 | below(2);
    if digits.iter().take(top.saturating_sub(2)).any(|d| *d != 0) {
        high |= 1;
    }
    let exponent = LOWEST + DIGIT * (top as i32 - 2);
    // Subnormal results are exact in the digits, so that rounding to 53 bits never cuts into them twice.
    let rounded = high as f64;
    if exponent < -1022 {
        let scaled = rounded * 2f64.powi(-1022);
        return scaled * 2f64.powi(exponent + 1022);
    }
    if exponent > 900 {
        return rounded * 2f64.powi(900) * 2f64.powi(exponent - 900);
    }
    rounded * 2f64.powi(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partial::Tag;
    use proptest::prelude::*;

    /// J. R. Shewchuk's algorithm as Python's `math.fsum` has it: another way to the same exact sum.
    fn fsum(numbers: &[f64]) -> f64 {
        let mut partials: Vec<f64> = Vec::new();
        for &number in numbers {
            let mut x = number;
            let mut kept = Vec::new();
            for &p in &partials {
                let (big, small) = if x.abs() < p.abs() { (p, x) } else { (x, p) };
                let high = big + small;
                let low = small - (high - big);
                if low != 0.0 {
                    kept.push(low);
                }
                x = high;
            }
            kept.push(x);
            partials = kept;
        }
        let mut high = 0.0;
        let mut low = 0.0;
        while let Some(p) = partials.pop() {
            let x: f64 = high;
            high = x + p;
            low = p - (high - x);
            if low != 0.0 {
                break;
            }
        }
        if let Some(next) = partials.last()
            && (low < 0.0 && *next < 0.0 || low > 0.0 && *next > 0.0)
        {
            let y = low * 2.0;
            let x = high + y;
            if y == x - high {
                high = x;
            }
        }
        high
    }

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![
            5 => (-1_000_000i64..1_000_000).prop_map(|n| n as f64 / 100.0),
            1 => prop::num::f64::NORMAL.prop_filter("sums stay finite", |x| x.abs() < 1e300),
            1 => prop::num::f64::SUBNORMAL,
            1 => (any::<u64>(), -80i32..80).prop_map(|(m, e)| m as f64 * 2f64.powi(e)),
            1 => prop::sample::select(vec![0.0, -0.0, 1e16, -1e16, 1.0, 9.2e18, 5e-324, 2f64.powi(-64), 2f64.powi(-65)]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]
        #[test]
        fn is_the_exact_sum_however_it_is_dealt_out(
            dealt in prop::collection::vec((number(), 0usize..3, any::<bool>()), 0..60),
        ) {
            let mut budget = Budget::new(usize::MAX);
            let numbers: Vec<f64> = dealt.iter().flat_map(|(x, _, again)| if *again { vec![*x, -*x / 3.0] } else { vec![*x] }).collect();
            let mut whole = ExactSum::default();
            let mut parts = vec![ExactSum::default(); 3];
            for (i, x) in numbers.iter().enumerate() {
                whole.add(*x, &mut budget).unwrap();
                parts[dealt[i % dealt.len()].1].add(*x, &mut budget).unwrap();
            }
            let expected = fsum(&numbers) + 0.0;
            prop_assert_eq!(whole.value() + 0.0, expected);
            let mut merged = ExactSum::default();
            for p in parts.iter().rev() {
                let mut w = Writer::new(Tag::Insights, 0).unwrap();
                p.encode(&mut w).unwrap();
                let bytes = w.finish().unwrap();
                let mut r = Reader::new(Tag::Insights, &bytes).unwrap();
                merged.merge(&ExactSum::decode(&mut r, &mut budget).unwrap(), &mut budget).unwrap();
            }
            prop_assert_eq!((merged.value() + 0.0).to_bits(), expected.to_bits());
        }
    }

    #[test]
    fn what_cancels_is_gone_and_what_overflows_is_infinite() {
        let mut budget = Budget::new(usize::MAX);
        let mut sum = |numbers: &[f64]| {
            let mut s = ExactSum::default();
            numbers.iter().for_each(|x| s.add(*x, &mut budget).unwrap());
            s.value()
        };
        assert_eq!(sum(&[1e300, 1.0, -1e300, 1e-300, -1.0]), 1e-300);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]), f64::MAX);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(sum(&[9e18; 4]), 3.6e19);
        assert_eq!(sum(&[-9e18; 4]), -3.6e19);
        assert_eq!(sum(&[]), 0.0);
    }
}
