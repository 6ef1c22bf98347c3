/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * "full DIR": fills the disk in many ways, and prints what came of it: the same on any kernel with an ext2.
 * What write(2) has taken must be there when the cache has been dropped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "alike.h"

#define MEGABYTE (1 << 20)
#define PAGE 4096
/* Blocks by which two fillings of one disk may differ: of lists, reservations. */
#define TOLERANCE 64
#define WRITERS 4

static char chunk[MEGABYTE], found[MEGABYTE];

/* Every 8 bytes say where they are, and in which file. */
static void fill_chunk(char *to, uint64_t seed, off_t at, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint64_t word = (seed << 48) + (at + i) / 8 * 2654435761u;

		to[i] = word >> ((at + i) % 8 * 8);
	}
}

/* Writes until an error; returns how many bytes have been taken. */
static off_t fill(const char *name, uint64_t seed, size_t size, int flags, int *error)
{
	int fd = open(name, O_CREAT | O_WRONLY | flags, 0666);
	off_t at = 0;
	ssize_t done;

	if (fd < 0) {
		*error = errno;
		return 0;
	}
	for (;;) {
		fill_chunk(chunk, seed, at, size);
		done = write(fd, chunk, size);
		if (done <= 0)
			break;
		at += done;
	}
	*error = done ? errno : 0;
	if (fsync(fd))
		printf("fsync of %s: %s\n", name, strerrorname_np(errno));
	close(fd);
	return at;
}

/* Are the @size bytes there that fill() wrote, and no more? */
static int is_whole(const char *name, uint64_t seed, off_t size)
{
	int fd = open(name, O_RDONLY);
	off_t at = 0;
	ssize_t got;

	while ((got = read(fd, found, sizeof(found))) > 0) {
		fill_chunk(chunk, seed, at, got);
		if (memcmp(chunk, found, got)) {
			printf("%s differs within %zd bytes at %ld\n", name, got, (long)at);
			return 0;
		}
		at += got;
	}
	close(fd);
	if (at != size)
		printf("%s has %ld bytes of %ld\n", name, (long)at, (long)size);
	return at == size;
}

static long blocks_free(int for_root)
{
	struct statvfs stat;

	sync();
	statvfs(".", &stat);
	return for_root ? stat.f_bfree : stat.f_bavail;
}

static const char *is_about(off_t bytes, long blocks)
{
	long difference = bytes / PAGE - blocks;

	/* A file of n blocks needs n / 1024 to list them; what is free for users is counted roughly. */
	if (labs(difference) < TOLERANCE)
		return "all";
	printf("%ld blocks of %ld\n", (long)(bytes / PAGE), blocks);
	return "not all";
}

static void one_writer(const char *what, size_t size, int flags)
{
	long before = blocks_free(1);
	int error;
	off_t done = fill("one", 1, size, flags, &error);

	errno = error;
	printf("%s: %s, %s of the free blocks\n", what, strerrorname_np(errno), is_about(done, before));
	printf("then free: %ld\n", blocks_free(1));
	drop_caches();
	printf("what was taken is there: %d\n", is_whole("one", 1, done));
	say("unlink", unlink("one"));
	printf("its space is back: %d\n", labs(blocks_free(1) - before) < TOLERANCE);
}

