/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Two of these on one file system, one in each partition: "together a DIR" and "together b DIR".
 *
 * Each step ends at a barrier made of files; what one does before, the other sees after. Any difference ends it with
 * a sentence and status 1.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RECORD 16
#define RECORDS 200
#define COUNTS 40
#define NAMES 40
#define BLOCK 4096
#define BLOCKS 8
#define TORTURE_FILES 4
#define TORTURE_MS 2000
#define WAIT_MS 60000

static char me, other;

static void fail(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	printf("FAILED %c: ", me);
	vprintf(format, list);
	printf(" (%s)\n", strerror(errno));
	va_end(list);
	fflush(stdout);
	/* The other one must not wait for ever. */
	close(open("failed", O_CREAT | O_WRONLY, 0644));
	exit(1);
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *name(const char *format, ...)
{
	static char names[4][64];
	static int next;
	va_list list;

	next = (next + 1) % 4;
	va_start(list, format);
	vsnprintf(names[next], sizeof(names[next]), format, list);
	va_end(list);
	return names[next];
}

static void barrier(void)
{
	static int number;
	long end = now_ms() + WAIT_MS;
	int fd = open(name("%c-%d", me, ++number), O_CREAT | O_EXCL | O_WRONLY, 0644);

	if (fd < 0)
		fail("barrier %d", number);
	close(fd);
	while (access(name("%c-%d", other, number), F_OK)) {
		if (!access("failed", F_OK))
			exit(1);
		if (now_ms() > end)
			fail("nobody came to barrier %d", number);
		usleep(2000);
	}
}

static int open_or_fail(const char *file, int flags)
{
	int fd = open(file, flags, 0644);

	if (fd < 0)
		fail("open %s", file);
	return fd;
}

/* ---- steps ---- */

/* Both append to one file: no record is lost, torn or out of its writer's order. */
static void append(void)
{
	int fd = open_or_fail("appended", O_CREAT | O_RDWR | O_APPEND);
	int i, next[2] = { 0, 0 };
	char record[RECORD + 1];
	struct stat stat;

	for (i = 0; i < RECORDS; i++) {
		snprintf(record, sizeof(record), "%c %013d\n", me, i);
		if (write(fd, record, RECORD) != RECORD)
			fail("append %d", i);
	}
	barrier();
	if (fstat(fd, &stat) || stat.st_size != 2 * RECORDS * RECORD)
		fail("appended has %ld bytes", (long)stat.st_size);
	for (i = 0; i < 2 * RECORDS; i++) {
		char who;
		int number;

		if (pread(fd, record, RECORD, i * RECORD) != RECORD || sscanf(record, "%c %d", &who, &number) != 2 ||
		    (who != 'a' && who != 'b') || number != next[who - 'a']++)
			fail("record %d is %.15s", i, record);
	}
	close(fd);
	printf("append: %d records of both\n", RECORDS);
}

static void lock(int fd, int kind, int is_locked)
{
	struct flock range = { .l_type = is_locked ? F_WRLCK : F_UNLCK, .l_whence = SEEK_SET };
	int error = kind ? flock(fd, is_locked ? LOCK_EX : LOCK_UN) : fcntl(fd, F_SETLKW, &range);

	if (error)
		fail("lock of kind %d", kind);
}

/* A counter that both raise under a lock of one kind. */
static void count(int kind)
{
	const char *file = name("counter-%d", kind);
	int fd = open_or_fail(file, O_CREAT | O_RDWR), i, value;
	char text[16];

	for (i = 0; i < COUNTS; i++) {
		lock(fd, kind, 1);
		memset(text, 0, sizeof(text));
		if (pread(fd, text, sizeof(text) - 1, 0) < 0)
			fail("read counter");
		value = atoi(text) + 1;
		snprintf(text, sizeof(text), "%d", value);
		if (pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
			fail("write counter");
		lock(fd, kind, 0);
	}
	barrier();
	memset(text, 0, sizeof(text));
	if (pread(fd, text, sizeof(text) - 1, 0) < 0 || atoi(text) != 2 * COUNTS)
		fail("counter under locks of kind %d is %s", kind, text);
	close(fd);
	printf("%s: %d by both\n", kind ? "flock" : "fcntl", COUNTS);
}

/* A lock of the other is found, and is gone when its process is. */
static void try_locks(void)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10 };
	int fd = open_or_fail("locked", O_CREAT | O_RDWR);

	if (me == 'a') {
		if (fcntl(fd, F_SETLK, &range) || flock(fd, LOCK_SH))
			fail("own locks");
		barrier();
		barrier();
		close(fd);
		barrier();
		return;
	}
	barrier();
	if (!fcntl(fd, F_SETLK, &range) || (errno != EAGAIN && errno != EACCES))
		fail("a's range was to be had");
	if (fcntl(fd, F_GETLK, &range) || range.l_type != F_WRLCK || range.l_start != 10 || range.l_len != 10)
		fail("F_GETLK says type %d, %ld+%ld", range.l_type, (long)range.l_start, (long)range.l_len);
	range = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 20, .l_len = 0 };
	if (fcntl(fd, F_SETLK, &range))
		fail("another range was not to be had");
	if (!flock(fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
		fail("a's flock was to be had");
	if (flock(fd, LOCK_SH | LOCK_NB))
		fail("a shared flock was not to be had");
	barrier();
	barrier();
	range = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (fcntl(fd, F_SETLK, &range) || flock(fd, LOCK_EX | LOCK_NB))
		fail("locks were not given up with the file");
	close(fd);
	printf("locks: found, refused, given up\n");
}

static int count_names(const char *directory, char first)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	int found = 0;

	if (!stream)
		fail("opendir %s", directory);
	while ((entry = readdir(stream)))
		found += entry->d_name[0] == first;
	closedir(stream);
	return found;
}

