//! Values of D-Bus: as they lie in messages, and read from GVariant's text form, in which properties of units are written
//! in a plan and in annotations. Pure: touches nothing.
//!
//! Sources: the D-Bus Specification, "Type System" and "Marshaling"; GLib's "GVariant Text Format". Of the text form there
//! are no dictionaries and no maybe types: no property of a unit has one.

mod text;

pub use text::parse;

/// One value, with all that its type says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `y`
    Byte(u8),
    /// `b`
    Bool(bool),
    /// `n`
    I16(i16),
    /// `q`
    U16(u16),
    /// `i`
    I32(i32),
    /// `u`
    U32(u32),
    /// `x`
    I64(i64),
    /// `t`
    U64(u64),
    /// `d`
    Double(f64),
    /// `s`
    String(String),
    /// `o`
    Path(String),
    /// `g`
    Signature(String),
    /// `a`, and the type of its elements.
    Array(String, Vec<Value>),
    /// `(...)`
    Struct(Vec<Value>),
    /// `v`
    Variant(Box<Value>),
}

/// How deep values may lie in each other; the D-Bus Specification has 64.
const DEPTH: usize = 16;

impl Value {
    /// A string.
    pub fn string(text: impl Into<String>) -> Value {
        Value::String(text.into())
    }

    /// A value that brings its type along.
    #[must_use]
    pub fn variant(inner: Value) -> Value {
        Value::Variant(Box::new(inner))
    }

    /// The type, as D-Bus writes it.
    #[must_use]
    pub fn signature(&self) -> String {
        match self {
            Value::Byte(_) => "y".to_owned(),
            Value::Bool(_) => "b".to_owned(),
            Value::I16(_) => "n".to_owned(),
            Value::U16(_) => "q".to_owned(),
            Value::I32(_) => "i".to_owned(),
            Value::U32(_) => "u".to_owned(),
            Value::I64(_) => "x".to_owned(),
            Value::U64(_) => "t".to_owned(),
            Value::Double(_) => "d".to_owned(),
            Value::String(_) => "s".to_owned(),
            Value::Path(_) => "o".to_owned(),
            Value::Signature(_) => "g".to_owned(),
            Value::Array(element, _) => format!("a{element}"),
            Value::Struct(fields) => {
                format!("({})", fields.iter().map(Value::signature).collect::<String>())
            }
            Value::Variant(_) => "v".to_owned(),
        }
    }

    /// The string, object path or signature that this is.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::String(text) | Value::Path(text) | Value::Signature(text) => Some(text),
            _ => None,
        }
    }

    /// Appends the value to a message whose first byte is that of `out`. `None`: longer than a message can be.
    pub fn put(&self, out: &mut Vec<u8>) -> Option<()> {
        pad(out, align(&self.signature()));
        match self {
            Value::Byte(value) => out.push(*value),
            Value::Bool(value) => out.extend(u32::from(*value).to_le_bytes()),
            Value::I16(value) => out.extend(value.to_le_bytes()),
            Value::U16(value) => out.extend(value.to_le_bytes()),
            Value::I32(value) => out.extend(value.to_le_bytes()),
            Value::U32(value) => out.extend(value.to_le_bytes()),
            Value::I64(value) => out.extend(value.to_le_bytes()),
            Value::U64(value) => out.extend(value.to_le_bytes()),
            Value::Double(value) => out.extend(value.to_le_bytes()),
            Value::String(text) | Value::Path(text) => {
                out.extend(u32::try_from(text.len()).ok()?.to_le_bytes());
                out.extend(text.bytes().chain([0]));
            }
            Value::Signature(text) => {
                out.push(u8::try_from(text.len()).ok()?);
                out.extend(text.bytes().chain([0]));
            }
            Value::Array(element, values) => {
                let length_at = out.len();
                out.extend([0; 4]);
                // The padding before the first element does not count.
                pad(out, align(element));
                let start = out.len();
                values.iter().try_for_each(|value| value.put(out))?;
                let length = u32::try_from(out.len() - start).ok()?;
                out.get_mut(length_at..length_at + 4)?.copy_from_slice(&length.to_le_bytes());
            }
            Value::Struct(fields) => fields.iter().try_for_each(|value| value.put(out))?,
            Value::Variant(value) => {
                Value::Signature(value.signature()).put(out)?;
                value.put(out)?;
            }
        }
        Some(())
    }
}

fn pad(out: &mut Vec<u8>, align: usize) {
    out.resize(out.len().next_multiple_of(align), 0);
}

fn align(signature: &str) -> usize {
    match signature.as_bytes().first() {
        Some(b'n' | b'q') => 2,
        Some(b'b' | b'i' | b'u' | b's' | b'o' | b'a') => 4,
        Some(b'x' | b't' | b'd' | b'(') => 8,
        _ => 1,
    }
}

/// The first whole type of a signature, and the rest.
#[must_use]
pub fn split(signature: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (at, letter) in signature.char_indices() {
        match letter {
            'a' => continue,
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            'y' | 'b' | 'n' | 'q' | 'i' | 'u' | 'x' | 't' | 'd' | 's' | 'o' | 'g' | 'v' => {}
            _ => return None,
        }
        if depth == 0 {
            return Some(signature.split_at(at + 1));
        }
    }
    None
}

