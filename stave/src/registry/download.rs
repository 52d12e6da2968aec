//! Blobs from a registry into the store's ingest. An attempt goes on where the last one ended (RFC 9110, 14), and the digest
//! is computed while the bytes come.

use super::answer::{Answer, Failure, read_error};
use super::client::{Call, Patience, Payload, Registry};
use super::document::scope;
use crate::digest::{Digest, Hasher};
use crate::error::During;
use crate::name::Name;
use crate::progress::Part;
use crate::stop::Stop;
use crate::store::Ingest;
use anyhow::{Context, Error, Result, anyhow};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use ureq::http::{Method, header};

/// How many bytes are read at once.
const PIECE: usize = 256 << 10;
/// An attempt that brings so much was worth it, and is not counted.
const PROGRESS: u64 = 1 << 20;

/// What has come of a blob.
struct Partial<'a> {
    file: &'a File,
    digest: &'a Digest,
    size: u64,
    have: u64,
    hasher: Hasher,
    part: &'a Part,
}

impl Registry {
    /// Fetches what is missing of a blob, and checks all of it. What has come stays in `ingest` if the rest does not.
    ///
    /// # Errors
    /// The blob is not there or not what its digest and size say; the connection fails again and again.
    pub fn download(
        &self,
        name: &Name,
        (digest, size): (&Digest, u64),
        ingest: &Ingest,
        part: &Part,
        stop: &Stop,
    ) -> Result<()> {
        let hasher = Hasher::new(digest.algorithm());
        let mut partial = Partial { file: ingest.file(), digest, size, have: 0, hasher, part };
        let resumed = partial.take_up(stop)?;
        self.complete(name, &mut partial, stop)?;
        match partial.check() {
            // What an earlier attempt left may be wrong, and this registry right.
            Err(_) if resumed => {
                partial.start_over()?;
                self.complete(name, &mut partial, stop)?;
                partial.check()
            }
            checked => checked,
        }
    }

    fn complete(&self, name: &Name, partial: &mut Partial<'_>, stop: &Stop) -> Result<()> {
        let (mut patience, mut mark): (Patience, u64) = (self.patience(), partial.have);
        while partial.have < partial.size {
            stop.check()?;
            match self.attempt(name, partial, stop) {
                Ok(()) => {}
                Err(Failure::Passing(error)) => {
                    if partial.have.saturating_sub(mark) >= PROGRESS {
                        (patience, mark) = (self.patience(), partial.have);
                    }
                    patience.wait(error, None)?;
                }
                Err(Failure::Lasting(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// One request for what is missing.
    fn attempt(&self, name: &Name, partial: &mut Partial<'_>, stop: &Stop) -> Result<(), Failure> {
        let uri = self.place(name, &format!("blobs/{}", partial.digest)).map_err(Failure::Lasting)?;
        let mut headers = vec![(header::ACCEPT_ENCODING, "identity".to_owned())];
        if partial.have > 0 {
            headers.push((header::RANGE, format!("bytes={}-", partial.have)));
        }
        let scope = scope(name, "pull");
        let call = Call { method: Method::GET, uri, scope: Some(&scope), headers, payload: Payload::Nothing };
        let answer = self.send(&call).map_err(Failure::Lasting)?;
        match answer.status() {
            200 => partial.start_over().map_err(Failure::Lasting)?,
            206 if partial.have > 0 => partial.check_range(&answer).map_err(Failure::Lasting)?,
            // The registry does not go on: from the beginning then.
            416 if partial.have > 0 => {
                partial.start_over().map_err(Failure::Lasting)?;
                return Ok(());
            }
            _ => return Err(Failure::Lasting(answer.refusal())),
        }
        partial.read(answer, stop)
    }
}

impl Partial<'_> {
    /// Hashes what an earlier attempt left; whether there was something.
    fn take_up(&mut self, stop: &Stop) -> Result<bool> {
        let length = self.file.metadata().during(|| "fstat".to_owned())?.len();
        if length > self.size {
            self.start_over()?;
            return Ok(false);
        }
        let mut piece = vec![0; PIECE];
        while self.have < length {
            stop.check()?;
            let got = self.file.read_at(&mut piece, self.have).during(|| "read the part".to_owned())?;
            self.take(piece.get(..got).unwrap_or_default());
        }
        Ok(length > 0)
    }

    fn take(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.have += bytes.len() as u64;
        self.part.add(bytes.len() as u64);
    }

    fn start_over(&mut self) -> Result<()> {
        if self.have > 0 {
            self.part.next("downloading", self.size);
        }
        self.have = 0;
        self.hasher = Hasher::new(self.digest.algorithm());
        self.file.set_len(0).during(|| "ftruncate".to_owned())
    }

    /// The registry must go on where it was asked to.
    fn check_range(&self, answer: &Answer) -> Result<()> {
        let range = answer.header(header::CONTENT_RANGE).unwrap_or_default();
        let start =
            range.strip_prefix("bytes ").and_then(|range| range.split_once('-')).map(|(start, _)| start);
        let right = start.and_then(|start| start.parse().ok()) == Some(self.have);
        right.then_some(()).with_context(|| {
            format!("{}: it was asked to go on at {}, but answers {range:?}", answer.subject(), self.have)
        })
    }

    fn read(&mut self, answer: Answer, stop: &Stop) -> Result<(), Failure> {
        let subject = answer.subject();
        let lasting = |error: Error| Failure::Lasting(error.context(subject.clone()));
        if let Some(length) = answer.length()
            && length != self.size - self.have
        {
            let whole = length.saturating_add(self.have);
            return Err(lasting(anyhow!("the blob has {whole} bytes instead of {}", self.size)));
        }
        let encoding = answer.header(header::CONTENT_ENCODING).unwrap_or("identity");
        if encoding != "identity" {
            return Err(lasting(anyhow!("the blob comes encoded as {encoding:?}")));
        }
        let (mut reader, mut piece) = (answer.reader(), vec![0; PIECE]);
        loop {
            stop.check().map_err(Failure::Lasting)?;
            let got = match reader.read(&mut piece) {
                Ok(got) => got,
                Err(error) => return Err(Failure::Passing(read_error(error).context(subject))),
            };
            let bytes = piece.get(..got).unwrap_or_default();
            if got as u64 > self.size - self.have {
                return Err(lasting(anyhow!("the blob has more than its {} bytes", self.size)));
            }
            if got == 0 {
                break;
            }
            let written = self.file.write_all_at(bytes, self.have).during(|| "write".to_owned());
            written.map_err(Failure::Lasting)?;
            self.take(bytes);
        }
        if self.have < self.size {
            let error = anyhow!("{} of {} bytes came", self.have, self.size);
            return Err(Failure::Passing(error.context(subject)));
        }
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        let hasher = std::mem::replace(&mut self.hasher, Hasher::new(self.digest.algorithm()));
        let checked = self.digest.expect(&hasher.finish(), "the blob");
        if checked.is_err() {
            // Nothing to go on with.
            self.file.set_len(0).during(|| "ftruncate".to_owned())?;
        }
        checked
    }
}
