#!/bin/busybox sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# First process of the Linux that runs QEMU inside Bochs: starts QEMU as the file /qemu says, then powers off.
/bin/busybox --install -s /bin
export PATH=/bin LANG=C
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t debugfs debug /sys/kernel/debug
for module in /modules/*; do insmod "$module"; done
echo "nested VT-x: $(cat /sys/module/kvm_intel/parameters/nested), $(nproc) CPU(s), $(uname -r)"
mount -t ext2 -o ro /dev/sda /root || poweroff -f
mount -t tmpfs tmp /root/tmp
mount -o bind /dev /root/dev
mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
cp /qemu /root/tmp/qemu

# What KVM has done so far, in steps of seconds of this machine.
report() {
	cd /sys/kernel/debug/kvm
	echo "$(cut -d' ' -f1 /proc/uptime) s: exits $(cat exits), nested $(cat nested_run), faults $(cat pf_taken), I/O $(cat io_exits)"
}
(while sleep 20; do report; done) &

PATH=/usr/bin:/bin chroot /root sh /tmp/qemu
echo "QEMU ended with status $?"
report
sync
poweroff -f