/* Names come, go and change; both have looked before, so both have them cached. */
static void change_names(void)
{
	struct stat stat;
	int i;

	if (me == 'a' && mkdir("names", 0755))
		fail("mkdir");
	barrier();
	for (i = 0; i < NAMES; i++)
		if (!access(name("names/x%d", i), F_OK))
			fail("names/x%d is there already", i);
	barrier();
	if (me == 'a')
		for (i = 0; i < NAMES; i++)
			close(open_or_fail(name("names/x%d", i), O_CREAT | O_EXCL | O_WRONLY));
	barrier();
	if (count_names("names", 'x') != NAMES)
		fail("readdir finds %d names", count_names("names", 'x'));
	for (i = 0; i < NAMES; i++)
		if (access(name("names/x%d", i), F_OK))
			fail("names/x%d is not there", i);
	barrier();
	if (me == 'b')
		for (i = 0; i < NAMES; i++)
			if (i % 2 ? unlink(name("names/x%d", i)) : rename(name("names/x%d", i), name("names/y%d", i)))
				fail("unlink or rename of x%d", i);
	barrier();
	for (i = 0; i < NAMES; i++) {
		if (!access(name("names/x%d", i), F_OK))
			fail("names/x%d is still there", i);
		if (!!access(name("names/y%d", i), F_OK) != i % 2)
			fail("names/y%d", i);
	}
	if (count_names("names", 'x') || count_names("names", 'y') != NAMES / 2)
		fail("readdir after unlink and rename");
	barrier();
	if (me == 'a') {
		if (rename("names", "moved") || mkdir("names", 0700) || chmod("moved/y0", 0600) ||
		    symlink("../moved", "names/link") || link("moved/y2", "names/hard"))
			fail("rename of a directory, chmod, links");
	}
	barrier();
	if (stat.st_mode = 0, lstat("moved/y0", &stat) || (stat.st_mode & 0777) != 0600)
		fail("mode %o", stat.st_mode);
	if (lstat("names", &stat) || (stat.st_mode & 0777) != 0700 || lstat("names/hard", &stat) || stat.st_nlink != 2)
		fail("new directory, hard link");
	if (access("names/link/y4", F_OK) || !access("names/y4", F_OK))
		fail("symbolic link");
	barrier();
	printf("names: %d\n", NAMES);
}

/* A file that one unlinks stays whole for the other that has it open. */
static void keep_open(void)
{
	char text[8] = "";
	int fd;

	if (me == 'a') {
		fd = open_or_fail("open", O_CREAT | O_RDWR);
		if (write(fd, "before", 6) != 6)
			fail("write");
		barrier();
		barrier();
		if (!access("open", F_OK) || pread(fd, text, 6, 0) != 6 || strcmp(text, "before"))
			fail("unlinked by b: %s", text);
		if (pwrite(fd, "after!", 6, 0) != 6 || fsync(fd) || pread(fd, text, 6, 0) != 6 || strcmp(text, "after!"))
			fail("unlinked by b, then written: %s", text);
		close(fd);
	} else {
		barrier();
		if (unlink("open"))
			fail("unlink");
		barrier();
		printf("unlinked: stays open\n");
	}
	barrier();
}

/* Size, contents and times follow a truncation and a write of the other. */
static void change_size(void)
{
	int fd = open_or_fail("sized", O_CREAT | O_RDWR), i;
	char block[BLOCK];
	struct stat stat;

	for (i = 0; i < 6; i++) {
		barrier();
		if ((me == 'a') == (i % 2 == 0)) {
			memset(block, 'A' + i, sizeof(block));
			if (ftruncate(fd, i * 1000) || pwrite(fd, block, 100, i * 1000 + 5000) != 100)
				fail("change %d", i);
		}
		barrier();
		if (fstat(fd, &stat) || stat.st_size != i * 1000 + 5100)
			fail("size is %ld after change %d", (long)stat.st_size, i);
		if (pread(fd, block, 101, i * 1000 + 5000) != 100 || block[0] != 'A' + i || block[99] != 'A' + i)
			fail("contents after change %d", i);
		if (pread(fd, block, 1, i * 1000 + 4999) != 1 || block[0])
			fail("the hole after change %d", i);
	}
	close(fd);
	printf("size: 6 changes\n");
}

