/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The inner Linux's own network: what a VM's user-mode networking there uses in place of the outer machine's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <hvh/hvh_net.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/cmdline.h"
#include "vmm/nested/inner_net.h"
#include "vmm/nested/layout.h"

static void put_address(struct sockaddr *to, const char *text)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	inet_pton(AF_INET, text, &address.sin_addr);
	memcpy(to, &address, sizeof(address));
}

static int bring_up(int fd, const char *name)
{
	struct ifreq request = { .ifr_flags = 0 };

	strcpy(request.ifr_name, name);
	if (ioctl(fd, SIOCGIFFLAGS, &request))
		return -errno;
	request.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) ? -errno : 0;
}

static int set_address(int fd)
{
	struct ifreq request = { .ifr_flags = 0 };
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };

	strcpy(request.ifr_name, "eth0");
	put_address(&request.ifr_addr, NESTED_NETWORK_OWN);
	if (ioctl(fd, SIOCSIFADDR, &request))
		return -errno;
	put_address(&request.ifr_netmask, "255.255.255.0");
	if (ioctl(fd, SIOCSIFNETMASK, &request) || bring_up(fd, "eth0"))
		return -errno;
	put_address(&route.rt_dst, "0.0.0.0");
	put_address(&route.rt_genmask, "0.0.0.0");
	put_address(&route.rt_gateway, NESTED_NETWORK_GATEWAY);
	return ioctl(fd, SIOCADDRT, &route) ? -errno : 0;
}

/* The inner Linux has nothing to say on that network. */
static void be_silent(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		fprintf(stderr, "inner hvhost: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* The bridge must not be what keeps large frames back. */
static int set_mtu(int fd, const char *name, unsigned mtu)
{
	struct ifreq request = { .ifr_mtu = (int)mtu };

	strcpy(request.ifr_name, name);
	return ioctl(fd, SIOCSIFMTU, &request) ? -errno : 0;
}

/* For all queues that the monitor opens; it stays when they go. */
static int make_tap(const char *name)
{
	int fd = vmm_tap_open(name, true), err;

	if (fd < 0)
		return fd;
	err = ioctl(fd, TUNSETPERSIST, 1) ? -errno : 0;
	close(fd);
	return err;
}

static int join_bridge(int fd, const char *bridge, const char *name, unsigned mtu)
{
	struct ifreq request = { .ifr_ifindex = (int)if_nametoindex(name) };
	int err = set_mtu(fd, name, mtu);

	strcpy(request.ifr_name, bridge);
	if (!err && ioctl(fd, SIOCBRADDIF, &request))
		err = -errno;
	be_silent(name);
	return err ? err : bring_up(fd, name);
}

/* Card `card` of the inner Linux, a bridge of the same number, and the interface. */
static int connect_tap(int fd, const char *name, unsigned card)
{
	char eth[VMM_TAP_NAME_MAX], bridge[VMM_TAP_NAME_MAX];
	int err;

	snprintf(eth, sizeof(eth), "eth%u", card);
	snprintf(bridge, sizeof(bridge), "hvbr%u", card);
	err = ioctl(fd, SIOCBRADDBR, bridge) ? -errno : 0;
	if (!err)
		err = make_tap(name);
	if (!err)
		err = join_bridge(fd, bridge, eth, HVH_NET_FRAME_MAX);
	if (!err)
		err = join_bridge(fd, bridge, name, HVH_NET_FRAME_MAX);
	be_silent(bridge);
	return err ? err : bring_up(fd, bridge);
}

int vmm_inner_taps(const struct vmm_config *config)
{
	unsigned card = vmm_config_needs_network(config);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = fd < 0 ? -errno : 0;
	struct vmm_nic_config nic;

	for (unsigned i = 0; i < config->nics && !err; i++)
		if (!vmm_nic_config_parse(config->nic[i], &nic) && nic.kind == VMM_NIC_TAP)
			err = connect_tap(fd, nic.interface, card++);
	if (fd >= 0)
		close(fd);
	return err;
}

static int write_resolver(void)
{
	static const char line[] = "nameserver " NESTED_NETWORK_RESOLVER "\n";
	int fd, err = 0;

	mkdir("/etc", 0755);
	fd = open("/etc/resolv.conf", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (write(fd, line, sizeof(line) - 1) != sizeof(line) - 1)
		err = -EIO;
	close(fd);
	return err;
}

int vmm_inner_network(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = bring_up(fd, "lo");
	if (!err)
		err = set_address(fd);
	if (!err)
		err = write_resolver();
	close(fd);
	return err;
}
