/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The client reads the file and sends it in pieces, so that nothing here has to know files: in nested mode they are out of reach.
 */
#include "vmm/copy.h"

#include <errno.h>
#include <hvh/hvh_fcopy.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control.h"
#include "vmm/vm_priv.h"

/* A client that has gone says nothing more. */
#define IDLE_NS 30000000000ull

#define MESSAGES_MAX (VMM_COPY_PIECE_MAX / HVP_FCOPY_DATA)
_Static_assert(VMM_COPY_PIECE_MAX % HVP_FCOPY_DATA == 0, "no message is half full");

struct job {
	struct vmm_errand errand;
	struct vmm_request *request; /* NULL: nobody waits for it */
	json_int_t id; /* of the copy */
	enum hvp_fcopy_op op;
	char *path, *name; /* of START */
	uint8_t *data; /* of WRITE */
	struct hvh_fcopy_request ask[MESSAGES_MAX];
	unsigned asks, sent, answered;
	/* How the first that failed ended, else zero. */
	enum hvh_ic_state state; /* of the service when it refused */
	bool refused; /* `result` is what hvh_fcopy_request() said */
	int result;
	uint32_t status;
};

static struct vmm_copy *copy_of(struct vmm_vm *vm)
{
	return &vm->hyperv.copy;
}

static void free_job(struct job *job)
{
	free(job->path);
	free(job->name);
	free(job->data);
	free(job);
}

/* --- asking the guest -------------------------------------------------------------------------------- */

static void on_answer(struct hvh_fcopy_request *request, int result, uint32_t status)
{
	struct job *job = request->ctx;

	if (!job->result && !job->status) {
		job->result = result;
		job->status = status;
	}
	if (++job->answered == job->sent && job->sent == job->asks)
		vmm_errand_go_on(&job->errand);
}

static bool visit(struct vmm_errand *errand, unsigned index)
{
	struct job *job = (struct job *)errand;
	struct hvh_device *device = errand->devices[index];
	struct hvh_fcopy_status status;
	int err = 0;

	/* None of them is answered before it is sent, but the guest may have gone in between. */
	for (unsigned i = 0; i < job->asks && !err; i++) {
		err = hvh_fcopy_request(device, &job->ask[i]);
		job->sent += !err;
	}
	if (!err)
		return job->answered == job->sent;
	hvh_fcopy_status(device, &status);
	job->state = status.ic.state;
	job->refused = true;
	job->result = err;
	job->asks = job->sent;
	return job->answered == job->sent;
}

static void refuse(const struct job *job)
{
	if (job->result == -EILSEQ)
		vmm_reply_error(job->request, "the name is not UTF-8");
	else if (job->result == -EMSGSIZE)
		vmm_reply_error(job->request,
				"the name is too long: a folder and a file's name have at most "
				"%u UTF-16 units each",
				HVP_FCOPY_NAME_UNITS - 1);
	else if (job->result == -EBUSY)
		vmm_reply_error(job->request, "another file is being copied");
	else if (job->result == -EINVAL)
		vmm_reply_error(job->request, "the piece is not within the file");
	else if (job->result == -ENOENT)
		vmm_reply_error(job->request, "the guest has begun anew, and has nothing of the "
					      "file");
	else if (job->result == -ENOTCONN && job->state == HVH_IC_NEGOTIATING)
		vmm_reply_error(job->request, "the guest's file copy driver does not answer yet");
	else if (job->result == -ENOTCONN)
		vmm_reply_error(job->request,
				"the guest has no file copy driver loaded (channel %s); with "
				"kernels from 6.10 on a daemon drives the channel itself "
				"(hvis-fcopyd, hv_fcopy_uio_daemon)",
				hvh_ic_state_name(job->state));
	else
		vmm_reply_error(job->request, "the request cannot be sent: %s",
				strerror(-job->result));
}

