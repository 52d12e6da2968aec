//! Writes classic BPF: tests of numbers and arguments become a program for seccomp(2).
//!
//! Run by the planner. A program is written from its end to its beginning, because every jump of classic BPF goes
//! forwards: where a jump leads is thus always known. Nothing here knows of profiles or of names.
//!
//! The numbers of system calls, and the values of an argument that is compared, are lines cut into intervals with
//! one target each. A line becomes a balanced tree of comparisons, so a call passes about ten instructions where
//! a list of all calls would make it pass hundreds; the kernel also runs the filter for every number there is
//! when it is installed (kernel/seccomp.c, seccomp_cache_prepare).

use seccompiler::sock_filter;

/// The kernel takes no longer program (linux/bpf_common.h `BPF_MAXINSNS`).
pub const LONGEST: usize = 4096;

/// Loads a 32-bit word of `struct seccomp_data` (BPF_LD | BPF_W | BPF_ABS).
const LOAD: u16 = 0x20;
/// Ands the word with a constant (BPF_ALU | BPF_AND | BPF_K).
const AND: u16 = 0x54;
/// Jumps in any case (BPF_JMP | BPF_JA).
const JUMP: u16 = 0x05;
/// Jumps if equal (BPF_JMP | BPF_JEQ | BPF_K).
const EQUAL: u16 = 0x15;
/// Jumps if greater or equal (BPF_JMP | BPF_JGE | BPF_K).
const AT_LEAST: u16 = 0x35;
/// Jumps if there is a common bit (BPF_JMP | BPF_JSET | BPF_K).
const COMMON_BIT: u16 = 0x45;
/// Ends the program (BPF_RET | BPF_K).
const RETURN: u16 = 0x06;

/// `seccomp_data.nr`, the number of the call (linux/seccomp.h).
const NUMBER: u32 = 0;
/// `seccomp_data.arch`.
const ARCH: u32 = 4;
/// `seccomp_data.args[0]`; its low word stands first on every machine that there is a table for.
const ARGS: u32 = 16;

/// So many calls in a row may be tested one by one, where the calls around them have one target: a list of them
/// takes fewer instructions than a tree, but more time.
const LONGEST_LIST: usize = 3;

/// Where a test leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The program ends with this value (`SECCOMP_RET_*` and its data).
    Return(u32),
    /// To an instruction that is written already; counted from the program's end, the last one is 1.
    At(usize),
}

/// A line cut into intervals, in order: each goes from its number up to the next interval's (so it may be empty),
/// the last one to the end. The first one begins at 0.
pub type Line<T> = Vec<(T, Target)>;

/// A comparison of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// 0 to 5.
    pub arg: u32,
    /// How it is compared.
    pub op: Operator,
    /// With what; for [`Operator::Masked`], what must remain, with no bit outside the mask.
    pub value: u64,
    /// The bits that [`Operator::Masked`] looks at; all for the others.
    pub mask: u64,
}

/// How an argument is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `SCMP_CMP_NE`
    NotEqual,
    /// `SCMP_CMP_LT`
    Less,
    /// `SCMP_CMP_LE`
    LessOrEqual,
    /// `SCMP_CMP_EQ`
    Equal,
    /// `SCMP_CMP_GE`
    GreaterOrEqual,
    /// `SCMP_CMP_GT`
    Greater,
    /// `SCMP_CMP_MASKED_EQ`
    Masked,
}

/// What is done with a call whose arguments meet all the conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `SECCOMP_RET_*` and its data.
    pub action: u32,
    /// None: for every call.
    pub conditions: Vec<Condition>,
}

/// The end of a program; all that is added comes in front of it.
#[derive(Debug, Default)]
pub struct Tail {
    /// The last instruction first.
    code: Vec<sock_filter>,
    /// The nearest place of each return.
    returns: Vec<(u32, usize)>,
}

impl Tail {
    /// The whole program, from its beginning.
    #[must_use]
    pub fn finish(mut self) -> Vec<sock_filter> {
        self.code.reverse();
        self.code
    }

    /// Puts in front the test which ABI a call comes by, for a program that has the calls of each by its `audit`
    /// value; the first one is tested first.
    pub fn archs(&mut self, archs: &[(u32, Target)], otherwise: Target) {
        let mut next = otherwise;
        for &(audit, target) in archs.iter().rev() {
            next = self.branch(EQUAL, audit, target, next);
        }
        self.put(LOAD, 0, 0, ARCH);
    }

    /// Puts in front the test of a call's number.
    pub fn number(&mut self, line: Line<u32>) -> Target {
        self.word(NUMBER, line)
    }

