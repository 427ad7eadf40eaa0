/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Commands of the control socket about a virtual machine. What they want of a service is an errand to
 * its loop, so each is: check, start; on the service's loop, do; back on the control loop, reply.
 */
#include <errno.h>
#include <hvh/hvh_ic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/backup.h"
#include "vmm/control.h"
#include "vmm/disk/disk.h"
#include "vmm/net/nic.h"
#include "vmm/pm.h"
#include "vmm/status.h"
#include "vmm/vm_priv.h"

enum nic_order { NIC_CONNECT, NIC_DISCONNECT, NIC_CHANGED };

struct job {
	struct vmm_errand errand;
	struct vmm_request *request;
	struct vmm_snapshot snapshot;
	int refused; /* what the service said to it: 0 or negative errno */
	/* shutdown */
	uint32_t flags;
	int result;
	uint32_t status;
	/* nic */
	enum nic_order order;
	/* timesync */
	int64_t offset;
	struct timespec now;
};

/* NULL after replying with an error. */
static struct job *create_job(struct vmm_vm *vm, struct vmm_request *request,
			      bool (*visit)(struct vmm_errand *errand, unsigned index),
			      void (*back)(struct vmm_errand *errand))
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job) {
		vmm_reply_error(request, "out of memory");
		return NULL;
	}
	job->errand.vm = vm;
	job->errand.visit = visit;
	job->errand.back = back;
	job->request = request;
	job->snapshot.paused = vm->pause.state == VMM_PAUSE_STANDS;
	job->snapshot.now_ns = vmm_vm_clock_ns(vm);
	return job;
}

/* False after replying with an error. */
static bool has_service(struct vmm_vm *vm, struct vmm_request *request, unsigned index,
			const char *name)
{
	if (vm->hyperv.services[index].device)
		return true;
	vmm_reply_error(request, "this virtual machine runs without the %s service", name);
	return false;
}

/* --- status ------------------------------------------------------------------------------------------ */

static bool take_snapshot(struct vmm_errand *errand, unsigned index)
{
	struct job *job = (struct job *)errand;

	vmm_snapshot_take(&job->snapshot, index, errand->devices[index]);
	return true;
}

static void reply_status(struct vmm_errand *errand)
{
	struct job *job = (struct job *)errand;

	vmm_reply(job->request, vmm_status_json(errand->vm, &job->snapshot));
	free(job);
}

static void command_status(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments)
{
	struct job *job = create_job(vm, request, take_snapshot, reply_status);

	(void)arguments;
	if (job)
		vmm_errand_start(&job->errand, ~0u);
}

static void reply_heartbeat(struct vmm_errand *errand)
{
	struct job *job = (struct job *)errand;

	vmm_reply(job->request, vmm_service_json(&job->snapshot, VMM_SERVICE_INDEX_heartbeat));
	free(job);
}

static void command_heartbeat(struct vmm_vm *vm, struct vmm_request *request,
			      const json_t *arguments)
{
	struct job *job;

	(void)arguments;
	if (!has_service(vm, request, VMM_SERVICE_INDEX_heartbeat, "heartbeat"))
		return;
	job = create_job(vm, request, take_snapshot, reply_heartbeat);
	if (job)
		vmm_errand_start(&job->errand, VMM_SERVICE_heartbeat);
}

/* --- shutdown ---------------------------------------------------------------------------------------- */

static void on_shutdown_answer(void *ctx, int result, uint32_t status)
{
	struct job *job = ctx;

	job->result = result;
	job->status = status;
	vmm_errand_go_on(&job->errand);
}

static bool request_shutdown(struct vmm_errand *errand, unsigned index)
{
	struct job *job = (struct job *)errand;
	int err = hvh_shutdown_request(errand->devices[index], job->flags, NULL, on_shutdown_answer,
				       job);

	if (!err)
		return false;
	job->refused = err;
	return take_snapshot(errand, index);
}

