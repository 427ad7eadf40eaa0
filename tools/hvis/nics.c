/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Network devices: the kernel's name, its queues, and what is left to the host.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/hvis/bus.h"

#define NET "sys/bus/vmbus/devices/%s/net"

/* What each is asked by: a number, or a bit of one. */
static const struct {
	uint32_t command;
	uint32_t bit; /* 0: any */
	const char *name;
} offloads[HVIS_OFFLOADS] = {
	{ ETHTOOL_GTXCSUM, 0, "tx_checksum" },	     { ETHTOOL_GRXCSUM, 0, "rx_checksum" },
	{ ETHTOOL_GTSO, 0, "segmentation" },	     { ETHTOOL_GFLAGS, ETH_FLAG_LRO, "joining" },
	{ ETHTOOL_GFLAGS, ETH_FLAG_RXHASH, "hash" },
};

const char *hvis_offload_name(unsigned offload)
{
	return offloads[offload].name;
}

static bool ask(int fd, const char *name, uint32_t command, uint32_t *value)
{
	struct ethtool_value question = { .cmd = command };
	struct ifreq request = { .ifr_data = (void *)&question };

	if (strlen(name) >= sizeof(request.ifr_name))
		return false;
	strcpy(request.ifr_name, name);
	if (ioctl(fd, SIOCETHTOOL, &request))
		return false;
	*value = question.data;
	return true;
}

/* No file tells these: the running kernel is asked, which a recorded tree has none of. */
static void read_offloads(struct hvis_nic *nic)
{
	int fd = hvis_root_recorded() ? -1 : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	nic->offloads_known = true;
	for (unsigned i = 0; i < HVIS_OFFLOADS && nic->offloads_known; i++) {
		uint32_t value;

		nic->offloads_known = ask(fd, nic->name, offloads[i].command, &value);
		if (nic->offloads_known && (offloads[i].bit ? value & offloads[i].bit : value))
			nic->offloads |= 1u << i;
	}
	close(fd);
}

static unsigned count_queues(const char *folder, const char *name)
{
	struct hvis_names list;
	char path[HVIS_PATH_MAX];
	unsigned count = 0;

	if ((size_t)snprintf(path, sizeof(path), NET "/%s/queues", folder, name) >= sizeof(path) ||
	    hvis_list(&list, path))
		return 0;
	for (size_t i = 0; i < list.count; i++)
		count += !strncmp(list.names[i], "rx-", 3);
	hvis_names_fini(&list);
	return count;
}

static void read_nic(struct hvis_nic *nic, const char *folder, const char *name)
{
	snprintf(nic->name, sizeof(nic->name), "%s", name);
	hvis_read_text(nic->state, sizeof(nic->state), NET "/%s/operstate", folder, name);
	hvis_read_number(&nic->mtu, NET "/%s/mtu", folder, name);
	nic->queues = count_queues(folder, name);
	read_offloads(nic);
}

int hvis_nics_read(struct hvis_device *device)
{
	struct hvis_names list;
	char path[HVIS_PATH_MAX];
	int err;

	if ((size_t)snprintf(path, sizeof(path), NET, device->folder) >= sizeof(path))
		return 0;
	/* It has no driver, or its network device is in another namespace. */
	err = hvis_list(&list, path);
	if (err) {
		hvis_names_fini(&list);
		return err == -ENOMEM ? err : 0;
	}
	device->nics = calloc(list.count ? list.count : 1, sizeof(*device->nics));
	for (; device->nics && device->nic_count < list.count; device->nic_count++)
		read_nic(&device->nics[device->nic_count], device->folder,
			 list.names[device->nic_count]);
	hvis_names_fini(&list);
	return device->nics ? 0 : -ENOMEM;
}
