// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket client: ioctls, urgent data, the error queue.
 */
#include <linux/capability.h>
#include <linux/if.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/skbuff.h>
#include <linux/sockios.h>
#include <linux/slab.h>
#include <net/tcp_states.h>
#include <asm/ioctls.h>
#include <sawmill/socket_device.h>
#include "client.h"

/* A call whose argument and answer are in scratch; the answer's length. */
static s64 call_ioctl(struct sawmill_slot *slot, unsigned int command,
		      void *argument, u32 length)
{
	u64 in[SAWMILL_CALL_WORDS] = { 0, command }, out[SAWMILL_CALL_WORDS];
	s64 result;

	mutex_lock(&slot->call_lock);
	memcpy(slot->page->scratch, argument, length);
	result = sawmill_slot_call(slot, SAWMILL_SOCKET_IOCTL, in, out);
	if (!result) {
		result = min_t(u64, out[1], SAWMILL_SOCKET_SCRATCH);
		memcpy(argument, slot->page->scratch,
		       min_t(u32, result, length));
	}
	mutex_unlock(&slot->call_lock);
	return result;
}

static int interface_request(struct sawmill_sock *sock, unsigned int command,
			     void __user *argument)
{
	struct ifreq request;
	s64 result;

	if (copy_from_user(&request, argument, sizeof(request)))
		return -EFAULT;
	result = call_ioctl(&sock->slot, command, &request, sizeof(request));
	if (result < 0)
		return result;
	return copy_to_user(argument, &request, sizeof(request)) ? -EFAULT : 0;
}

#ifndef CONFIG_INET
/* For sockets of other families, too; see vendor-linux-patches/0204. */

/* False: no server is wanted here. NULL: it is down. */
static bool find_settled(struct sawmill_client **client)
{
	if (!sawmill_client_is_wanted())
		return false;
	*client = sawmill_client_get();
	if (*client)
		sawmill_client_wait_settled(*client);
	return true;
}

bool sawmill_device_request(unsigned int command, struct ifreq *request,
			    int *result)
{
	struct sawmill_client *client;
	s64 length;

	if (sawmill_device_request_of(command) != SAWMILL_REQUEST_DEVICE ||
	    !find_settled(&client))
		return false;
	*result = -ENETDOWN;
	if (!client)
		return true;
	length = call_ioctl(&client->own, command, request, sizeof(*request));
	*result = min_t(s64, length, 0);
	return true;
}

static int list_devices(struct sawmill_client *client, struct ifconf *list)
{
	u8 *buffer = kzalloc(SAWMILL_SOCKET_SCRATCH, GFP_KERNEL);
	s64 length;
	int error = 0;

	if (!buffer)
		return -ENOMEM;
	length = call_ioctl(&client->own, SIOCGIFCONF, buffer,
			    SAWMILL_SOCKET_SCRATCH);
	if (length >= 0) {
		if (list->ifc_buf)
			length = clamp_t(s64, list->ifc_len, 0, length);
		list->ifc_len = rounddown(length, sizeof(struct ifreq));
		if (list->ifc_buf &&
		    copy_to_user(list->ifc_buf, buffer, list->ifc_len))
			error = -EFAULT;
	}
	kfree(buffer);
	return error ?: min_t(s64, length, 0);
}

bool sawmill_device_list(struct ifconf __user *argument, int *result)
{
	struct sawmill_client *client;
	struct ifconf list;

	if (!find_settled(&client))
		return false;
	*result = client ? 0 : -ENETDOWN;
	if (!*result && copy_from_user(&list, argument, sizeof(list)))
		*result = -EFAULT;
	if (!*result)
		*result = list_devices(client, &list);
	if (!*result)
		*result = put_user(list.ifc_len, &argument->ifc_len);
	return true;
}
#endif

static s64 bytes_to_read(struct sawmill_sock *sock)
{
	struct sawmill_socket_record record;
	int size;

	if (sawmill_is_stream(&sock->sk))
		return sock->sk.sk_state == TCP_LISTEN ? -EINVAL :
		       sawmill_sock_filled(sock);
	mutex_lock(&sock->receive_lock);
	size = sawmill_record_next(sock, 0, &record);
	mutex_unlock(&sock->receive_lock);
	return size > 0 ? record.length : size;
}

static s64 bytes_to_send(struct sawmill_sock *sock)
{
	s64 room = sawmill_sock_room(sock);
	int queued = 0;
	s64 result = call_ioctl(&sock->slot, SIOCOUTQ, &queued, sizeof(queued));

	if (room < 0 || result < 0)
		return result < 0 ? result : room;
	return sock->transmit.size - room + queued;
}

static s64 is_at_mark(struct sawmill_sock *sock)
{
	return sawmill_sock_state(sock) & SAWMILL_SOCKET_HAS_MARK &&
	       READ_ONCE(sock->slot.page->receive_mark) == sock->receive.index;
}

