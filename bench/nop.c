/* nop [wait]: the smallest program that a container can run: one system call. With an argument it sleeps until it is killed. */
#include "kernel.h"

START_STACK_TO_MAIN;

__attribute__((used)) void begin(long *stack) {
	if (stack[0] > 1)
		call4(__NR_ppoll, 0, 0, 0, 0);
	leave(0);
}
