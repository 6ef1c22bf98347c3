// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The root file system, and the kernel's own file systems where the root has directories for them.
 */
#include "init.h"

#define READ_ONLY_REMOUNT (MS_REMOUNT | MS_RDONLY)
/* The disk's driver may still be looking for it. */
#define ROOT_TRIES 100
/* Name servers, as the network's server knows them; there is none without that server. */
#define NAME_SERVERS ROOT "/proc/net/pnp"
#define RESOLVER ROOT "/etc/resolv.conf"

struct place {
	const char *dir;
	const char *type;
	const char *options;
	int is_created;	/* not the image's directory, but one of devtmpfs */
};

static const struct place places[] = {
	{ ROOT "/proc", "proc", NULL, 0 },
	{ ROOT "/sys", "sysfs", NULL, 0 },
	{ ROOT "/dev", "devtmpfs", NULL, 0 },
	{ ROOT "/dev/pts", "devpts", "mode=620,ptmxmode=666", 1 },
	{ ROOT "/dev/shm", "tmpfs", "mode=1777", 1 },
	{ ROOT "/run", "tmpfs", "mode=755", 0 },
};

#define PLACES (sizeof(places) / sizeof(places[0]))
/* The last of them. */
#define RUN_PLACE (PLACES - 1)

static int is_mounted[PLACES];
static int is_resolver_mounted;

/* Programs of the ramdisk that users get, too: sm-top, where the root has /run. */
static void tools_place(void)
{
	static char bytes[64 * 1024];
	int from = open("/sm-top", O_RDONLY);
	long length;
	int to;

	if (from < 0)
		return;
	mkdir(ROOT "/run/sawmill", 0755);
	to = open(ROOT "/run/sawmill/sm-top", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	while (to >= 0 && (length = read(from, bytes, sizeof(bytes))) > 0)
		write(to, bytes, length);
	close(from);
	if (to >= 0)
		close(to);
}

const char *mounts_make(const struct spec *spec, int *error)
{
	unsigned int i;
	int tries;

	mkdir(ROOT, 0755);
	for (tries = 0; tries < ROOT_TRIES; tries++) {
		*error = -sys_mount(spec->source, ROOT, spec->type, 0, NULL);
		if (*error != ENOENT && *error != ENXIO)
			break;
		msleep(20);
	}
	if (*error)
		return "the root file system cannot be mounted";
	for (i = 0; i < PLACES; i++) {
		if (places[i].is_created)
			mkdir(places[i].dir, 0755);
		is_mounted[i] = sys_mount("none", places[i].dir, places[i].type, 0, places[i].options) == 0;
	}
	/* Nothing of ours goes to the user's disk. */
	if (is_mounted[RUN_PLACE])
		tools_place();
	/* Covers what the image says, which was true elsewhere; the image itself stays as it is. */
	is_resolver_mounted = sys_mount(NAME_SERVERS, RESOLVER, NULL, MS_BIND, NULL) == 0;
	return NULL;
}

void mounts_undo(void)
{
	int i;

	/* Nobody may hold a file open when the root goes. */
	kill(-1, SIGTERM);
	msleep(20);
	kill(-1, SIGKILL);
	while (my_syscall4(__NR_wait4, -1, NULL, 0, NULL) > 0)
		;
	sync_all();
	if (is_resolver_mounted)
		umount2(RESOLVER, 0);
	for (i = PLACES - 1; i >= 0; i--)
		if (is_mounted[i])
			umount2(places[i].dir, 0);
	if (sys_umount2(ROOT, 0))
		sys_mount(NULL, ROOT, NULL, READ_ONLY_REMOUNT, NULL);
	sync_all();
}
