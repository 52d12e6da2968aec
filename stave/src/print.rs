//! What commands print: results to the standard output, remarks to the standard error.

use crate::error::During;
use anyhow::Result;
use std::io::{ErrorKind, Write};

/// Writes a result. A reader that has seen enough (`| head`) is no error.
///
/// # Errors
/// What write(2) says.
pub fn result(text: &str) -> Result<()> {
    bytes(text.as_bytes())
}

/// As [`result`], of anything.
///
/// # Errors
/// As [`result`].
pub fn bytes(bytes: &[u8]) -> Result<()> {
    let mut output = std::io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.during(|| "write to the standard output".to_owned()),
    }
}

/// As [`result`], of a JSON document.
///
/// # Errors
/// As [`result`].
pub fn json(value: &impl serde::Serialize) -> Result<()> {
    result(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Lines that are no results.
///
/// # Errors
/// None: with standard error closed there is nobody to tell. So it can stand in for [`result`].
pub fn aside(text: &str) -> Result<()> {
    let _ = std::io::stderr().write_all(text.as_bytes());
    Ok(())
}

/// A line that is no result.
pub fn note(text: &str) {
    // With standard error closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "stave: {}", plain(text));
}

/// One line, whatever is in it: line breaks become blanks, other control characters are escaped. Names and sentences of images
/// and registries must not write to the terminal.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => line.push(' '),
            _ if character.is_control() => line.extend(character.escape_default()),
            _ => line.push(character),
        }
    }
    line
}

/// Columns as wide as their longest cell, three spaces apart, as Docker prints them.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
    text
}

/// A size in three digits, as Docker writes it: `119MB`, `1.24GB`, `0B`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let (mut thousandths, mut unit) = (u128::from(bytes) * 1000, 0);
    while thousandths >= 1_000_000 && unit < 6 {
        thousandths /= 1000;
        unit += 1;
    }
    let unit = ["B", "kB", "MB", "GB", "TB", "PB", "EB"][unit];
    // As many digits behind the point as make three, without zeroes at the end.
    let digits = match thousandths {
        100_000.. => 0,
        10_000.. => 1,
        _ => 2,
    };
    let step = 10_u128.pow(3 - digits);
    let rounded = (thousandths + step / 2) / step * step;
    let text = format!("{}.{:03}", rounded / 1000, rounded % 1000);
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The first digits of an identifier, as many as Docker shows.
#[must_use]
pub fn short_id(id: &str) -> &str {
    let hex = id.split_once(':').map_or(id, |(_, hex)| hex);
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (4500, "4.5kB"),
            (118_964_123, "119MB"),
            (1_238_000_000, "1.24GB"),
            (12_300_000, "12.3MB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [vec!["A".to_owned(), "B".to_owned()], vec!["long".to_owned(), String::new()]];
        assert_eq!(table(&rows), "A      B\nlong\n");
    }
}
