//! `linux.seccomp` (config-linux.md#seccomp).

use super::{List, Text, record};

record! {
    /// `linux.seccomp`.
    pub struct Seccomp<'a> {
        #[serde(borrow)] pub default_action: Text<'a>,
        pub default_errno_ret: Option<u32>,
        #[serde(borrow)] pub architectures: List<Text<'a>>,
        /// An absent list is not an empty one: without it, a runtime may choose.
        #[serde(borrow)] pub flags: Option<List<Text<'a>>>,
        #[serde(borrow)] pub listener_path: Text<'a>,
        #[serde(borrow)] pub listener_metadata: Text<'a>,
        #[serde(borrow)] pub syscalls: List<Syscall<'a>>,
    }

    /// `syscalls[]`: one rule for several names.
    pub struct Syscall<'a> {
        #[serde(borrow)] pub names: List<Text<'a>>,
        #[serde(borrow)] pub action: Text<'a>,
        pub errno_ret: Option<u32>,
        #[serde(borrow)] pub args: List<Arg<'a>>,
    }

    /// `syscalls[].args[]`: a comparison of one argument. For `SCMP_CMP_MASKED_EQ`, `value` is the mask and
    /// `value_two` what must remain.
    pub struct Arg<'a> {
        pub index: u32,
        pub value: u64,
        pub value_two: u64,
        #[serde(borrow)] pub op: Text<'a>,
    }
}
