/* libseccomp FILE [tree] <LINES: compiles a profile as runc and crun do, writes the program to FILE, and tells on its standard
 * output how many nanoseconds that took, reading the lines not counted. With `tree` the program is a binary tree, as runc has
 * it. One word a line, numbers in decimal:
 *
 *   DEFAULT_ACTION, ARCHITECTURES, then so many names, RULES, then for each: ACTION NAME ARGUMENTS, for each of them INDEX OP
 *   VALUE VALUE2
 *
 * with the numbers of <seccomp.h>. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RULES 1024
#define ARCHITECTURES 16

static struct rule {
	unsigned action, count;
	char name[64];
	struct scmp_arg_cmp arguments[6];
} rules[RULES];

static void check(int so, const char *what) {
	if (!so) {
		perror(what);
		exit(1);
	}
}

static unsigned long long word(void) {
	unsigned long long value;
	check(scanf("%llu", &value) == 1, "a number is missing");
	return value;
}

static void read_rule(struct rule *rule) {
	rule->action = word();
	check(scanf("%63s", rule->name) == 1, "a name is missing");
	rule->count = word();
	check(rule->count <= 6, "too many arguments");
	for (unsigned i = 0; i < rule->count; i++) {
		rule->arguments[i].arg = word();
		rule->arguments[i].op = word();
		rule->arguments[i].datum_a = word();
		rule->arguments[i].datum_b = word();
	}
}

static long long nanoseconds(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int count, char **words) {
	static char architectures[ARCHITECTURES][32];
	check(count > 1, "usage: libseccomp FILE [tree]");
	unsigned otherwise = word(), archs = word();
	check(archs <= ARCHITECTURES, "too many architectures");
	for (unsigned i = 0; i < archs; i++)
		check(scanf("%31s", architectures[i]) == 1, "a name is missing");
	unsigned length = word();
	check(length <= RULES, "too many rules");
	for (unsigned i = 0; i < length; i++)
		read_rule(&rules[i]);
	int file = open(words[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	check(file >= 0, words[1]);

	long long begun = nanoseconds();
	scmp_filter_ctx filter = seccomp_init(otherwise);
	check(filter != NULL, "seccomp_init");
	for (unsigned i = 0; i < archs; i++) {
		unsigned arch = seccomp_arch_resolve_name(architectures[i]);
		check(seccomp_arch_exist(filter, arch) == 0 || seccomp_arch_add(filter, arch) == 0, architectures[i]);
	}
	if (count > 2)
		check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0, "SCMP_FLTATR_CTL_OPTIMIZE");
	for (unsigned i = 0; i < length; i++) {
		int call = seccomp_syscall_resolve_name(rules[i].name);
		if (call != __NR_SCMP_ERROR) /* a call that is newer than the library, which runtimes pass over too */
			check(seccomp_rule_add_array(filter, rules[i].action, call, rules[i].count, rules[i].arguments) == 0,
			      rules[i].name);
	}
	check(seccomp_export_bpf(filter, file) == 0, "seccomp_export_bpf");
	printf("%lld\n", nanoseconds() - begun);
	return 0;
}
