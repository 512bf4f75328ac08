//! The items that streams of the matrix carry: README.md, one folder up, says how
//! they are made.

use std::sync::LazyLock;

use bytes::Bytes;
use omnistreams::{Error, Status};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest item that each peer accepts.
pub const MAX_ITEM: usize = 256 << 10;
/// Bytes after which the content repeats.
const PERIOD: usize = 65521;
/// Of the sizes that are drawn.
const LONGEST: u32 = 32749;

/// The generator that all peers implement alike: xorshift32.
struct Draws(u32);

impl Draws {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}

/// Room for an item of any length that begins anywhere in the period.
static CONTENT: LazyLock<Bytes> = LazyLock::new(|| {
    let mut draws = Draws(0x4f4d_4e49);
    let once: Vec<u8> = (0..PERIOD).map(|_| (draws.next() >> 24) as u8).collect();
    once.repeat(2 + MAX_ITEM / PERIOD).into()
});

/// What the items of a stream are; a part of the metadata.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pattern {
    pub seed: u32,
    /// Of all items together.
    pub bytes: usize,
    /// Of each item but the last; 0: drawn.
    pub size: usize,
}

impl Pattern {
    pub const fn new(seed: u32, bytes: usize) -> Pattern {
        Pattern { seed, bytes, size: 0 }
    }

    pub fn items(self) -> Items {
        Items { pattern: self, sizes: Draws(self.seed.wrapping_mul(2_654_435_761)), at: 0 }
    }
}

/// The items of a pattern.
pub struct Items {
    pattern: Pattern,
    sizes: Draws,
    /// Bytes before the next item.
    at: usize,
}

impl Iterator for Items {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let Pattern { seed, bytes, size } = self.pattern;
        if self.at >= bytes {
            return None;
        }
        let mut size = size;
        if size == 0 {
            let x = self.sizes.next();
            size = if x % 16 == 0 { 0 } else { 1 + (x >> 4) as usize % LONGEST as usize };
        }
        size = size.min(bytes - self.at);
        let from = (seed as usize % PERIOD * 7919 + self.at) % PERIOD;
        self.at += size;
        Some(CONTENT.slice(from..from + size))
    }
}

/// What one end of a stream has seen of it: what sink and last answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    pub items: u64,
    pub bytes: u64,
    pub code: u32,
    pub reason: String,
    pub sha256: String,
}

/// Counts and digests the items that pass one end of a stream, and checks them.
pub struct Counter {
    pub items: u64,
    pub bytes: u64,
    hash: Sha256,
    pattern: Pattern,
    due: Items,
}

impl Counter {
    pub fn new(pattern: Pattern) -> Counter {
        Counter { items: 0, bytes: 0, hash: Sha256::new(), pattern, due: pattern.items() }
    }

    /// Counts an item that was read; an error if it is not the one that is due.
    pub fn take(&mut self, item: &Bytes) -> Result<(), Error> {
        let n = self.items;
        let Some(due) = self.due.next() else {
            return Err(wrong(format!("item {n} of {} bytes comes behind the last", item.len())));
        };
        if item.len() != due.len() {
            return Err(wrong(format!("item {n} has {} bytes instead of {}", item.len(), due.len())));
        }
        if *item != due {
            return Err(wrong(format!("item {n} has other bytes than it should")));
        }
        self.add(item);
        Ok(())
    }

    /// Counts an item that was written.
    pub fn add(&mut self, item: &Bytes) {
        self.items += 1;
        self.bytes += item.len() as u64;
        self.hash.update(item);
    }

    /// An error if items are missing.
    pub fn complete(&self) -> Result<(), Error> {
        match self.bytes < self.pattern.bytes as u64 {
            true => {
                Err(wrong(format!("the stream ends after {} of {} bytes", self.bytes, self.pattern.bytes)))
            }
            false => Ok(()),
        }
    }

    /// With an error, how the stream broke off.
    pub fn tally(&self, error: Option<&Error>) -> Tally {
        let status = error.map_or_else(|| Status::new(0, ""), status);
        Tally {
            items: self.items,
            bytes: self.bytes,
            code: status.code.0,
            reason: status.reason,
            sha256: self.hash.clone().finalize().iter().map(|b| format!("{b:02x}")).collect(),
        }
    }
}

/// What the other side is told of an error.
pub fn status(error: &Error) -> Status {
    match error.code() {
        Some(code) => Status::new(code, error.reason().unwrap_or_default()),
        None => Status::new(6, ""),
    }
}

/// What a stream ends with that is not as it should be.
pub fn wrong(reason: impl Into<String>) -> Error {
    Error::Failed(Status::new(256, reason))
}
