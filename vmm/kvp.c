/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/kvp.h"

#include <errno.h>
#include <hvh/hvh_channel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "hvw_guid.h"
#include "vmm/control.h"
#include "vmm/ip_settings.h"
#include "vmm/net/nic.h"
#include "vmm/vm_priv.h"

/* Pairs in one reply: with every character escaped they are a quarter of what a client's output may be. */
#define PAGE_PAIRS 32

/* A pool that has no end by then has none: what asks for more is refused. */
#define INDEX_MAX 65536

/* --- facts about the host ---------------------------------------------------------------------------- */

static void add_fact(struct vmm_vm *vm, unsigned *count, const char *key, const char *value)
{
	struct hvh_kvp_fact *fact = &vm->hyperv.facts[(*count)++];

	snprintf(fact->key, sizeof(fact->key), "%s", key);
	snprintf(fact->value, sizeof(fact->value), "%s", value);
}

int vmm_kvp_create(struct vmm_vm *vm, struct hvh_device **device)
{
	struct utsname system;
	unsigned count = 0;

	if (!uname(&system)) {
		add_fact(vm, &count, "HostName", system.nodename);
		add_fact(vm, &count, "PhysicalHostName", system.nodename);
		/* As good as it can be had without a resolver, which may take its time. */
		add_fact(vm, &count, "PhysicalHostNameFullyQualified", system.nodename);
		add_fact(vm, &count, "HostingSystemProcessorArchitecture", system.machine);
	}
	add_fact(vm, &count, "VirtualMachineName", vm->config->name);
	return hvh_kvp_create(vm->hyperv.facts, count, device);
}

/* --- asking the guest -------------------------------------------------------------------------------- */

struct job {
	struct vmm_errand errand;
	struct vmm_request *request;
	struct hvh_device *device; /* on its loop, until the errand goes on */
	struct hvh_kvp_request ask;
	struct hvh_kvp_ip ip;
	json_t *pairs; /* LIST: those so far */
	enum hvh_ic_state state; /* of the service when it refused */
	bool refused; /* `result` is what hvh_kvp_request() said */
	int result;
	uint32_t status;
};

static bool ask(struct job *job)
{
	struct hvh_kvp_status status;

	job->result = hvh_kvp_request(job->device, &job->ask);
	if (!job->result)
		return true;
	hvh_kvp_status(job->device, &status);
	job->state = status.ic.state;
	job->refused = true;
	return false;
}

static void on_answer(struct hvh_kvp_request *request, int result, uint32_t status)
{
	struct job *job = request->ctx;

	job->result = result;
	job->status = status;
	if (request->op == HVP_KVP_ENUMERATE && !result && status == HVP_IC_SUCCESS) {
		json_array_append_new(job->pairs, json_pack("{s:s, s:s}", "key", request->key,
							    "value", request->value));
		request->index++;
		if (json_array_size(job->pairs) < PAGE_PAIRS && ask(job))
			return;
	}
	vmm_errand_go_on(&job->errand);
}

static bool visit(struct vmm_errand *errand, unsigned index)
{
	struct job *job = (struct job *)errand;

	job->device = errand->devices[index];
	return !ask(job);
}

static struct job *create_job(struct vmm_vm *vm, struct vmm_request *request, enum hvp_kvp_op op,
			      void (*back)(struct vmm_errand *errand))
{
	struct job *job;

	if (!vm->hyperv.services[VMM_SERVICE_INDEX_kvp].device) {
		vmm_reply_error(request, "this virtual machine runs without the kvp service");
		return NULL;
	}
	job = calloc(1, sizeof(*job));
	if (!job) {
		vmm_reply_error(request, "out of memory");
		return NULL;
	}
	job->errand.vm = vm;
	job->errand.visit = visit;
	job->errand.back = back;
	job->request = request;
	job->ask.op = op;
	job->ask.done = on_answer;
	job->ask.ctx = job;
	job->ask.ip = &job->ip;
	return job;
}