/* Shared mappings: under a lock, what one stored the other loads. */
static void map(void)
{
	int fd = open_or_fail("mapped", O_CREAT | O_RDWR), i;
	volatile int *word;

	if (me == 'a' && ftruncate(fd, 2 * BLOCK))
		fail("ftruncate");
	barrier();
	word = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (word == MAP_FAILED)
		fail("mmap");
	for (i = 0; i < COUNTS; i++) {
		lock(fd, 0, 1);
		word[0]++;
		word[BLOCK / sizeof(*word)] += 2;
		lock(fd, 0, 0);
	}
	barrier();
	lock(fd, 0, 1);
	if (word[0] != 2 * COUNTS || word[BLOCK / sizeof(*word)] != 4 * COUNTS)
		fail("mapped words are %d and %d", word[0], word[BLOCK / sizeof(*word)]);
	lock(fd, 0, 0);
	/* And without a lock, some time later. */
	barrier();
	if (me == 'a') {
		word[1] = 12345;
	} else {
		long end = now_ms() + 5000;

		while (word[1] != 12345)
			if (now_ms() > end)
				fail("a mapped word does not change");
	}
	barrier();
	printf("mmap: %d by both\n", COUNTS);
}

/* Each file holds blocks of one number, changed as a whole under a lock. */
static void torture(void)
{
	static int block[BLOCK / sizeof(int)];
	long end = now_ms() + TORTURE_MS;
	unsigned int seed = me;
	int rounds = 0, i, size, value;
	struct stat stat;

	while (now_ms() < end || rounds < 10) {
		int number = rand_r(&seed) % TORTURE_FILES;
		const char *file = name("torture-%d", number);
		int fd = open_or_fail(file, O_CREAT | O_RDWR);

		lock(fd, number % 2, 1);
		if (fstat(fd, &stat) || stat.st_size % BLOCK)
			fail("%s has %ld bytes", file, (long)stat.st_size);
		value = -1;
		for (i = 0; i < stat.st_size / BLOCK; i++) {
			if (pread(fd, block, BLOCK, (long)i * BLOCK) != BLOCK)
				fail("%s, block %d", file, i);
			if (i && (block[0] != value || block[BLOCK / sizeof(int) - 1] != value))
				fail("%s: block %d has %d, not %d", file, i, block[0], value);
			value = block[0];
		}
		size = rand_r(&seed) % BLOCKS + 1;
		for (i = 0; i < (int)(BLOCK / sizeof(int)); i++)
			block[i] = value + 1;
		for (i = 0; i < size; i++)
			if (pwrite(fd, block, BLOCK, (long)i * BLOCK) != BLOCK)
				fail("%s: write", file);
		if (ftruncate(fd, (long)size * BLOCK))
			fail("%s: ftruncate", file);
		if (rounds % 7 == 0 && fsync(fd))
			fail("%s: fsync", file);
		close(fd);
		rounds++;
	}
	close(open_or_fail(name("rounds-%c", me), O_CREAT | O_WRONLY));
	printf("torture: %d rounds\n", rounds);
	barrier();
}

/* ---- "together hold DIR", until its partition is killed, and "together lose DIR" ---- */

static void hold(void)
{
	int fd = open_or_fail("held", O_CREAT | O_RDWR);

	lock(fd, 0, 1);
	lock(fd, 1, 1);
	if (write(fd, "not synchronized", 16) != 16)
		fail("write");
	close(open_or_fail("holding", O_CREAT | O_WRONLY));
	for (;;)
		pause();
}

static void lose(void)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	long end = now_ms() + WAIT_MS;
	char text[32];
	int fd;

	while (access("holding", F_OK)) {
		if (now_ms() > end)
			fail("nobody holds");
		usleep(2000);
	}
	fd = open_or_fail("held", O_RDWR);
	if (!fcntl(fd, F_SETLK, &range) || errno != EAGAIN || !flock(fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
		fail("the other's locks were to be had");
	/* Both end with the other's partition, and so does its lease. */
	lock(fd, 0, 1);
	lock(fd, 1, 1);
	if (pread(fd, text, sizeof(text), 0) < 0 || pwrite(fd, "mine", 4, 0) != 4 || fsync(fd))
		fail("the file is not to be had");
	printf("together: done\n");
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3)
		return 2;
	me = argv[1][0];
	other = me == 'a' ? 'b' : 'a';
	mkdir(argv[2], 0755);
	if (chdir(argv[2]))
		return 2;
	if (me == 'h')
		hold();
	if (me == 'l') {
		lose();
		return 0;
	}
	barrier();
	append();
	count(0);
	count(1);
	try_locks();
	change_names();
	keep_open();
	change_size();
	map();
	torture();
	printf("together: done\n");
	barrier();
	return 0;
}
