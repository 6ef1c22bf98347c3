// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket server: ioctls, urgent data, the error queue, files of /proc/net.
 */
#include <linux/fs.h>
#include <linux/if.h>
#include <linux/inetdevice.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/netdevice.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sockios.h>
#include <linux/uio.h>
#include <linux/tcp.h>
#include <net/net_namespace.h>
#include <asm/ioctls.h>
#include "server.h"

static s64 unsent_bytes(struct sock *sk)
{
	if (sk->sk_type != SOCK_STREAM)
		return sk_wmem_alloc_get(sk);
	if ((1 << sk->sk_state) & (TCPF_LISTEN | TCPF_SYN_SENT | TCPF_CLOSE))
		return 0;
	return tcp_sk(sk)->write_seq - tcp_sk(sk)->snd_una;
}

/* Lists the IPv4 addresses as SIOCGIFCONF does; bytes written. */
static u32 list_interfaces(u8 *to, u32 space)
{
	struct net_device *device;
	struct in_ifaddr *address;
	struct in_device *ipv4;
	struct ifreq request;
	u32 length = 0;

	rcu_read_lock();
	for_each_netdev_rcu(&init_net, device) {
		ipv4 = __in_dev_get_rcu(device);
		if (!ipv4)
			continue;
		in_dev_for_each_ifa_rcu(address, ipv4) {
			struct sockaddr_in *in = (void *)&request.ifr_addr;

			if (length + sizeof(request) > space)
				break;
			memset(&request, 0, sizeof(request));
			strscpy(request.ifr_name, address->ifa_label, IFNAMSIZ);
			in->sin_family = AF_INET;
			in->sin_addr.s_addr = address->ifa_local;
			memcpy(to + length, &request, sizeof(request));
			length += sizeof(request);
		}
	}
	rcu_read_unlock();
	return length;
}

static s64 interface_request(unsigned int command, u8 *scratch)
{
	bool ignored;
	struct ifreq request;
	int error;

	memcpy(&request, scratch, sizeof(request));
	request.ifr_name[IFNAMSIZ - 1] = 0;
	switch (sawmill_device_request_of(command)) {
	case SAWMILL_REQUEST_ADDRESS:
	case SAWMILL_REQUEST_SET_ADDRESS:
		error = devinet_ioctl(&init_net, command, &request);
		break;
	case SAWMILL_REQUEST_DEVICE:
	case SAWMILL_REQUEST_SET_DEVICE:
		error = dev_ioctl(&init_net, command, &request, NULL, &ignored);
		break;
	default:
		return -EOPNOTSUPP;
	}
	if (!error)
		memcpy(scratch, &request, sizeof(request));
	return error;
}

s64 sawmill_endpoint_ioctl(struct sawmill_endpoint *endpoint,
			   struct sawmill_request *request)
{
	u8 *scratch = request->page->scratch;
	int value;

	switch (request->in[1]) {
	case SIOCOUTQ:
		value = unsent_bytes(endpoint->socket->sk);
		memcpy(scratch, &value, sizeof(value));
		request->out[1] = sizeof(value);
		return 0;
	default:
		request->out[1] = sizeof(struct ifreq);
		return interface_request(min_t(u64, request->in[1], U32_MAX),
					 scratch);
	}
}

/* Questions about devices need no socket. */
s64 sawmill_server_ioctl(struct sawmill_request *request)
{
	u32 command = min_t(u64, request->in[1], U32_MAX);
	u8 *scratch = request->page->scratch;

	if (command == SIOCGIFCONF) {
		request->out[1] = list_interfaces(scratch,
						  SAWMILL_SOCKET_SCRATCH);
		return 0;
	}
	if (sawmill_device_request_of(command) != SAWMILL_REQUEST_DEVICE)
		return -EOPNOTSUPP;
	request->out[1] = sizeof(struct ifreq);
	return interface_request(command, scratch);
}

s64 sawmill_endpoint_send_urgent(struct sawmill_endpoint *endpoint,
				 struct sawmill_request *request)
{
	struct msghdr message = {
		.msg_flags = MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL,
	};
	struct kvec piece = {
		.iov_base = request->page->scratch,
		.iov_len = request->in[2],
	};

	if (request->in[2] > SAWMILL_SOCKET_SCRATCH)
		return -EINVAL;
	if (!endpoint->is_stream)
		return -EOPNOTSUPP;
	/* What the program sent before goes before. */
	sawmill_stream_send(endpoint);
	if (READ_ONCE(request->page->transmit_head) != endpoint->transmit.index)
		return -EAGAIN;
	return kernel_sendmsg(endpoint->socket, &message, &piece, 1,
			      piece.iov_len);
}

static s64 receive_urgent(struct sawmill_endpoint *endpoint,
			  struct sawmill_request *request)
{
	struct sawmill_socket_record record = { .length = 1, .full_length = 1,
						.flags = MSG_OOB };
	u8 *scratch = request->page->scratch;

	if (!endpoint->is_stream ||
	    sock_flag(endpoint->socket->sk, SOCK_URGINLINE))
		return -EINVAL;
	sawmill_endpoint_pump(endpoint);
	if (!endpoint->has_urgent)
		return -EINVAL;
	memcpy(scratch, &record, sizeof(record));
	scratch[sizeof(record)] = endpoint->urgent;
	if (!(request->in[1] & MSG_PEEK)) {
		endpoint->has_urgent = false;
		sawmill_endpoint_publish(endpoint, 0);
	}
	return 0;
}

