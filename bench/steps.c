/* steps FILE COMMAND [ARG...]: runs the command one instruction at a time, and adds to FILE each address of code that it and
 * its children execute, once, in the order of their first time; and `r ADDRESS` for each that was in a register, as those of
 * constants are before they are read. It ends with the command; what a child has executed after an execve is not the
 * command's. For bench/order. x86_64 only: `struct user_regs_struct`. */
#define _GNU_SOURCE
#include <stdio.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define CODE (1UL << 24)

static unsigned char seen[CODE], held[CODE];

/* Tells each address of the program in a register, once. */
static void tell_registers(FILE *file, const struct user_regs_struct *of) {
	const unsigned long long values[] = { of->rax, of->rbx, of->rcx, of->rdx, of->rsi, of->rdi, of->rbp, of->r8,
					      of->r9,  of->r10, of->r11, of->r12, of->r13, of->r14, of->r15 };
	for (unsigned i = 0; i < sizeof values / sizeof *values; i++)
		if (values[i] < CODE && !held[values[i]]) {
			held[values[i]] = 1;
			fprintf(file, "r %llx\n", values[i]);
		}
}

int main(int count, char **words) {
	if (count < 3)
		return fprintf(stderr, "usage: steps FILE COMMAND [ARG...]\n"), 2;
	FILE *file = fopen(words[1], "a");
	if (!file)
		return perror(words[1]), 1;
	pid_t command = fork();
	if (command == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execv(words[2], words + 2);
		_exit(127);
	}
	int status;
	waitpid(command, &status, 0);
	long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
	ptrace(PTRACE_SETOPTIONS, command, 0, options);
	ptrace(PTRACE_SINGLESTEP, command, 0, 0);
	for (;;) {
		pid_t stopped = waitpid(-1, &status, __WALL);
		if (stopped < 0)
			return 1;
		if (!WIFSTOPPED(status)) {
			if (stopped == command)
				break;
			continue;
		}
		int signal = WSTOPSIG(status);
		if (status >> 16 == PTRACE_EVENT_EXEC) {
			ptrace(PTRACE_DETACH, stopped, 0, 0);
			if (stopped == command)
				break;
			continue;
		}
		struct user_regs_struct registers;
		if (!ptrace(PTRACE_GETREGS, stopped, 0, &registers) && registers.rip < CODE) {
			if (!seen[registers.rip]) {
				seen[registers.rip] = 1;
				fprintf(file, "%llx\n", registers.rip);
			}
			tell_registers(file, &registers);
		}
		int own = signal == SIGTRAP || signal == SIGSTOP;
		ptrace(PTRACE_SINGLESTEP, stopped, 0, own ? 0 : signal);
	}
	return fclose(file) || (WIFEXITED(status) && WEXITSTATUS(status));
}
