/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests about network devices, which are those of the network's server. */
#ifndef _SAWMILL_SOCKET_DEVICE_H
#define _SAWMILL_SOCKET_DEVICE_H

#include <linux/types.h>

struct ifconf;
struct ifreq;

#if defined(CONFIG_SAWMILL_SOCKET_CLIENT) && !defined(CONFIG_INET)
/* Returns false if the request is none for the server. */
bool sawmill_device_request(unsigned int command, struct ifreq *request,
			    int *result);
/* SIOCGIFCONF; false if there is no server to ask. */
bool sawmill_device_list(struct ifconf __user *argument, int *result);
#else
static inline bool sawmill_device_request(unsigned int command,
					  struct ifreq *request, int *result)
{
	return false;
}

static inline bool sawmill_device_list(struct ifconf __user *argument,
				       int *result)
{
	return false;
}
#endif

#endif /* _SAWMILL_SOCKET_DEVICE_H */
