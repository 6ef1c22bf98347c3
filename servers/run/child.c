// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The command's process: changing the root, finding the program, and learning of its end.
 */
#include "init.h"

#define NR_PIDFD_OPEN 434
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127
#define PATH_BYTES 4096

static const char *search_path(char *const *env)
{
	for (; *env; env++)
		if (!strncmp(*env, "PATH=", 5))
			return *env + 5;
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* Tries the program in each directory of the path; returns the error to report. */
static int exec_search(const struct spec *spec)
{
	const char *path = search_path(spec->env);
	const char *name = spec->argv[0];
	char file[PATH_BYTES];
	int error = ENOENT;

	if (strchr(name, '/'))
		return -sys_execve(name, spec->argv, spec->env);
	while (*path) {
		const char *end = strchr(path, ':');
		size_t length = end ? (size_t)(end - path) : strlen(path);
		int status;

		if (length && length + strlen(name) + 2 < sizeof(file)) {
			memcpy(file, path, length);
			file[length] = '/';
			strcpy(file + length + 1, name);
			status = -sys_execve(file, spec->argv, spec->env);
			if (status != ENOENT && status != ENOTDIR)
				error = status;
		}
		path += length + (end ? 1 : 0);
	}
	return error;
}

void child_exec(const struct spec *spec)
{
	int error;

	chroot(ROOT);
	if (sys_chdir("/root"))
		chdir("/");
	error = exec_search(spec);
	write(2, "sm-init: cannot run ", 20);
	write(2, spec->argv[0], strlen(spec->argv[0]));
	write(2, error == ENOENT ? ": not found\n" : ": it cannot be executed\n", error == ENOENT ? 12 : 24);
	exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* A descriptor that becomes readable when the process ends; -1 if the kernel has none. */
int child_watch(int pid)
{
	long fd = my_syscall2(NR_PIDFD_OPEN, pid, 0);

	return fd < 0 ? -1 : (int)fd;
}

/* Collects ended processes; 1 when the command was among them. */
int child_reap(int pid, struct outcome *outcome)
{
	int status, ended, is_over = 0;

	while ((ended = my_syscall4(__NR_wait4, -1, &status, WNOHANG, NULL)) > 0) {
		if (ended != pid)
			continue;
		is_over = 1;
		outcome->kind = WIFEXITED(status) ? RUN_EXITED : RUN_SIGNALED;
		outcome->value = WIFEXITED(status) ? WEXITSTATUS(status) : status & 0x7f;
	}
	return is_over;
}
