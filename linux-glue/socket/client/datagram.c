// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket client: data of datagram, raw and netlink sockets.
 *
 * A send to a destination that has not worked before, or has failed since, is
 * made with a call, so that the program learns of a missing route at once;
 * later ones are not.
 */
#include <linux/slab.h>
#include <net/tcp_states.h>
#include "client.h"

#define FORWARDED_FLAGS	(MSG_MORE | MSG_DONTROUTE | MSG_CONFIRM)

/* The largest datagram that any protocol here takes. */
#define LENGTH_MAX	0xffff
#define LENGTH_SURE	65000

static int copy_in(struct sawmill_sock *sock, u32 position,
		   struct iov_iter *from, u32 length)
{
	struct kvec piece[2];
	int count = sawmill_ring_pieces(&sock->transmit, position, length,
					piece);
	int index;

	for (index = 0; index < count; index++)
		if (copy_from_iter(piece[index].iov_base, piece[index].iov_len,
				   from) != piece[index].iov_len)
			return -EFAULT;
	return 0;
}

/* Writes one record; there is room. */
static int put_record(struct sawmill_sock *sock, struct msghdr *message,
		      u32 length)
{
	struct sawmill_socket_record record = {
		.length = length,
		.full_length = length,
		.name_length = message->msg_name ? message->msg_namelen : 0,
		.control_length = message->msg_controllen,
		.flags = message->msg_flags & FORWARDED_FLAGS,
	};
	u32 position = sock->transmit.index + sizeof(record);
	int error;

	sawmill_ring_write(&sock->transmit, position, message->msg_name,
			   record.name_length);
	position += ALIGN(record.name_length, 8);
	error = copy_in(sock, position, &message->msg_iter, length);
	if (error)
		return error;
	position += ALIGN(length, 8);
	if (record.control_length) {
		record.flags |= sawmill_sock_rights(sock);
		sawmill_ring_write(&sock->transmit, position,
				   message->msg_control, record.control_length);
	}
	position += ALIGN(record.control_length, 8);
	sawmill_ring_write(&sock->transmit, sock->transmit.index, &record,
			   sizeof(record));
	sock->transmit.index = position;
	smp_store_release(&sock->slot.page->transmit_head, position);
	return 0;
}

static bool is_proven(struct sawmill_sock *sock, struct msghdr *message,
		      size_t length)
{
	/* Near the limit the protocol decides. */
	if (length > LENGTH_SURE)
		return false;
	/* Raw and netlink answers are errors more often: always ask. */
	if (sock->sk.sk_type != SOCK_DGRAM || message->msg_controllen ||
	    sock->sk.sk_family == PF_NETLINK)
		return false;
	if (!message->msg_name)
		return sock->was_connected && sock->has_sent;
	return sock->sent_length == message->msg_namelen &&
	       !memcmp(&sock->sent, message->msg_name, sock->sent_length);
}

static s64 flush(struct sawmill_sock *sock, struct msghdr *message)
{
	s64 result = sawmill_slot_simple(&sock->slot, SAWMILL_SOCKET_FLUSH, 0);

	if (result < 0) {
		sock->sent_length = 0;
		return result;
	}
	sock->has_sent |= !message->msg_name;
	if (message->msg_name) {
		sock->sent_length = message->msg_namelen;
		memcpy(&sock->sent, message->msg_name, sock->sent_length);
	}
	return 0;
}

