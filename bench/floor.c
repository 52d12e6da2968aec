/* floor VERB STATE CGROUPS ID [ROOTFS PROGRAM [ARG...]]: what the kernel must be asked for, to do what a runtime does for the
 * default configuration (`casque spec`), with everything hard-coded. It reads no configuration, checks no name, knows one way
 * and says no sentence when it fails: what a runtime needs beyond it is the price of being a runtime.
 *
 *   run, create, start, state, exec, kill, delete
 *
 * It mounts by the calls that take descriptors, as a runtime must that trusts no path in a root, and has its device rules one
 * after another, as runc and crun write them. With LEAST (least.c) it takes each shortcut that is known instead: mount(2) by
 * path, which a hostile root could lead astray, and a device program made by hand for these rules.
 *
 * STATE is a directory for the containers' states, CGROUPS a cgroup v2 directory. That it makes the same container is
 * checked by `make bench` from inside (bench/facts.sh). No C library: its start would be measured too. */
#include "kernel.h"
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sockios.h>

START_STACK_TO_MAIN;

#define AF_INET 2
#define SOCK_DGRAM 2
#define SOCK_CLOEXEC 02000000
#define SIGCHLD 17
#define SIGKILL 9
#define P_PIDFD 3
#define WEXITED 4
#define MNT_DETACH 2
#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define IFF_UP 1
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET)

static char **environment;

/* ---- The device program: the default rules. Their device's type is in the low half of the first word, the access in the
 * high one; then come major and minor. */

#define LOAD(to, at) { BPF_LDX | BPF_MEM | BPF_W, to, 1, at, 0 }
#define MOVE(to, value) { BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value }
#define COPY(to, from) { BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0 }
#define AND(of, value) { BPF_ALU64 | BPF_AND | BPF_K, of, 0, 0, value }
#define SHIFT(of, bits) { BPF_ALU64 | BPF_RSH | BPF_K, of, 0, 0, bits }
#define SHIFT_BY(of, by) { BPF_ALU64 | BPF_RSH | BPF_X, of, by, 0, 0 }
#define IF_EQUAL(of, value, skip) { BPF_JMP | BPF_JEQ | BPF_K, of, 0, skip, value }
#define IF_NOT(of, value, skip) { BPF_JMP | BPF_JNE | BPF_K, of, 0, skip, value }
#define IF_MORE(of, value, skip) { BPF_JMP | BPF_JGT | BPF_K, of, 0, skip, value }
#define END { BPF_JMP | BPF_EXIT, 0, 0, 0, 0 }

#ifdef LEAST
/* In 20 instructions. */
static const struct bpf_insn devices[] = {
	LOAD(2, 0),		 /*  0: type and access */
	LOAD(4, 4),		 /*  1: major */
	LOAD(5, 8),		 /*  2: minor */
	COPY(3, 2),		 /*  3 */
	SHIFT(3, 16),		 /*  4 */
	MOVE(0, 1),		 /*  5 */
	IF_EQUAL(3, 1, 10),	 /*  6: mknod alone: 17 */
	AND(2, 0xffff),		 /*  7 */
	IF_NOT(2, 2, 9),	 /*  8: no character device: 18 */
	IF_EQUAL(4, 136, 7),	 /*  9: a terminal: 17 */
	MOVE(0, 1 << 3 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9), /* 10: null zero full random urandom */
	IF_EQUAL(4, 1, 2),	 /* 11: 14 */
	MOVE(0, 1 << 0 | 1 << 2),/* 12: tty ptmx */
	IF_NOT(4, 5, 4),	 /* 13: 18 */
	IF_MORE(5, 31, 3),	 /* 14: 18 */
	SHIFT_BY(0, 5),		 /* 15 */
	AND(0, 1),		 /* 16 */
	END,			 /* 17 */
	MOVE(0, 0),		 /* 18 */
	END,			 /* 19 */
};
#else
/* In 60 instructions: those that allow, one after another, the last one first. */
#define SAME(of, other, skip) { BPF_JMP | BPF_JNE | BPF_X, of, other, skip, 0 }
#define CHARACTER(major, minor) IF_NOT(2, 2, 4), IF_NOT(4, major, 3), IF_NOT(5, minor, 2), MOVE(0, 1), END
#define MKNOD(type) IF_NOT(2, type, 5), COPY(1, 3), AND(1, 1), SAME(1, 3, 2), MOVE(0, 1), END
static const struct bpf_insn devices[] = {
	LOAD(2, 0), COPY(3, 2), AND(2, 0xffff), SHIFT(3, 16), LOAD(4, 4), LOAD(5, 8),
	CHARACTER(5, 2), IF_NOT(2, 2, 3), IF_NOT(4, 136, 2), MOVE(0, 1), END,
	CHARACTER(5, 0), CHARACTER(1, 9), CHARACTER(1, 8), CHARACTER(1, 7), CHARACTER(1, 5), CHARACTER(1, 3),
	MKNOD(1), MKNOD(2), MOVE(0, 0), END,
};
#endif

