/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the programs of this directory share. They define _GNU_SOURCE before anything else. */
#ifndef ALIKE_H
#define ALIKE_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Prints what a call returned, or the name of its error. */
static inline void say(const char *what, long result)
{
	int error = errno;

	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(error));
	else
		printf("%s: %ld\n", what, result);
}

/* What is read from now on comes from the disk. */
static inline void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	sync();
	if (fd < 0 || write(fd, "3", 1) != 1)
		printf("caches are not dropped\n");
	close(fd);
}

#endif
