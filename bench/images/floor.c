/* floor DIRECTORY BLOB...: the least that has to be done to take an image's layers in and know that they are right, with
 * everything else left out. Of each blob:
 *
 *   copied to DIRECTORY, SHA-256 of the copy (OpenSSL);
 *   if it is gzip: inflated in one call (libdeflate), SHA-256 of what comes out, that written to DIRECTORY too.
 *
 * As many threads as CPUs take these two halves, the largest first. No digest is compared, no tar is walked, nothing gets a
 * name, nothing is waited for on the disk; of gzip the size at the end is believed. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

struct part {
	const char *path;
	size_t size;
	int inflate;
	size_t weight;
};

static const char *directory;
static struct part parts[1024];
static size_t count;
static atomic_size_t next;

static void hash(const unsigned char *bytes, size_t size) {
	unsigned char digest[32];
	if (!EVP_Digest(bytes, size, digest, NULL, EVP_sha256(), NULL))
		errx(1, "SHA-256");
}

static unsigned char *map(int file, size_t size, int writable) {
	void *bytes = mmap(NULL, size, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, file, 0);
	if (bytes == MAP_FAILED)
		err(1, "mmap");
	return bytes;
}

static int fresh(void) {
	int file = open(directory, O_TMPFILE | O_RDWR, 0644);
	if (file < 0)
		err(1, "%s", directory);
	return file;
}

/* A copy of the file, of which the page cache holds larger pieces than of a file that was read from a disk. */
static int copy(int from, size_t size) {
	int to = fresh();
	loff_t start = 0;
	while (size > 0) {
		ssize_t copied = copy_file_range(from, &start, to, NULL, size, 0);
		if (copied < 0 && start == 0 && errno == EXDEV)
			copied = sendfile(to, from, NULL, size);
		if (copied <= 0)
			err(1, "copy");
		size -= copied;
	}
	return to;
}

static void perform(const struct part *part) {
	int file = open(part->path, O_RDONLY);
	if (file < 0)
		err(1, "%s", part->path);
	if (!part->inflate) {
		int to = copy(file, part->size);
		close(file);
		file = to;
	}
	unsigned char *bytes = map(file, part->size, 0);
	if (part->inflate) {
		unsigned char *end = bytes + part->size - 4;
		size_t size = end[0] | end[1] << 8 | end[2] << 16 | (size_t)end[3] << 24;
		int to = fresh();
		if (fallocate(to, 0, 0, size))
			err(1, "fallocate");
		unsigned char *tar = map(to, size, 1);
		struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
		if (libdeflate_gzip_decompress(decompressor, bytes, part->size, tar, size, NULL))
			errx(1, "%s: inflate", part->path);
		libdeflate_free_decompressor(decompressor);
		hash(tar, size);
		munmap(tar, size);
		close(to);
	} else {
		hash(bytes, part->size);
	}
	munmap(bytes, part->size);
	close(file);
}

static void *labour(void *unused) {
	for (size_t i; (i = atomic_fetch_add(&next, 1)) < count;)
		perform(&parts[i]);
	return unused;
}

static int heavier(const void *a, const void *b) {
	size_t first = ((const struct part *)a)->weight, second = ((const struct part *)b)->weight;
	return (first < second) - (first > second);
}

int main(int argc, char **argv) {
	if (argc < 3 || argc > 500)
		errx(2, "usage: floor DIRECTORY BLOB...");
	directory = argv[1];
	for (int i = 2; i < argc; i++) {
		struct stat facts;
		unsigned char magic[2] = { 0 };
		int file = open(argv[i], O_RDONLY);
		if (file < 0 || fstat(file, &facts) || read(file, magic, 2) < 0)
			err(1, "%s", argv[i]);
		close(file);
		if (facts.st_size == 0)
			continue;
		parts[count++] = (struct part){ argv[i], facts.st_size, 0, facts.st_size };
		if (magic[0] == 0x1f && magic[1] == 0x8b)
			parts[count++] = (struct part){ argv[i], facts.st_size, 1, facts.st_size * 5 };
	}
	qsort(parts, count, sizeof *parts, heavier);
	cpu_set_t cpus;
	sched_getaffinity(0, sizeof cpus, &cpus);
	int threads = CPU_COUNT(&cpus);
	pthread_t others[256];
	for (int i = 1; i < threads && i < 256; i++)
		if (pthread_create(&others[i], NULL, labour, NULL))
			errx(1, "pthread_create");
	labour(NULL);
	for (int i = 1; i < threads && i < 256; i++)
		pthread_join(others[i], NULL);
	return 0;
}
