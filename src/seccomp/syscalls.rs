//! The system calls by name: which ABIs a machine's kernel takes calls from, and the number of a call in each.
//!
//! Read by the planner. The tables below are generated (`syscalls/generate.py`) from the kernel's headers. All of them can be
//! asked for, by tests; the linker leaves those of other machines out of the program.

pub(super) mod aarch64;
pub(super) mod riscv64;
pub(super) mod x86_64;

/// Stands in a table where an ABI does not have the call.
const NONE: u32 = u32::MAX;

/// A kernel, with the ABIs that its processes may use.
pub struct Machine {
    /// The native ABI first; ABIs of one `audit` value stand together, in the order of their numbers.
    pub abis: &'static [Abi],
    row: fn(&str, &mut usize) -> Option<&'static [u32]>,
}

/// One way of making system calls.
pub struct Abi {
    /// Its name in a profile.
    pub name: &'static str,
    /// `AUDIT_ARCH_*` (linux/audit.h), which the kernel gives a filter as `seccomp_data.arch`.
    pub audit: u32,
    /// What the kernel adds to the numbers of the table; the first number of the ABI.
    pub first: u32,
    /// The last number that could ever become an ordinary call.
    pub last: u32,
    /// Whether arguments are 64 bits wide.
    pub wide: bool,
    /// Whether socketcall(2) and ipc(2) are other ways to make the calls that they multiplex.
    pub multiplexed: bool,
    column: usize,
}

/// Bit 30 in the number of an x32 call (arch/x86/include/uapi/asm/unistd.h).
pub const X32: u32 = 0x4000_0000;

/// x86_64, with the ABIs x32 and x86.
pub static X86_64: Machine = Machine {
    abis: &[
        Abi { last: X32 - 1, ..Abi::new("SCMP_ARCH_X86_64", 0xc000_003e, 0) },
        Abi { first: X32, wide: false, ..Abi::new("SCMP_ARCH_X32", 0xc000_003e, 2) },
        Abi { wide: false, multiplexed: true, ..Abi::new("SCMP_ARCH_X86", 0x4000_0003, 1) },
    ],
    row: |name, near| find(&x86_64::TABLE, name, near),
};

/// aarch64, with arm.
pub static AARCH64: Machine = Machine {
    abis: &[
        Abi::new("SCMP_ARCH_AARCH64", 0xc000_00b7, 0),
        // From 0xf0000 on stand arm's private calls (arch/arm/include/uapi/asm/unistd.h).
        Abi { wide: false, last: 0xe_ffff, ..Abi::new("SCMP_ARCH_ARM", 0x4000_0028, 1) },
    ],
    row: |name, near| find(&aarch64::TABLE, name, near),
};

/// riscv64.
pub static RISCV64: Machine = Machine {
    abis: &[Abi::new("SCMP_ARCH_RISCV64", 0xc000_00f3, 0)],
    row: |name, near| find(&riscv64::TABLE, name, near),
};

#[cfg(target_arch = "aarch64")]
pub use AARCH64 as NATIVE;
#[cfg(target_arch = "riscv64")]
pub use RISCV64 as NATIVE;
/// The machine that this program is for.
#[cfg(target_arch = "x86_64")]
pub use X86_64 as NATIVE;

impl Abi {
    const fn new(name: &'static str, audit: u32, column: usize) -> Self {
        Abi { name, audit, first: 0, last: u32::MAX, wide: true, multiplexed: false, column }
    }
}

impl Machine {
    /// The numbers of a call, as [`Machine::number`] reads them; `None` for a name that no ABI of this machine has.
    #[must_use]
    pub fn call(&self, name: &str) -> Option<&'static [u32]> {
        (self.row)(name, &mut 0)
    }

    /// The same of many calls, which is soon found if their names come in alphabetical order.
    pub fn calls<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
    ) -> impl Iterator<Item = Option<&'static [u32]>> {
        let mut near = 0;
        names.map(move |name| (self.row)(name, &mut near))
    }

    /// The number of a call in one ABI, if it is there.
    #[must_use]
    pub fn number(call: &[u32], abi: &Abi) -> Option<u32> {
        call.get(abi.column).filter(|&&number| number != NONE).map(|number| abi.first + number)
    }
}

/// The row of a name: first among the few from `near` on, which then is the place behind it.
fn find<const N: usize>(
    table: &'static [(&str, [u32; N])],
    name: &str,
    near: &mut usize,
) -> Option<&'static [u32]> {
    const FEW: usize = 3;
    let index = match (*near..).take(FEW).find(|&index| table.get(index).is_some_and(|row| row.0 == name)) {
        Some(index) => index,
        None => table.binary_search_by_key(&name, |row| row.0).ok()?,
    };
    *near = index + 1;
    table.get(index).map(|row| row.1.as_slice())
}

/// The multiplexer (`socketcall` or `ipc`) through which a call can be made too, and the first argument that
/// selects it there (linux/net.h `SYS_*`, linux/ipc.h).
#[must_use]
pub fn multiplexer(name: &str) -> Option<(&'static str, u64)> {
    Some(match name {
        "socket" => ("socketcall", 1),
        "bind" => ("socketcall", 2),
        "connect" => ("socketcall", 3),
        "listen" => ("socketcall", 4),
        "accept" => ("socketcall", 5),
        "getsockname" => ("socketcall", 6),
        "getpeername" => ("socketcall", 7),
        "socketpair" => ("socketcall", 8),
        "send" => ("socketcall", 9),
        "recv" => ("socketcall", 10),
        "sendto" => ("socketcall", 11),
        "recvfrom" => ("socketcall", 12),
        "shutdown" => ("socketcall", 13),
        "setsockopt" => ("socketcall", 14),
        "getsockopt" => ("socketcall", 15),
        "sendmsg" => ("socketcall", 16),
        "recvmsg" => ("socketcall", 17),
        "accept4" => ("socketcall", 18),
        "recvmmsg" => ("socketcall", 19),
        "sendmmsg" => ("socketcall", 20),
        "semop" => ("ipc", 1),
        "semget" => ("ipc", 2),
        "semctl" => ("ipc", 3),
        "semtimedop" => ("ipc", 4),
        "msgsnd" => ("ipc", 11),
        "msgrcv" => ("ipc", 12),
        "msgget" => ("ipc", 13),
        "msgctl" => ("ipc", 14),
        "shmat" => ("ipc", 21),
        "shmdt" => ("ipc", 22),
        "shmget" => ("ipc", 23),
        "shmctl" => ("ipc", 24),
        _ => return None,
    })
}