static int check_message(struct sawmill_sock *sock, struct msghdr *message,
			 size_t length)
{
	if (message->msg_flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (length > LENGTH_MAX ||
	    message->msg_controllen > SAWMILL_SOCKET_CONTROL_MAX)
		return -EMSGSIZE;
	if (message->msg_name &&
	    (message->msg_namelen > SAWMILL_SOCKET_NAME_MAX ||
	     message->msg_namelen < (int)sizeof(sa_family_t)))
		return -EINVAL;
	if (!message->msg_name && !sock->was_connected &&
	    sock->sk.sk_family != PF_NETLINK)
		return -EDESTADDRREQ;
	/* Kernel users of these sockets pass no control data. */
	if (message->msg_controllen && message->msg_control_is_user)
		return -EINVAL;
	return 0;
}

int sawmill_datagram_sendmsg(struct socket *socket, struct msghdr *message,
			     size_t length)
{
	struct sawmill_sock *sock = sawmill_sk(socket->sk);
	struct sock *sk = socket->sk;
	long timeout = sock_sndtimeo(sk, message->msg_flags & MSG_DONTWAIT);
	int error = check_message(sock, message, length);
	struct ubuf_info *notice;
	u32 needed;

	if (error)
		return error;
	needed = sawmill_record_size(message->msg_name ? message->msg_namelen :
				     0, length, message->msg_controllen);
	if (needed > SAWMILL_RING_DATAGRAM)
		return -EMSGSIZE;
	error = sawmill_zerocopy_begin(sk, message->msg_flags, length, &notice);
	if (error)
		return error;
	mutex_lock(&sock->transmit_lock);
	for (;;) {
		u32 room_needed = min(needed, sock->transmit.size);

		sawmill_sock_refresh(sock);
		error = sock_error(sk);
		/* The next one is sent by a call again. */
		if (error)
			sock->has_sent = false;
		if (!error && sk->sk_shutdown & SEND_SHUTDOWN)
			error = -EPIPE;
		if (error || sawmill_sock_room(sock) >= needed)
			break;
		if (needed > sock->transmit.size &&
		    sawmill_sock_room(sock) == sock->transmit.size) {
			if (sawmill_area_grow(sock, false,
					      SAWMILL_RING_DATAGRAM))
				continue;
			error = -ENOBUFS;
			break;
		}
		sawmill_slot_post(&sock->slot);
		mutex_unlock(&sock->transmit_lock);
		error = sawmill_sock_wait(sock, SAWMILL_SOCKET_WANT_OUT,
					  sawmill_has_room, room_needed,
					  &timeout);
		mutex_lock(&sock->transmit_lock);
		if (error)
			break;
		if (sawmill_sock_room(sock) < 0) {
			error = -EPROTO;
			break;
		}
	}
	if (!error)
		error = put_record(sock, message, length);
	if (!error) {
		if (is_proven(sock, message, length))
			sawmill_slot_post(&sock->slot);
		else
			error = flush(sock, message);
	}
	mutex_unlock(&sock->transmit_lock);
	sawmill_zerocopy_end(notice, !error);
	if (error == -EPIPE && !(message->msg_flags & MSG_NOSIGNAL))
		send_sig(SIGPIPE, current, 0);
	return error ?: length;
}

/*
 * Reads the header of the record after @passed bytes: its size, 0 if there is
 * none, or -EPROTO if the server has written nonsense.
 */
int sawmill_record_next(struct sawmill_sock *sock, u32 passed,
			struct sawmill_socket_record *record)
{
	s64 filled = sawmill_sock_filled(sock);
	u64 size;

	filled -= filled < 0 ? 0 : passed;
	if (filled <= 0)
		return filled;
	if (filled < sizeof(*record))
		return -EPROTO;
	sawmill_ring_read(&sock->receive, sock->receive.index + passed, record,
			  sizeof(*record));
	if (record->name_length > SAWMILL_SOCKET_NAME_MAX ||
	    record->control_length > SAWMILL_SOCKET_CONTROL_MAX ||
	    record->length > filled || record->full_length < record->length)
		return -EPROTO;
	size = sawmill_record_size(record->name_length, record->length,
				   record->control_length);
	return size <= filled ? size : -EPROTO;
}

/* Gives the program the control data that the server has received. */
void sawmill_pass_control(struct msghdr *message, void *control, u32 length)
{
	struct msghdr from = { .msg_control = control,
			       .msg_controllen = length };
	struct cmsghdr *header;

	for_each_cmsghdr(header, &from) {
		if (!CMSG_OK(&from, header))
			return;
		/* Descriptors and credentials never come from a server. */
		if (header->cmsg_level == SOL_SOCKET &&
		    header->cmsg_type <= SCM_SECURITY)
			continue;
		put_cmsg(message, header->cmsg_level, header->cmsg_type,
			 header->cmsg_len - sizeof(*header),
			 CMSG_DATA(header));
	}
}

/*
 * SO_PEEK_OFF: MSG_PEEK passes over what lies before that offset, *@passed
 * bytes of the ring and *@offset of @record, which is found as by
 * sawmill_record_next().
 */
static int peek_record(struct sawmill_sock *sock,
		       struct sawmill_socket_record *record, u32 *passed,
		       u32 *offset)
{
	u32 rest = READ_ONCE(sock->sk.sk_peek_off);
	int size;

	for (;;) {
		size = sawmill_record_next(sock, *passed, record);
		/* An empty one is seen once: the ring remembers. */
		if (size <= 0 || rest < record->length ||
		    (!rest && !(record->flags & MSG_PEEK)))
			break;
		rest -= record->length;
		*passed += size;
	}
	*offset = rest;
	if (size > 0 && !record->length) {
		record->flags |= MSG_PEEK;
		sawmill_ring_write(&sock->receive,
				   sock->receive.index + *passed, record,
				   sizeof(*record));
	}
	return size;
}

/* The ring cannot grow while something is passed over. */
int sawmill_datagram_set_peek_offset(struct sock *sk, int offset)
{
	struct sawmill_sock *sock = sawmill_sk(sk);

	if (sk->sk_type != SOCK_DGRAM || sk->sk_family == PF_NETLINK)
		return -EOPNOTSUPP;
	mutex_lock(&sock->receive_lock);
	if (sock->receive.size < SAWMILL_RING_DATAGRAM)
		sawmill_area_grow(sock, true, SAWMILL_RING_DATAGRAM);
	WRITE_ONCE(sk->sk_peek_off, offset);
	mutex_unlock(&sock->receive_lock);
	return 0;
}

/* The data from @offset on of the record after @passed bytes. */
static int take_record(struct sawmill_sock *sock, struct msghdr *message,
		       size_t length, int flags,
		       const struct sawmill_socket_record *record, u32 passed,
		       u32 offset)
{
	u32 position = sock->receive.index + passed + sizeof(*record);
	u32 part = min_t(size_t, length, record->length - offset);
	struct kvec piece[2];
	int count, index;
	u8 *control;

	if (message->msg_name && record->name_length) {
		sawmill_ring_read(&sock->receive, position, message->msg_name,
				  record->name_length);
		message->msg_namelen = record->name_length;
	}
	position += ALIGN(record->name_length, 8);
	count = sawmill_ring_pieces(&sock->receive, position + offset, part,
				    piece);
	for (index = 0; index < count; index++)
		if (copy_to_iter(piece[index].iov_base, piece[index].iov_len,
				 &message->msg_iter) != piece[index].iov_len)
			return -EFAULT;
	position += ALIGN(record->length, 8);
	if (record->control_length && message->msg_controllen) {
		control = kmalloc(record->control_length, GFP_KERNEL);
		if (control) {
			sawmill_ring_read(&sock->receive, position, control,
					  record->control_length);
			sawmill_pass_control(message, control,
					     record->control_length);
			kfree(control);
		}
	}
	message->msg_flags |= record->flags & (MSG_TRUNC | MSG_EOR);
	if (part < record->full_length - offset)
		message->msg_flags |= MSG_TRUNC;
	return flags & MSG_TRUNC ? min_t(u32, record->full_length, INT_MAX) :
				   part;
}

/* Makes room for a datagram that does not fit; without memory it is cut. */
static void make_room(struct sawmill_sock *sock)
{
	if (sock->receive.size < SAWMILL_RING_DATAGRAM &&
	    sawmill_area_grow(sock, true, SAWMILL_RING_DATAGRAM))
		return;
	WRITE_ONCE(sock->slot.page->hints, SAWMILL_SOCKET_HINT_CUT);
	sawmill_slot_post(&sock->slot);
}

int sawmill_datagram_recvmsg(struct socket *socket, struct msghdr *message,
			     size_t length, int flags)
{
	struct sawmill_sock *sock = sawmill_sk(socket->sk);
	struct sock *sk = socket->sk;
	long timeout = sock_rcvtimeo(sk, flags & MSG_DONTWAIT);
	struct sawmill_socket_record record;
	u32 passed, offset;
	int size, result;

	if (unlikely(flags & MSG_OOB))
		return -EOPNOTSUPP;
	if (unlikely(flags & MSG_ERRQUEUE))
		return sawmill_receive_special(sock, message, length, flags);
	mutex_lock(&sock->receive_lock);
	for (;;) {
		sawmill_sock_refresh(sock);
		result = sock_error(sk);
		if (result) {
			WRITE_ONCE(sock->has_sent, false);
			break;
		}
		passed = 0;
		offset = 0;
		if (unlikely(flags & MSG_PEEK && sk->sk_peek_off >= 0))
			size = peek_record(sock, &record, &passed, &offset);
		else
			size = sawmill_record_next(sock, 0, &record);
		if (size) {
			result = size;
			if (size < 0)
				break;
			result = take_record(sock, message, length, flags,
					     &record, passed, offset);
			if (!(flags & MSG_PEEK))
				sawmill_sock_consume(sock, size);
			if (result > 0)
				sk_peek_offset_bwd(sk, flags & MSG_PEEK ?
						       -result : result);
			break;
		}
		if (sk->sk_shutdown & RCV_SHUTDOWN)
			break;
		if (sawmill_sock_state(sock) & SAWMILL_SOCKET_TOO_SMALL &&
		    !sock->slot.page->hints) {
			/* What was passed over stays in the ring. */
			result = -EAGAIN;
			if (passed)
				break;
			make_room(sock);
			continue;
		}
		mutex_unlock(&sock->receive_lock);
		result = sawmill_sock_wait(sock, SAWMILL_SOCKET_WANT_IN,
					   sawmill_has_input, passed, &timeout);
		mutex_lock(&sock->receive_lock);
		if (result)
			break;
	}
	mutex_unlock(&sock->receive_lock);
	return result;
}
