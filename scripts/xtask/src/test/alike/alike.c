/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * "alike DIR": does to files what programs do, and prints what came of it: the same on any kernel with an ext2.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "alike.h"

/* The largest file of ext2 with blocks of 1, 2 and 4 KiB is less than this. */
#define BEYOND_EXT2 (1LL << 43)
#define FOUR_GIB (4LL << 30)

static int make(const char *name)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0644);

	if (fd < 0)
		say(name, fd);
	return fd;
}

static void sparse(void)
{
	int fd = make("sparse");
	char byte = 'x';
	struct stat stat;

	say("write beyond 4 GiB", pwrite(fd, &byte, 1, FOUR_GIB + 5));
	fsync(fd);
	fstat(fd, &stat);
	say("size", stat.st_size);
	say("blocks", stat.st_blocks);
	say("read a hole", pread(fd, &byte, 1, FOUR_GIB));
	say("its byte", byte);
	say("SEEK_DATA at 0", lseek(fd, 0, SEEK_DATA));
	say("SEEK_HOLE at 0", lseek(fd, 0, SEEK_HOLE));
	say("SEEK_DATA at the end", lseek(fd, FOUR_GIB + 6, SEEK_DATA));
	say("SEEK_HOLE beyond", lseek(fd, FOUR_GIB + 7, SEEK_HOLE));
	say("SEEK_END", lseek(fd, 0, SEEK_END));
	say("fallocate", fallocate(fd, 0, 0, 8192));
	say("punch a hole", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	say("truncate", ftruncate(fd, 10));
	fstat(fd, &stat);
	say("blocks then", stat.st_blocks);
	close(fd);
	unlink("sparse");
}

/* Where the blocks lie differs; which there are does not. */
static void extents(void)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extents[64];
	} answer = { .map = { .fm_length = FIEMAP_MAX_OFFSET, .fm_extent_count = 64 } };
	int fd = make("extents"), size = 0;
	char *bytes = calloc(1, 65536);
	unsigned long sum = 0;

	say("first part", pwrite(fd, bytes, 65536, 0));
	say("second part", pwrite(fd, bytes, 10000, 1 << 20));
	say("FIGETBSZ", ioctl(fd, FIGETBSZ, &size));
	say("size of blocks", size);
	say("FIEMAP", ioctl(fd, FS_IOC_FIEMAP, &answer));
	for (unsigned int i = 0; i < answer.map.fm_mapped_extents; i++) {
		sum += answer.extents[i].fe_length;
		if (i + 1 == answer.map.fm_mapped_extents) {
			say("end", answer.extents[i].fe_logical + answer.extents[i].fe_length);
			say("flags", answer.extents[i].fe_flags);
		}
	}
	say("mapped bytes", sum);
	answer.map = (struct fiemap){ .fm_length = 4096, .fm_flags = FIEMAP_FLAG_SYNC, .fm_start = 65536 * 2 };
	say("FIEMAP of a hole", ioctl(fd, FS_IOC_FIEMAP, &answer));
	say("its extents", answer.map.fm_mapped_extents);
	answer.map = (struct fiemap){ .fm_length = 4096, .fm_flags = FIEMAP_FLAG_XATTR };
	say("FIEMAP of attributes", ioctl(fd, FS_IOC_FIEMAP, &answer));
	answer.map = (struct fiemap){ .fm_start = 0 };
	say("FIEMAP of nothing", ioctl(fd, FS_IOC_FIEMAP, &answer));
	close(fd);
	unlink("extents");
	fd = open(".", O_RDONLY);
	say("FIEMAP of a directory", ioctl(fd, FS_IOC_FIEMAP, &answer));
	close(fd);
	free(bytes);
}

static void limits(void)
{
	struct rlimit limit = { 10000, RLIM_INFINITY };
	int fd = make("limits");
	char bytes[4096] = "";

	say("truncate beyond ext2", ftruncate(fd, BEYOND_EXT2));
	say("write beyond ext2", pwrite(fd, bytes, 1, BEYOND_EXT2));
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	say("write up to the limit", pwrite(fd, bytes, sizeof(bytes), 8192));
	say("write beyond the limit", pwrite(fd, bytes, sizeof(bytes), 12288));
	say("truncate beyond the limit", ftruncate(fd, 10001));
	limit.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &limit);
	close(fd);
	unlink("limits");
}

static void direct(void)
{
	int fd = open("direct", O_CREAT | O_RDWR | O_DIRECT, 0644);
	char *buffer = aligned_alloc(4096, 16384);
	struct stat stat;

	memset(buffer, 'd', 16384);
	say("direct write", pwrite(fd, buffer, 8192, 0));
	say("direct write at a sector", pwrite(fd, buffer, 512, 8192));
	say("direct read", pread(fd, buffer, 16384, 0));
	fstat(fd, &stat);
	say("size", stat.st_size);
	close(fd);
	unlink("direct");
	free(buffer);
}

