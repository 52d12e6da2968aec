//! From the tables of [`super::devices`] to BPF instructions (RFC 9669).
//!
//! What a program costs is loading it, and there the verifier: it walks every path of it, 0.4 us for each arithmetic
//! instruction, and 3 to 4 us for each conditional jump, whose other side it walks as well. So there is no jump. Whether a
//! device lies at some place of a table is a number, 1 or 0, by which the difference is multiplied that the place makes:
//! the differences of all the places where a device lies, put together by exclusive or, are what is allowed of it.

use super::devices::{Place, Table, Ways};

/// The context is a `struct bpf_cgroup_dev_ctx`: type and access in one word, which may be read by halves, major, minor.
const CONTEXT: u8 = 1;
/// Type, major and minor in one number, without what is no longer compared at its right end.
const KEY: u8 = 2;
/// The ways of access that are asked for.
const ASKED: u8 = 3;
/// The major number at first, then whether the device lies at a place.
const HERE: u8 = 4;
/// The minor number. A shift by it counts its lowest six bits only, which tell the device in its block.
const MINOR: u8 = 5;
/// A difference on its way into a result, and one that no instruction has room for.
const SCRATCH: u8 = 6;
const WIDE: u8 = 7;
/// For each group of ways of access, which devices of the block it is allowed for; then, in the lowest bit, whether it is
/// for this one. What is in the first one at the end is the program's answer.
const RESULTS: [u8; 3] = [0, 8, 9];

/// `BPF_DEVCG_DEV_BLOCK` and `BPF_DEVCG_DEV_CHAR`.
const BLOCK: u32 = 1;
const CHAR: u32 = 2;

/// How many bits the numbers have in the key: a minor number has 20, and six of them tell the device in its block.
const MINOR_BITS: i32 = 20;
const DEVICE_BITS: i32 = 6;
const BLOCK_BITS: i32 = MINOR_BITS - DEVICE_BITS;
const MAJOR_BITS: i32 = 12;

/// As many instructions as the kernel takes (`BPF_COMPLEXITY_LIMIT_INSNS`).
const MAX_LENGTH: usize = 1_000_000;

const LOAD_IMM64: u8 = 0x18;
const LOAD_WORD: u8 = 0x61;
const LOAD_HALF: u8 = 0x69;
const ADD: u8 = 0x07;
const MUL: u8 = 0x27;
const MUL_BY: u8 = 0x2f;
const OR: u8 = 0x4f;
const AND_IMM: u8 = 0x57;
const AND: u8 = 0x5f;
const LSH: u8 = 0x67;
const RSH: u8 = 0x77;
const RSH_BY: u8 = 0x7f;
const XOR_IMM: u8 = 0xa7;
const XOR: u8 = 0xaf;
const MOV: u8 = 0xb7;
const COPY: u8 = 0xbf;
const EXIT: u8 = 0x95;

/// What becomes of rules the last of which denies everything, as those of `casque spec`. Making it takes 16,000 instructions
/// in 130 cache lines, all for the first time; so it is made beforehand, and a test makes it again.
#[rustfmt::skip]
pub(super) const OF_DEFAULTS: [u64; 38] = [
    0x0000_0000_0002_1369, 0x0000_0000_0000_1269, 0x0000_0000_0004_1461, 0x0000_000c_0000_0267,
    0x0000_0000_0000_424f, 0x0000_0000_0008_1561, 0x0000_0014_0000_0267, 0x0000_0000_0000_524f,
    0x0000_0006_0000_0277, 0x0000_0000_0000_20bf, 0x0800_4000_0000_00a7, 0xffff_ffff_0000_0007,
    0x0000_003f_0000_0077, 0x0000_03a8_0000_0027, 0x0000_0000_0000_24bf, 0x0801_4000_0000_04a7,
    0xffff_ffff_0000_0407, 0x0000_003f_0000_0477, 0x0000_0005_0000_0427, 0x0000_0000_0000_40af,
    0x0000_0000_0000_24bf, 0x0802_8003_0000_04a7, 0xffff_ffff_0000_0407, 0x0000_003f_0000_0477,
    0x0000_0008_0000_0467, 0x0000_0000_0000_40af, 0x0000_0000_0000_507f, 0x0000_000e_0000_0277,
    0x0000_2088_0000_02a7, 0xffff_ffff_0000_0207, 0x0000_003f_0000_0277, 0x0000_0000_0000_20af,
    0x0000_0006_0000_0357, 0xffff_ffff_0000_0307, 0x0000_003f_0000_0377, 0x0000_0000_0000_304f,
    0x0000_0001_0000_0057, 0x0000_0000_0000_0095,
];

