// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket server: addresses, connecting, listening, shutting down.
 */
#include <net/tcp_states.h>
#include "server.h"

/* Copies the address out of scratch, once. */
static int read_address(struct sawmill_request *request,
			struct sockaddr_storage *address)
{
	u64 length = request->in[1];

	if (length < sizeof(sa_family_t) || length > sizeof(*address))
		return -EINVAL;
	memset(address, 0, sizeof(*address));
	memcpy(address, request->page->scratch, length);
	return length;
}

s64 sawmill_endpoint_bind(struct sawmill_endpoint *endpoint,
			  struct sawmill_request *request)
{
	struct sockaddr_storage address;
	int length = read_address(request, &address);

	if (length < 0)
		return length;
	return kernel_bind(endpoint->socket, (struct sockaddr *)&address,
			   length);
}

s64 sawmill_endpoint_connect(struct sawmill_endpoint *endpoint,
			     struct sawmill_request *request)
{
	struct sockaddr_storage address;
	int length = read_address(request, &address);
	int error;

	if (length < 0)
		return length;
	error = kernel_connect(endpoint->socket, (struct sockaddr *)&address,
			       length, O_NONBLOCK);
	if (!error || error == -EINPROGRESS)
		endpoint->has_ended = false;
	/* The loopback device may have answered already. */
	sawmill_endpoint_pump(endpoint);
	return error;
}

s64 sawmill_endpoint_listen(struct sawmill_endpoint *endpoint,
			    struct sawmill_request *request)
{
	int error = kernel_listen(endpoint->socket, (int)request->in[1]);

	sawmill_endpoint_publish(endpoint, 0);
	return error;
}

s64 sawmill_endpoint_shutdown(struct sawmill_endpoint *endpoint,
			      struct sawmill_request *request)
{
	u64 how = request->in[1];
	struct sock *sk = endpoint->socket->sk;
	int error;

	if (how > SHUT_RDWR)
		return -EINVAL;
	if (endpoint->is_stream && how != SHUT_RD) {
		/* Everything in the ring goes before the end. */
		lock_sock(sk);
		WRITE_ONCE(sk->sk_sndbuf, max_t(int, sk->sk_sndbuf,
				sk->sk_wmem_queued +
				4 * endpoint->transmit.size));
		release_sock(sk);
		sawmill_stream_send(endpoint);
	}
	error = kernel_sock_shutdown(endpoint->socket, how);
	sawmill_endpoint_pump(endpoint);
	return error;
}

s64 sawmill_endpoint_getname(struct sawmill_endpoint *endpoint,
			     struct sawmill_request *request)
{
	struct sockaddr_storage address = {};
	struct sockaddr *name = (struct sockaddr *)&address;
	int length = request->in[1] ?
		     kernel_getpeername(endpoint->socket, name) :
		     kernel_getsockname(endpoint->socket, name);

	if (length < 0)
		return length;
	memcpy(request->page->scratch, &address, length);
	request->out[1] = length;
	return 0;
}