static void attributes(void)
{
	struct timespec times[2] = { { 1000000000, 123456789 }, { 5000000000, 5 } };
	int fd = make("attributes");
	char value[100];
	struct stat stat;
	int flags = 0;

	say("setxattr", fsetxattr(fd, "user.one", "1234", 4, 0));
	say("create again", fsetxattr(fd, "user.one", "1", 1, XATTR_CREATE));
	say("replace none", fsetxattr(fd, "user.two", "1", 1, XATTR_REPLACE));
	say("too large", fsetxattr(fd, "user.two", calloc(1, 60000), 60000, 0));
	say("getxattr", fgetxattr(fd, "user.one", value, sizeof(value)));
	say("its size", fgetxattr(fd, "user.one", NULL, 0));
	say("into too little", fgetxattr(fd, "user.one", value, 2));
	say("listxattr", flistxattr(fd, value, sizeof(value)));
	say("removexattr", fremovexattr(fd, "user.one"));
	say("remove again", fremovexattr(fd, "user.one"));
	say("strange name space", fsetxattr(fd, "strange.one", "1", 1, 0));
	say("utimens", futimens(fd, times));
	fstat(fd, &stat);
	printf("atime %ld.%ld mtime %ld.%ld\n", stat.st_atim.tv_sec, stat.st_atim.tv_nsec, stat.st_mtim.tv_sec,
	       stat.st_mtim.tv_nsec);
	say("chmod", fchmod(fd, 06755));
	say("chown", fchown(fd, 1000, 1000));
	fstat(fd, &stat);
	printf("mode %o owner %d:%d\n", stat.st_mode, stat.st_uid, stat.st_gid);
	say("immutable", (flags = FS_IMMUTABLE_FL, ioctl(fd, FS_IOC_SETFLAGS, &flags)));
	say("flags", ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 ? -1 : flags);
	say("chmod an immutable file", chmod("attributes", 0600));
	say("unlink it", unlink("attributes"));
	flags = 0;
	say("mutable", ioctl(fd, FS_IOC_SETFLAGS, &flags));
	close(fd);
	say("unlink", unlink("attributes"));
}

static void names(void)
{
	char name[300], target[5000];

	memset(name, 'n', sizeof(name));
	name[256] = 0;
	say("name of 256", mkdir(name, 0755));
	name[255] = 0;
	say("name of 255", mkdir(name, 0755));
	say("rmdir", rmdir(name));
	memset(target, 't', sizeof(target));
	target[4095] = 0;
	say("symlink of 4095", symlink(target, "link"));
	say("readlink", readlink("link", target, sizeof(target)));
	say("open it", open("link", O_RDONLY));
	unlink("link");
	say("mknod", mknod("device", S_IFCHR | 0600, (1 << 8) | 3));
	say("mkfifo", mkfifo("fifo", 0600));
	say("exchange", renameat2(AT_FDCWD, "device", AT_FDCWD, "fifo", RENAME_EXCHANGE));
	say("no replace", renameat2(AT_FDCWD, "device", AT_FDCWD, "fifo", RENAME_NOREPLACE));
	say("whiteout", renameat2(AT_FDCWD, "device", AT_FDCWD, "fifo", RENAME_WHITEOUT));
	say("rename over", rename("device", "fifo"));
	unlink("fifo");
	mkdir("outer", 0755);
	mkdir("outer/inner", 0755);
	say("into itself", rename("outer", "outer/inner/x"));
	say("not empty", rmdir("outer"));
	say("rmdir .", rmdir("outer/."));
	say("unlink a directory", unlink("outer"));
	say("link a directory", link("outer", "second"));
	rmdir("outer/inner");
	rmdir("outer");
}