    /// Puts in front the test of a call's arguments: the first rule that fits says what is done. With `wide`, all 64
    /// bits of an argument count, else the lower 32, and values must be below 2^32.
    pub fn rules(&mut self, rules: &[&Rule], wide: bool, otherwise: Target) -> Target {
        let mut next = otherwise;
        let mut rest = rules;
        while let Some((last, before)) = rest.split_last() {
            let action = Target::Return(last.action);
            if let Some(arg) = last.only_compared() {
                // Neighbours that look at one argument are cuts in one line.
                let run = rest.iter().rev().take_while(|rule| rule.only_compared() == Some(arg)).count();
                let (before, run) = rest.split_at(rest.len() - run);
                let mut line = vec![(0, next)];
                for rule in run.iter().rev() {
                    rule.conditions.iter().for_each(|condition| {
                        condition.paint(&mut line, Target::Return(rule.action));
                    });
                }
                next = self.argument(arg, wide, &line);
                rest = before;
            } else {
                let conditions = last.conditions.iter().rev();
                next = conditions.fold(action, |yes, condition| self.condition(condition, wide, yes, next));
                rest = before;
            }
        }
        next
    }

    fn condition(&mut self, condition: &Condition, wide: bool, yes: Target, no: Target) -> Target {
        if condition.op == Operator::Masked {
            return self.masked(condition, wide, yes, no);
        }
        let mut line = vec![(0, no)];
        condition.paint(&mut line, yes);
        self.argument(condition.arg, wide, &line)
    }

    fn masked(&mut self, condition: &Condition, wide: bool, yes: Target, no: Target) -> Target {
        let offset = ARGS + 8 * condition.arg;
        let words = [
            (offset + 4, high(condition.mask), high(condition.value)),
            (offset, low(condition.mask), low(condition.value)),
        ];
        let mut next = yes;
        for &(offset, mask, value) in words.iter().skip(usize::from(!wide)) {
            if mask == 0 || next == no {
                continue;
            }
            if value == 0 && mask != u32::MAX {
                self.branch(COMMON_BIT, mask, no, next);
            } else {
                self.branch(EQUAL, value, next, no);
                if mask != u32::MAX {
                    self.put(AND, 0, 0, mask);
                }
            }
            next = self.put(LOAD, 0, 0, offset);
        }
        next
    }

    /// Puts in front the test of an argument. A wide one takes two: of the high word, and of the low word where
    /// the high one alone does not decide.
    fn argument(&mut self, arg: u32, wide: bool, line: &[(u64, Target)]) -> Target {
        let offset = ARGS + 8 * arg;
        if !wide {
            let line = line.iter().take_while(|interval| high(interval.0) == 0);
            return self.word(offset, line.map(|&(start, target)| (low(start), target)).collect());
        }
        let mut highs = Line::new();
        let mut before = Target::Return(0);
        for cuts in line.chunk_by(|a, b| high(a.0) == high(b.0)) {
            let Some((&(first, _), &(_, last))) = cuts.first().zip(cuts.last()) else { continue };
            let mut lows: Line<u32> = cuts.iter().map(|&(start, target)| (low(start), target)).collect();
            if low(first) != 0 {
                lows.insert(0, (0, before));
            }
            highs.push((high(first), self.word(offset, lows)));
            if let Some(after) = high(first).checked_add(1) {
                highs.push((after, last));
            }
            before = last;
        }
        self.word(offset + 4, highs)
    }

    /// Puts in front the test of one word, with its load; nothing, if it all leads to one target.
    fn word(&mut self, offset: u32, mut line: Line<u32>) -> Target {
        line.dedup_by(|next, previous| {
            // Of two intervals with one beginning, the first is empty.
            let empty = next.0 == previous.0;
            if empty {
                previous.1 = next.1;
            }
            empty
        });
        line.dedup_by_key(|interval| interval.1);
        if let [(_, only)] = line.as_slice() {
            return *only;
        }
        self.tree(&line, u32::MAX);
        self.put(LOAD, 0, 0, offset)
    }

    /// Puts in front the test of the loaded word, which is known to lie in these intervals.
    fn tree(&mut self, line: &[(u32, Target)], last: u32) -> Target {
        if let [(_, only)] = line {
            return *only;
        }
        if let Some((around, islands)) = list(line, last) {
            return islands
                .iter()
                .rev()
                .fold(around, |next, &(number, target)| self.branch(EQUAL, number, target, next));
        }
        let (lower, upper) = line.split_at(line.len() / 2);
        let Some(&(middle, _)) = upper.first() else { return Target::Return(0) };
        let yes = self.tree(upper, last);
        let no = self.tree(lower, middle - 1);
        self.branch(AT_LEAST, middle, yes, no)
    }

