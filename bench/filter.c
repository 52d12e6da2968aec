/* filter [FILE]: installs the seccomp program in FILE (struct sock_filter after struct sock_filter) and tells on its standard
 * output, in one line:
 *
 *   INSTALL_NS ALLOWED_PS ARGUMENTS_PS DENIED_PS
 *
 * the time of the installation, and the time of one system call: allowed without looking at arguments (getppid(2)), allowed
 * after looking at one (personality(2)), and refused (a number that nobody has). Without FILE: the same without a filter. */
#include "kernel.h"
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/time.h>

START_STACK_TO_MAIN;

#define CALLS 20000
#define ROUNDS 15
#define NOBODYS 999

static unsigned long now(void) {
	struct __kernel_timespec time;
	must("clock_gettime", call2(__NR_clock_gettime, CLOCK_MONOTONIC, &time));
	return (unsigned long)time.tv_sec * 1000000000UL + (unsigned long)time.tv_nsec;
}

/* Of several rounds the fastest: what interrupts a round makes it slower, nothing makes it faster. */
static unsigned long picoseconds(long nr, unsigned long argument) {
	unsigned long best = ~0UL;
	for (int round = 0; round < ROUNDS; round++) {
		unsigned long begun = now();
		for (int i = 0; i < CALLS; i++)
			call1(nr, argument);
		unsigned long time = now() - begun;
		if (time < best)
			best = time;
	}
	return best * 1000 / CALLS;
}

static unsigned long install(const char *path) {
	static struct sock_filter program[BPF_MAXINSNS];
	long file = must(path, call3(__NR_openat, AT_FDCWD, path, O_RDONLY));
	long length = must(path, call3(__NR_read, file, program, sizeof program));
	struct sock_fprog filter = { (unsigned short)((unsigned long)length / sizeof *program), program };
	must("no_new_privs", call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	unsigned long begun = now();
	must("seccomp", call3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter));
	return now() - begun;
}

__attribute__((used)) void begin(long *stack) {
	char **arguments = (char **)(stack + 1);
	unsigned long figures[4] = { stack[0] > 1 ? install(arguments[1]) : 0 };
	figures[1] = picoseconds(__NR_getppid, 0);
	figures[2] = picoseconds(__NR_personality, 0xffffffff);
	figures[3] = picoseconds(NOBODYS, 0);
	char line[120];
	char *at = line;
	for (unsigned i = 0; i < 4; i++) {
		at = decimal(at, figures[i]);
		*at++ = i == 3 ? '\n' : ' ';
	}
	must("write", call3(__NR_write, 1, line, at - line));
	leave(0);
}