static void temporary(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	char path[64];
	struct stat stat;

	say("O_TMPFILE", fd < 0 ? fd : 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	say("linkat", linkat(AT_FDCWD, path, AT_FDCWD, "temporary", AT_SYMLINK_FOLLOW));
	fstat(fd, &stat);
	say("links", stat.st_nlink);
	say("unlink", unlink("temporary"));
	say("write when unlinked", write(fd, "x", 1));
	close(fd);
}

/* The time of change follows a store, by msync at the latest. */
static void mapped(void)
{
	struct timespec long_ago[2] = { { 1000, 0 }, { 1000, 0 } };
	int fd = make("mapped");
	struct stat stat;
	char *bytes;

	ftruncate(fd, 4096);
	bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	futimens(fd, long_ago);
	bytes[0] = 'm';
	say("msync", msync(bytes, 4096, MS_SYNC));
	fstat(fd, &stat);
	say("mtime is recent", stat.st_mtime > 1000000);
	futimens(fd, long_ago);
	bytes[1] = 'n';
	munmap(bytes, 4096);
	fsync(fd);
	fstat(fd, &stat);
	say("mtime is recent", stat.st_mtime > 1000000);
	close(fd);
	unlink("mapped");
}

static void watched(void)
{
	int queue = inotify_init1(IN_NONBLOCK), fd;
	char buffer[4096];
	ssize_t got, at;

	inotify_add_watch(queue, ".", IN_ALL_EVENTS);
	fd = make("watched");
	write(fd, "x", 1);
	close(fd);
	rename("watched", "renamed");
	unlink("renamed");
	got = read(queue, buffer, sizeof(buffer));
	for (at = 0; at < got; at += sizeof(struct inotify_event) + ((struct inotify_event *)(buffer + at))->len) {
		struct inotify_event *event = (void *)(buffer + at);

		printf("event %x %s\n", event->mask, event->len ? event->name : "");
	}
	close(queue);
}

static void space(void)
{
	struct statvfs before, after;
	int fd;
	char *bytes = calloc(1, 65536);

	/* What was unlinked before is given back a little later here. */
	usleep(300000);
	statvfs(".", &before);
	fd = make("space");
	say("write", write(fd, bytes, 65536));
	fsync(fd);
	statvfs(".", &after);
	say("block size", after.f_bsize);
	say("fragment size", after.f_frsize);
	say("name length", after.f_namemax);
	say("blocks used", before.f_bfree - after.f_bfree);
	say("inodes used", before.f_ffree - after.f_ffree);
	close(fd);
	unlink("space");
}

/* Names of trusted attributes are for who may have them. */
static void listed(void)
{
	char names[256] = "";
	ssize_t length, at;

	close(make("listed"));
	say("trusted", setxattr("listed", "trusted.one", "1", 1, 0));
	say("user", setxattr("listed", "user.two", "2", 1, 0));
	for (int is_user = 0; is_user < 2; is_user++) {
		if (is_user)
			say("become a user", seteuid(1000));
		length = listxattr("listed", names, sizeof(names));
		say("names", length);
		for (at = 0; at < length; at += strlen(names + at) + 1)
			printf("%s\n", names + at);
	}
	say("become root", seteuid(0));
	unlink("listed");
}

static int set_flags(const char *name, int flags)
{
	int fd = open(name, O_RDONLY), old = 0, result;

	ioctl(fd, FS_IOC_GETFLAGS, &old);
	flags |= old & ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
	result = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	close(fd);
	return result;
}

static void say_opened(const char *what, int fd)
{
	say(what, fd < 0 ? fd : 0);
	if (fd >= 0)
		close(fd);
}

static void print_file(const char *name)
{
	char bytes[64] = "";
	int fd = open(name, O_RDONLY);

	say("read", read(fd, bytes, sizeof(bytes) - 1));
	printf("%s has %s\n", name, bytes);
	close(fd);
}

/* What chattr(1) sets, on a file that is dirty, and when it is read again. */
static void protected(void)
{
	int fd = make("fixed");

	say("write", write(fd, "fixed", 5));
	say("make immutable", set_flags("fixed", FS_IMMUTABLE_FL));
	say("write by who had it open", write(fd, "!", 1));
	say("fsync", fsync(fd));
	close(fd);
	for (int round = 0; round < 2; round++) {
		say_opened("open for writing", open("fixed", O_WRONLY));
		say_opened("open and truncate", open("fixed", O_WRONLY | O_TRUNC));
		say("truncate", truncate("fixed", 1));
		say("chmod", chmod("fixed", 0600));
		say("unlink", unlink("fixed"));
		say("rename", rename("fixed", "other"));
		say("link", link("fixed", "other"));
		say("setxattr", setxattr("fixed", "user.x", "1", 1, 0));
		drop_caches();
		print_file("fixed");
	}
	say("make mutable", set_flags("fixed", 0));
	say("unlink", unlink("fixed"));
	fd = make("grows");
	say("write", write(fd, "grows", 5));
	close(fd);
	say("make append-only", set_flags("grows", FS_APPEND_FL));
	for (int round = 0; round < 2; round++) {
		say_opened("open for writing", open("grows", O_WRONLY));
		say_opened("open and truncate", open("grows", O_WRONLY | O_APPEND | O_TRUNC));
		fd = open("grows", O_WRONLY | O_APPEND);
		say("append", write(fd, "+", 1));
		say("truncate", ftruncate(fd, 1));
		close(fd);
		drop_caches();
		print_file("grows");
	}
	say("make plain", set_flags("grows", 0));
	say("unlink", unlink("grows"));
	mkdir("only-new", 0755);
	say("make a directory append-only", set_flags("only-new", FS_APPEND_FL));
	say_opened("create in it", open("only-new/name", O_CREAT | O_WRONLY, 0644));
	say("unlink in it", unlink("only-new/name"));
	say("make it immutable", set_flags("only-new", FS_IMMUTABLE_FL));
	say_opened("create in it", open("only-new/second", O_CREAT | O_WRONLY, 0644));
	say("mkdir in it", mkdir("only-new/third", 0755));
	say("make it plain", set_flags("only-new", 0));
	say("unlink in it", unlink("only-new/name"));
	say("rmdir", rmdir("only-new"));
}

int main(int argc, char **argv)
{
	if (argc != 2 || mkdir(argv[1], 0755) || chdir(argv[1]))
		return 2;
	umask(022);
	sparse();
	extents();
	limits();
	direct();
	attributes();
	names();
	temporary();
	mapped();
	watched();
	protected();
	listed();
	space();
	return 0;
}