static void limit_devices(long cgroup) {
	union bpf_attr load;
	memset(&load, 0, sizeof load);
	load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	load.insn_cnt = sizeof devices / sizeof *devices;
	load.insns = (__u64)(size)devices;
	load.license = (__u64)(size) "Apache-2.0";
	long program = must("bpf load", call3(__NR_bpf, BPF_PROG_LOAD, &load, 64));
	union bpf_attr attach;
	memset(&attach, 0, sizeof attach);
	attach.target_fd = (__u32)cgroup;
	attach.attach_bpf_fd = (__u32)program;
	attach.attach_type = BPF_CGROUP_DEVICE;
	must("bpf attach", call3(__NR_bpf, BPF_PROG_ATTACH, &attach, 20));
	call1(__NR_close, program);
}

/* ---- The inside: what the first process of a container does up to its program. */

#define OPTIONS(...) (const char *const[]){ __VA_ARGS__, 0 }

#ifdef LEAST
#define CLASSIC(flags) ((flags & 15) | (flags & MOUNT_ATTR_STRICTATIME ? 1 << 24 : 0))

/* Mounts a file system below the working directory; `text` has the options. */
static void mount_at(const char *target, const char *type, const char *source, unsigned flags, const char *const *options,
		     const char *text) {
	(void)options;
	must(target, call(__NR_mount, source, target, type, CLASSIC(flags), text));
}