/* What the guest's status says. */
static void refuse_by_guest(const struct job *job)
{
	bool start = job->op == HVP_FCOPY_START;

	if (job->status == HVP_IC_EXISTS)
		vmm_reply_error(job->request,
				"the guest has a file %s%s already; --overwrite replaces it",
				job->path, job->name);
	else if (job->status == HVP_IC_DISK_FULL)
		vmm_reply_error(job->request, "the guest's disk is full");
	else if (job->status == HVP_IC_INVALID)
		vmm_reply_error(job->request, "the guest does not take this name");
	else if (job->status == HVP_IC_FAIL && start)
		vmm_reply_error(job->request,
				"the guest failed: its daemon (hvis-fcopyd, hv_fcopy_daemon) does "
				"not run, or cannot write %s%s",
				job->path, job->name);
	else if (job->status == HVP_IC_FAIL)
		vmm_reply_error(job->request, "the guest failed: its daemon could not write, or "
					      "has ended");
	else
		vmm_reply_error(job->request, "the guest refused (status 0x%08x)", job->status);
}

/* False after replying with an error, as every answer but success is one. */
static bool succeeded(const struct job *job)
{
	if (job->refused)
		refuse(job);
	else if (job->result == -ETIMEDOUT)
		vmm_reply_error(job->request,
				"the guest did not answer within %u seconds; its daemon "
				"(hvis-fcopyd, hv_fcopy_daemon) may hang",
				HVH_FCOPY_TIMEOUT_MS / 1000);
	else if (job->result == -ENOTCONN)
		vmm_reply_error(job->request, "the guest closed the fcopy channel meanwhile");
	else if (job->result)
		vmm_reply_error(job->request, "the file was given up: %s", strerror(-job->result));
	else if (job->status)
		refuse_by_guest(job);
	else
		return true;
	return false;
}

/* --- orders ------------------------------------------------------------------------------------------ */

static void back(struct vmm_errand *errand)
{
	struct job *job = (struct job *)errand;
	struct vmm_copy *copy = copy_of(errand->vm);
	bool good = !job->refused && !job->result && !job->status;

	copy->busy--;
	if (job->id == copy->id &&
	    (!good || job->op == HVP_FCOPY_COMPLETE || job->op == HVP_FCOPY_CANCEL))
		copy->open = false;
	vmm_timer_set(&copy->idle, copy->open && !copy->busy ? vmm_now_ns() + IDLE_NS : 0);
	if (job->request && succeeded(job))
		vmm_reply(job->request, job->op == HVP_FCOPY_START ?
						json_pack("{s:I}", "copy", job->id) :
						json_object());
	free_job(job);
}

static struct job *create_job(struct vmm_vm *vm, struct vmm_request *request, enum hvp_fcopy_op op)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job) {
		if (request)
			vmm_reply_error(request, "out of memory");
		return NULL;
	}
	job->errand.vm = vm;
	job->errand.visit = visit;
	job->errand.back = back;
	job->request = request;
	job->op = op;
	job->asks = 1;
	for (unsigned i = 0; i < MESSAGES_MAX; i++) {
		job->ask[i].op = op;
		job->ask[i].done = on_answer;
		job->ask[i].ctx = job;
	}
	return job;
}

static void send(struct job *job)
{
	struct vmm_copy *copy = copy_of(job->errand.vm);

	job->id = copy->id;
	copy->busy++;
	vmm_timer_set(&copy->idle, 0);
	vmm_errand_start(&job->errand, VMM_SERVICE_fcopy);
}

static void on_idle(void *ctx)
{
	struct vmm_vm *vm = ctx;
	struct job *job = create_job(vm, NULL, HVP_FCOPY_CANCEL);

	copy_of(vm)->open = false;
	if (job && vm->hyperv.services[VMM_SERVICE_INDEX_fcopy].device)
		send(job);
	else
		free(job);
}

static bool is_path(const char *path)
{
	return path && path[0] == '/' && path[strlen(path) - 1] == '/';
}

