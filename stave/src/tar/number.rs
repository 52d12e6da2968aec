//! Numbers, as headers and their extensions write them.

use crate::error::quote;
use anyhow::{Result, bail, ensure};

/// Octal digits with blanks or NULs around them, or GNU's base-256: the top bit of the first byte is a mark, the
/// rest a big-endian two's complement number. A blank field is 0.
pub(super) fn number(field: &[u8]) -> Result<i64> {
    match field {
        [first, ..] if first & 0x80 != 0 => binary(field),
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Result<i64> {
    let start = field.iter().position(|&b| b != b' ' && b != 0).unwrap_or(field.len());
    let (_, digits) = field.split_at(start);
    let end = digits.iter().position(|&b| b == b' ' || b == 0).unwrap_or(digits.len());
    let mut value = 0_i64;
    for &digit in &digits[..end] {
        ensure!(matches!(digit, b'0'..=b'7'), "{} is not an octal number", quote(field));
        // Twelve digits at most: 36 bits, never an overflow.
        value = value * 8 + i64::from(digit - b'0');
    }
    Ok(value)
}

fn binary(field: &[u8]) -> Result<i64> {
    let negative = field[0] & 0x40 != 0;
    // Bit 6 is the sign; the mark in bit 7 gives way to it.
    let first = if negative { field[0] } else { field[0] & 0x7f };
    let start = if negative { -1_i64 } else { 0 };
    let mut value = start;
    for (index, &byte) in field.iter().enumerate() {
        let byte = if index == 0 { first } else { byte };
        let Some(shifted) = value.checked_mul(256) else {
            bail!("the base-256 number does not fit into 64 bits")
        };
        value = shifted | i64::from(byte);
    }
    Ok(value)
}

/// Digits alone: no sign, no blank.
pub(super) fn decimal(value: &[u8]) -> Result<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number = digits.then(|| str::from_utf8(value).ok()?.parse::<i64>().ok()).flatten();
    match number.map(u64::try_from) {
        Some(Ok(number)) => Ok(number),
        _ => bail!("{} is not a number that fits", quote(value)),
    }
}

/// An owner's number: the kernel keeps -1 for "leave it" (chown(2)).
pub(super) fn id(what: &str, value: i64) -> Result<u32> {
    match u32::try_from(value) {
        Ok(id) if id != u32::MAX => Ok(id),
        _ => bail!("{what} {value} is out of range"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_fields_may_be_padded_on_both_sides() {
        for (field, value) in
            [("0000644\0", 0o644), ("   644 \0", 0o644), ("\0\0\0\0\0\0\0\0", 0), ("77777777", 0o77_777_777)]
        {
            assert_eq!(number(field.as_bytes()).unwrap(), value, "{field:?}");
        }
    }

    #[test]
    fn other_digits_and_signs_are_refused() {
        for field in ["0000698\0", "-000001\0", "0x00001\0", "+000001\0"] {
            assert!(number(field.as_bytes()).is_err(), "{field:?}");
        }
    }

    #[test]
    fn base_256_numbers_keep_their_sign() {
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 1, 0]).unwrap(), 256);
        assert_eq!(number(&[0xff; 12]).unwrap(), -1);
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]).unwrap(), -256);
        assert_eq!(
            number(&[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).unwrap(),
            i64::MAX
        );
    }

    #[test]
    fn base_256_numbers_beyond_64_bits_are_refused() {
        assert!(number(&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(number(&[0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
