// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket server: an address by DHCP, in the background.
 *
 * sawmill.dhcp=eth0 on the command line. Linux's own ip=dhcp holds up the
 * start of the partition and never renews; this thread asks while sockets are
 * served already, renews, and asks again when the link comes back.
 * Clients hear when the outcome is known (sawmill_network_settled()).
 */
#include <linux/if.h>
#include <linux/in.h>
#include <linux/inetdevice.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/netdevice.h>
#include <linux/proc_fs.h>
#include <linux/random.h>
#include <linux/route.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>
#include <net/net_namespace.h>
#include <net/route.h>
#include <net/sock.h>
#include "dhcp.h"
#include "server.h"

static char device_name[IFNAMSIZ];
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "sawmill."
module_param_string(dhcp, device_name, sizeof(device_name), 0444);

/* So long a link may take to come up. */
#define CARRIER_WAIT	(5 * HZ)
/* So often is asked at once, waiting twice as long each time. */
#define TRIES		3
#define RETRY_WAIT	(30 * HZ)

static struct dhcp_lease current_lease;		/* lease_lock */
static DEFINE_MUTEX(lease_lock);
static struct dhcp_channel channel;
static DECLARE_WAIT_QUEUE_HEAD(link_wait);

static bool has_link(void)
{
	return netif_carrier_ok(channel.device);
}

/* ---- what a lease means here ---- */

static int set_address(unsigned int command, __be32 value)
{
	struct ifreq request = {};
	struct sockaddr_in *in = (void *)&request.ifr_addr;

	strscpy(request.ifr_name, device_name, IFNAMSIZ);
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = value;
	return devinet_ioctl(&init_net, command, &request);
}

static void set_router(__be32 router)
{
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
	struct sockaddr_in *in;

	in = (void *)&route.rt_dst;
	in->sin_family = AF_INET;
	in = (void *)&route.rt_genmask;
	in->sin_family = AF_INET;
	in = (void *)&route.rt_gateway;
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = router;
	ip_rt_ioctl(&init_net, SIOCADDRT, &route);
}

/* Also with a lease that is in use: a link that was down has lost its routes. */
static void use(const struct dhcp_lease *lease)
{
	bool is_new = lease->address != current_lease.address;

	mutex_lock(&lease_lock);
	current_lease = *lease;
	mutex_unlock(&lease_lock);
	if (set_address(SIOCSIFADDR, lease->address) ||
	    (lease->address &&
	     (set_address(SIOCSIFNETMASK, lease->netmask) ||
	      set_address(SIOCSIFBRDADDR, lease->address | ~lease->netmask))))
		pr_err("sawmill: cannot set the address of %s\n", device_name);
	if (lease->router)
		set_router(lease->router);
	if (lease->address && is_new)
		pr_info("sawmill: %s has %pI4 for %u s\n", device_name,
			&lease->address, lease->seconds);
}

/* The lines of a resolv.conf. */
static int show(struct seq_file *file, void *unused)
{
	int i;

	mutex_lock(&lease_lock);
	if (current_lease.domain[0])
		seq_printf(file, "domain %s\n", current_lease.domain);
	for (i = 0; i < DHCP_DNS_MAX; i++)
		if (current_lease.dns[i])
			seq_printf(file, "nameserver %pI4\n",
				   &current_lease.dns[i]);
	mutex_unlock(&lease_lock);
	return 0;
}

/* ---- the course of things ---- */

static bool acquire(struct dhcp_lease *lease)
{
	__be32 everybody = htonl(INADDR_BROADCAST);
	struct dhcp_lease answer;
	int try;

	for (try = 0; try < TRIES && has_link(); try++) {
		__be32 transaction = (__force __be32)get_random_u32();

		dhcp_send(&channel, DHCP_DISCOVER, transaction, NULL, everybody);
		if (dhcp_receive(&channel, transaction, lease, HZ << try) !=
		    DHCP_OFFER)
			continue;
		dhcp_send(&channel, DHCP_REQUEST, transaction, lease, everybody);
		if (dhcp_receive(&channel, transaction, &answer, HZ << try) !=
		    DHCP_ACK)
			continue;
		*lease = answer;
		return true;
	}
	return false;
}

