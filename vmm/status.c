/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/status.h"

#include <dirent.h>
#include <hvh/hvh_channel.h>
#include <hvh/hvh_ic.h>
#include <hvh/hvh_mem.h>
#include <hvh/hvh_server.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hvw_guid.h"
#include "hvw_nvsp.h"
#include "vmm/disk/disk.h"
#include "vmm/net/nic.h"
#include "vmm/vm_priv.h"

/* GUEST_OS_ID. */
#define OS_ID_OPEN_SOURCE (1ull << 63)
#define OS_TYPE_LINUX	  1
#define OS_TYPE_FREEBSD	  2

static json_t *version_text(unsigned major, unsigned minor)
{
	return json_sprintf("%u.%u", major, minor);
}

static json_t *os_name(uint64_t id)
{
	unsigned type = (unsigned)(id >> 56 & 0x7f);
	uint32_t version = (uint32_t)(id >> 16);

	if (!(id & OS_ID_OPEN_SOURCE))
		return json_sprintf("proprietary 0x%016llx", (unsigned long long)id);
	if (type == OS_TYPE_LINUX)
		return json_sprintf("Linux %u.%u.%u", version >> 16, version >> 8 & 0xff,
				    version & 0xff);
	if (type == OS_TYPE_FREEBSD)
		return json_sprintf("FreeBSD %u.%u", version / 100000, version / 1000 % 100);
	return json_sprintf("open source type %u, version 0x%x", type, version);
}

static json_t *vm_json(struct vmm_vm *vm)
{
	uint64_t uptime_ns = vm->started_ns ? vmm_now_ns() - vm->started_ns : 0;
	return json_pack("{s:s, s:s, s:i, s:I, s:s, s:f, s:i}", "name", vm->config->name, "state",
			 vmm_vm_state_name(vm), "cpus", (int)vm->config->cpus, "memory",
			 (json_int_t)vm->config->memory_bytes, "accel", "kvm", "uptime_seconds",
			 (double)uptime_ns / 1e9, "restarts", (int)vm->restarts);
}

/* Known from the moment the guest's kernel says it. */
static json_t *guest_json(struct vmm_vm *vm)
{
	uint64_t id = atomic_load(&vm->hyperv.guest_os_id);

	if (!id)
		return json_null();
	return json_pack("{s:o, s:o}", "os", os_name(id), "os_id",
			 json_sprintf("0x%016llx", (unsigned long long)id));
}

static json_t *vmbus_json(struct vmm_vm *vm)
{
	struct hvh_server_stats stats;
	uint32_t version = 0;
	bool connected = hvh_server_connected(vm->hyperv.server, &version);

	hvh_server_stats(vm->hyperv.server, &stats);
	return json_pack(
		"{s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:i}", "connected", connected, "version",
		connected ? version_text(HVP_VERSION_MAJOR(version), HVP_VERSION_MINOR(version)) :
			    json_null(),
		"target_vp", connected ? json_integer(vm->hyperv.message_vp) : json_null(),
		"messages_in", (json_int_t)stats.messages_in, "messages_out",
		(json_int_t)stats.messages_out, "messages_dropped",
		(json_int_t)atomic_load(&vm->hyperv.messages_dropped), "violations",
		(json_int_t)stats.violations, "injected", (json_int_t)stats.injected,
		"channels_open", (int)stats.channels_open);
}

static json_t *channel_json(const struct hvh_channel *channel)
{
	struct hvh_channel_info info;
	char class_id[HVW_GUID_TEXT], instance_id[HVW_GUID_TEXT];

	hvh_channel_info(channel, &info);
	hvw_guid_format(&info.class_id, class_id);
	hvw_guid_format(&info.instance_id, instance_id);
	return json_pack("{s:i, s:s, s:s, s:b, s:s, s:s, s:i, s:o, s:I, s:I, s:I, s:I}", "id",
			 (int)info.id, "device", info.name, "state", info.state, "broken",
			 info.broken, "class", class_id, "instance", instance_id, "subchannel",
			 (int)info.subchannel_index, "target_vp",
			 info.open ? json_integer(info.target_vp) : json_null(), "packets_in",
			 (json_int_t)info.packets_in, "packets_out", (json_int_t)info.packets_out,
			 "signals_in", (json_int_t)info.signals_in, "signals_out",
			 (json_int_t)info.signals_out);
}