static void refuse_shutdown(const struct job *job)
{
	if (job->refused == -EBUSY)
		vmm_reply_error(job->request, "another shutdown request is under way");
	else if (job->refused == -EOPNOTSUPP)
		vmm_reply_error(job->request,
				"the guest's shutdown driver is too old for this request");
	else if (job->refused == -ENOTCONN)
		vmm_reply_error(job->request,
				"the guest has no shutdown driver loaded (channel %s)",
				hvh_ic_state_name(job->snapshot.shutdown.state));
	else
		vmm_reply_error(job->request, "the request cannot be sent: %s",
				strerror(-job->refused));
}

static void reply_shutdown(struct vmm_errand *errand)
{
	struct job *job = (struct job *)errand;

	if (job->refused)
		refuse_shutdown(job);
	else if (job->result == -ETIMEDOUT)
		vmm_reply_error(job->request, "the guest did not answer within %u seconds",
				HVH_SHUTDOWN_TIMEOUT_MS / 1000);
	else if (job->result)
		vmm_reply_error(job->request,
				"the guest closed the shutdown channel without an answer");
	else if (job->status == HVP_IC_NOT_SUPPORTED)
		vmm_reply_error(job->request, "the guest does not support this kind of shutdown");
	else if (job->status != HVP_IC_SUCCESS)
		vmm_reply_error(job->request, "the guest refused (status 0x%08x)", job->status);
	else
		vmm_reply(job->request, json_pack("{s:s}", "answer", "accepted"));
	free(job);
}

static void command_shutdown(struct vmm_vm *vm, struct vmm_request *request,
			     const json_t *arguments)
{
	uint32_t flags = 0;
	struct job *job;

	if (!has_service(vm, request, VMM_SERVICE_INDEX_shutdown, "shutdown"))
		return;
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
	job = create_job(vm, request, request_shutdown, reply_shutdown);
	if (!job)
		return;
	job->flags = flags;
	vmm_errand_start(&job->errand, VMM_SERVICE_shutdown);
}

static void command_power_button(struct vmm_vm *vm, struct vmm_request *request,
				 const json_t *arguments)
{
	(void)arguments;
	if (vmm_pm_power_button(vm->pm))
		vmm_reply(request, json_pack("{s:s}", "answer", "pressed"));
	else
		vmm_reply_error(request, "the guest does not listen to its power button");
}

/* --- time synchronisation ------------------------------------------------------------------------------ */

/* Some 30 years: room for every experiment, and no sum of it with a date overflows. */
#define OFFSET_SECONDS_MAX 1e9

static bool step_time(struct vmm_errand *errand, unsigned index)
{
	struct job *job = (struct job *)errand;

	/* Before the order: whatever the guest's clock shows because of it shows it later. */
	clock_gettime(CLOCK_REALTIME, &job->now);
	job->refused = hvh_timesync_step(errand->devices[index], job->offset);
	return take_snapshot(errand, index);
}

static void reply_timesync(struct vmm_errand *errand)
{
	struct job *job = (struct job *)errand;
	json_t *json;

	if (job->refused) {
		vmm_reply_error(job->request,
				"the guest has no time synchronisation driver loaded (channel %s)",
				hvh_ic_state_name(job->snapshot.timesync.ic.state));
	} else {
		json = vmm_service_json(&job->snapshot, VMM_SERVICE_INDEX_timesync);
		json_object_set_new(
			json, "host_time",
			json_real((double)job->now.tv_sec + (double)job->now.tv_nsec / 1e9));
		vmm_reply(job->request, json);
	}
	free(job);
}

static void command_timesync(struct vmm_vm *vm, struct vmm_request *request,
			     const json_t *arguments)
{
	const json_t *offset = json_object_get(arguments, "offset_seconds");
	double seconds = json_number_value(offset);
	struct job *job;

	if (!has_service(vm, request, VMM_SERVICE_INDEX_timesync, "timesync"))
		return;
	if ((offset && !json_is_number(offset)) || seconds > OFFSET_SECONDS_MAX ||
	    seconds < -OFFSET_SECONDS_MAX) {
		vmm_reply_error(request, "\"offset_seconds\" must be a number from %.0f to %.0f",
				-OFFSET_SECONDS_MAX, OFFSET_SECONDS_MAX);
		return;
	}
	job = create_job(vm, request, step_time, reply_timesync);
	if (!job)
		return;
	job->offset = (int64_t)(seconds * HVP_TIME_PER_SECOND);
	vmm_errand_start(&job->errand, VMM_SERVICE_timesync);
}

