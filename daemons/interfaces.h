/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Network interfaces, their addresses and default routes, as the kernel tells them (rtnetlink) at the moment.
 */
#ifndef DAEMONS_INTERFACES_H
#define DAEMONS_INTERFACES_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#define HVD_INTERFACES_MAX 256
#define HVD_ADDRESSES_MAX  512
#define HVD_ROUTES_MAX	   64

struct hvd_interface {
	unsigned index;
	char name[IF_NAMESIZE];
	unsigned char mac[6];
	bool has_mac, loopback;
};

struct hvd_address {
	unsigned index; /* of the interface */
	int family; /* AF_INET, AF_INET6 */
	unsigned prefix;
	bool leased; /* for a time only: some server has given it */
	bool link_local;
	char text[INET6_ADDRSTRLEN];
};

/* A default route. */
struct hvd_route {
	unsigned index;
	int family;
	char gateway[INET6_ADDRSTRLEN];
};

struct hvd_interfaces {
	struct hvd_interface interface[HVD_INTERFACES_MAX];
	struct hvd_address address[HVD_ADDRESSES_MAX];
	struct hvd_route route[HVD_ROUTES_MAX];
	size_t interfaces, addresses, routes;
};

/* 0 or -errno; what there is more than room for is left out. */
int hvd_interfaces_read(struct hvd_interfaces *all);

#endif