static json_t *channels_json(struct vmm_vm *vm)
{
	json_t *channels = json_array();
	struct hvh_channel *channel;

	for (unsigned i = 0; (channel = hvh_server_channel(vm->hyperv.server, i)); i++)
		json_array_append_new(channels, channel_json(channel));
	return channels;
}

/* What all services have. */
static json_t *service_json(const struct hvh_ic_status *status)
{
	bool ready = status->state == HVH_IC_READY;

	return json_pack("{s:s, s:o, s:o, s:I, s:I, s:I}", "state",
			 hvh_ic_state_name(status->state), "version",
			 ready ? version_text(status->message.major, status->message.minor) :
				 json_null(),
			 "framework",
			 ready ? version_text(status->framework.major, status->framework.minor) :
				 json_null(),
			 "requests", (json_int_t)status->requests, "replies",
			 (json_int_t)status->replies, "violations", (json_int_t)status->violations);
}

static json_t *heartbeat_json(const struct vmm_snapshot *snapshot)
{
	const struct hvh_heartbeat_status *status = &snapshot->heartbeat;
	json_t *json = service_json(&status->ic), *age = NULL;

	/* A reply may have come after the beginning. */
	if (status->last_reply_ns)
		age = json_integer(
			snapshot->now_ns > status->last_reply_ns ?
				(json_int_t)((snapshot->now_ns - status->last_reply_ns) / 1000000) :
				0);
	json_object_set_new(json, "verdict",
			    json_string(snapshot->paused ?
						"paused" :
						hvh_heartbeat_verdict_name(status->verdict)));
	json_object_set_new(json, "guest_state", json_integer(status->guest_state));
	json_object_set_new(json, "sequence", json_integer((json_int_t)status->sequence));
	json_object_set_new(json, "last_reply_ms", age ? age : json_null());
	return json;
}

static json_t *shutdown_json(const struct vmm_snapshot *snapshot)
{
	return service_json(&snapshot->shutdown);
}

static json_t *timesync_json(const struct vmm_snapshot *snapshot)
{
	const struct hvh_timesync_status *status = &snapshot->timesync;
	json_t *json = service_json(&status->ic);

	json_object_set_new(json, "offset_seconds",
			    json_real((double)status->offset / HVP_TIME_PER_SECOND));
	json_object_set_new(json, "syncs", json_integer((json_int_t)status->syncs));
	json_object_set_new(json, "sync_pending", json_boolean(status->sync_pending));
	return json;
}

static json_t *kvp_json(const struct vmm_snapshot *snapshot)
{
	json_t *json = service_json(&snapshot->kvp.ic);

	json_object_set_new(json, "facts", json_integer((json_int_t)snapshot->kvp.facts));
	return json;
}

static json_t *fcopy_json(const struct vmm_snapshot *snapshot)
{
	const struct hvh_fcopy_status *status = &snapshot->fcopy;
	json_t *json = service_json(&status->ic);

	json_object_set_new(json, "busy", json_boolean(status->open));
	json_object_set_new(json, "files", json_integer((json_int_t)status->files));
	json_object_set_new(json, "bytes", json_integer((json_int_t)status->bytes));
	return json;
}

static json_t *vss_json(const struct vmm_snapshot *snapshot)
{
	const struct hvh_vss_status *status = &snapshot->vss;
	json_t *json = service_json(&status->ic);

	json_object_set_new(json, "frozen", json_boolean(status->frozen));
	json_object_set_new(json, "freezes", json_integer((json_int_t)status->freezes));
	json_object_set_new(json, "overdue", json_integer((json_int_t)status->overdue));
	return json;
}

