/* measure COMMAND [ARG...]: runs the command once and tells on descriptor 3, in one line:
 *
 *   STATUS WALL_NS USER_US SYSTEM_US PEAK_KIB MINOR_FAULTS
 *
 * of the process and of all that it has waited for, as wait4(2) gives them. STATUS is the exit status, or 128 + signal.
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

__attribute__((used)) void begin(long *stack) {
	long count = stack[0];
	char **arguments = (char **)(stack + 1);
	char **environment = arguments + count + 1;
	if (count < 2)
		fail("usage: measure COMMAND [ARG...]", 0);
	must("fcntl 3", call3(__NR_fcntl, 3, 2 /* F_SETFD */, 1 /* FD_CLOEXEC */));

	unsigned long start = now();
	long pid = call(__NR_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
	must("clone", pid);
	if (pid == 0) {
		long result = call3(__NR_execve, arguments[1], arguments + 1, environment);
		fail(arguments[1], result);
	}
	int status = 0;
	struct rusage usage;
	must("wait4", call4(__NR_wait4, pid, &status, 0, &usage));
	unsigned long wall = now() - start;

	char line[160];
	char *at = decimal(line, (unsigned long)((status & 127) ? 128 + (status & 127) : status >> 8));
	unsigned long figures[] = { wall, microseconds(usage.ru_utime), microseconds(usage.ru_stime),
				    (unsigned long)usage.ru_maxrss, (unsigned long)usage.ru_minflt };
	for (unsigned i = 0; i < sizeof figures / sizeof *figures; i++) {
		*at++ = ' ';
		at = decimal(at, figures[i]);
	}
	*at++ = '\n';
	must("write to 3", call3(__NR_write, 3, line, at - line));
	leave(0);
}
