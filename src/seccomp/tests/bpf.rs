//! The part of the kernel's classic BPF machine that filters may use (net/core/filter.c, kernel/seccomp.c).

use seccompiler::sock_filter;

/// `struct seccomp_data`, without the instruction pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data {
    pub nr: u32,
    pub arch: u32,
    pub args: [u64; 6],
}

/// What the program returns, and after how many instructions. Panics where the kernel would refuse the program.
pub fn run(program: &[sock_filter], data: &Data) -> (u32, usize) {
    let (mut at, mut accumulator, mut steps) = (0_usize, 0_u32, 0);
    loop {
        let sock_filter { code, jt, jf, k } = program.get(at).expect("a jump out of the program").clone();
        let skip = |condition| usize::from(if condition { jt } else { jf });
        steps += 1;
        at += 1;
        match code {
            0x20 => accumulator = word(data, k),
            0x54 => accumulator &= k,
            0x05 => at += usize::try_from(k).unwrap(),
            0x15 => at += skip(accumulator == k),
            0x25 => at += skip(accumulator > k),
            0x35 => at += skip(accumulator >= k),
            0x45 => at += skip(accumulator & k != 0),
            0x06 => return (k, steps),
            _ => panic!("instruction {code:#x} at {}", at - 1),
        }
    }
}

fn word(data: &Data, offset: u32) -> u32 {
    let [low, high] = match offset {
        0 => return data.nr,
        4 => return data.arch,
        16..64 => {
            let arg = data.args[usize::try_from((offset - 16) / 8).unwrap()];
            [arg & 0xffff_ffff, arg >> 32]
        }
        _ => panic!("a load at {offset}"),
    };
    u32::try_from(if offset.is_multiple_of(8) { low } else { high }).unwrap()
}

/// What the kernel demands of any program: at most 4096 instructions, the last one a return, and no jump leads out
/// of it. Gives the number of instructions that no call can reach.
pub fn check(program: &[sock_filter]) -> usize {
    assert!(!program.is_empty() && program.len() <= 4096, "{} instructions", program.len());
    assert_eq!(program[program.len() - 1].code, 0x06);
    let mut reached = vec![false; program.len() + 1];
    reached[0] = true;
    for (at, instruction) in program.iter().enumerate() {
        let next: &[usize] = match instruction.code {
            0x06 => &[],
            0x05 => &[usize::try_from(instruction.k).unwrap()],
            code if code & 7 == 5 => &[usize::from(instruction.jt), usize::from(instruction.jf)],
            _ => &[0],
        };
        for skipped in next {
            assert!(at + 1 + skipped < program.len(), "a jump out of the program at {at}");
            reached[at + 1 + skipped] |= reached[at];
        }
    }
    reached[..program.len()].iter().filter(|reached| !**reached).count()
}
