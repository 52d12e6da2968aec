/* System calls and the few types for them, for the freestanding programs of the benchmark: no C library, so that neither
 * its start nor its memory is measured. x86_64 and aarch64; numbers from the kernel's headers. */
#ifndef BENCH_KERNEL_H
#define BENCH_KERNEL_H

#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/types.h>

typedef unsigned long size;

#if defined(__x86_64__)
static inline long call6(long n, long a, long b, long c, long d, long e, long f) {
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#define START_STACK_TO_MAIN \
	__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n")
#elif defined(__aarch64__)
static inline long call6(long n, long a, long b, long c, long d, long e, long f) {
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
#define START_STACK_TO_MAIN __asm__(".globl _start\n_start:\n\tmov x0, sp\n\tbl begin\n")
#else
#error "no system call for this machine yet"
#endif

#define call(n, a, b, c, d, e) \
	call6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define call4(n, a, b, c, d) call((n), (a), (b), (c), (d), 0)
#define call3(n, a, b, c) call((n), (a), (b), (c), 0, 0)
#define call2(n, a, b) call((n), (a), (b), 0, 0, 0)
#define call1(n, a) call((n), (a), 0, 0, 0, 0)
#define call0(n) call((n), 0, 0, 0, 0, 0)

/* The compiler may make calls of these two by itself. */
__attribute__((used)) void *memset(void *to, int byte, size length) {
	volatile char *at = to;
	while (length--)
		*at++ = (char)byte;
	return to;
}

__attribute__((used)) void *memcpy(void *to, const void *from, size length) {
	volatile char *at = to;
	const char *source = from;
	while (length--)
		*at++ = *source++;
	return to;
}

__attribute__((unused)) static int same(const char *one, const char *other) {
	while (*one && *one == *other) {
		one++;
		other++;
	}
	return *one == *other;
}

/* Writes a number in decimal at `at`; returns the place behind it. */
static char *decimal(char *at, unsigned long number) {
	char digits[24];
	int count = 0;
	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	while (count)
		*at++ = digits[--count];
	return at;
}

/* Copies a text to `at`, without its end; returns the place behind it. */
static char *append(char *at, const char *text) {
	while (*text)
		*at++ = *text++;
	return at;
}

static void __attribute__((noreturn)) leave(int status) {
	for (;;)
		call1(__NR_exit_group, status);
}

static void __attribute__((noreturn)) fail(const char *what, long result) {
	char line[128];
	char *at = append(line, what);
	at = append(at, ": error ");
	at = decimal(at, (unsigned long)-result);
	*at++ = '\n';
	call3(__NR_write, 2, line, at - line);
	leave(125);
}

/* The result of a call that must succeed. */
__attribute__((unused)) static long must(const char *what, long result) {
	if (result < 0)
		fail(what, result);
	return result;
}

#endif
