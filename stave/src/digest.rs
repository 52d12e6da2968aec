//! Content digests, `sha256:<hex>` and `sha512:<hex>` (image-spec, descriptor.md, "Digests").

use anyhow::{Result, bail};
use ring::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A digest whose form has been checked: a known algorithm and as many lower-case hex digits as it needs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

/// The registered algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, which everything must know and nearly everybody uses.
    Sha256,
    /// SHA-512, which everything may know.
    Sha512,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl Digest {
    /// Reads `sha256:<64 hex digits>`.
    ///
    /// # Errors
    /// Another algorithm, another length, an upper-case or other digit.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, hex) = text.split_once(':').unwrap_or(("", text));
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => bail!("digest {text:?}: the algorithm is neither sha256 nor sha512"),
        };
        let is_hex = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex.len() != algorithm.hex_digits() || !is_hex {
            bail!("digest {text:?}: not {} lower-case hex digits", algorithm.hex_digits());
        }
        Ok(Self { algorithm, hex: hex.to_owned() })
    }

    /// The SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The algorithm with which to check.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digits alone.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Where the blob stands in an OCI image layout: `blobs/sha256/<hex>`.
    #[must_use]
    pub fn blob_path(&self) -> String {
        format!("blobs/{}/{}", self.algorithm.name(), self.hex)
    }

    /// Compares with what was computed over the bytes named `of`.
    ///
    /// # Errors
    /// A difference; the sentence holds both digests.
    pub fn expect(&self, computed: &Self, of: &str) -> Result<()> {
        if self != computed {
            bail!("{of} is not what the image names: digest {computed} instead of {self}");
        }
        Ok(())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A digest in the making.
pub struct Hasher {
    algorithm: Algorithm,
    state: digest::Context,
}

impl Hasher {
    /// Starts over no bytes.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => &digest::SHA256,
            Algorithm::Sha512 => &digest::SHA512,
        };
        Self { algorithm, state: digest::Context::new(state) }
    }

    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
    }

    /// Gives the digest of all bytes taken in.
    #[must_use]
    pub fn finish(self) -> Digest {
        let mut hex = String::with_capacity(self.algorithm.hex_digits());
        for byte in self.state.finish().as_ref() {
            for nibble in [byte >> 4, byte & 15] {
                hex.extend(char::from_digit(u32::from(nibble), 16));
            }
        }
        Digest { algorithm: self.algorithm, hex }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(Digest::parse(empty).unwrap(), Digest::of(b""));
    }

    #[test]
    fn malformed_digests_are_refused() {
        for text in ["", "sha256:", "sha256:../../etc", "md5:00", &format!("sha256:{}", "A".repeat(64))] {
            assert!(Digest::parse(text).is_err(), "{text}");
        }
    }
}
