//! Bytes as decisions: what a target makes of its input where random text would seldom get far.

/// Decisions that are left. Where there are none, all are 0.
pub struct Choices<'a> {
    bytes: &'a [u8],
}

impl<'a> Choices<'a> {
    /// All decisions of an input.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether there are none left.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        let mut number = usize::from(self.byte());
        if end > 256 {
            number = number << 8 | usize::from(self.byte());
        }
        number % end
    }

    /// True `n` times in 256.
    pub fn chance(&mut self, n: u8) -> bool {
        !self.is_done() && self.byte() < n
    }

    /// One of several; there must be one.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A number of 64 bits, mostly small or near a power of two.
    pub fn number(&mut self) -> u64 {
        let (kind, low) = (self.byte(), u64::from(self.byte()));
        match kind % 4 {
            0 => low,
            1 => (1_u64 << (low % 64)).wrapping_add(u64::from(kind >> 5)).wrapping_sub(4),
            2 => u64::MAX - low,
            _ => (0..7).fold(low, |number, _| number << 8 | u64::from(self.byte())),
        }
    }

    /// At most this many bytes as they are.
    pub fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(most.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }

    /// Short text, as it is.
    pub fn text(&mut self) -> String {
        let length = self.below(24);
        String::from_utf8_lossy(self.take(length)).into_owned()
    }
}