static void on_a_full_disk(void)
{
	char bytes[PAGE] = "again", *mapped;
	int error, fd, hole;
	off_t size;

	hole = open("hole", O_CREAT | O_RDWR, 0666);
	say("a hole", ftruncate(hole, 4 * PAGE));
	size = fill("one", 2, 100000, 0, &error);
	fd = open("one", O_RDWR);
	fill_chunk(bytes, 2, PAGE, PAGE);
	say("write over what is there", pwrite(fd, bytes, PAGE, PAGE));
	fill_chunk(bytes, 2, size - 10, 10);
	say("write over the end", pwrite(fd, bytes, 10, size - 10));
	say("write behind the end", pwrite(fd, bytes, PAGE, (size | (PAGE - 1)) + 1));
	say("write into a hole", pwrite(hole, bytes, 100, PAGE));
	say("append", (lseek(hole, 0, SEEK_END), write(hole, bytes, 10)));
	say("a directory", mkdir("directory", 0777));
	say("an attribute", fsetxattr(hole, "user.one", "1", 1, 0));
	mapped = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, hole, 0);
	memcpy(mapped, "mapped", 6);
	say("a page mapped over a hole", msync(mapped, PAGE, MS_SYNC));
	munmap(mapped, 4 * PAGE);
	say("fsync", fsync(fd));
	close(fd);
	close(hole);
	drop_caches();
	printf("what was there is: %d\n", is_whole("one", 2, size));
	say("truncate", truncate("one", size / 2));
	sync();
	fd = open("one", O_WRONLY | O_APPEND);
	fill_chunk(bytes, 2, size / 2, 1000);
	say("append to what is left", write(fd, bytes, 1000));
	close(fd);
	drop_caches();
	printf("it is there: %d\n", is_whole("one", 2, size / 2 + 1000));
	unlink("one");
	unlink("hole");
}

static void several_writers(void)
{
	static const size_t sizes[WRITERS] = { 512, PAGE, 100000, MEGABYTE };
	long before = blocks_free(1);
	int pipes[2], all_full = 1, all_whole = 1;
	off_t sum = 0, taken[WRITERS] = {};
	struct { int number, error; off_t done; } result;
	char name[16];

	if (pipe(pipes))
		exit(1);
	for (int i = 0; i < WRITERS; i++) {
		if (fork())
			continue;
		result.number = i;
		snprintf(name, sizeof(name), "part%d", i);
		result.done = fill(name, 10 + i, sizes[i], 0, &result.error);
		_exit(write(pipes[1], &result, sizeof(result)) != sizeof(result));
	}
	for (int i = 0; i < WRITERS; i++) {
		if (read(pipes[0], &result, sizeof(result)) != sizeof(result))
			exit(1);
		taken[result.number] = result.done;
		sum += result.done;
		all_full &= result.error == ENOSPC;
	}
	while (wait(NULL) > 0)
		;
	printf("%d writers: ENOSPC for each: %d, %s of the free blocks\n", WRITERS, all_full, is_about(sum, before));
	drop_caches();
	for (int i = 0; i < WRITERS; i++) {
		snprintf(name, sizeof(name), "part%d", i);
		all_whole &= is_whole(name, 10 + i, taken[i]);
		unlink(name);
	}
	printf("what was taken is there: %d\n", all_whole);
	printf("its space is back: %d\n", labs(blocks_free(1) - before) < TOLERANCE);
}

static void without_the_reserve(void)
{
	long reserve = blocks_free(1) - blocks_free(0), before = blocks_free(0);
	struct { int error; off_t done; } result;
	int pipes[2], error;
	off_t done;

	printf("root's reserve: %ld\n", reserve);
	if (pipe(pipes) || chmod(".", 0777))
		exit(1);
	if (!fork()) {
		if (setgid(1000) || setuid(1000))
			_exit(1);
		result.done = fill("user", 20, 100000, 0, &result.error);
		_exit(write(pipes[1], &result, sizeof(result)) != sizeof(result));
	}
	if (read(pipes[0], &result, sizeof(result)) != sizeof(result))
		exit(1);
	wait(NULL);
	errno = result.error;
	printf("a user: %s, %s of the blocks for users\n", strerrorname_np(errno), is_about(result.done, before));
	printf("for users: %ld, the reserve is there: %d\n", blocks_free(0), blocks_free(1) == reserve);
	done = fill("root", 21, 100000, 0, &error);
	errno = error;
	printf("root: %s, %s of the reserve\n", strerrorname_np(errno), is_about(done, reserve));
	drop_caches();
	printf("what was taken is there: %d %d\n", is_whole("user", 20, result.done), is_whole("root", 21, done));
	unlink("user");
}

int main(int count, char **arguments)
{
	if (count != 2 || mkdir(arguments[1], 0777) || chdir(arguments[1]))
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	one_writer("pages", PAGE, 0);
	one_writer("odd pieces", 1337, O_APPEND);
	one_writer("megabytes", MEGABYTE, 0);
	on_a_full_disk();
	several_writers();
	without_the_reserve();
	return 0;
}