static void refuse(const struct job *job)
{
	if (job->result == -EILSEQ)
		vmm_reply_error(job->request, "the text is not UTF-8");
	else if (job->result == -EMSGSIZE)
		vmm_reply_error(
			job->request,
			"the text is too long: a key has at most %u UTF-16 units, a value %u",
			HVP_KVP_KEY_UNITS - 1, HVP_KVP_VALUE_UNITS - 1);
	else if (job->result == -ENOTCONN && job->state == HVH_IC_NEGOTIATING)
		vmm_reply_error(job->request,
				"the guest's key-value driver does not answer yet: its daemon "
				"(hvis-kvpd, hv_kvp_daemon) may not run");
	else if (job->result == -ENOTCONN)
		vmm_reply_error(job->request,
				"the guest has no key-value driver loaded (channel %s)",
				hvh_ic_state_name(job->state));
	else
		vmm_reply_error(job->request, "the request cannot be sent: %s",
				strerror(-job->result));
}

/* False after replying with an error, as every answer but success is one. `no_more`: what HVP_IC_NO_MORE_ITEMS means. */
static bool succeeded(const struct job *job, const char *no_more)
{
	if (job->refused)
		refuse(job);
	else if (job->result == -ETIMEDOUT)
		vmm_reply_error(
			job->request,
			"the guest did not answer within %u seconds; its daemon (hvis-kvpd, hv_kvp_daemon) "
			"may not run",
			HVH_KVP_TIMEOUT_MS / 1000);
	else if (job->result == -ENOTCONN)
		vmm_reply_error(job->request, "the guest closed the kvp channel without an answer");
	else if (job->result == -EPROTO)
		vmm_reply_error(job->request, "the guest's answer makes no sense");
	else if (job->result)
		vmm_reply_error(job->request, "the request cannot be sent: %s",
				strerror(-job->result));
	else if (job->status == HVP_IC_NO_MORE_ITEMS)
		vmm_reply_error(job->request, "%s", no_more);
	else if (job->status == HVP_IC_NOT_FOUND)
		vmm_reply_error(job->request, "the guest does not have this network adapter");
	else if (job->status == HVP_IC_INVALID)
		vmm_reply_error(job->request, "the guest takes an argument for invalid");
	else if (job->status == HVP_IC_FAIL)
		vmm_reply_error(
			job->request,
			"the guest failed: its daemon (hvis-kvpd, hv_kvp_daemon) could not do it, or has ended");
	else if (job->status)
		vmm_reply_error(job->request, "the guest refused (status 0x%08x)", job->status);
	else
		return true;
	return false;
}

/* --- pairs ------------------------------------------------------------------------------------------- */

static void reply_list(struct vmm_errand *errand)
{
	struct job *job = (struct job *)errand;
	bool end = !job->refused && !job->result && job->status == HVP_IC_NO_MORE_ITEMS;

	if (end || succeeded(job, ""))
		vmm_reply(job->request,
			  json_pack("{s:O, s:o}", "pairs", job->pairs, "next",
				    end ? json_null() : json_integer(job->ask.index)));
	json_decref(job->pairs);
	free(job);
}

static void reply_set(struct vmm_errand *errand)
{
	struct job *job = (struct job *)errand;

	if (succeeded(job, "the guest's daemon does not keep this pair: it may be too long for it"))
		vmm_reply(job->request, json_object());
	free(job);
}

static void reply_delete(struct vmm_errand *errand)
{
	struct job *job = (struct job *)errand;

	if (succeeded(job, "the guest has no such key in this pool"))
		vmm_reply(job->request, json_object());
	free(job);
}