/* --- network adapters -------------------------------------------------------------------------------- */

static bool order_nic(struct vmm_errand *errand, unsigned index)
{
	const struct job *job = (const struct job *)errand;
	struct hvh_device *device = errand->devices[index];

	if (job->order == NIC_CHANGED)
		hvh_net_changed(device);
	else
		hvh_net_link(device, job->order == NIC_CONNECT);
	return true;
}

static void reply_done(struct vmm_errand *errand)
{
	struct job *job = (struct job *)errand;

	vmm_reply(job->request, json_object());
	free(job);
}

static void reply_removed(void *ctx)
{
	vmm_reply(ctx, json_object());
}

static void remove_nic(struct vmm_vm *vm, struct vmm_request *request, unsigned nic)
{
	int err = vmm_nic_remove(vm, nic, reply_removed, request);

	if (err == -EBUSY)
		vmm_reply_error(request, "network adapter %u is just being removed", nic);
	else if (err)
		vmm_reply_error(request, "network adapter %u cannot be removed: %s", nic,
				strerror(-err));
}

/* What the inner side of the nested mode cannot reach: it must be named when the machine is started. */
static bool is_outside(const struct vmm_vm *vm, const struct vmm_nic_config *config)
{
	return vm->config->accel == VMM_ACCEL_NESTED &&
	       (*config->pcap || config->forwards || config->kind == VMM_NIC_TAP);
}

static void add_nic(struct vmm_vm *vm, struct vmm_request *request, const char *text)
{
	struct vmm_nic_config config;
	const char *right = text ? vmm_nic_config_parse(text, &config) : "must be given";
	int nic;

	if (right) {
		vmm_reply_error(request, "\"kind\": %s", right);
		return;
	}
	if (is_outside(vm, &config)) {
		vmm_reply_error(request, "in the nested mode an adapter with tap=, pcap= or "
					 "hostfwd= must be there from the start");
		return;
	}
	nic = vmm_nic_add(vm, text);
	if (nic == -ENOSPC)
		vmm_reply_error(request, "there are %d network adapters, and cannot be more",
				VMM_NICS_MAX);
	else if (nic < 0)
		vmm_reply_error(request, "the network adapter cannot be made: %s", strerror(-nic));
	else
		vmm_reply(request, json_pack("{s:i}", "nic", nic));
}

static void command_nic(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments)
{
	static const char *const orders[] = { "connect", "disconnect", "changed", "remove" };
	const json_t *number = json_object_get(arguments, "nic");
	const char *order = json_string_value(json_object_get(arguments, "order"));
	json_int_t nic = json_integer_value(number);
	unsigned which = 0;
	struct job *job;

	if (order && !strcmp(order, "add")) {
		add_nic(vm, request, json_string_value(json_object_get(arguments, "kind")));
		return;
	}
	while (which < 4 && (!order || strcmp(order, orders[which])))
		which++;
	if (!json_is_integer(number) || nic < 0 || nic >= VMM_NICS_MAX || which == 4) {
		vmm_reply_error(
			request,
			"\"nic\" must be a number and \"order\" add, remove, connect, disconnect or "
			"changed");
		return;
	}
	if (!vmm_nic_device(vm, (unsigned)nic)) {
		vmm_reply_error(request, "there is no network adapter %d", (int)nic);
		return;
	}
	if (!strcmp(order, "remove")) {
		remove_nic(vm, request, (unsigned)nic);
		return;
	}
	job = create_job(vm, request, order_nic, reply_done);
	if (!job)
		return;
	job->order = which;
	vmm_errand_start(&job->errand, 1u << VMM_STOP_NIC((unsigned)nic));
}

