// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The run channel: frames (run.h) over a terminal device in raw mode.
 */
#include "init.h"

static int channel = -1;

/* Bytes of a frame that is not complete yet. */
static unsigned char buffer[RUN_HEADER_BYTES + RUN_PAYLOAD_MAX];
static unsigned int filled;

int channel_fd(void)
{
	return channel;
}

int channel_open(const char *device)
{
	struct termios termios;

	channel = open(device, O_RDWR | O_NOCTTY);
	if (channel < 0)
		return -1;
	my_syscall3(__NR_fcntl, channel, SET_DESCRIPTOR_FLAGS, CLOSE_ON_EXEC_FLAG);
	if (my_syscall3(__NR_ioctl, channel, TCGETS, &termios) == 0) {
		termios.c_iflag = 0;
		termios.c_oflag = 0;
		termios.c_lflag = 0;
		termios.c_cflag = (termios.c_cflag & ~(CBAUD | CSIZE | PARENB)) | B115200 | CS8 | CREAD | CLOCAL;
		termios.c_cc[VMIN] = 1;
		termios.c_cc[VTIME] = 0;
		my_syscall3(__NR_ioctl, channel, TCSETS, &termios);
	}
	return channel;
}

static void send_all(const unsigned char *bytes, unsigned int length)
{
	while (length) {
		long sent = my_syscall3(__NR_write, channel, bytes, length);

		if (sent == -EINTR || sent == -EAGAIN)
			continue;
		if (sent <= 0)
			return;
		bytes += sent;
		length -= sent;
	}
}

void frame_send(unsigned char kind, const void *payload, unsigned int length)
{
	static unsigned char frame[RUN_HEADER_BYTES + RUN_PAYLOAD_MAX];

	if (length > RUN_PAYLOAD_MAX)
		length = RUN_PAYLOAD_MAX;
	frame[0] = kind;
	frame[1] = length & 0xff;
	frame[2] = length >> 8;
	if (length)
		memcpy(frame + RUN_HEADER_BYTES, payload, length);
	send_all(frame, RUN_HEADER_BYTES + length);
}

void frame_send_text(unsigned char kind, const char *text, int error)
{
	char message[200];
	size_t length = strlen(text);

	if (length > 160)
		length = 160;
	memcpy(message, text, length);
	if (error) {
		memcpy(message + length, " (error ", 8);
		length += 8;
		itoa_r(error, message + length);
		length = length + strlen(message + length);
		message[length++] = ')';
	}
	frame_send(kind, message, length);
}

void frame_receive(void (*handle)(unsigned char kind, const unsigned char *payload, unsigned int length))
{
	long got = my_syscall3(__NR_read, channel, buffer + filled, sizeof(buffer) - filled);

	if (got <= 0)
		return;
	filled += got;
	while (filled >= RUN_HEADER_BYTES) {
		unsigned int length = buffer[1] | buffer[2] << 8;

		if (length > RUN_PAYLOAD_MAX) {
			/* Not a frame: the stream is out of step, nothing in it can be trusted. */
			filled = 0;
			return;
		}
		if (filled < RUN_HEADER_BYTES + length)
			return;
		handle(buffer[0], buffer + RUN_HEADER_BYTES, length);
		filled -= RUN_HEADER_BYTES + length;
		memmove(buffer, buffer + RUN_HEADER_BYTES + length, filled);
	}
}

void channel_drain(void)
{
	/* TCSBRK with a non-zero argument waits for output. */
	if (channel >= 0)
		my_syscall3(__NR_ioctl, channel, TCSBRK, 1);
}