static int find_pool(const char *name)
{
	static const char *const names[HVP_KVP_POOLS] = {
#define POOL_NAME(number, id, name) [number] = name,
		HVP_KVP_POOL_LIST(POOL_NAME)
#undef POOL_NAME
	};

	for (int i = 0; name && i < HVP_KVP_POOLS; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

/* False: it is no text, or longer than any that could be sent. */
static bool take_text(const json_t *arguments, const char *name, char *text, size_t size)
{
	const char *value = json_string_value(json_object_get(arguments, name));

	if (!value || strlen(value) >= size)
		return false;
	strcpy(text, value);
	return true;
}

static const struct {
	const char *name;
	enum hvp_kvp_op op;
	void (*back)(struct vmm_errand *errand);
} orders[] = {
	{ "list", HVP_KVP_ENUMERATE, reply_list },
	{ "set", HVP_KVP_SET, reply_set },
	{ "delete", HVP_KVP_DELETE, reply_delete },
};
#define ORDERS (sizeof(orders) / sizeof(orders[0]))

/* NULL, or what is wrong. */
static const char *take_pair(struct job *job, const json_t *arguments)
{
	const json_t *index = json_object_get(arguments, "index");
	int pool = find_pool(json_string_value(json_object_get(arguments, "pool")));

	if (pool < 0)
		return "\"pool\" must be external, guest, auto or auto-external";
	job->ask.pool = (uint8_t)pool;
	if (job->ask.op == HVP_KVP_ENUMERATE) {
		job->ask.index = (uint32_t)json_integer_value(index);
		job->pairs = json_array();
		return !index || (json_is_integer(index) && json_integer_value(index) >= 0 &&
				  json_integer_value(index) < INDEX_MAX) ?
			       NULL :
			       "\"index\" must be a number below 65536; a pool has no more pairs";
	}
	if (!take_text(arguments, "key", job->ask.key, sizeof(job->ask.key)) ||
	    (job->ask.op == HVP_KVP_SET &&
	     !take_text(arguments, "value", job->ask.value, sizeof(job->ask.value))))
		return "\"key\" must be a text of at most 255 UTF-16 units, \"value\" one of 1023";
	return job->ask.key[0] ? NULL : "a key must not be empty";
}

void vmm_kvp_command(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments)
{
	const char *order = json_string_value(json_object_get(arguments, "order")), *wrong;
	struct job *job;
	unsigned i = 0;

	while (i < ORDERS && (!order || strcmp(order, orders[i].name)))
		i++;
	if (i == ORDERS) {
		vmm_reply_error(request, "\"order\" must be list, set or delete");
		return;
	}
	job = create_job(vm, request, orders[i].op, orders[i].back);
	if (!job)
		return;
	wrong = take_pair(job, arguments);
	if (wrong) {
		vmm_reply_error(request, "%s", wrong);
		json_decref(job->pairs);
		free(job);
		return;
	}
	vmm_errand_start(&job->errand, VMM_SERVICE_kvp);
}

/* --- IP settings ------------------------------------------------------------------------------------- */

static void reply_get_ip(struct vmm_errand *errand)
{
	struct job *job = (struct job *)errand;

	if (succeeded(job, "the guest has no settings for this network adapter"))
		vmm_reply(job->request, vmm_ip_settings_json(&job->ip));
	free(job);
}

static void reply_set_ip(struct vmm_errand *errand)
{
	struct job *job = (struct job *)errand;

	if (succeeded(job, "the guest's daemon does not take these settings"))
		vmm_reply(job->request, json_object());
	free(job);
}

/* As guests want it: by its address to be asked, by its device to be changed. */
static void name_adapter(struct job *job, unsigned nic, bool set)
{
	const struct vmm_vm *vm = job->errand.vm;
	char guid[HVW_GUID_TEXT];

	if (set) {
		hvw_guid_format(&vmm_nic_device(vm, nic)->instance_id, guid);
		snprintf(job->ip.adapter, sizeof(job->ip.adapter), "{%s}", guid);
		return;
	}
	vmm_mac_format(vmm_nic_config_of(vm, nic)->mac, job->ip.adapter);
	for (char *c = job->ip.adapter; *c; c++)
		if (*c >= 'a' && *c <= 'f')
			*c = (char)(*c - 'a' + 'A');
}

void vmm_ip_command(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments)
{
	const char *order = json_string_value(json_object_get(arguments, "order")), *wrong = NULL;
	const json_t *number = json_object_get(arguments, "nic");
	json_int_t nic = json_integer_value(number);
	bool set = order && !strcmp(order, "set");
	struct job *job;

	if (!order || (!set && strcmp(order, "get")) || (number && !json_is_integer(number))) {
		vmm_reply_error(request, "\"order\" must be get or set, \"nic\" a number");
		return;
	}
	if (nic < 0 || nic >= VMM_NICS_MAX || !vmm_nic_device(vm, (unsigned)nic)) {
		vmm_reply_error(request, "there is no network adapter %lld", (long long)nic);
		return;
	}
	job = create_job(vm, request, set ? HVP_KVP_SET_IP : HVP_KVP_GET_IP,
			 set ? reply_set_ip : reply_get_ip);
	if (!job)
		return;
	if (set)
		wrong = vmm_ip_settings_parse(arguments, &job->ip);
	if (wrong) {
		vmm_reply_error(request, "%s", wrong);
		free(job);
		return;
	}
	name_adapter(job, (unsigned)nic, set);
	vmm_errand_start(&job->errand, VMM_SERVICE_kvp);
}
