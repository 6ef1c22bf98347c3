/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * "times DIR": times of access by the rules of the mount, as any kernel with an ext2 keeps them.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alike.h"

#define OLD 1000000000
#define OLDER 900000000

static const char *const names[] = { "file", "directory", "link", "fifo" };
/* Writing to a FIFO is no change of its inode here, so that reading comes less often after one. */
#define NAMES_BY_THE_RULES 3

static struct stat stat_of(const char *name)
{
	struct stat stat = {};

	if (lstat(name, &stat))
		printf("lstat of %s: %s\n", name, strerrorname_np(errno));
	return stat;
}

static void set(const char *name, time_t access, time_t change)
{
	struct timespec times[2] = { { access, 0 }, { change, 0 } };

	if (utimensat(AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW))
		printf("utimensat of %s: %s\n", name, strerrorname_np(errno));
}

static void next_second(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	usleep(1100000 - now.tv_nsec / 1000);
}

static void use(const char *name, int flags)
{
	char byte[100];
	int fd;

	if (!strcmp(name, "directory")) {
		DIR *directory = opendir(name);

		while (readdir(directory))
			;
		closedir(directory);
	} else if (!strcmp(name, "link")) {
		if (readlink(name, byte, sizeof(byte)) < 0)
			printf("readlink: %s\n", strerrorname_np(errno));
	} else if (!strcmp(name, "fifo")) {
		fd = open(name, O_RDWR | flags);
		if (write(fd, "x", 1) != 1 || read(fd, byte, 1) != 1)
			printf("fifo: %s\n", strerrorname_np(errno));
		close(fd);
	} else {
		fd = open(name, O_RDONLY | flags);
		if (read(fd, byte, 1) != 1)
			printf("read: %s\n", strerrorname_np(errno));
		close(fd);
	}
}

/* Says whether the time of access is now, or what it was before. */
static void expect(const char *what, const char *name, time_t before)
{
	time_t access = stat_of(name).st_atime, now = time(NULL);

	printf("%s, %s: %s\n", name, what,
	       access == before ? "as before" : access <= now && access > now - 5 ? "now" : "something else");
}

static void by_the_rules(const char *name)
{
	struct stat before;

	set(name, OLD, OLDER);
	expect("set", name, OLD);
	next_second();
	use(name, 0);
	expect("used after its change", name, OLD);
	if (strcmp(name, "link"))
		chmod(name, 0700);
	expect("and its mode changed", name, OLD);
	before = stat_of(name);
	next_second();
	use(name, 0);
	expect("used again", name, before.st_atime);
	before = stat_of(name);
	next_second();
	use(name, 0);
	expect("used once more", name, before.st_atime);
	before = stat_of(name);
	drop_caches();
	expect("from the disk", name, before.st_atime);
	printf("its change: %s\n", stat_of(name).st_ctime == before.st_ctime ? "as before" : "different");
	set(name, OLD, OLDER);
	next_second();
	use(name, 0);
	set(name, OLDER, OLDER);
	expect("used, then set", name, OLDER);
	drop_caches();
	expect("from the disk", name, OLDER);
}

static void mapped(void)
{
	int fd = open("file", O_RDWR);

	set("file", OLD, OLDER);
	mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	expect("mapped", "file", OLD);
	set("file", OLD, OLDER);
	if (write(fd, "y", 1) != 1)
		printf("write: %s\n", strerrorname_np(errno));
	expect("written", "file", OLD);
	close(fd);
	set("file", OLD, OLDER);
	use("file", O_NOATIME);
	expect("read with O_NOATIME", "file", OLD);
}

static void without(void)
{
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_NOATIME, NULL))
		printf("mount: %s\n", strerrorname_np(errno));
	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		set(names[i], OLD, OLDER);
		use(names[i], 0);
		expect("mounted with noatime", names[i], OLD);
	}
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_STRICTATIME, NULL))
		printf("mount: %s\n", strerrorname_np(errno));
	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		use(names[i], 0);
		next_second();
		use(names[i], 0);
		printf("%s, mounted with strictatime: %d\n", names[i], stat_of(names[i]).st_atime + 1 >= time(NULL));
	}
}

int main(int count, char **arguments)
{
	int fd;

	if (count != 2 || mkdir(arguments[1], 0777) || chdir(arguments[1]))
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	fd = open("file", O_CREAT | O_WRONLY, 0666);
	if (write(fd, "xyz", 3) != 3 || mkdir("directory", 0777) || symlink("file", "link") || mkfifo("fifo", 0666))
		return 1;
	close(fd);
	for (unsigned int i = 0; i < NAMES_BY_THE_RULES; i++)
		by_the_rules(names[i]);
	mapped();
	without();
	return 0;
}
