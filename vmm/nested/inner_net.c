/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The inner Linux's own network: what a VM's user-mode networking there uses in place of the outer machine's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

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