static int device_request(struct sawmill_sock *sock, unsigned int command,
			  void __user *user)
{
	switch (sawmill_device_request_of(command)) {
	case SAWMILL_REQUEST_SET_DEVICE:
	case SAWMILL_REQUEST_SET_ADDRESS:
		if (!ns_capable(sock_net(&sock->sk)->user_ns, CAP_NET_ADMIN))
			return -EPERM;
		fallthrough;
	case SAWMILL_REQUEST_DEVICE:
	case SAWMILL_REQUEST_ADDRESS:
		return interface_request(sock, command, user);
	default:
		return -ENOTTY;
	}
}

int sawmill_socket_ioctl(struct socket *socket, unsigned int command,
			 unsigned long argument)
{
	struct sawmill_sock *sock = sawmill_sk(socket->sk);
	void __user *user = (void __user *)argument;
	s64 value;

	switch (command) {
	case SIOCINQ:
		value = bytes_to_read(sock);
		break;
	case SIOCOUTQ:
		value = bytes_to_send(sock);
		break;
	case SIOCATMARK:
		value = is_at_mark(sock);
		break;
	default:
		return device_request(sock, command, user);
	}
	if (value < 0)
		return value;
	return put_user((int)value, (int __user *)user);
}

int sawmill_send_urgent(struct sawmill_sock *sock, struct msghdr *message,
			size_t length)
{
	u64 in[SAWMILL_CALL_WORDS] = {}, out[SAWMILL_CALL_WORDS];
	s64 result = -EFAULT;

	length = min_t(size_t, length, SAWMILL_SOCKET_SCRATCH);
	mutex_lock(&sock->transmit_lock);
	mutex_lock(&sock->slot.call_lock);
	if (copy_from_iter(sock->slot.page->scratch, length,
			   &message->msg_iter) == length) {
		in[1] = MSG_OOB;
		in[2] = length;
		result = sawmill_slot_call(&sock->slot,
					   SAWMILL_SOCKET_SEND_URGENT, in, out);
	}
	mutex_unlock(&sock->slot.call_lock);
	mutex_unlock(&sock->transmit_lock);
	return result;
}

/*
 * MSG_ZEROCOPY: the data is copied into the ring all the same, so the program
 * may reuse it at once, and is told so (SO_EE_CODE_ZEROCOPY_COPIED).
 */
int sawmill_zerocopy_begin(struct sock *sk, int flags, size_t length,
			   struct ubuf_info **notice)
{
	*notice = NULL;
	if (likely(!(flags & MSG_ZEROCOPY)) || !length ||
	    !sock_flag(sk, SOCK_ZEROCOPY))
		return 0;
	*notice = msg_zerocopy_realloc(sk, length, NULL);
	if (!*notice)
		return -ENOBUFS;
	uarg_to_msgzc(*notice)->zerocopy = 0;
	return 0;
}

/* Reads what is not in the ring: urgent data and the error queue. */
int sawmill_receive_special(struct sawmill_sock *sock, struct msghdr *message,
			    size_t length, int flags)
{
	u64 in[SAWMILL_CALL_WORDS] = {}, out[SAWMILL_CALL_WORDS];
	struct sawmill_socket_record record;
	struct sock *sk = &sock->sk;
	u8 *scratch = sock->slot.page->scratch, *control = NULL;
	u32 offset = sizeof(record), part;
	s64 result;

	/* Of our own, too: see sawmill_zerocopy_begin(). */
	if (flags & MSG_ERRQUEUE && !skb_queue_empty(&sk->sk_error_queue))
		return sk->sk_family == PF_INET6 ?
		       sock_recv_errqueue(sk, message, length, SOL_IPV6,
					  IPV6_RECVERR) :
		       sock_recv_errqueue(sk, message, length, SOL_IP,
					  IP_RECVERR);
	in[1] = flags & (MSG_OOB | MSG_ERRQUEUE | MSG_PEEK);
	in[2] = min_t(size_t, length, SAWMILL_SOCKET_SCRATCH / 2);
	mutex_lock(&sock->slot.call_lock);
	result = sawmill_slot_call(&sock->slot, SAWMILL_SOCKET_RECEIVE_SPECIAL,
				   in, out);
	if (result < 0)
		goto unlock;
	memcpy(&record, scratch, sizeof(record));
	result = -EPROTO;
	if (record.name_length > SAWMILL_SOCKET_NAME_MAX ||
	    record.control_length > SAWMILL_SOCKET_CONTROL_MAX ||
	    record.length > SAWMILL_SOCKET_SCRATCH / 2)
		goto unlock;
	if (message->msg_name && record.name_length) {
		memcpy(message->msg_name, scratch + offset, record.name_length);
		message->msg_namelen = record.name_length;
	}
	offset += ALIGN(record.name_length, 8);
	part = min_t(size_t, record.length, length);
	result = -EFAULT;
	if (copy_to_iter(scratch + offset, part, &message->msg_iter) != part)
		goto unlock;
	offset += ALIGN(record.length, 8);
	if (record.control_length)
		control = kmemdup(scratch + offset, record.control_length,
				  GFP_KERNEL);
	message->msg_flags |= record.flags & (MSG_OOB | MSG_ERRQUEUE |
					      MSG_TRUNC);
	result = part;
unlock:
	mutex_unlock(&sock->slot.call_lock);
	if (control) {
		sawmill_pass_control(message, control, record.control_length);
		kfree(control);
	}
	return result;
}
