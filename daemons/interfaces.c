/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemons/interfaces.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_S 5

static void take_link(struct hvd_interfaces *all, struct nlmsghdr *message)
{
	const struct ifinfomsg *info = NLMSG_DATA(message);
	struct hvd_interface *interface = &all->interface[all->interfaces];
	struct rtattr *attribute = IFLA_RTA(info);
	int left = (int)IFLA_PAYLOAD(message);

	if (all->interfaces == HVD_INTERFACES_MAX)
		return;
	*interface = (struct hvd_interface){
		.index = (unsigned)info->ifi_index,
		.loopback = info->ifi_flags & IFF_LOOPBACK,
	};
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		size_t len = RTA_PAYLOAD(attribute);

		if (attribute->rta_type == IFLA_IFNAME && len && len <= sizeof(interface->name)) {
			memcpy(interface->name, RTA_DATA(attribute), len);
			interface->name[sizeof(interface->name) - 1] = '\0';
		} else if (attribute->rta_type == IFLA_ADDRESS && len == sizeof(interface->mac) &&
			   info->ifi_type == ARPHRD_ETHER) {
			memcpy(interface->mac, RTA_DATA(attribute), len);
			interface->has_mac = true;
		}
	}
	all->interfaces++;
}

static size_t address_bytes(int family)
{
	return family == AF_INET ? 4 : 16;
}

static void take_address(struct hvd_interfaces *all, struct nlmsghdr *message)
{
	const struct ifaddrmsg *info = NLMSG_DATA(message);
	struct hvd_address *address = &all->address[all->addresses];
	struct rtattr *attribute = IFA_RTA(info);
	int left = (int)IFA_PAYLOAD(message);
	const void *bytes = NULL;

	if (all->addresses == HVD_ADDRESSES_MAX ||
	    (info->ifa_family != AF_INET && info->ifa_family != AF_INET6))
		return;
	*address = (struct hvd_address){
		.index = info->ifa_index,
		.family = info->ifa_family,
		.prefix = info->ifa_prefixlen,
		.link_local = info->ifa_scope == RT_SCOPE_LINK,
		.leased = !(info->ifa_flags & IFA_F_PERMANENT),
	};
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (RTA_PAYLOAD(attribute) < address_bytes(info->ifa_family))
			continue;
		/* On a link between two machines ADDRESS is the other one's. */
		if (attribute->rta_type == IFA_LOCAL ||
		    (attribute->rta_type == IFA_ADDRESS && !bytes))
			bytes = RTA_DATA(attribute);
	}
	if (bytes && inet_ntop(info->ifa_family, bytes, address->text, sizeof(address->text)))
		all->addresses++;
}

static void take_route(struct hvd_interfaces *all, struct nlmsghdr *message)
{
	const struct rtmsg *info = NLMSG_DATA(message);
	struct hvd_route *route = &all->route[all->routes];
	struct rtattr *attribute = RTM_RTA(info);
	int left = (int)RTM_PAYLOAD(message);
	const void *gateway = NULL;

	if (all->routes == HVD_ROUTES_MAX || info->rtm_dst_len || info->rtm_type != RTN_UNICAST ||
	    (info->rtm_family != AF_INET && info->rtm_family != AF_INET6))
		return;
	*route = (struct hvd_route){ .family = info->rtm_family };
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		size_t len = RTA_PAYLOAD(attribute);

		if (attribute->rta_type == RTA_OIF && len == sizeof(route->index))
			memcpy(&route->index, RTA_DATA(attribute), len);
		else if (attribute->rta_type == RTA_GATEWAY &&
			 len == address_bytes(info->rtm_family))
			gateway = RTA_DATA(attribute);
	}
	if (gateway && inet_ntop(info->rtm_family, gateway, route->gateway, sizeof(route->gateway)))
		all->routes++;
}

/* Everything of one kind. */
static int dump(struct hvd_interfaces *all, int fd, uint16_t type,
		void (*take)(struct hvd_interfaces *all, struct nlmsghdr *message))
{
	struct {
		struct nlmsghdr header;
		struct rtgenmsg body;
	} request = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)),
			    .nlmsg_type = type,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.body = { .rtgen_family = AF_UNSPEC },
	};
	static _Alignas(struct nlmsghdr) char buffer[32768];

	if (send(fd, &request, request.header.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
		struct nlmsghdr *message = (struct nlmsghdr *)buffer;
		unsigned left = (unsigned)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
			if (message->nlmsg_type == NLMSG_DONE)
				return 0;
			if (message->nlmsg_type == NLMSG_ERROR)
				return -EIO;
			take(all, message);
		}
	}
}

int hvd_interfaces_read(struct hvd_interfaces *all)
{
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), err;

	all->interfaces = all->addresses = all->routes = 0;
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	err = dump(all, fd, RTM_GETLINK, take_link);
	if (!err)
		err = dump(all, fd, RTM_GETADDR, take_address);
	if (!err)
		err = dump(all, fd, RTM_GETROUTE, take_route);
	close(fd);
	return err;
}
