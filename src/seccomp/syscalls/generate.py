#!/usr/bin/env python3
"""Writes the tables of system call numbers beside this file, from the kernel's own headers.

usage: generate.py UAPI

UAPI is a directory with one directory of user space headers for each architecture (UAPI/x86/asm/unistd_64.h and
so on), such as `/usr/lib/linux/uapi` of Debian's linux-libc-dev 7.2, from which the present tables come. The
numbers come from nowhere else; tests compare the tables with the headers of the machine and with libseccomp.
"""

import pathlib
import re
import sys

# The machine, and the header of each ABI whose calls its kernel takes, native first.
MACHINES = {
    "x86_64": [("x86_64", "x86/asm/unistd_64.h"), ("x86", "x86/asm/unistd_32.h"), ("x32", "x86/asm/unistd_x32.h")],
    "aarch64": [("aarch64", "arm64/asm/unistd_64.h"), ("arm", "arm/asm/unistd-eabi.h")],
    "riscv64": [("riscv64", "riscv/asm/unistd_64.h")],
}

# arch/arm/include/uapi/asm/unistd.h: calls outside the ordinary numbers, and a second name of one call.
ARM = {
    "breakpoint": 0xF0001,
    "cacheflush": 0xF0002,
    "usr26": 0xF0003,
    "usr32": 0xF0004,
    "set_tls": 0xF0005,
    "get_tls": 0xF0006,
}

DEFINE = re.compile(r"^#define\s+__NR_(\w+)\s+(?:\(\w+\s*\+\s*)?(\d+)\)?\s*$", re.MULTILINE)
# Not calls: the end of the table, and arm's base, which is 0.
NOT_CALLS = {"syscalls", "SYSCALL_BASE"}


def numbers(header, abi):
    """The calls of one header, by name; x32 without its bit 30."""
    found = {name: int(number) for name, number in DEFINE.findall(header.read_text()) if name not in NOT_CALLS}
    if abi == "arm":
        found |= ARM | {"sync_file_range2": found["arm_sync_file_range"]}
    return found


def write(machine, abis, uapi, place):
    columns = [numbers(uapi / header, abi) for abi, header in abis]
    names = sorted(set().union(*columns))
    last = max(number for number in columns[0].values())
    with open(place / f"{machine}.rs", "w") as out:
        out.write(f"//! System call numbers of {' '.join(abi for abi, _ in abis)}, written by generate.py.\n\n")
        out.write(f"/// Sorted by name; a column for each ABI: {', '.join(abi for abi, _ in abis)}. The newest is {last}.\n")
        out.write(f"pub static TABLE: [(&str, [u32; {len(abis)}]); {len(names)}] = [\n")
        for name in names:
            row = ", ".join(str(column[name]) if name in column else "NONE" for column in columns)
            out.write(f'    ("{name}", [{row}]),\n')
        out.write("];\n")
        if any(name not in column for name in names for column in columns):
            out.write("\n/// The ABI does not have this call.\nconst NONE: u32 = super::NONE;\n")


if len(sys.argv) != 2:
    sys.exit(__doc__)
for machine, abis in MACHINES.items():
    write(machine, abis, pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent)