void vmm_snapshot_take(struct vmm_snapshot *snapshot, unsigned stop,
		       const struct hvh_device *device)
{
	snapshot->taken |= 1u << stop;
	if (stop == VMM_STOP_SCSI) {
		hvh_scsi_status(device, &snapshot->scsi);
		return;
	}
	if (stop >= VMM_SERVICES) {
		hvh_net_status(device, &snapshot->nics[stop - VMM_SERVICES]);
		return;
	}
	switch ((enum vmm_service_index)stop) {
	case VMM_SERVICE_INDEX_heartbeat:
		hvh_heartbeat_status(device, &snapshot->heartbeat);
		break;
	case VMM_SERVICE_INDEX_shutdown:
		hvh_shutdown_status(device, &snapshot->shutdown);
		break;
	case VMM_SERVICE_INDEX_timesync:
		hvh_timesync_status(device, &snapshot->timesync);
		break;
	case VMM_SERVICE_INDEX_kvp:
		hvh_kvp_status(device, &snapshot->kvp);
		break;
	case VMM_SERVICE_INDEX_fcopy:
		hvh_fcopy_status(device, &snapshot->fcopy);
		break;
	case VMM_SERVICE_INDEX_vss:
		hvh_vss_status(device, &snapshot->vss);
		break;
	case VMM_SERVICES:
		break;
	}
}

json_t *vmm_service_json(const struct vmm_snapshot *snapshot, unsigned service)
{
	static json_t *(*const functions[VMM_SERVICES])(const struct vmm_snapshot *snapshot) = {
#define SERVICE_JSON(bit, name) [bit] = name##_json,
		VMM_SERVICE_LIST(SERVICE_JSON)
#undef SERVICE_JSON
	};

	return snapshot->taken & 1u << service ? functions[service](snapshot) : json_null();
}

static json_t *services_json(const struct vmm_snapshot *snapshot)
{
	json_t *json = json_object();

#define SET_SERVICE(bit, name) json_object_set_new(json, #name, vmm_service_json(snapshot, bit));
	VMM_SERVICE_LIST(SET_SERVICE)
#undef SET_SERVICE
	return json;
}

static json_t *queue_json(const struct hvh_net_queue_status *queue)
{
	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "open", queue->open, "rx_frames", (json_int_t)queue->rx_frames, "rx_bytes",
			 (json_int_t)queue->rx_bytes, "rx_dropped", (json_int_t)queue->rx_dropped,
			 "tx_frames", (json_int_t)queue->tx_frames, "tx_bytes",
			 (json_int_t)queue->tx_bytes, "tx_dropped", (json_int_t)queue->tx_dropped,
			 "tx_checksums", (json_int_t)queue->tx_checksums, "tx_large",
			 (json_int_t)queue->tx_large, "tx_segments", (json_int_t)queue->tx_segments,
			 "rx_completions", (json_int_t)queue->rx_completions, "rx_joined",
			 (json_int_t)queue->rx_joined, "faults", (json_int_t)queue->faults);
}

static json_t *nic_json(unsigned number, const struct vmm_nic_config *config,
			const struct hvh_net_status *status)
{
	json_t *queues = json_array();
	char mac[VMM_MAC_TEXT];

	for (unsigned i = 0; i < HVH_NET_QUEUES_MAX; i++)
		if (!i || i < status->queues)
			json_array_append_new(queues, queue_json(&status->queue[i]));
	vmm_mac_format(status->mac, mac);
	return json_pack("{s:i, s:s, s:s, s:s, s:b, s:b, s:i, s:i, s:s, s:s, s:I, s:o}", "number",
			 (int)number, "kind", vmm_nic_kind_name(config->kind), "mac", mac, "nvsp",
			 hvw_nvsp_version_name(status->version), "link", status->link, "ready",
			 status->ready, "mtu", (int)status->mtu, "queues", (int)status->queues,
			 "rss", status->rss_types ? "on" : "off", "rsc",
			 status->joins ? "on" : "off", "violations", (json_int_t)status->violations,
			 "queue", queues);
}