    fn branch(&mut self, code: u16, k: u32, yes: Target, no: Target) -> Target {
        // What `no` may need to put in front moves `yes` one farther away.
        let yes = self.near(yes, 1);
        let no = self.near(no, 0);
        let (jt, jf) = (self.distance(yes), self.distance(no));
        self.put(code, byte(jt), byte(jf), k)
    }

    /// The place of the target, or of a new instruction that leads there, if it would be farther away than the
    /// 255 instructions that a branch can skip.
    fn near(&mut self, target: Target, more: usize) -> usize {
        let near = |tail: &Self, place: usize| tail.distance(place) + more <= usize::from(u8::MAX);
        match target {
            Target::At(place) if near(self, place) => place,
            Target::At(place) => {
                let distance = u32::try_from(self.distance(place)).unwrap_or(u32::MAX);
                self.put(JUMP, 0, 0, distance);
                self.code.len()
            }
            Target::Return(action) => match self.returns.iter().position(|known| known.0 == action) {
                Some(index) if near(self, self.returns[index].1) => self.returns[index].1,
                known => {
                    self.put(RETURN, 0, 0, action);
                    let place = self.code.len();
                    match known {
                        Some(index) => self.returns[index].1 = place,
                        None => self.returns.push((action, place)),
                    }
                    place
                }
            },
        }
    }

    /// How many instructions lie between the next one in front and this place.
    fn distance(&self, place: usize) -> usize {
        self.code.len() - place
    }

    fn put(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Target {
        self.code.push(sock_filter { code, jt, jf, k });
        Target::At(self.code.len())
    }
}

/// The line as a target and a few single numbers with other targets, if it is that simple.
fn list(line: &[(u32, Target)], last: u32) -> Option<(Target, Line<u32>)> {
    if line.len() > 2 * LONGEST_LIST + 1 {
        return None;
    }
    line.iter().take(2).find_map(|&(_, around)| {
        let ends = line.iter().skip(1).map(|next| next.0 - 1).chain([last]);
        let islands = line.iter().zip(ends).filter(|((_, target), _)| *target != around);
        let islands = islands.map(|(&(start, target), end)| (start == end).then_some((start, target)));
        let islands: Line<u32> = islands.collect::<Option<_>>()?;
        (islands.len() <= LONGEST_LIST).then_some((around, islands))
    })
}

impl Rule {
    /// The argument that this rule compares, if it does only that: a mask is not a cut in a line.
    fn only_compared(&self) -> Option<u32> {
        match self.conditions.as_slice() {
            [condition] if condition.op != Operator::Masked => Some(condition.arg),
            _ => None,
        }
    }
}

impl Condition {
    /// Leads the values that meet the condition to the target.
    fn paint(&self, line: &mut Line<u64>, target: Target) {
        let value = self.value;
        let below = value.checked_sub(1).map(|last| (0, last));
        let above = value.checked_add(1).map(|first| (first, u64::MAX));
        let (one, other) = match self.op {
            Operator::NotEqual => (below, above),
            Operator::Less => (below, None),
            Operator::LessOrEqual => (Some((0, value)), None),
            Operator::Equal | Operator::Masked => (Some((value, value)), None),
            Operator::GreaterOrEqual => (Some((value, u64::MAX)), None),
            Operator::Greater => (None, above),
        };
        for (first, last) in one.into_iter().chain(other) {
            paint(line, first, last, target);
        }
    }
}

/// Leads the values from `first` to `last` to the target.
fn paint(line: &mut Line<u64>, first: u64, last: u64, target: Target) {
    let begin = line.partition_point(|interval| interval.0 < first);
    let end = line.partition_point(|interval| interval.0 <= last);
    // What comes after the painted part stays what it was.
    let before = end.checked_sub(1).and_then(|index| line.get(index));
    let after = last.checked_add(1).zip(before).map(|(next, before)| (next, before.1));
    line.splice(begin..end, [(first, target)].into_iter().chain(after));
}

fn high(value: u64) -> u32 {
    (value >> 32) as u32
}

fn low(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}

/// A jump's distance, which [`Tail::near`] has made small enough.
fn byte(distance: usize) -> u8 {
    debug_assert!(distance <= 255, "a branch skips {distance} instructions");
    u8::try_from(distance).unwrap_or(u8::MAX)
}