/* Asks the lease's own server, later any; true when it is prolonged. */
static bool renew(struct dhcp_lease *lease, __be32 destination)
{
	__be32 transaction = (__force __be32)get_random_u32();
	struct dhcp_lease answer;

	dhcp_send(&channel, DHCP_REQUEST, transaction, lease, destination);
	if (dhcp_receive(&channel, transaction, &answer, 4 * HZ) != DHCP_ACK)
		return false;
	*lease = answer;
	return true;
}

/* Holds a lease until it is over (true) or the link is. */
static bool hold(struct dhcp_lease *lease)
{
	unsigned long begin, half, age;

again:
	begin = jiffies;
	half = (unsigned long)lease->seconds * HZ / 2;
	use(lease);
	if (wait_event_idle_timeout(link_wait, !has_link(), half))
		return false;
	while (has_link()) {
		age = jiffies - begin;
		if (age >= 2 * half)
			return true;
		if (renew(lease, age < half + half * 3 / 4 ? lease->server :
				 htonl(INADDR_BROADCAST)))
			goto again;
		wait_event_idle_timeout(link_wait, !has_link(),
					min(half / 8, 2ul * RETRY_WAIT));
	}
	return false;
}

static int open_channel(void)
{
	struct sockaddr_in own = {
		.sin_family = AF_INET,
		.sin_port = htons(DHCP_CLIENT_PORT),
	};
	struct sock *sk;
	int error;

	rtnl_lock();
	error = dev_change_flags(channel.device,
				 channel.device->flags | IFF_UP, NULL);
	rtnl_unlock();
	if (error)
		return error;
	error = sock_create_kern(&init_net, PF_INET, SOCK_DGRAM, IPPROTO_UDP,
				 &channel.socket);
	if (error)
		return error;
	sk = channel.socket->sk;
	sock_set_flag(sk, SOCK_BROADCAST);
	error = sock_bindtoindex(sk, channel.device->ifindex, true);
	return error ?: kernel_bind(channel.socket, (struct sockaddr *)&own,
				    sizeof(own));
}

static int run(void *unused)
{
	static const struct dhcp_lease none;
	struct dhcp_lease lease;
	int error;

	wait_for_device_probe();
	channel.device = dev_get_by_name(&init_net, device_name);
	error = channel.device ? open_channel() : 0;
	if (error)
		pr_err("sawmill: no DHCP: error %d\n", error);
	if (!channel.device || error) {
		sawmill_network_settled();
		return error;
	}
	for (;;) {
		wait_event_idle_timeout(link_wait, has_link(), CARRIER_WAIT);
		if (acquire(&lease)) {
			use(&lease);
			sawmill_network_settled();
			/* A link that is down keeps its address, for a while. */
			if (hold(&lease))
				use(&none);
		} else {
			sawmill_network_settled();
			if (has_link())
				schedule_timeout_idle(RETRY_WAIT);
		}
	}
}

static int device_event(struct notifier_block *block, unsigned long event,
			void *data)
{
	wake_up(&link_wait);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {
	.notifier_call = device_event,
};

static int __init dhcp_init(void)
{
	if (!device_name[0]) {
		sawmill_network_settled();
		return 0;
	}
	/* In place of that of ip=, which is not used then. */
	remove_proc_entry("pnp", init_net.proc_net);
	proc_create_single("pnp", 0444, init_net.proc_net, show);
	register_netdevice_notifier(&notifier);
	return PTR_ERR_OR_ZERO(kthread_run(run, NULL, "sawmill-dhcp"));
}
late_initcall_sync(dhcp_init);
