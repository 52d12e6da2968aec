/* measure COUNT AT_ONCE COMMAND [ARG...]: runs the command COUNT times, up to AT_ONCE of them beside each other, and tells on its
 * standard output, in one line:
 *
 *   STATUS WALL_NS USER_US SYSTEM_US PEAK_KIB MINOR_FAULTS
 *
 * of the processes and of all that they have waited for, as wait4(2) gives them: sums, but the greatest peak, and the first
 * STATUS that is not 0 (an exit status, or 128 + signal). A percent sign in an argument stands for the number of the run. What
 * the command itself writes to its standard output goes to /dev/null.
 *
 * It is a program of its own, without a C library, because the kernel counts the memory of the process that called vfork and
 * execve into the peak of the program (exec_mmap() in fs/exec.c): a bigger caller would hide what is measured. */
#include "kernel.h"
#include <linux/resource.h>
#include <linux/time.h>

START_STACK_TO_MAIN;

#define CLONE_VM 0x00000100
#define CLONE_VFORK 0x00004000
#define SIGCHLD 17

static unsigned long now(void) {
	struct __kernel_timespec time;
	must("clock_gettime", call2(__NR_clock_gettime, CLOCK_MONOTONIC, &time));
	return (unsigned long)time.tv_sec * 1000000000UL + (unsigned long)time.tv_nsec;
}

static unsigned long microseconds(struct __kernel_old_timeval time) {
	return (unsigned long)time.tv_sec * 1000000UL + (unsigned long)time.tv_usec;
}

static unsigned long number(const char *text) {
	unsigned long value = 0;
	while (*text >= '0' && *text <= '9')
		value = value * 10 + (unsigned long)(*text++ - '0');
	return value;
}

/* The command of one run: the arguments, with its number for each percent sign. */
static char **numbered(char **arguments, unsigned long run) {
	static char *words[64];
	static char text[8192];
	char *at = text;
	unsigned long count = 0;
	for (; arguments[count]; count++) {
		if (count == 63)
			fail("too many arguments", 0);
		words[count] = at;
		for (const char *from = arguments[count]; *from; from++) {
			if (at > text + sizeof text - 32)
				fail("the arguments are too long", 0);
			if (*from == '%')
				at = decimal(at, run);
			else
				*at++ = *from;
		}
		*at++ = 0;
	}
	words[count] = 0;
	return words;
}

static void start(char **command, char **environment, long null) {
	long pid = call(__NR_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
	must("clone", pid);
	if (pid == 0) {
		must("dup3", call3(__NR_dup3, null, 1, 0));
		long result = call3(__NR_execve, command[0], command, environment);
		fail(command[0], result);
	}
}

/* What has been used so far; the fields of the line. */
static unsigned long status, wall, user, system, peak, faults;

static void finish(void) {
	int ended = 0;
	struct rusage usage;
	must("wait4", call4(__NR_wait4, -1, &ended, 0, &usage));
	unsigned long code = (unsigned long)((ended & 127) ? 128 + (ended & 127) : ended >> 8);
	if (status == 0)
		status = code;
	user += microseconds(usage.ru_utime);
	system += microseconds(usage.ru_stime);
	faults += (unsigned long)usage.ru_minflt;
	if (peak < (unsigned long)usage.ru_maxrss)
		peak = (unsigned long)usage.ru_maxrss;
}

__attribute__((used)) void begin(long *stack) {
	long words = stack[0];
	char **arguments = (char **)(stack + 1);
	char **environment = arguments + words + 1;
	if (words < 4)
		fail("usage: measure COUNT AT_ONCE COMMAND [ARG...]", 0);
	unsigned long count = number(arguments[1]), at_once = number(arguments[2]);
	long null = must("/dev/null", call3(__NR_openat, AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC));

	unsigned long begun = now();
	for (unsigned long run = 0; run < count; run++) {
		if (run >= at_once)
			finish();
		start(numbered(arguments + 3, run), environment, null);
	}
	for (unsigned long left = count < at_once ? count : at_once; left; left--)
		finish();
	wall = now() - begun;

	char line[160];
	char *at = decimal(line, status);
	unsigned long figures[] = { wall, user, system, peak, faults };
	for (unsigned i = 0; i < sizeof figures / sizeof *figures; i++) {
		*at++ = ' ';
		at = decimal(at, figures[i]);
	}
	*at++ = '\n';
	must("write", call3(__NR_write, 1, line, at - line));
	leave(0);
}