/// The program, each word one `struct bpf_insn` as it lies in memory; `None` if the kernel would refuse one so long.
pub(super) fn assemble(chars: &Table, blocks: &Table) -> Option<Vec<u64>> {
    let differences = Differences::between(chars, blocks);
    let groups = differences.groups();
    let mut code = Code { words: Vec::with_capacity(64), begun: [false; 3] };
    code.load(LOAD_HALF, ASKED, 2);
    code.results(&differences, &groups);
    code.verdict(&groups);
    (code.words.len() <= MAX_LENGTH).then_some(code.words)
}

/// Where a device may lie: at a place of the table of one type, 0 for both; or among all block devices.
#[derive(Clone, Copy)]
enum Spot {
    In { kind: u32, place: Place },
    BlockDevices,
}

impl Spot {
    /// How many bits at the right end of type, major and minor it leaves open.
    fn open_bits(self) -> i32 {
        match self {
            Spot::In { place: Place::Block { .. } | Place::BlockOfAny(_), .. } => DEVICE_BITS,
            Spot::In { place: Place::Major(_), .. } => MINOR_BITS,
            Spot::BlockDevices => MAJOR_BITS + MINOR_BITS,
        }
    }
}

/// The two tables in another form: what is allowed of a device is `all`, exclusive or what stands with each spot that the
/// device lies at. The spots come in the order in which they leave more and more of the key open.
struct Differences {
    all: Ways,
    spots: Vec<(Spot, Ways)>,
    /// Whether the types differ.
    kinds: bool,
}

impl Differences {
    fn between(chars: &Table, blocks: &Table) -> Differences {
        let kinds = chars != blocks;
        let mut spots = Vec::with_capacity(chars.entries.len() + blocks.entries.len() + 1);
        if kinds {
            collect(chars, CHAR, &mut spots);
            collect(blocks, BLOCK, &mut spots);
            spots.push((Spot::BlockDevices, xor(chars.default, blocks.default)));
        } else {
            collect(chars, 0, &mut spots);
        }
        spots.retain(|(_, ways)| *ways != [0; 3]);
        spots.sort_by_key(|(spot, _)| spot.open_bits());
        Differences { all: chars.default, spots, kinds }
    }

    /// What must be computed; ways of access that are allowed for all devices need not be.
    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::with_capacity(3);
        for way in 0..3 {
            let like = |group: &&mut Group| {
                self.all[way] == self.all[group.way]
                    && self.spots.iter().all(|(_, ways)| ways[way] == ways[group.way])
            };
            let (allowed, varies) = (self.all[way] != 0, self.spots.iter().any(|(_, ways)| ways[way] != 0));
            if let Some(group) = groups.iter_mut().find(like) {
                group.ways |= 1 << way;
            } else if varies || !allowed {
                groups.push(Group { way, ways: 1 << way, allowed, varies });
            }
        }
        groups
    }
}