/* --- services on and off ----------------------------------------------------------------------------- */

static void reply_off(void *ctx)
{
	vmm_reply(ctx, json_object());
}

static void refuse_switch(struct vmm_request *request, const char *name, bool on, int err)
{
	if (err == -EALREADY)
		vmm_reply_error(request, "the %s service is %s already", name, on ? "on" : "off");
	else if (err == -EBUSY)
		vmm_reply_error(request, "the %s service is just being switched off", name);
	else if (err == -EOPNOTSUPP)
		vmm_reply_error(
			request,
			"the %s service needs the reference counter, which this virtual machine "
			"runs without",
			name);
	else
		vmm_reply_error(request, "the %s service cannot be switched %s: %s", name,
				on ? "on" : "off", strerror(-err));
}

static void command_service(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments)
{
	static const char *const names[VMM_SERVICES] = {
#define SERVICE_NAME(bit, name) [bit] = #name,
		VMM_SERVICE_LIST(SERVICE_NAME)
#undef SERVICE_NAME
	};
	const char *name = json_string_value(json_object_get(arguments, "service"));
	const json_t *on = json_object_get(arguments, "on");
	unsigned index = 0;
	int err;

	while (name && index < VMM_SERVICES && strcmp(name, names[index]) != 0)
		index++;
	if (!name || index == VMM_SERVICES || !json_is_boolean(on)) {
		vmm_reply_error(request,
				"\"service\" must name a service, and \"on\" be true or false");
		return;
	}
	if (json_is_true(on)) {
		err = vmm_service_on(vm, index);
		if (!err)
			vmm_reply(request, json_object());
	} else {
		err = vmm_service_off(vm, index, reply_off, request);
	}
	if (err)
		refuse_switch(request, name, json_is_true(on), err);
}

/* --- nmi, pause, resume --------------------------------------------------------------------------------- */

/* As Hyper-V does: to every processor. Linux has one of them handle it. */
static void command_nmi(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments)
{
	(void)arguments;
	for (unsigned i = 0; i < vm->config->cpus; i++)
		vmm_vcpu_request(&vm->vcpus[i], VMM_REQUEST_NMI);
	vmm_reply(request, json_pack("{s:i}", "processors", (int)vm->config->cpus));
}

static void command_pause(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments)
{
	(void)arguments;
	vmm_pause_begin(vm, request);
}

static void command_resume(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments)
{
	(void)arguments;
	vmm_pause_end(vm, request);
}

/* --- all ----------------------------------------------------------------------------------------------- */

void vmm_vm_command(struct vmm_vm *vm, struct vmm_request *request, const char *command,
		    const json_t *arguments)
{
	static const struct {
		const char *name;
		void (*run)(struct vmm_vm *vm, struct vmm_request *request,
			    const json_t *arguments);
		bool needs_guest; /* that is not paused */
	} commands[] = {
		/* clang-format off */
		{ "status", command_status, false },
		{ "heartbeat", command_heartbeat, false },
		{ "shutdown", command_shutdown, true },
		{ "power-button", command_power_button, true },
		{ "timesync", command_timesync, true },
		{ "kvp", vmm_kvp_command, true },
		{ "ip", vmm_ip_command, true },
		{ "copy", vmm_copy_command, true },
		{ "backup", vmm_backup_command, true },
		{ "service", command_service, false },
		{ "nic", command_nic, false },
		{ "disk", vmm_disk_command, false },
		{ "nmi", command_nmi, true },
		{ "pause", command_pause, false },
		{ "resume", command_resume, false },
		/* clang-format on */
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(command, commands[i].name) != 0)
			continue;
		if (commands[i].needs_guest && vm->pause.state != VMM_PAUSE_NONE)
			vmm_reply_error(request,
					"the guest is paused; `hvhost resume %s` lets it go on",
					vm->config->name);
		else
			commands[i].run(vm, request, arguments);
		return;
	}
	vmm_reply_error(request, "unknown command \"%s\"", command);
}
