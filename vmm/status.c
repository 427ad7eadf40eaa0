/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Commands of the control socket: what the virtual machine is and does, and the services.
 */
#include <dirent.h>
#include <errno.h>
#include <hvh/hvh_channel.h>
#include <hvh/hvh_ic.h>
#include <hvh/hvh_mem.h>
#include <hvh/hvh_server.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hvw_guid.h"
#include "vmm/control.h"
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
	const char *state = "running";

	if (atomic_load(&vm->end_status) != VMM_NOT_ENDED)
		state = "ending";
	else if (atomic_load(&vm->gate) != VMM_GATE_OPEN)
		state = "restarting";
	return json_pack("{s:s, s:s, s:i, s:I, s:s, s:f, s:i}", "name", vm->config->name, "state",
			 state, "cpus", (int)vm->config->cpus, "memory",
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
		"{s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:i}", "connected", connected, "version",
		connected ? version_text(HVP_VERSION_MAJOR(version), HVP_VERSION_MINOR(version)) :
			    json_null(),
		"target_vp", connected ? json_integer(vm->hyperv.message_vp) : json_null(),
		"messages_in", (json_int_t)stats.messages_in, "messages_out",
		(json_int_t)stats.messages_out, "messages_dropped",
		(json_int_t)atomic_load(&vm->hyperv.messages_dropped), "violations",
		(json_int_t)stats.violations, "channels_open", (int)stats.channels_open);
}

static json_t *channel_json(const struct hvh_channel *channel)
{
	struct hvh_channel_info info;
	char class_id[HVW_GUID_TEXT], instance_id[HVW_GUID_TEXT];

	hvh_channel_info(channel, &info);
	hvw_guid_format(&info.device->class_id, class_id);
	hvw_guid_format(&info.device->instance_id, instance_id);
	return json_pack("{s:i, s:s, s:s, s:b, s:s, s:s, s:i, s:o, s:I, s:I, s:I, s:I}", "id",
			 (int)info.id, "device", info.device->name, "state", info.state, "broken",
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

static json_t *heartbeat_json(struct vmm_vm *vm)
{
	struct hvh_heartbeat_status status;
	json_t *json, *age = NULL;

	if (!vm->hyperv.heartbeat)
		return json_null();
	hvh_heartbeat_status(vm->hyperv.heartbeat, &status);
	json = service_json(&status.ic);
	if (status.last_reply_ns)
		age = json_integer((json_int_t)((vmm_now_ns() - status.last_reply_ns) / 1000000));
	json_object_set_new(json, "verdict",
			    json_string(hvh_heartbeat_verdict_name(status.verdict)));
	json_object_set_new(json, "guest_state", json_integer(status.guest_state));
	json_object_set_new(json, "sequence", json_integer((json_int_t)status.sequence));
	json_object_set_new(json, "last_reply_ms", age ? age : json_null());
	return json;
}

static json_t *shutdown_json(struct vmm_vm *vm)
{
	struct hvh_ic_status status;

	if (!vm->hyperv.shutdown)
		return json_null();
	hvh_shutdown_status(vm->hyperv.shutdown, &status);
	return service_json(&status);
}

static json_t *timesync_json(struct vmm_vm *vm)
{
	struct hvh_timesync_status status;
	json_t *json;

	if (!vm->hyperv.timesync)
		return json_null();
	hvh_timesync_status(vm->hyperv.timesync, &status);
	json = service_json(&status.ic);
	json_object_set_new(json, "offset_seconds",
			    json_real((double)status.offset / HVP_TIME_PER_SECOND));
	json_object_set_new(json, "syncs", json_integer((json_int_t)status.syncs));
	json_object_set_new(json, "sync_pending", json_boolean(status.sync_pending));
	return json;
}

/* The process' own truth, so that a leak shows wherever it comes from. */
static unsigned count_entries(const char *folder, const char *target)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned count = 0;

	while (dir && (entry = readdir(dir))) {
		char link[64];
		ssize_t len;

		if (entry->d_name[0] == '.')
			continue;
		len = target ? readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1) : 0;
		if (!target || (len > 0 && (size_t)len == strlen(target) &&
				memcmp(link, target, (size_t)len) == 0))
			count++;
	}
	if (dir)
		closedir(dir);
	return count;
}

static json_t *resources_json(struct vmm_vm *vm)
{
	struct hvh_server_stats stats;

	hvh_server_stats(vm->hyperv.server, &stats);
	return json_pack("{s:i, s:i, s:i, s:i, s:i}", "gpadls", (int)stats.gpadls, "gpadl_pages",
			 (int)stats.gpadl_pages, "mappings", (int)hvh_mem_held(vm->mem), "eventfds",
			 (int)count_entries("/proc/self/fd", "anon_inode:[eventfd]"), "threads",
			 (int)count_entries("/proc/self/task", NULL));
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

static json_t *status_json(struct vmm_vm *vm)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}, s:o, s:o, s:o}", "vm",
			 vm_json(vm), "guest", guest_json(vm), "vmbus", vmbus_json(vm), "channels",
			 channels_json(vm), "services", "heartbeat", heartbeat_json(vm), "shutdown",
			 shutdown_json(vm), "timesync", timesync_json(vm), "resources",
			 resources_json(vm), "exits", exits_json(vm), "crash",
			 vmm_crash_json(&vm->crash));
}