/// Adds the places of a table, with what they differ in from its default. A device may lie at a major number's place and
/// at that of a block of any major number: what is too much then is taken back at the place of this block alone.
fn collect(table: &Table, kind: u32, spots: &mut Vec<(Spot, Ways)>) {
    let single = table.entries.iter().take_while(|(place, _)| matches!(place, Place::Block { .. })).count();
    let (single, wide) = table.entries.split_at(single);
    let of_wide = |wanted: Place| {
        let entry = wide.iter().find(|(place, _)| *place == wanted);
        entry.map_or([0; 3], |(_, ways)| xor(*ways, table.default))
    };
    let mut add = |place, ways| spots.push((Spot::In { kind, place }, ways));
    for (place, ways) in single {
        let Place::Block { major, block } = *place else { continue };
        let others = xor(of_wide(Place::Major(major)), of_wide(Place::BlockOfAny(block)));
        add(*place, xor(xor(*ways, table.default), others));
    }
    for (place, ways) in wide {
        let difference = xor(*ways, table.default);
        add(*place, difference);
        let Place::BlockOfAny(block) = *place else { continue };
        for (other, _) in wide {
            let Place::Major(major) = *other else { continue };
            let both = Place::Block { major, block };
            if single.iter().all(|(place, _)| *place != both) {
                add(both, difference);
            }
        }
    }
}

fn xor(left: Ways, right: Ways) -> Ways {
    [left[0] ^ right[0], left[1] ^ right[1], left[2] ^ right[2]]
}

/// Ways of access that are allowed for the same devices.
struct Group {
    /// One of them, and all of them, a bit each.
    way: usize,
    ways: i32,
    /// Whether they are allowed where no spot says otherwise.
    allowed: bool,
    /// Whether some spot does.
    varies: bool,
}

struct Code {
    words: Vec<u64>,
    /// Which of the results have a value.
    begun: [bool; 3],
}

impl Code {
    fn push(&mut self, code: u8, to: u8, from: u8, value: i32) {
        let [a, b, c, d] = value.to_ne_bytes();
        self.words.push(u64::from_ne_bytes([code, to | from << 4, 0, 0, a, b, c, d]));
    }

    fn load(&mut self, code: u8, to: u8, offset: u8) {
        self.words.push(u64::from_ne_bytes([code, to | CONTEXT << 4, offset, 0, 0, 0, 0, 0]));
    }

    /// Computes, in the lowest bit of its result, what each group allows of the device.
    fn results(&mut self, differences: &Differences, groups: &[Group]) {
        let Some((first, _)) = differences.spots.first() else { return };
        let mut open = first.open_bits();
        self.key(differences.kinds, open);
        for (index, (spot, ways)) in differences.spots.iter().enumerate() {
            if spot.open_bits() > open {
                self.one_device(open);
                self.push(RSH, KEY, 0, spot.open_bits() - open);
                open = spot.open_bits();
            }
            let last = index + 1 == differences.spots.len();
            self.spot(*spot, ways, groups, if last { KEY } else { HERE });
        }
        self.one_device(open);
        for (group, result) in groups.iter().zip(RESULTS) {
            if group.varies && group.allowed {
                self.push(XOR_IMM, result, 0, 1);
            }
        }
    }

    /// Type, where they differ, major and minor number without the bits that all spots leave open.
    fn key(&mut self, kinds: bool, open: i32) {
        if kinds {
            self.load(LOAD_HALF, KEY, 0);
        }
        if kinds && open <= MINOR_BITS {
            self.load(LOAD_WORD, HERE, 4);
            self.push(LSH, KEY, 0, MAJOR_BITS);
            self.push(OR, KEY, HERE, 0);
        } else if !kinds {
            self.load(LOAD_WORD, KEY, 4);
        }
        if open == DEVICE_BITS {
            self.load(LOAD_WORD, MINOR, 8);
            self.push(LSH, KEY, 0, MINOR_BITS);
            self.push(OR, KEY, MINOR, 0);
            self.push(RSH, KEY, 0, DEVICE_BITS);
        }
    }

    /// Behind the places of blocks: from what is allowed of all the devices of a block to this one's.
    fn one_device(&mut self, open: i32) {
        if open == DEVICE_BITS {
            for (result, _) in RESULTS.into_iter().zip(self.begun).filter(|(_, begun)| *begun) {
                self.push(RSH_BY, result, MINOR, 0);
            }
        }
    }

