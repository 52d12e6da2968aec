//! The JSON path of a parse error, found from its line and column: the good path pays nothing for it.

use std::fmt::Write;

enum Level {
    Object(String),
    Array(usize),
}

/// One line: the path of the property, what is wrong, and the position in the file.
pub fn describe(json: &[u8], error: &serde_json::Error) -> String {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    sentence(json, message, error.line(), error.column())
}

/// The same for a byte that is no UTF-8.
pub fn describe_bytes(json: &[u8], offset: usize) -> String {
    let before = json.get(..offset).unwrap_or_default();
    let line = before.split(|byte| *byte == b'\n');
    let (number, column) = line.fold((0, 0), |(number, _), line| (number + 1, line.len() + 1));
    sentence(json, "invalid unicode code point", number, column)
}

fn sentence(json: &[u8], message: &str, line: usize, column: usize) -> String {
    let place = path_at(json, offset(json, line, column));
    let position = format!("(line {line}, column {column})");
    if place.is_empty() { format!("{message} {position}") } else { format!("{place}: {message} {position}") }
}

/// The offset of a line and column as serde_json counts them, from 1; column 0 is the end of the line before.
fn offset(json: &[u8], line: usize, column: usize) -> usize {
    let start: usize = json.split(|b| *b == b'\n').take(line.saturating_sub(1)).map(|l| l.len() + 1).sum();
    (start + column).min(json.len())
}

/// The path of the value that ends at, or holds, `end`. Only the text before `end` is known to be JSON.
fn path_at(json: &[u8], end: usize) -> String {
    let mut levels: Vec<Level> = Vec::new();
    let mut i = 0;
    let mut string = String::new();
    while i < end {
        match json[i] {
            b'"' => {
                let start = i + 1;
                i = start;
                while i < json.len() && json[i] != b'"' {
                    i += if json[i] == b'\\' { 2 } else { 1 };
                }
                string = String::from_utf8_lossy(json.get(start..i).unwrap_or_default()).into_owned();
            }
            b':' => {
                if let Some(Level::Object(key)) = levels.last_mut() {
                    *key = std::mem::take(&mut string);
                }
            }
            b'{' => levels.push(Level::Object(String::new())),
            b'[' => levels.push(Level::Array(0)),
            // The closing bracket that ends the wrong value still belongs to it.
            b'}' | b']' if i + 1 < end => drop(levels.pop()),
            b',' if i + 1 < end => {
                if let Some(Level::Array(index)) = levels.last_mut() {
                    *index += 1;
                }
            }
            _ => {}
        }
        i += 1;
    }
    render(&levels)
}

fn render(levels: &[Level]) -> String {
    let mut path = String::new();
    for level in levels {
        match level {
            Level::Array(index) => {
                let _ = write!(path, "[{index}]");
            }
            Level::Object(key) if key.is_empty() => {}
            Level::Object(key) if key.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                let dot = if path.is_empty() { "" } else { "." };
                let _ = write!(path, "{dot}{key}");
            }
            Level::Object(key) => {
                let _ = write!(path, "[\"{key}\"]");
            }
        }
    }
    path
}
