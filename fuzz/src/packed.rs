//! Documents that name each other by digest, as text that can be changed anywhere: the digests follow.
//!
//! A line `=== NAME` begins a document. In its text, `@0` to `@9` stand for the digest of an earlier document, `%0` to `%9` for
//! the hexadecimal part of it, `#0` to `#9` for its size; in its name, `%` for its own. A text that begins with `tar ` is a
//! tar with one file, the rest its path and content; with `gzip ` or `zstd ` before that, compressed.

use crate::layer::tar::{Tar, file};
use stave::digest::Digest;
use std::io::Write;

/// A document by its name.
pub struct Document {
    /// What stands behind `===`.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The documents of a text; not more than 16.
pub fn documents(input: &[u8]) -> Vec<Document> {
    let mut all: Vec<Document> = Vec::new();
    for part in split(input, b"=== ").into_iter().take(16) {
        let end = part.iter().position(|byte| *byte == b'\n').unwrap_or(part.len());
        let (name, text) = (&part[..end], part.get(end + 1..).unwrap_or_default());
        let bytes = unpack(text.strip_suffix(b"\n").unwrap_or(text), &all);
        let name = String::from_utf8_lossy(name).replace('%', Digest::of(&bytes).hex());
        all.push(Document { name, bytes });
    }
    all
}

/// The parts between lines that begin so.
fn split<'a>(text: &'a [u8], mark: &[u8]) -> Vec<&'a [u8]> {
    let starts = (0..text.len())
        .filter(|&at| (at == 0 || text[at - 1] == b'\n') && text[at..].starts_with(mark))
        .collect::<Vec<_>>();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(&start, end)| &text[start + mark.len()..end]).collect()
}

fn unpack(text: &[u8], earlier: &[Document]) -> Vec<u8> {
    if let Some(inner) = text.strip_prefix(b"gzip ") {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&unpack(inner, earlier)).unwrap();
        return encoder.finish().unwrap();
    }
    if let Some(inner) = text.strip_prefix(b"zstd ") {
        return zstd::encode_all(&*unpack(inner, earlier), 1).unwrap();
    }
    if let Some(inner) = text.strip_prefix(b"tar ") {
        let mut words = inner.splitn(2, |byte| *byte == b' ');
        let name = words.next().unwrap_or_default();
        return Tar::new().add(file(&name[..name.len().min(100)], words.next().unwrap_or_default())).end();
    }
    filled(text, earlier)
}

/// The text with what stands for something replaced.
fn filled(text: &[u8], earlier: &[Document]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        let document = behind.first().filter(|byte| byte.is_ascii_digit());
        let document = document.and_then(|digit| earlier.get(usize::from(digit - b'0')));
        let Some(document) = document.filter(|_| matches!(first, b'@' | b'%' | b'#')) else {
            bytes.push(first);
            continue;
        };
        rest = &behind[1..];
        let digest = Digest::of(&document.bytes);
        match first {
            b'@' => bytes.extend(digest.to_string().bytes()),
            b'%' => bytes.extend(digest.hex().bytes()),
            _ => bytes.extend(document.bytes.len().to_string().bytes()),
        }
    }
    bytes
}
