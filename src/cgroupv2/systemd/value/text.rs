//! GVariant's text form.

use super::{DEPTH, Value, split};
use std::fmt::Display;
use std::str::FromStr;

/// Words that name the type of what follows.
const TYPES: [(&str, &str); 12] = [
    ("boolean", "b"),
    ("byte", "y"),
    ("int16", "n"),
    ("uint16", "q"),
    ("int32", "i"),
    ("uint32", "u"),
    ("int64", "x"),
    ("uint64", "t"),
    ("double", "d"),
    ("string", "s"),
    ("objectpath", "o"),
    ("signature", "g"),
];

/// Reads a value: `true`, `uint64 5`, `'text'`, `['a', 'b']`, `@a(ss) []`. A number without a type is an int32, or a
/// double if it has a point; the first element of a list says the type of the others. The error is a text.
pub fn parse(text: &str) -> Result<Value, String> {
    let mut parser = Parser { rest: text };
    let value = parser.value(None, 0)?;
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(format!("{:?}: not expected behind a value", parser.rest)),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn accept(&mut self, token: char) -> bool {
        let there = self.peek() == Some(token);
        if there {
            self.rest = &self.rest[token.len_utf8()..];
        }
        there
    }

    fn expect(&mut self, token: char) -> Result<(), String> {
        if self.accept(token) { Ok(()) } else { Err(format!("expected {token:?} before {:?}", self.rest)) }
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let (word, rest) = self.rest.split_at(self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    /// One value; `kind` is the type that it must have, where that is known.
    fn value(&mut self, kind: Option<&str>, depth: usize) -> Result<Value, String> {
        if depth > DEPTH {
            return Err("values lie too deep in each other".to_owned());
        }
        let first = self.peek().ok_or("a value is missing")?;
        let value = match first {
            '@' => return self.typed(kind, depth),
            '[' => self.array(kind, depth)?,
            '(' => self.tuple(kind, depth)?,
            '<' => self.variant(depth)?,
            '\'' | '"' => text_value(self.quoted()?, kind),
            'b' if self.rest[1..].starts_with(['\'', '"']) => {
                self.rest = &self.rest[1..];
                let bytes = self.quoted()?.into_bytes().into_iter().chain([0]).map(Value::Byte).collect();
                Value::Array("y".to_owned(), bytes)
            }
            'a'..='z' => return self.word(kind, depth),
            _ => number(self.take_while(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)), kind)?,
        };
        fits(value, kind)
    }

    /// `@as []`
    fn typed(&mut self, kind: Option<&str>, depth: usize) -> Result<Value, String> {
        self.rest = &self.rest[1..];
        let signature = self.take_while(|c| !c.is_whitespace());
        let (whole, "") = split(signature).ok_or_else(|| format!("@{signature}: no type of D-Bus"))? else {
            return Err(format!("@{signature}: more than one type"));
        };
        let value = self.value(Some(whole), depth + 1)?;
        fits(value, kind)
    }

    /// `uint64 5`, `true`
    fn word(&mut self, kind: Option<&str>, depth: usize) -> Result<Value, String> {
        let word = self.take_while(|c| c.is_ascii_alphanumeric());
        let value = match (word, TYPES.iter().find(|(name, _)| *name == word)) {
            ("true" | "false", _) => Value::Bool(word == "true"),
            (_, Some((_, signature))) => self.value(Some(signature), depth + 1)?,
            _ => return Err(format!("{word:?}: neither a value nor a type")),
        };
        fits(value, kind)
    }

    fn array(&mut self, kind: Option<&str>, depth: usize) -> Result<Value, String> {
        self.expect('[')?;
        let mut element = kind.and_then(|kind| kind.strip_prefix('a')).map(str::to_owned);
        let mut values = Vec::new();
        while !self.accept(']') {
            if !values.is_empty() {
                self.expect(',')?;
            }
            let value = self.value(element.as_deref(), depth + 1)?;
            element.get_or_insert_with(|| value.signature());
            values.push(value);
        }
        let element = element.ok_or("[]: the type of an empty list must be told, such as @as []")?;
        Ok(Value::Array(element, values))
    }

    fn tuple(&mut self, kind: Option<&str>, depth: usize) -> Result<Value, String> {
        self.expect('(')?;
        let mut kinds = kind.and_then(|kind| kind.strip_prefix('(')?.strip_suffix(')'));
        let mut values = Vec::new();
        while !self.accept(')') {
            let (first, rest) = kinds.and_then(split).map_or((None, None), |(a, b)| (Some(a), Some(b)));
            values.push(self.value(first, depth + 1)?);
            kinds = rest;
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        if values.is_empty() {
            return Err("(): D-Bus has no empty tuple".to_owned());
        }
        Ok(Value::Struct(values))
    }

    fn variant(&mut self, depth: usize) -> Result<Value, String> {
        self.expect('<')?;
        let inner = self.value(None, depth + 1)?;
        self.expect('>')?;
        Ok(Value::variant(inner))
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut chars = self.rest.chars();
        let quote = chars.next();
        let mut text = String::new();
        loop {
            match chars.next().ok_or("a quote is not closed")? {
                c if Some(c) == quote => break,
                '\\' => {
                    let letter = chars.next().ok_or("a quote is not closed")?;
                    text.push(match letter {
                        'a' => '\x07',
                        'b' => '\x08',
                        'f' => '\x0c',
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        'v' => '\x0b',
                        'u' | 'U' => {
                            let digits = chars.by_ref().take(if letter == 'u' { 4 } else { 8 });
                            let digits: String = digits.collect();
                            let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                            code.ok_or_else(|| format!("\\{letter}{digits}: no character"))?
                        }
                        other => other,
                    });
                }
                '\0' => return Err("a NUL character inside".to_owned()),
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }
}

fn text_value(text: String, kind: Option<&str>) -> Value {
    match kind {
        Some("o") => Value::Path(text),
        Some("g") => Value::Signature(text),
        _ => Value::String(text),
    }
}

/// A number of the type that is asked for.
fn number(word: &str, kind: Option<&str>) -> Result<Value, String> {
    let real = word.contains('.') || !word.contains("0x") && word.contains(['e', 'E']);
    Ok(match kind.unwrap_or(if real { "d" } else { "i" }) {
        "y" => Value::Byte(integer(word)?),
        "n" => Value::I16(integer(word)?),
        "q" => Value::U16(integer(word)?),
        "u" => Value::U32(integer(word)?),
        "x" => Value::I64(integer(word)?),
        "t" => Value::U64(integer(word)?),
        "d" => Value::Double(word.parse().map_err(|_| format!("{word:?}: no number"))?),
        _ => Value::I32(integer(word)?),
    })
}

/// Decimal, hexadecimal (`0x1f`) or octal (`017`), as in C.
fn integer<T: FromStr + TryFrom<i128, Error: Display>>(word: &str) -> Result<T, String> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let (radix, digits) = match digits.strip_prefix("0x") {
        Some(digits) => (16, digits),
        None if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return Err(format!("{word:?}: no value"));
    }
    let value = i128::from_str_radix(digits, radix).map_err(|_| format!("{word:?}: no number"))?;
    T::try_from(if negative { -value } else { value }).map_err(|error| format!("{word}: {error}"))
}

fn fits(value: Value, kind: Option<&str>) -> Result<Value, String> {
    match kind {
        Some(kind) if value.signature() != kind => {
            Err(format!("a value of type {kind} is expected, not one of type {}", value.signature()))
        }
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_gvariant_writes_them() {
        let strings = |words: &[&str]| {
            Value::Array("s".to_owned(), words.iter().map(|word| Value::string(*word)).collect())
        };
        for (text, value) in [
            ("true", Value::Bool(true)),
            (" false ", Value::Bool(false)),
            ("boolean true", Value::Bool(true)),
            ("-7", Value::I32(-7)),
            ("0x1f", Value::I32(31)),
            ("017", Value::I32(15)),
            ("0", Value::I32(0)),
            ("uint64 18446744073709551615", Value::U64(u64::MAX)),
            ("@t 5", Value::U64(5)),
            ("byte 255", Value::Byte(255)),
            ("2.5", Value::Double(2.5)),
            ("1e3", Value::Double(1000.0)),
            ("double 3", Value::Double(3.0)),
            ("'it\\'s \\u00e9 \\\\'", Value::string("it's é \\")),
            ("\"it's\"", Value::string("it's")),
            ("objectpath '/a/b'", Value::Path("/a/b".to_owned())),
            ("['a', \"b\"]", strings(&["a", "b"])),
            ("@as []", strings(&[])),
            ("[uint32 1, 2]", Value::Array("u".to_owned(), vec![Value::U32(1), Value::U32(2)])),
            ("(1,)", Value::Struct(vec![Value::I32(1)])),
            ("@(ts) (3, 'x')", Value::Struct(vec![Value::U64(3), Value::string("x")])),
            ("<'v'>", Value::variant(Value::string("v"))),
            ("b'a'", Value::Array("y".to_owned(), vec![Value::Byte(b'a'), Value::Byte(0)])),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "a value is missing"),
            ("yes", "\"yes\": neither a value nor a type"),
            ("1 2", "\"2\": not expected behind a value"),
            ("'a", "a quote is not closed"),
            ("[]", "[]: the type of an empty list must be told, such as @as []"),
            ("[1, 'a']", "a value of type i is expected, not one of type s"),
            ("['a' 'b']", "expected ',' before \"'b']\""),
            ("uint64 'a'", "a value of type t is expected, not one of type s"),
            ("@z 1", "@z: no type of D-Bus"),
            ("@uu 1", "@uu: more than one type"),
            ("()", "(): D-Bus has no empty tuple"),
            ("--1", "\"--1\": no value"),
            ("uint64 -1", "-1: out of range integral type conversion attempted"),
        ] {
            assert_eq!(parse(text), Err(reason.to_owned()), "{text}");
        }
        assert!(parse(&"(".repeat(1000)).unwrap_err().contains("too deep"));
    }
}
