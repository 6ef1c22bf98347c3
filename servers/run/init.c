// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The order of things: mount, run, put in order, power off.
 *
 * Init stays in the ramdisk; the command runs in a changed root, so that the root can be unmounted.
 */
#include "init.h"

static void power_off(void)
{
	channel_drain();
	sync_all();
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	for (;;)
		sleep(1000);
}

static void fail(const char *reason, int error)
{
	frame_send_text(RUN_FAILED, reason, error);
	power_off();
}

int main(void)
{
	static struct spec spec;
	const unsigned char version = RUN_VERSION;
	struct outcome outcome;
	const char *wrong;
	int error = 0;

	mkdir("/dev", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	wrong = spec_read(&spec);
	if (channel_open(spec.channel ? spec.channel : "/dev/hvc1") < 0)
		power_off();
	frame_send(RUN_HELLO, &version, 1);
	if (wrong)
		fail(wrong, 0);
	wrong = mounts_make(&spec, &error);
	if (wrong)
		fail(wrong, error);

	outcome = spec.rows ? interactive_run(&spec) : batch_run(&spec);

	mounts_undo();
	frame_send(outcome.kind, &outcome.value, 1);
	frame_send(RUN_FINISHED, NULL, 0);
	power_off();
	return 0;
}