/* Binds what is there over a place, if that is there. */
static void cover_with(const char *what, const char *place) {
	call(__NR_mount, what, place, 0, 4096 /* MS_BIND */, 0);
}
#else
/* Mounts a file system below the working directory; `options` are names and values in turn. */
static void mount_at(const char *target, const char *type, const char *source, unsigned flags, const char *const *options,
		     const char *text) {
	(void)text;
	long system = must(type, call2(__NR_fsopen, type, FSOPEN_CLOEXEC));
	must("source", call(__NR_fsconfig, system, FSCONFIG_SET_STRING, "source", source, 0));
	for (; options && *options; options += 2)
		must(*options, call(__NR_fsconfig, system, options[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, options[0],
				    options[1], 0));
	must("fsconfig", call(__NR_fsconfig, system, FSCONFIG_CMD_CREATE, 0, 0, 0));
	long mount = must("fsmount", call3(__NR_fsmount, system, FSMOUNT_CLOEXEC, flags));
	must(target, call(__NR_move_mount, mount, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH));
	call1(__NR_close, mount);
	call1(__NR_close, system);
}

/* Binds what is there over a place, if that is there: a copy that cannot be attached costs 15 us. */
static void cover_with(const char *what, const char *place) {
	if (call4(__NR_faccessat, AT_FDCWD, place, 0, 0) < 0)
		return;
	long tree = must(what, call3(__NR_open_tree, AT_FDCWD, what, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
	must(place, call(__NR_move_mount, tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH));
	call1(__NR_close, tree);
}
#endif

#define RDONLY MOUNT_ATTR_RDONLY
#define NOSUID MOUNT_ATTR_NOSUID
#define NODEV MOUNT_ATTR_NODEV
#define NOEXEC MOUNT_ATTR_NOEXEC

static void make_root(const char *rootfs) {
	struct mount_attr slave = { 0, 0, 1 << 19 /* MS_SLAVE */, 0 };
	must("slave", call(__NR_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &slave, sizeof slave));
	long root = must("open_tree", call3(__NR_open_tree, AT_FDCWD, rootfs,
					    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
	must("move_mount", call(__NR_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
	must("fchdir", call1(__NR_fchdir, root));

	mount_at("proc", "proc", "proc", 0, 0, 0);
	mount_at("dev", "tmpfs", "tmpfs", NOSUID | MOUNT_ATTR_STRICTATIME, OPTIONS("mode", "755", "size", "65536k"),
		 "mode=755,size=65536k");
	must("chdir", call1(__NR_chdir, "dev"));
	call3(__NR_mkdirat, AT_FDCWD, "pts", 0755);
	call3(__NR_mkdirat, AT_FDCWD, "shm", 0755);
	call3(__NR_mkdirat, AT_FDCWD, "mqueue", 0755);
	mount_at("pts", "devpts", "devpts", NOSUID | NOEXEC,
		 OPTIONS("newinstance", 0, "ptmxmode", "0666", "mode", "0620", "gid", "5"),
		 "newinstance,ptmxmode=0666,mode=0620,gid=5");
	mount_at("shm", "tmpfs", "shm", NOSUID | NODEV | NOEXEC, OPTIONS("mode", "1777", "size", "65536k"),
		 "mode=1777,size=65536k");
	mount_at("mqueue", "mqueue", "mqueue", NOSUID | NODEV | NOEXEC, 0, 0);
	static const struct {
		const char *name;
		int number;
	} nodes[] = { { "null", 0x103 }, { "zero", 0x105 },    { "full", 0x107 },
		      { "random", 0x108 }, { "urandom", 0x109 }, { "tty", 0x500 } };
	for (unsigned i = 0; i < 6; i++)
		must(nodes[i].name, call4(__NR_mknodat, AT_FDCWD, nodes[i].name, 0020666, nodes[i].number));
	call3(__NR_symlinkat, "/proc/self/fd", AT_FDCWD, "fd");
	call3(__NR_symlinkat, "/proc/self/fd/0", AT_FDCWD, "stdin");
	call3(__NR_symlinkat, "/proc/self/fd/1", AT_FDCWD, "stdout");
	call3(__NR_symlinkat, "/proc/self/fd/2", AT_FDCWD, "stderr");
	call3(__NR_symlinkat, "pts/ptmx", AT_FDCWD, "ptmx");
	must("fchdir", call1(__NR_fchdir, root));
	mount_at("sys", "sysfs", "sysfs", NOSUID | NODEV | NOEXEC | RDONLY, 0, 0);
	mount_at("sys/fs/cgroup", "cgroup2", "cgroup", NOSUID | NODEV | NOEXEC | RDONLY, 0, 0);

	must("pivot_root", call2(__NR_pivot_root, ".", "."));
	must("umount", call2(__NR_umount2, ".", MNT_DETACH));
	must("chdir", call1(__NR_chdir, "/"));
	must("sethostname", call2(__NR_sethostname, "casque", 6));
}

static void protect(void) {
	static const char *read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };
	struct mount_attr attributes = { MOUNT_ATTR_RDONLY, 0, 0, 0 };
	must("read-only root", call(__NR_mount_setattr, AT_FDCWD, "/", 0, &attributes, sizeof attributes));
	for (unsigned i = 0; i < 5; i++) {
		long tree = call3(__NR_open_tree, AT_FDCWD, read_only[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (tree < 0)
			continue;
		must(read_only[i], call(__NR_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
					sizeof attributes));
		must(read_only[i], call(__NR_move_mount, tree, "", AT_FDCWD, read_only[i], MOVE_MOUNT_F_EMPTY_PATH));
	}
	static const struct {
		const char *path;
		int directory;
	} masked[] = { { "/proc/acpi", 1 },	  { "/proc/asound", 1 },      { "/proc/kcore", 0 },
		       { "/proc/keys", 0 },	  { "/proc/latency_stats", 0 }, { "/proc/timer_list", 0 },
		       { "/proc/timer_stats", 0 }, { "/proc/sched_debug", 0 }, { "/sys/firmware", 1 },
		       { "/proc/scsi", 1 } };
	const char *cover = 0;
	for (unsigned i = 0; i < 10; i++) {
		const char *path = masked[i].path;
		if (!masked[i].directory)
			cover_with("/dev/null", path);
		else if (cover)
			cover_with(cover, path);
		else if (call4(__NR_faccessat, AT_FDCWD, path, 0, 0) == 0) {
			mount_at(path, "tmpfs", "mask", NOSUID | NODEV | NOEXEC | RDONLY,
				 OPTIONS("nr_inodes", "2", "nr_blocks", "1", "mode", "0555"),
				 "nr_inodes=2,nr_blocks=1,mode=0555");
			cover = path;
		}
	}
}

static void give_up_privileges(void) {
	static const __u64 kept = 1UL << CAP_AUDIT_WRITE | 1UL << CAP_KILL | 1UL << CAP_NET_BIND_SERVICE;
	must("nnp", call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
		if (!(kept >> capability & 1))
			call2(__NR_prctl, PR_CAPBSET_DROP, capability);
	must("setgroups", call2(__NR_setgroups, 0, 0));
	must("setresgid", call3(__NR_setresgid, 0, 0, 0));
	must("setresuid", call3(__NR_setresuid, 0, 0, 0));
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2] = { { (__u32)kept, (__u32)kept, 0 }, { 0, 0, 0 } };
	must("capset", call2(__NR_capset, &head, sets));
}

/* What the first process does: from the clone up to the program. */
static void become_container(const char *id, const char *rootfs) {
	call(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	call1(__NR_umask, 0);
	long inet = must("socket", call3(__NR_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	/* struct ifreq of netdevice(7), whose header needs a C library. */
	struct {
		char name[16];
		short flags;
		char rest[22];
	} loopback = { "lo", IFF_UP, { 0 } };
	must("lo", call3(__NR_ioctl, inet, SIOCSIFFLAGS, &loopback));
	must("setsid", call0(__NR_setsid));
	char keyring[80];
	*append(append(keyring, "_ses."), id) = 0;
	must("keyctl", call2(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, keyring));
	make_root(rootfs);
	protect();
	struct rlimit64 files = { 1024, 1024 };
	must("rlimit", call4(__NR_prlimit64, 0, RLIMIT_NOFILE, &files, 0));
	give_up_privileges();
	call1(__NR_umask, 022);
}

/* Without what has a number from `end` on, which the execve(2) closes. */
static void __attribute__((noreturn)) execute(char **program, long end) {
	call3(__NR_close_range, 3, end - 1, 0);
	long result = call3(__NR_execve, program[0], program, environment);
	fail(program[0], result);
}

/* ---- The outside. */

struct container {
	long states;	/* the directory of all states */
	long directory; /* this container's */
	long cgroups;
	long cgroup;
	const char *id;
};

struct saved {
	int pid;
};

static void make_directories(struct container *container, const char *states, const char *cgroups, const char *id) {
	container->id = id;
	container->states = must(states, call3(__NR_openat, AT_FDCWD, states, DIRECTORY));
	must("mkdir state", call3(__NR_mkdirat, container->states, id, 0711));
	container->directory = must(id, call3(__NR_openat, container->states, id, DIRECTORY));
	container->cgroups = must(cgroups, call3(__NR_openat, AT_FDCWD, cgroups, DIRECTORY));
	must("mkdir cgroup", call3(__NR_mkdirat, container->cgroups, id, 0755));
	container->cgroup = must("cgroup", call3(__NR_openat, container->cgroups, id, DIRECTORY));
	limit_devices(container->cgroup);
}

static void save(struct container *container, long pid) {
	struct saved saved = { (int)pid };
	long file = must("state", call4(__NR_openat, container->directory, "state", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
					0600));
	must("write", call3(__NR_write, file, &saved, sizeof saved));
	call1(__NR_close, file);
}

static void remove_cgroup(long cgroups, const char *id) {
	while (call3(__NR_unlinkat, cgroups, id, AT_REMOVEDIR) == -16 /* EBUSY */)
		call0(__NR_sched_yield);
}

static void remove_state(long states, long directory, const char *id) {
	call3(__NR_unlinkat, directory, "state", 0);
	call3(__NR_unlinkat, directory, "fifo", 0);
	must("rmdir state", call3(__NR_unlinkat, states, id, AT_REMOVEDIR));
}

static long clone_into(struct clone_args *arguments) {
	return call2(__NR_clone3, arguments, sizeof *arguments);
}

/* The exit status of a process, waited for through its pidfd. */
static int wait_for(int pidfd) {
	int info[32];
	must("waitid", call(__NR_waitid, P_PIDFD, pidfd, info, WEXITED, 0));
	return info[2] == 1 /* CLD_EXITED */ ? info[6] : 128 + info[6];
}

static void __attribute__((noreturn)) run(struct container *container, const char *rootfs, char **program) {
	int pidfd = -1;
	struct clone_args arguments;
	memset(&arguments, 0, sizeof arguments);
	arguments.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_INTO_CGROUP | NAMESPACES;
	arguments.pidfd = (__u64)(size)&pidfd;
	arguments.exit_signal = SIGCHLD;
	arguments.cgroup = (__u64)container->cgroup;
	long pid = must("clone3", clone_into(&arguments));
	if (pid == 0) {
		become_container(container->id, rootfs);
		execute(program, 1L << 31);
	}
	save(container, pid);
	int status = wait_for(pidfd);
	remove_cgroup(container->cgroups, container->id);
	remove_state(container->states, container->directory, container->id);
	leave(status);
}

static void __attribute__((noreturn)) create(struct container *container, const char *rootfs, char **program) {
	int link[2];
	must("mknod fifo", call4(__NR_mknodat, container->directory, "fifo", 0010622, 0));
	long fifo = must("fifo", call3(__NR_openat, container->directory, "fifo", O_PATH | O_CLOEXEC));
	must("pipe", call2(__NR_pipe2, link, O_CLOEXEC));
	struct clone_args arguments;
	memset(&arguments, 0, sizeof arguments);
	arguments.flags = CLONE_INTO_CGROUP | NAMESPACES;
	arguments.exit_signal = SIGCHLD;
	arguments.cgroup = (__u64)container->cgroup;
	long pid = must("clone3", clone_into(&arguments));
	if (pid == 0) {
		become_container(container->id, rootfs);
		must("ready", call3(__NR_write, link[1], "r", 1));
		char path[64];
		*decimal(append(path, "/proc/self/fd/"), (unsigned long)fifo) = 0;
		long started = must("open fifo", call3(__NR_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC));
		execute(program, started);
	}
	call1(__NR_close, link[1]);
	char ready;
	if (call3(__NR_read, link[0], &ready, 1) != 1)
		leave(125);
	save(container, pid);
	leave(0);
}

struct found {
	long states;
	long directory;
	int pid;
	long pidfd;
};

static struct found find(const char *states, const char *id) {
	struct found found;
	struct saved saved;
	found.states = must(states, call3(__NR_openat, AT_FDCWD, states, DIRECTORY));
	found.directory = must(id, call3(__NR_openat, found.states, id, DIRECTORY));
	long file = must("state", call3(__NR_openat, found.directory, "state", O_RDONLY | O_CLOEXEC));
	must("read", call3(__NR_read, file, &saved, sizeof saved));
	call1(__NR_close, file);
	found.pid = saved.pid;
	found.pidfd = call2(__NR_pidfd_open, saved.pid, 0);
	return found;
}

/* Opens the other end of the fifo and waits until execve(2) has closed it, or the process has ended. */
static void __attribute__((noreturn)) start(struct found found) {
	long fifo = must("fifo", call3(__NR_openat, found.directory, "fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	struct pollfd waiting[2] = { { (int)fifo, POLLIN, 0 }, { (int)found.pidfd, POLLIN, 0 } };
	must("poll", call4(__NR_ppoll, waiting, 2, 0, 0));
	call3(__NR_unlinkat, found.directory, "fifo", 0);
	leave(0);
}

static void __attribute__((noreturn)) state(struct found found, const char *id, const char *cgroups) {
	char text[256];
	const char *status = "stopped";
	if (found.pidfd >= 0) {
		char frozen[8] = { 0 };
		*append(append(append(append(text, cgroups), "/"), id), "/cgroup.freeze") = 0;
		long file = call3(__NR_openat, AT_FDCWD, text, O_RDONLY | O_CLOEXEC);
		call3(__NR_read, file, frozen, sizeof frozen);
		status = frozen[0] == '1' ? "paused" : "running";
		if (call4(__NR_faccessat, found.directory, "fifo", 0, 0) == 0)
			status = "created";
	}
	char *at = append(append(append(text, "{\"ociVersion\":\"1.3.0\",\"id\":\""), id), "\",\"status\":\"");
	at = append(append(at, status), "\",\"pid\":");
	at = append(decimal(at, (unsigned long)found.pid), "}\n");
	call3(__NR_write, 1, text, at - text);
	leave(0);
}

static void __attribute__((noreturn)) execute_in(struct found found, const char *cgroups, const char *id, char **program) {
	char path[256];
	*append(append(append(path, cgroups), "/"), id) = 0;
	long cgroup = must(path, call3(__NR_openat, AT_FDCWD, path, DIRECTORY));
	long own = must("own pid namespace", call3(__NR_openat, AT_FDCWD, "/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
	must("setns pid", call2(__NR_setns, found.pidfd, CLONE_NEWPID));
	int pidfd = -1;
	struct clone_args arguments;
	memset(&arguments, 0, sizeof arguments);
	arguments.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_INTO_CGROUP;
	arguments.pidfd = (__u64)(size)&pidfd;
	arguments.exit_signal = SIGCHLD;
	arguments.cgroup = (__u64)cgroup;
	long pid = must("clone3", clone_into(&arguments));
	if (pid == 0) {
		call(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
		must("setns", call2(__NR_setns, found.pidfd, NAMESPACES));
		must("setsid", call0(__NR_setsid));
		struct rlimit64 files = { 1024, 1024 };
		must("rlimit", call4(__NR_prlimit64, 0, RLIMIT_NOFILE, &files, 0));
		give_up_privileges();
		execute(program, 1L << 31);
	}
	must("setns back", call2(__NR_setns, own, CLONE_NEWPID));
	leave(wait_for(pidfd));
}

static void __attribute__((noreturn)) end(struct found found, const char *cgroups, const char *id) {
	if (found.pidfd >= 0) {
		must("kill", call4(__NR_pidfd_send_signal, found.pidfd, SIGKILL, 0, 0));
		struct pollfd waiting = { (int)found.pidfd, POLLIN, 0 };
		must("poll", call4(__NR_ppoll, &waiting, 1, 0, 0));
	}
	long directory = must(cgroups, call3(__NR_openat, AT_FDCWD, cgroups, DIRECTORY));
	remove_cgroup(directory, id);
	remove_state(found.states, found.directory, id);
	leave(0);
}

__attribute__((used)) void begin(long *stack) {
	long count = stack[0];
	char **words = (char **)(stack + 1);
	environment = words + count + 1;
	if (count < 5)
		fail("usage: floor VERB STATE CGROUPS ID [ROOTFS] [PROGRAM [ARG...]]", 0);
	const char *verb = words[1], *states = words[2], *cgroups = words[3], *id = words[4];
	if (same(verb, "run") || same(verb, "create")) {
		struct container container;
		make_directories(&container, states, cgroups, id);
		if (same(verb, "run"))
			run(&container, words[5], words + 6);
		create(&container, words[5], words + 6);
	}
	struct found found = find(states, id);
	if (same(verb, "start"))
		start(found);
	if (same(verb, "state"))
		state(found, id, cgroups);
	if (same(verb, "exec"))
		execute_in(found, cgroups, id, words + 5);
	if (same(verb, "kill"))
		leave(call4(__NR_pidfd_send_signal, found.pidfd, SIGKILL, 0, 0) < 0);
	if (same(verb, "delete"))
		end(found, cgroups, id);
	fail("no such verb", 0);
}