/// A message that is read, from its first byte on.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// The values of a signature; `None` if the bytes are no such values.
    pub fn values(&mut self, signature: &str) -> Option<Vec<Value>> {
        self.sequence(signature, 0)
    }

    fn sequence(&mut self, mut signature: &str, depth: usize) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        while !signature.is_empty() {
            let (first, rest) = split(signature)?;
            values.push(self.value(first, depth)?);
            signature = rest;
        }
        Some(values)
    }

    fn value(&mut self, signature: &str, depth: usize) -> Option<Value> {
        if depth > DEPTH {
            return None;
        }
        self.at = self.at.next_multiple_of(align(signature));
        let inner = signature.get(1..)?;
        Some(match signature.as_bytes().first()? {
            b'y' => Value::Byte(u8::from_le_bytes(self.take()?)),
            b'b' => Value::Bool(u32::from_le_bytes(self.take()?) != 0),
            b'n' => Value::I16(i16::from_le_bytes(self.take()?)),
            b'q' => Value::U16(u16::from_le_bytes(self.take()?)),
            b'i' => Value::I32(i32::from_le_bytes(self.take()?)),
            b'u' => Value::U32(u32::from_le_bytes(self.take()?)),
            b'x' => Value::I64(i64::from_le_bytes(self.take()?)),
            b't' => Value::U64(u64::from_le_bytes(self.take()?)),
            b'd' => Value::Double(f64::from_le_bytes(self.take()?)),
            b's' => Value::String(self.text_of_length32()?),
            b'o' => Value::Path(self.text_of_length32()?),
            b'g' => Value::Signature(self.signature()?),
            b'a' => self.array(inner, depth)?,
            // D-Bus has no empty struct; an array of such would have elements without end.
            b'(' if inner != ")" => Value::Struct(self.sequence(inner.strip_suffix(')')?, depth + 1)?),
            b'v' => {
                let signature = self.signature()?;
                let (whole, "") = split(&signature)? else { return None };
                Value::variant(self.value(whole, depth + 1)?)
            }
            _ => return None,
        })
    }

    fn array(&mut self, element: &str, depth: usize) -> Option<Value> {
        let length = usize::try_from(u32::from_le_bytes(self.take()?)).ok()?;
        self.at = self.at.next_multiple_of(align(element));
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let mut values = Vec::new();
        while self.at < end {
            values.push(self.value(element, depth + 1)?);
        }
        (self.at == end).then(|| Value::Array(element.to_owned(), values))
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.bytes.get(self.at..self.at.checked_add(N)?)?;
        self.at += N;
        bytes.try_into().ok()
    }

    fn text_of_length32(&mut self) -> Option<String> {
        let length = usize::try_from(u32::from_le_bytes(self.take()?)).ok()?;
        self.text(length)
    }

    fn signature(&mut self) -> Option<String> {
        let [length] = self.take()?;
        self.text(length.into())
    }

    fn text(&mut self, length: usize) -> Option<String> {
        let end = self.at.checked_add(length)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end + 1;
        (self.bytes.get(end) == Some(&0)).then(|| String::from_utf8(bytes.to_vec()).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        value.put(&mut out).unwrap();
        out
    }

    #[test]
    fn values_lie_in_a_message_as_the_specification_says() {
        assert_eq!(bytes(&Value::string("foo")), [3, 0, 0, 0, b'f', b'o', b'o', 0]);
        // Padding to 8 before the elements, which the length does not count.
        let numbers = Value::Array("t".to_owned(), vec![Value::U64(5)]);
        assert_eq!(bytes(&numbers), [8, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
        let none = Value::Array("t".to_owned(), Vec::new());
        assert_eq!(bytes(&none), [0; 8]);
        assert_eq!(bytes(&Value::variant(Value::Bool(true))), [1, b'b', 0, 0, 1, 0, 0, 0]);
        let pair = Value::Struct(vec![Value::Byte(1), Value::variant(Value::U32(7))]);
        assert_eq!(bytes(&pair), [1, 1, b'u', 0, 7, 0, 0, 0]);
    }

    #[test]
    fn what_was_written_is_read_again() {
        let text = "(true, byte 0x07, int16 -2, uint16 3, 4, uint32 5, int64 -6, uint64 7, 1.5, 's', objectpath '/o', \
            signature 'a(sv)', <uint64 8>, [('a', @au [1, 2]), ('b', [])], @as [])";
        let value = parse(text).unwrap();
        assert_eq!(value.signature(), "(bynqiuxtdsogva(sau)as)");
        let bytes = bytes(&value);
        assert_eq!(Reader::new(&bytes).values(&value.signature()), Some(vec![value.clone()]));
        for end in 0..bytes.len() {
            assert_eq!(Reader::new(&bytes[..end]).values(&value.signature()), None, "cut at {end}");
        }
    }

    #[test]
    fn hostile_bytes_are_no_values() {
        for (bytes, signature) in [
            (&[255, 255, 255, 255, 0][..], "s"),
            (&[255, 255, 255, 255], "ay"),
            (&[1, 0, 0, 0, 0xff, 0], "s"),
            (&[2, 0, 0, 0, b'a', b'b', 1], "s"),
            (&[1, b'(', 0], "v"),
            (&[0, 0], "v"),
            (&[5], "w"),
            (&[], "("),
            (&[], "()"),
            (&[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "a()"),
        ] {
            assert_eq!(Reader::new(bytes).values(signature), None, "{bytes:?}");
        }
        let nested = [1, b'v', 0].repeat(200);
        assert_eq!(Reader::new(&nested).values("v"), None);
    }

    #[test]
    fn a_signature_is_split_after_its_first_whole_type() {
        assert_eq!(split("a(sv)u"), Some(("a(sv)", "u")));
        assert_eq!(split("aas"), Some(("aas", "")));
        assert_eq!(split("((s)t)"), Some(("((s)t)", "")));
        for bad in ["", "a", "(s", ")", "z", "a{sv}"] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
