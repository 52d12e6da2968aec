//! `linux.seccomp` (config-linux.md#seccomp).

use super::{List, Text, record};

record! {
    /// `linux.seccomp`.
    pub struct Seccomp<'a> {
        pub default_action: Text<'a> = "defaultAction",
        pub default_errno_ret: Option<u32> = "defaultErrnoRet",
        pub architectures: List<Text<'a>>,
        /// An absent list is not an empty one: without it, a runtime may choose.
        pub flags: Option<List<Text<'a>>>,
        pub listener_path: Text<'a> = "listenerPath",
        pub listener_metadata: Text<'a> = "listenerMetadata",
        pub syscalls: List<Syscall<'a>>,
    }

    /// `syscalls[]`: one rule for several names.
    pub struct Syscall<'a> {
        pub names: List<Text<'a>>,
        pub action: Text<'a>,
        pub errno_ret: Option<u32> = "errnoRet",
        pub args: List<Arg<'a>>,
    }

    /// `syscalls[].args[]`: a comparison of one argument. For `SCMP_CMP_MASKED_EQ`, `value` is the mask and
    /// `value_two` what must remain.
    pub struct Arg<'a> {
        pub index: u32,
        pub value: u64,
        pub value_two: u64 = "valueTwo",
        pub op: Text<'a>,
    }
}