    /// Adds what a spot says to the results. `free` is a register for the comparison: the key, where this is the last one.
    fn spot(&mut self, spot: Spot, ways: &Ways, groups: &[Group], free: u8) {
        let concerned = || (0..).zip(groups).filter(|(_, group)| ways[group.way] != 0);
        let alone = concerned().count() == 1;
        let first = concerned().map(|(index, _): (usize, _)| index).next().unwrap_or_default();
        let here = if alone && !self.begun[first] { RESULTS[first] } else { free };
        if here != KEY {
            self.push(COPY, here, KEY, 0);
        }
        self.compare(spot, here);
        for (index, group) in concerned() {
            let (result, begun) = (RESULTS[index], std::mem::replace(&mut self.begun[index], true));
            let mut term = here;
            // Of a spot without blocks, all bits are alike, and the lowest one is enough.
            if spot.open_bits() == DEVICE_BITS {
                if !alone {
                    term = if begun { SCRATCH } else { result };
                    self.push(COPY, term, here, 0);
                }
                self.multiply(term, ways[group.way]);
            }
            if begun {
                self.push(XOR, result, term, 0);
            } else if term != result {
                self.push(COPY, result, term, 0);
            }
        }
    }

    /// Makes 1 of the key in `here` if the device lies at the spot, else 0: of 0 alone, one less has its highest bit set.
    fn compare(&mut self, spot: Spot, here: u8) {
        let value = match spot {
            // BLOCK is odd, CHAR is even.
            Spot::BlockDevices => return self.push(AND_IMM, here, 0, 1),
            Spot::In { kind, place: Place::Major(major) } => kind << MAJOR_BITS | major,
            Spot::In { kind, place: Place::Block { major, block } } => {
                (kind << MAJOR_BITS | major) << BLOCK_BITS | block
            }
            Spot::In { kind, place: Place::BlockOfAny(block) } => {
                self.push(AND_IMM, here, 0, 3 << (MAJOR_BITS + BLOCK_BITS) | ((1 << BLOCK_BITS) - 1));
                kind << (MAJOR_BITS + BLOCK_BITS) | block
            }
        };
        self.push(XOR_IMM, here, 0, value.cast_signed());
        self.push(ADD, here, 0, -1);
        self.push(RSH, here, 0, 63);
    }

    fn multiply(&mut self, register: u8, by: u64) {
        if by.is_power_of_two() {
            return self.push(LSH, register, 0, by.trailing_zeros().cast_signed());
        }
        if let Ok(by) = i32::try_from(by.cast_signed()) {
            return self.push(MUL, register, 0, by);
        }
        let [a, b, c, d, e, f, g, h] = by.to_ne_bytes();
        self.push(LOAD_IMM64, WIDE, 0, i32::from_ne_bytes([a, b, c, d]));
        self.push(0, 0, 0, i32::from_ne_bytes([e, f, g, h]));
        self.push(MUL_BY, register, WIDE, 0);
    }

    /// 1 if each group allows what is asked for, or nothing of it is asked for.
    fn verdict(&mut self, groups: &[Group]) {
        for (index, (group, result)) in groups.iter().zip(RESULTS).enumerate() {
            let spare = if group.varies { HERE } else { result };
            let asked = if index + 1 == groups.len() && group.varies { ASKED } else { spare };
            if asked != ASKED {
                self.push(COPY, asked, ASKED, 0);
            }
            self.push(AND_IMM, asked, 0, group.ways);
            self.push(ADD, asked, 0, -1);
            self.push(RSH, asked, 0, 63);
            if group.varies {
                self.push(OR, result, asked, 0);
            }
            if index > 0 {
                self.push(AND, RESULTS[0], result, 0);
            }
        }
        if groups.is_empty() {
            self.push(MOV, RESULTS[0], 0, 1);
        }
        self.push(AND_IMM, RESULTS[0], 0, 1);
        self.push(EXIT, 0, 0, 0);
    }
}
