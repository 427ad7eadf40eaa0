/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The client copies the disks, because it can reach the files in nested mode too, and here nothing may wait for that. That the guest
 * is thawed in time does not depend on the client: the service does it by itself.
 */
#include "vmm/backup.h"

#include <errno.h>
#include <hvh/hvh_vss.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control.h"
#include "vmm/disk/disk.h"
#include "vmm/vm_priv.h"

struct job {
	struct vmm_errand errand;
	struct vmm_request *request;
	struct hvh_device *device; /* on its loop, until the errand goes on */
	struct hvh_vss_request ask;
	uint64_t begin_ns, frozen_ns; /* when the freeze was asked for, and confirmed */
	enum hvh_ic_state state; /* of the service when it refused */
	bool refused; /* `result` is what hvh_vss_request() said */
	int result;
	uint32_t status;
};

/* --- asking the guest -------------------------------------------------------------------------------- */

static bool ask(struct job *job, enum hvp_vss_op op)
{
	struct hvh_vss_status status;

	job->ask.op = op;
	job->result = hvh_vss_request(job->device, &job->ask);
	if (!job->result)
		return true;
	hvh_vss_status(job->device, &status);
	job->state = status.ic.state;
	job->refused = true;
	return false;
}

static void on_answer(struct hvh_vss_request *request, int result, uint32_t status)
{
	struct job *job = request->ctx;
	bool good = !result && status == HVP_IC_SUCCESS;

	job->result = result;
	job->status = status;
	job->frozen_ns = vmm_now_ns();
	/* First whether it can, then that it does; in the end that it is over, which is no more than polite. */
	if (good && request->op == HVP_VSS_HOT_BACKUP) {
		if (ask(job, HVP_VSS_FREEZE))
			return;
	} else if (good && request->op == HVP_VSS_THAW) {
		if (ask(job, HVP_VSS_COMPLETE))
			return;
		job->refused = false;
		job->result = 0;
	} else if (request->op == HVP_VSS_COMPLETE) {
		job->result = 0;
		job->status = HVP_IC_SUCCESS;
	}
	vmm_errand_go_on(&job->errand);
}

static bool visit(struct vmm_errand *errand, unsigned index)
{
	struct job *job = (struct job *)errand;

	job->device = errand->devices[index];
	job->begin_ns = vmm_now_ns();
	return !ask(job, job->ask.op);
}

static void refuse(const struct job *job)
{
	if (job->result == -EBUSY)
		vmm_reply_error(job->request, "another backup is under way");
	else if (job->result == -ENOENT)
		vmm_reply_error(job->request,
				"the guest is not frozen any more: the time for it was over, or it "
				"began anew");
	else if (job->result == -ENOTCONN && job->state == HVH_IC_UNUSABLE)
		vmm_reply_error(job->request, "the guest's backup driver is too old");
	else if (job->result == -ENOTCONN)
		vmm_reply_error(job->request, "the guest has no backup driver loaded (channel %s)",
				hvh_ic_state_name(job->state));
	else
		vmm_reply_error(job->request, "the request cannot be sent: %s",
				strerror(-job->result));
}

/* False after replying with an error, as every answer but success is one. */
static bool succeeded(const struct job *job)
{
	const char *what = job->ask.op == HVP_VSS_HOT_BACKUP ? "be backed up while it runs" :
			   job->ask.op == HVP_VSS_FREEZE     ? "freeze its file systems" :
							       "thaw its file systems";

	if (job->refused)
		refuse(job);
	else if (job->result == -ETIMEDOUT)
		vmm_reply_error(job->request,
				"the guest did not say in time that it could %s; its daemon "
				"(hvis-vssd, hv_vss_daemon) may hang",
				what);
	else if (job->result == -ENOTCONN)
		vmm_reply_error(job->request, "the guest closed the vss channel meanwhile");
	else if (job->result)
		vmm_reply_error(job->request, "the guest's answer makes no sense");
	else if (job->status && job->ask.op == HVP_VSS_HOT_BACKUP)
		vmm_reply_error(job->request,
				"the guest cannot be backed up while it runs (status 0x%08x): its "
				"daemon (hvis-vssd, hv_vss_daemon) does not run",
				job->status);
	else if (job->status)
		vmm_reply_error(job->request,
				"the guest could not %s (status 0x%08x); its log says which", what,
				job->status);
	else
		return true;
	return false;
}

/* --- orders ------------------------------------------------------------------------------------------ */

static void reply_freeze(struct vmm_errand *errand)
{
	struct job *job = (struct job *)errand;

	if (succeeded(job))
		vmm_reply(job->request,
			  json_pack("{s:I, s:I}", "freeze", (json_int_t)job->ask.number, "freeze_ms",
				    (json_int_t)((job->frozen_ns - job->begin_ns) / 1000000)));
	free(job);
}

static void reply_thaw(struct vmm_errand *errand)
{
	struct job *job = (struct job *)errand;

	if (succeeded(job))
		vmm_reply(job->request, json_object());
	free(job);
}

void vmm_backup_command(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments)
{
	const char *order = json_string_value(json_object_get(arguments, "order"));
	const json_t *hold = json_object_get(arguments, "hold_seconds"),
		     *timeout = json_object_get(arguments, "timeout_seconds");
	bool freeze = order && !strcmp(order, "freeze");
	struct job *job;

	if (!freeze && (!order || strcmp(order, "thaw"))) {
		vmm_reply_error(request, "\"order\" must be freeze or thaw");
		return;
	}
	if (freeze && (!json_is_integer(hold) || json_integer_value(hold) < 1 ||
		       json_integer_value(hold) > VMM_BACKUP_HOLD_MAX ||
		       (timeout && (!json_is_integer(timeout) || json_integer_value(timeout) < 1 ||
				    json_integer_value(timeout) > VMM_BACKUP_HOLD_MAX)))) {
		vmm_reply_error(request,
				"\"hold_seconds\" and \"timeout_seconds\" must be numbers from 1 "
				"to %d",
				VMM_BACKUP_HOLD_MAX);
		return;
	}
	if (!vm->hyperv.services[VMM_SERVICE_INDEX_vss].device) {
		vmm_reply_error(request,
				"this virtual machine runs without the vss service; `hvhost "
				"service %s on vss` offers it",
				vm->config->name);
		return;
	}
	job = calloc(1, sizeof(*job));
	if (!job) {
		vmm_reply_error(request, "out of memory");
		return;
	}
	job->errand.vm = vm;
	job->errand.visit = visit;
	job->errand.back = freeze ? reply_freeze : reply_thaw;
	job->request = request;
	job->ask.op = freeze ? HVP_VSS_HOT_BACKUP : HVP_VSS_THAW;
	job->ask.hold_ms = (uint32_t)json_integer_value(hold) * 1000;
	job->ask.timeout_ms = (uint32_t)json_integer_value(timeout) * 1000;
	job->ask.number = (uint64_t)json_integer_value(json_object_get(arguments, "freeze"));
	job->ask.done = on_answer;
	job->ask.ctx = job;
	vmm_errand_start(&job->errand, VMM_SERVICE_vss);
}