static s64 receive_error(struct sawmill_endpoint *endpoint,
			 struct sawmill_request *request)
{
	u32 space = min_t(u64, request->in[2], SAWMILL_SOCKET_SCRATCH / 2);
	struct sawmill_socket_record record = {};
	u8 *scratch = request->page->scratch;
	struct sockaddr_storage name = {};
	u8 control[512] __aligned(8) = {};
	struct msghdr message = {
		.msg_name = &name,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	u32 offset = sizeof(record);
	struct kvec piece;
	int received;
	void *data;

	data = kmalloc(space + 1, GFP_KERNEL);
	if (!data)
		return -ENOMEM;
	piece.iov_base = data;
	piece.iov_len = space;
	received = kernel_recvmsg(endpoint->socket, &message, &piece, 1, space,
				  MSG_ERRQUEUE | MSG_DONTWAIT);
	if (received >= 0) {
		record.length = min_t(u32, received, space);
		record.full_length = record.length;
		record.flags = message.msg_flags;
		record.name_length = clamp(message.msg_namelen, 0,
					   SAWMILL_SOCKET_NAME_MAX);
		record.control_length = sizeof(control) -
					message.msg_controllen;
		memcpy(scratch, &record, sizeof(record));
		memcpy(scratch + offset, &name, record.name_length);
		offset += ALIGN(record.name_length, 8);
		memcpy(scratch + offset, data, record.length);
		offset += ALIGN(record.length, 8);
		memcpy(scratch + offset, control, record.control_length);
		sawmill_endpoint_publish(endpoint, 0);
	}
	kfree(data);
	return min(received, 0);
}

s64 sawmill_endpoint_receive_special(struct sawmill_endpoint *endpoint,
				     struct sawmill_request *request)
{
	if (request->in[1] & MSG_ERRQUEUE)
		return receive_error(endpoint, request);
	return receive_urgent(endpoint, request);
}

/* ---- files ---- */

static const char *const file_names[SAWMILL_SOCKET_FILES] = {
	[SAWMILL_SOCKET_FILE_DEV] = "self/net/dev",
	[SAWMILL_SOCKET_FILE_TCP] = "self/net/tcp",
	[SAWMILL_SOCKET_FILE_TCP6] = "self/net/tcp6",
	[SAWMILL_SOCKET_FILE_UDP] = "self/net/udp",
	[SAWMILL_SOCKET_FILE_UDP6] = "self/net/udp6",
	[SAWMILL_SOCKET_FILE_RAW] = "self/net/raw",
	[SAWMILL_SOCKET_FILE_RAW6] = "self/net/raw6",
	[SAWMILL_SOCKET_FILE_ROUTE] = "self/net/route",
	[SAWMILL_SOCKET_FILE_IPV6_ROUTE] = "self/net/ipv6_route",
	[SAWMILL_SOCKET_FILE_IF_INET6] = "self/net/if_inet6",
	[SAWMILL_SOCKET_FILE_ARP] = "self/net/arp",
	[SAWMILL_SOCKET_FILE_SNMP] = "self/net/snmp",
	[SAWMILL_SOCKET_FILE_NETSTAT] = "self/net/netstat",
	[SAWMILL_SOCKET_FILE_SOCKSTAT] = "self/net/sockstat",
	[SAWMILL_SOCKET_FILE_PNP] = "self/net/pnp",
	[SAWMILL_SOCKET_FILE_MEMORY] = "meminfo",
};

static struct vfsmount *files;
static DEFINE_MUTEX(files_lock);

static struct vfsmount *mount_files(void)
{
	struct file_system_type *type;
	struct vfsmount *mount;

	mutex_lock(&files_lock);
	mount = files;
	if (!mount) {
		type = get_fs_type("proc");
		mount = type ? kern_mount(type) : ERR_PTR(-ENODEV);
		if (!IS_ERR(mount))
			files = mount;
		if (type)
			put_filesystem(type);
	}
	mutex_unlock(&files_lock);
	return mount;
}

s64 sawmill_server_read_file(struct sawmill_request *request)
{
	struct sawmill_connection *connection = request->server->connection;
	u64 number = request->in[1], offset = request->in[3];
	u64 size = request->in[4];
	loff_t position = request->in[2];
	struct vfsmount *mount;
	struct iov_iter iter;
	struct kvec piece;
	struct kiocb read;
	struct file *file;
	struct path path;
	ssize_t length;

	if (number >= SAWMILL_SOCKET_FILES || position < 0 ||
	    size > SAWMILL_SOCKET_RING_MAX || !PAGE_ALIGNED(offset) ||
	    offset < PAGE_SIZE || offset >= connection->control_size ||
	    size > connection->control_size - offset)
		return -EINVAL;
	mount = mount_files();
	if (IS_ERR(mount))
		return PTR_ERR(mount);
	path.mnt = mount;
	path.dentry = mount->mnt_root;
	file = file_open_root(&path, file_names[number], O_RDONLY, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);
	/* All of them are sequence files; kernel_read() does not take these. */
	piece.iov_base = connection->control + offset;
	piece.iov_len = size;
	iov_iter_kvec(&iter, READ, &piece, 1, size);
	init_sync_kiocb(&read, file);
	read.ki_pos = position;
	length = seq_read_iter(&read, &iter);
	fput(file);
	if (length < 0)
		return length;
	request->out[1] = length;
	return 0;
}
