//! From the tables of [`super::devices`] to BPF instructions (RFC 9669).
//!
//! What a program costs is loading it: the verifier walks every path, 3.7 us for each conditional jump. So there
//! is one jump for each entry of a table and one that tells the kinds apart; what an entry allows, and whether
//! that is enough, is computed without a jump. Docker's rules make five jumps.

use super::devices::{Place, Table, Ways};

/// The context is a `struct bpf_cgroup_dev_ctx`: type and access in one word, major, minor.
const CONTEXT: u8 = 1;
/// The type at first, then the ways of access that are allowed.
const KIND: u8 = 2;
const ALLOWED: u8 = 2;
/// The ways of access that are asked for.
const ASKED: u8 = 3;
const MAJOR: u8 = 4;
/// The lowest six bits of the minor number, and the others.
const BIT: u8 = 5;
const BLOCK: u8 = 6;
/// Major and block in one number, so that one comparison is enough.
const KEY: u8 = 7;
const RESULT: u8 = 0;

/// `BPF_DEVCG_DEV_CHAR`; the other type is block.
const CHAR: i32 = 2;

/// How many bits the block has in the key: a minor number has 20.
const BLOCK_BITS: i32 = 14;

const LOAD_IMM64: u8 = 0x18;
const LOAD_WORD: u8 = 0x61;
const MUL: u8 = 0x27;
const OR: u8 = 0x4f;
const AND_IMM: u8 = 0x57;
const AND: u8 = 0x5f;
const LSH: u8 = 0x67;
const RSH: u8 = 0x77;
const RSH_BY: u8 = 0x7f;
const XOR: u8 = 0xa7;
const ADD: u8 = 0x07;
const MOV: u8 = 0xb7;
const COPY: u8 = 0xbf;
const JUMP: u8 = 0x05;
const JUMP_NE: u8 = 0x55;
const EXIT: u8 = 0x95;

/// The program, each word one `struct bpf_insn` as it lies in memory; `None` if a jump would be longer than 32,767
/// instructions.
pub(super) fn assemble(chars: &Table, blocks: &Table) -> Option<Vec<u64>> {
    // Twelve instructions are in the middle of what an entry makes: one with a bitmap, and one without.
    let room = 32 + 12 * (chars.entries.len() + blocks.entries.len());
    let mut code = Code { words: Vec::with_capacity(room), ends: Vec::new() };
    code.prologue();
    if chars == blocks {
        code.table(chars)?;
    } else {
        code.push(AND_IMM, KIND, 0, 0xffff);
        let other = code.push(JUMP_NE, KIND, 0, CHAR);
        code.table(chars)?;
        code.land(other)?;
        code.table(blocks)?;
    }
    code.verdict()
}

struct Code {
    words: Vec<u64>,
    /// Where jumps to the verdict stand.
    ends: Vec<usize>,
}

impl Code {
    /// Adds an instruction without an offset and gives its place.
    fn push(&mut self, code: u8, to: u8, from: u8, value: i32) -> usize {
        let [a, b, c, d] = value.to_ne_bytes();
        self.words.push(u64::from_ne_bytes([code, to | from << 4, 0, 0, a, b, c, d]));
        self.words.len() - 1
    }

    /// Lets the jump at `from` go to the next instruction.
    fn land(&mut self, from: usize) -> Option<()> {
        let [a, b] = i16::try_from(self.words.len() - from - 1).ok()?.to_ne_bytes();
        let word = self.words.get_mut(from)?;
        let [code, registers, _, _, rest @ ..] = word.to_ne_bytes();
        let [c, d, e, f] = rest;
        *word = u64::from_ne_bytes([code, registers, a, b, c, d, e, f]);
        Some(())
    }

    fn load_word(&mut self, to: u8, offset: u8) {
        self.words.push(u64::from_ne_bytes([LOAD_WORD, to | CONTEXT << 4, offset, 0, 0, 0, 0, 0]));
    }

    fn prologue(&mut self) {
        self.load_word(KIND, 0);
        self.load_word(MAJOR, 4);
        self.load_word(BIT, 8);
        self.push(COPY, ASKED, KIND, 0);
        self.push(RSH, ASKED, 0, 16);
        self.push(COPY, BLOCK, BIT, 0);
        self.push(RSH, BLOCK, 0, 6);
        self.push(AND_IMM, BIT, 0, 63);
        self.push(COPY, KEY, MAJOR, 0);
        self.push(LSH, KEY, 0, BLOCK_BITS);
        self.push(OR, KEY, BLOCK, 0);
    }

    fn table(&mut self, table: &Table) -> Option<()> {
        for (place, ways) in &table.entries {
            let (register, value) = match *place {
                Place::Block { major, block } => (KEY, major << BLOCK_BITS | block),
                Place::Major(major) => (MAJOR, major),
                Place::BlockOfAny(block) => (BLOCK, block),
            };
            let next = self.push(JUMP_NE, register, 0, i32::try_from(value).ok()?);
            self.allowed(ways);
            self.land(next)?;
        }
        self.allowed(&table.default);
        Some(())
    }

    /// Sets what is allowed and goes to the verdict. Ways that are allowed for the same devices share a bitmap.
    fn allowed(&mut self, ways: &Ways) {
        let ways_with =
            |bits: u64| (0..3).filter(|way| ways[*way] == bits).fold(0, |set, way| set | 1 << way);
        self.push(MOV, ALLOWED, 0, ways_with(u64::MAX));
        for (way, bits) in ways.iter().enumerate() {
            if *bits == 0 || *bits == u64::MAX || ways[..way].contains(bits) {
                continue;
            }
            let [a, b, c, d, e, f, g, h] = bits.to_ne_bytes();
            self.push(LOAD_IMM64, RESULT, 0, i32::from_ne_bytes([a, b, c, d]));
            self.push(0, 0, 0, i32::from_ne_bytes([e, f, g, h]));
            self.push(RSH_BY, RESULT, BIT, 0);
            self.push(AND_IMM, RESULT, 0, 1);
            self.push(MUL, RESULT, 0, ways_with(*bits));
            self.push(OR, ALLOWED, RESULT, 0);
        }
        let end = self.push(JUMP, 0, 0, 0);
        self.ends.push(end);
    }

    /// 1 if nothing is asked for that is not allowed: what is left then is 0, and one less has its highest bit set.
    fn verdict(mut self) -> Option<Vec<u64>> {
        // The last jump would only go to the next instruction.
        if self.ends.last().is_some_and(|end| end + 1 == self.words.len()) {
            self.ends.pop();
            self.words.pop();
        }
        for end in std::mem::take(&mut self.ends) {
            self.land(end)?;
        }
        self.push(XOR, ALLOWED, 0, -1);
        self.push(AND, ASKED, ALLOWED, 0);
        self.push(ADD, ASKED, 0, -1);
        self.push(RSH, ASKED, 0, 63);
        self.push(COPY, RESULT, ASKED, 0);
        self.push(EXIT, 0, 0, 0);
        Some(self.words)
    }
}