/* What could lead to another folder is no file's name. */
static bool is_name(const char *name)
{
	return name && *name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

/* NULL, or what is wrong. */
static const char *take_start(struct job *job, const json_t *arguments)
{
	const char *path = json_string_value(json_object_get(arguments, "path"));
	const char *name = json_string_value(json_object_get(arguments, "name"));
	const json_t *bytes = json_object_get(arguments, "bytes");
	struct hvh_fcopy_request *ask = job->ask;

	if (copy_of(job->errand.vm)->open)
		return "another file is being copied";
	if (!is_path(path) || !is_name(name))
		return "\"path\" must be a folder from / to /, \"name\" a file's name in it";
	if (!json_is_integer(bytes) || json_integer_value(bytes) < 0)
		return "\"bytes\" must be the file's size";
	job->path = strdup(path);
	job->name = strdup(name);
	if (!job->path || !job->name)
		return "out of memory";
	ask->path = job->path;
	ask->name = job->name;
	ask->bytes = (uint64_t)json_integer_value(bytes);
	if (json_is_true(json_object_get(arguments, "overwrite")))
		ask->flags |= HVP_FCOPY_OVERWRITE;
	if (json_is_true(json_object_get(arguments, "create_dirs")))
		ask->flags |= HVP_FCOPY_CREATE_PATH;
	return NULL;
}

static const char *take_write(struct job *job, const json_t *arguments)
{
	const json_t *offset = json_object_get(arguments, "offset");
	size_t len;
	const uint8_t *data = vmm_request_data(job->request, &len);

	if (!json_is_integer(offset) || json_integer_value(offset) < 0)
		return "\"offset\" must be a place in the file";
	if (!len)
		return "\"data_bytes\" must say how many bytes follow, 1 to 43008";
	job->data = malloc(len);
	if (!job->data)
		return "out of memory";
	memcpy(job->data, data, len);
	job->asks = 0;
	for (uint32_t at = 0; at < (uint32_t)len; at += HVP_FCOPY_DATA) {
		struct hvh_fcopy_request *ask = &job->ask[job->asks++];
		uint32_t left = (uint32_t)len - at;

		ask->offset = (uint64_t)json_integer_value(offset) + at;
		ask->data = job->data + at;
		ask->size = left < HVP_FCOPY_DATA ? left : HVP_FCOPY_DATA;
	}
	return NULL;
}

/* An order about the file that is open. */
static const char *take_other(struct job *job, const json_t *arguments)
{
	const struct vmm_copy *copy = copy_of(job->errand.vm);

	if (!copy->open || json_integer_value(json_object_get(arguments, "copy")) != copy->id)
		return "this copy is over: it failed, or nothing was heard of it for 30 seconds";
	return job->op == HVP_FCOPY_WRITE ? take_write(job, arguments) : NULL;
}

void vmm_copy_command(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments)
{
	static const char *const orders[] = {
		[HVP_FCOPY_START] = "start",
		[HVP_FCOPY_WRITE] = "write",
		[HVP_FCOPY_COMPLETE] = "complete",
		[HVP_FCOPY_CANCEL] = "cancel",
	};
	const char *order = json_string_value(json_object_get(arguments, "order")), *wrong;
	unsigned op = 0;
	struct job *job;

	while (op < 4 && (!order || strcmp(order, orders[op])))
		op++;
	if (op == 4) {
		vmm_reply_error(request, "\"order\" must be start, write, complete or cancel");
		return;
	}
	if (!vm->hyperv.services[VMM_SERVICE_INDEX_fcopy].device) {
		vmm_reply_error(request,
				"this virtual machine runs without the fcopy service; "
				"`hvhost service %s on fcopy` offers it",
				vm->config->name);
		return;
	}
	job = create_job(vm, request, (enum hvp_fcopy_op)op);
	if (!job)
		return;
	wrong = op == HVP_FCOPY_START ? take_start(job, arguments) : take_other(job, arguments);
	if (wrong) {
		vmm_reply_error(request, "%s", wrong);
		free_job(job);
		return;
	}
	if (op == HVP_FCOPY_START) {
		copy_of(vm)->open = true;
		copy_of(vm)->id++;
	}
	send(job);
}

void vmm_copy_init(struct vmm_vm *vm)
{
	vmm_timer_init(&copy_of(vm)->idle, vm->loop, on_idle, vm);
}

void vmm_copy_fini(struct vmm_vm *vm)
{
	vmm_timer_set(&copy_of(vm)->idle, 0);
}
