/* A preloaded library in which setrlimit(2) says yes and does nothing. Debian's crun 1.8.1 raises RLIMIT_MEMLOCK before it loads
 * its device program and gives up where it lacks CAP_SYS_RESOURCE; newer kernels do not count that memory at all. */
int setrlimit(int resource, const void *limit);
int setrlimit64(int resource, const void *limit);

int setrlimit(int resource, const void *limit) {
	(void)resource;
	(void)limit;
	return 0;
}

int setrlimit64(int resource, const void *limit) {
	return setrlimit(resource, limit);
}