static json_t *nics_json(const struct vmm_vm *vm, const struct vmm_snapshot *snapshot)
{
	json_t *json = json_array();

	for (unsigned i = 0; i < VMM_NICS_MAX; i++)
		if (snapshot->taken & 1u << VMM_STOP_NIC(i) && vmm_nic_config_of(vm, i))
			json_array_append_new(json, nic_json(i, vmm_nic_config_of(vm, i),
							     &snapshot->nics[i]));
	return json;
}

/* Entries of a folder of /proc: the process' own truth, so that a leak shows wherever it comes from. */
struct entries {
	unsigned all;
	unsigned eventfds;
};

static struct entries count_entries(const char *folder)
{
	static const char eventfd[] = "anon_inode:[eventfd]";
	struct entries entries = { 0 };
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char link[sizeof(eventfd)];
		ssize_t len;

		if (entry->d_name[0] == '.')
			continue;
		entries.all++;
		len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link));
		if (len == sizeof(eventfd) - 1 && !memcmp(link, eventfd, sizeof(eventfd) - 1))
			entries.eventfds++;
	}
	if (dir)
		closedir(dir);
	return entries;
}

static json_t *resources_json(struct vmm_vm *vm)
{
	struct entries fds = count_entries("/proc/self/fd"),
		       tasks = count_entries("/proc/self/task");
	struct hvh_server_stats stats;
	unsigned channels = 0;

	hvh_server_stats(vm->hyperv.server, &stats);
	while (hvh_server_channel(vm->hyperv.server, channels))
		channels++;
	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "gpadls",
			 (int)stats.gpadls, "gpadl_pages", (int)stats.gpadl_pages, "mappings",
			 (int)hvh_mem_held(vm->mem), "channels", (int)channels, "channels_owned",
			 (int)vm->hyperv.channels_started, "timers",
			 (int)atomic_load(&vm->hyperv.timers),
			 /* Less the one that is open for counting. */
			 "descriptors", (int)fds.all - 1, "eventfds", (int)fds.eventfds, "threads",
			 (int)tasks.all);
}

static json_t *exits_json(struct vmm_vm *vm)
{
	json_t *json = json_object();
	struct {
#define FIELD(name) unsigned long long name;
		VMM_EXIT_LIST(FIELD)
#undef FIELD
	} sum = { 0 };

	for (unsigned i = 0; i < vm->config->cpus; i++) {
#define ADD(name) sum.name += atomic_load(&vm->vcpus[i].exits.name);
		VMM_EXIT_LIST(ADD)
#undef ADD
	}
#define SET(name) json_object_set_new(json, #name, json_integer((json_int_t)sum.name));
	VMM_EXIT_LIST(SET)
#undef SET
	json_object_set_new(json, "io_unclaimed",
			    json_integer((json_int_t)atomic_load(&vm->pio.unclaimed)));
	json_object_set_new(json, "mmio_unclaimed",
			    json_integer((json_int_t)atomic_load(&vm->mmio_unclaimed)));
	return json;
}

json_t *vmm_status_json(struct vmm_vm *vm, const struct vmm_snapshot *snapshot)
{
	json_t *storage = snapshot->taken & 1u << VMM_STOP_SCSI ?
				  vmm_disks_json(vm, &snapshot->scsi) :
				  json_null();

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "vm", vm_json(vm),
			 "guest", guest_json(vm), "vmbus", vmbus_json(vm), "channels",
			 channels_json(vm), "services", services_json(snapshot), "nics",
			 nics_json(vm, snapshot), "storage", storage, "resources",
			 resources_json(vm), "exits", exits_json(vm), "crash",
			 vmm_crash_json(&vm->crash));
}