/* --- shutdown -------------------------------------------------------------------------------------- */

static void on_shutdown_answer(void *ctx, int result, uint32_t status)
{
	struct vmm_request *request = ctx;

	if (result == -ETIMEDOUT)
		vmm_reply_error(request, "the guest did not answer within %u seconds",
				HVH_SHUTDOWN_TIMEOUT_MS / 1000);
	else if (result)
		vmm_reply_error(request, "the guest closed the shutdown channel without an answer");
	else if (status == HVP_IC_NOT_SUPPORTED)
		vmm_reply_error(request, "the guest does not support this kind of shutdown");
	else if (status != HVP_IC_SUCCESS)
		vmm_reply_error(request, "the guest refused (status 0x%08x)", status);
	else
		vmm_reply(request, json_pack("{s:s}", "answer", "accepted"));
}

static void refuse_shutdown(struct vmm_vm *vm, struct vmm_request *request, int err)
{
	struct hvh_ic_status status;

	if (err == -EBUSY) {
		vmm_reply_error(request, "another shutdown request is under way");
	} else if (err == -EOPNOTSUPP) {
		vmm_reply_error(request, "the guest's shutdown driver is too old for this request");
	} else if (err == -ENOTCONN) {
		hvh_shutdown_status(vm->hyperv.shutdown, &status);
		vmm_reply_error(request, "the guest has no shutdown driver loaded (channel %s)",
				hvh_ic_state_name(status.state));
	} else {
		vmm_reply_error(request, "the request cannot be sent: %s", strerror(-err));
	}
}

static void command_shutdown(struct vmm_vm *vm, struct vmm_request *request,
			     const json_t *arguments)
{
	uint32_t flags = 0;
	int err;

	if (!vm->hyperv.shutdown) {
		vmm_reply_error(request, "this virtual machine runs without the shutdown service");
		return;
	}
	if (json_is_true(json_object_get(arguments, "force")))
		flags |= HVP_SHUTDOWN_FORCE;
	if (json_is_true(json_object_get(arguments, "reboot")))
		flags |= HVP_SHUTDOWN_RESTART;
	if (json_is_true(json_object_get(arguments, "hibernate")))
		flags |= HVP_SHUTDOWN_HIBERNATE;
	if ((flags & HVP_SHUTDOWN_RESTART) && (flags & HVP_SHUTDOWN_HIBERNATE)) {
		vmm_reply_error(request, "reboot and hibernate exclude each other");
		return;
	}
	err = hvh_shutdown_request(vm->hyperv.shutdown, flags, NULL, on_shutdown_answer, request);
	if (err)
		refuse_shutdown(vm, request, err);
}

/* --- time synchronisation ---------------------------------------------------------------------------- */

/* Some 30 years: room for every experiment, and no sum of it with a date overflows. */
#define OFFSET_SECONDS_MAX 1e9

static void command_timesync(struct vmm_vm *vm, struct vmm_request *request,
			     const json_t *arguments)
{
	const json_t *offset = json_object_get(arguments, "offset_seconds");
	double seconds = json_number_value(offset);
	struct hvh_timesync_status status;
	struct timespec now;
	json_t *json;

	if (!vm->hyperv.timesync) {
		vmm_reply_error(request, "this virtual machine runs without the timesync service");
		return;
	}
	if ((offset && !json_is_number(offset)) || seconds > OFFSET_SECONDS_MAX ||
	    seconds < -OFFSET_SECONDS_MAX) {
		vmm_reply_error(request, "\"offset_seconds\" must be a number from %.0f to %.0f",
				-OFFSET_SECONDS_MAX, OFFSET_SECONDS_MAX);
		return;
	}
	/* Before the order: whatever the guest's clock shows because of it shows it later. */
	clock_gettime(CLOCK_REALTIME, &now);
	if (hvh_timesync_step(vm->hyperv.timesync, (int64_t)(seconds * HVP_TIME_PER_SECOND))) {
		hvh_timesync_status(vm->hyperv.timesync, &status);
		vmm_reply_error(request,
				"the guest has no time synchronisation driver loaded (channel %s)",
				hvh_ic_state_name(status.ic.state));
		return;
	}
	json = timesync_json(vm);
	json_object_set_new(json, "host_time",
			    json_real((double)now.tv_sec + (double)now.tv_nsec / 1e9));
	vmm_reply(request, json);
}

void vmm_vm_command(struct vmm_vm *vm, struct vmm_request *request, const char *command,
		    const json_t *arguments)
{
	if (strcmp(command, "status") == 0) {
		vmm_reply(request, status_json(vm));
	} else if (strcmp(command, "shutdown") == 0) {
		command_shutdown(vm, request, arguments);
	} else if (strcmp(command, "timesync") == 0) {
		command_timesync(vm, request, arguments);
	} else if (strcmp(command, "heartbeat") == 0) {
		if (vm->hyperv.heartbeat)
			vmm_reply(request, heartbeat_json(vm));
		else
			vmm_reply_error(request,
					"this virtual machine runs without the heartbeat service");
	} else {
		vmm_reply_error(request, "unknown command \"%s\"", command);
	}
}
