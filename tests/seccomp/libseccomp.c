/*
 * Compiles profiles with libseccomp, for the tests that compare its programs with ours. Reads lines:
 *
 *   filter DEFAULT            begins a profile; actions are numbers as in <seccomp.h>
 *   arch NAME                 one line for each, libseccomp's names; no others are in the filter
 *   rule ACTION NAME COUNT    a rule, then COUNT times ` ARG OP VALUE VALUE2`, OP a number of enum scmp_compare
 *   end                       writes `u32 length` and the program; length 0xffffffff if a rule was refused
 *   number ARCH NAME          writes `i32 number`, as seccomp_syscall_resolve_name_arch(3) gives it
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static int add_rule(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp args[6];
	unsigned action, count, i;
	char name[128];
	int call;

	if (scanf("%u %127s %u", &action, name, &count) != 3 || count > 6)
		die("rule");
	for (i = 0; i < count; i++) {
		unsigned long long a, b;
		int op;

		if (scanf("%u %d %llu %llu", &args[i].arg, &op, &a, &b) != 4)
			die("argument");
		args[i].op = op;
		args[i].datum_a = a;
		args[i].datum_b = b;
	}
	call = seccomp_syscall_resolve_name(name);
	return call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add_array(filter, action, call, count, args);
}

static void export(scmp_filter_ctx filter, int refused)
{
	static unsigned char program[1 << 20];
	uint32_t length = UINT32_MAX;
	int file = memfd_create("program", 0);

	if (file < 0)
		die("memfd_create");
	if (!refused) {
		if (seccomp_export_bpf(filter, file) < 0)
			die("seccomp_export_bpf");
		length = lseek(file, 0, SEEK_END);
		if (pread(file, program, sizeof(program), 0) != (ssize_t)length)
			die("pread");
	}
	fwrite(&length, sizeof(length), 1, stdout);
	if (!refused)
		fwrite(program, 1, length, stdout);
	close(file);
}

int main(void)
{
	scmp_filter_ctx filter = NULL;
	int refused = 0;
	char word[128];

	while (scanf("%127s", word) == 1) {
		if (!strcmp(word, "filter")) {
			unsigned action;

			if (scanf("%u", &action) != 1 || !(filter = seccomp_init(action)))
				die("seccomp_init");
			if (seccomp_arch_remove(filter, SCMP_ARCH_NATIVE) < 0)
				die("seccomp_arch_remove");
			refused = 0;
		} else if (!strcmp(word, "arch")) {
			if (scanf("%127s", word) != 1 || seccomp_arch_add(filter, seccomp_arch_resolve_name(word)) < 0)
				die("seccomp_arch_add");
		} else if (!strcmp(word, "rule")) {
			if (add_rule(filter) < 0)
				refused = 1;
		} else if (!strcmp(word, "end")) {
			export(filter, refused);
			seccomp_release(filter);
		} else if (!strcmp(word, "number")) {
			char name[128];
			int32_t number;

			if (scanf("%127s %127s", word, name) != 2)
				die("number");
			number = seccomp_syscall_resolve_name_arch(seccomp_arch_resolve_name(word), name);
			fwrite(&number, sizeof(number), 1, stdout);
		} else {
			die(word);
		}
	}
	return 0;
}
