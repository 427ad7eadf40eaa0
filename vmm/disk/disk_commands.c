/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What users do to disks of a machine that runs, and what they see of them. Each order is: open or look at the file here;
 * tell the controller, on the loop of its first queue; back here, reply.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hvw_storvsp.h"
#include "vmm/control.h"
#include "vmm/disk/disk_priv.h"
#include "vmm/vm_priv.h"

struct order {
	struct vmm_errand errand;
	struct vmm_request *request;
	struct vmm_disk *disk;
	int err; /* the controller's answer */
};

static struct order *create_order(struct vmm_disk *disk, struct vmm_request *request,
				  bool (*visit)(struct vmm_errand *errand, unsigned index),
				  void (*back)(struct vmm_errand *errand))
{
	struct order *order = calloc(1, sizeof(*order));

	if (!order) {
		vmm_reply_error(request, "out of memory");
		return NULL;
	}
	order->errand.vm = disk->vm;
	order->errand.visit = visit;
	order->errand.back = back;
	order->request = request;
	order->disk = disk;
	return order;
}

static void send(struct order *order)
{
	vmm_errand_start(&order->errand, 1u << VMM_STOP_SCSI);
}

/* --- add --------------------------------------------------------------------------------------------- */

static bool visit_add(struct vmm_errand *errand, unsigned index)
{
	struct order *order = (struct order *)errand;

	(void)index;
	order->err = vmm_disk_attach(errand->vm->hyperv.scsi, order->disk);
	return true;
}

static void back_add(struct vmm_errand *errand)
{
	struct order *order = (struct order *)errand;

	if (order->err) {
		vmm_reply_error(order->request, "the controller refuses it: %s",
				strerror(-order->err));
		vmm_disk_destroy(errand->vm->hyperv.scsi, order->disk);
	} else {
		vmm_reply(order->request, json_pack("{s:i, s:I}", "lun", (int)order->disk->lun,
						    "bytes", (json_int_t)order->disk->file.bytes));
	}
	free(order);
}

static void add(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments)
{
	const char *text = json_string_value(json_object_get(arguments, "disk"));
	struct vmm_scsi *scsi;
	struct vmm_disk *disk;
	struct order *order;
	char why[512];

	if (!text) {
		vmm_reply_error(request, "\"disk\" must be what --disk takes");
		return;
	}
	if (vmm_scsi_get(vm, &scsi)) {
		vmm_reply_error(request, "the controller cannot be made");
		return;
	}
	if (vmm_disk_create(scsi, text, &disk, why, sizeof(why))) {
		vmm_reply_error(request, "%s", why);
		return;
	}
	order = create_order(disk, request, visit_add, back_add);
	if (order)
		send(order);
	else
		vmm_disk_destroy(scsi, disk);
}

/* --- remove ------------------------------------------------------------------------------------------ */

static bool visit_remove(struct vmm_errand *errand, unsigned index)
{
	struct order *order = (struct order *)errand;

	/* disk->released follows, now or when the last command is through. */
	order->err = hvh_scsi_remove(errand->devices[index], order->disk->lun);
	return true;
}

static void back_remove(struct vmm_errand *errand)
{
	free(errand);
}

static void remove_disk(struct vmm_disk *disk, struct vmm_request *request, const json_t *arguments)
{
	struct order *order = create_order(disk, request, visit_remove, back_remove);

	(void)arguments;
	if (!order)
		return;
	disk->leaving = true;
	disk->request = request;
	disk->vm->hyperv.errands++;
	send(order);
}

/* --- resize ------------------------------------------------------------------------------------------ */

static bool visit_resize(struct vmm_errand *errand, unsigned index)
{
	struct order *order = (struct order *)errand;

	order->err =
		hvh_scsi_resize(errand->devices[index], order->disk->lun, order->disk->file.bytes);
	return true;
}

static void back_resize(struct vmm_errand *errand)
{
	struct order *order = (struct order *)errand;

	if (order->err)
		vmm_reply_error(order->request, "the controller refuses it: %s",
				strerror(-order->err));
	else
		vmm_reply(order->request,
			  json_pack("{s:I}", "bytes", (json_int_t)order->disk->file.bytes));
	free(order);
}

static void resize(struct vmm_disk *disk, struct vmm_request *request, const json_t *arguments)
{
	const json_t *bytes = json_object_get(arguments, "bytes");
	struct order *order;
	char why[512];

	if (bytes && (!json_is_integer(bytes) || json_integer_value(bytes) <= 0 ||
		      json_integer_value(bytes) % disk->file.block_bytes)) {
		vmm_reply_error(request, "\"bytes\" must be a multiple of the disk's blocks of %u",
				disk->file.block_bytes);
		return;
	}
	if (vmm_disk_file_resize(&disk->file, (uint64_t)json_integer_value(bytes), why,
				 sizeof(why))) {
		vmm_reply_error(request, "LUN %u: %s", disk->lun, why);
		return;
	}
	order = create_order(disk, request, visit_resize, back_resize);
	if (order)
		send(order);
}

/* --- DVD drives -------------------------------------------------------------------------------------- */

static bool visit_eject(struct vmm_errand *errand, unsigned index)
{
	struct order *order = (struct order *)errand;

	order->err = hvh_scsi_eject(errand->devices[index], order->disk->lun);
	return true;
}

static void back_eject(struct vmm_errand *errand)
{
	struct order *order = (struct order *)errand;

	if (order->err == -EPERM)
		vmm_reply_error(order->request,
				"the guest keeps it in the drive, and has been asked for it");
	else if (order->err == -ENOMEDIUM)
		vmm_reply_error(order->request, "there is nothing in drive %u", order->disk->lun);
	else if (order->err)
		vmm_reply_error(order->request, "the controller refuses it: %s",
				strerror(-order->err));
	else
		vmm_reply(order->request, json_object());
	free(order);
}

static void eject(struct vmm_disk *disk, struct vmm_request *request, const json_t *arguments)
{
	struct order *order = create_order(disk, request, visit_eject, back_eject);

	(void)arguments;
	if (order)
		send(order);
}

static bool visit_insert(struct vmm_errand *errand, unsigned index)
{
	struct order *order = (struct order *)errand;

	order->err =
		hvh_scsi_insert(errand->devices[index], order->disk->lun, order->disk->file.bytes);
	return true;
}

static void back_insert(struct vmm_errand *errand)
{
	struct order *order = (struct order *)errand;

	if (order->err) {
		vmm_reply_error(order->request, "the controller refuses it: %s",
				strerror(-order->err));
		(void)vmm_disk_file_close(&order->disk->file);
		order->disk->config.path[0] = '\0';
	} else {
		vmm_reply(order->request,
			  json_pack("{s:I}", "bytes", (json_int_t)order->disk->file.bytes));
	}
	free(order);
}

static void insert(struct vmm_disk *disk, struct vmm_request *request, const json_t *arguments)
{
	const char *text = json_string_value(json_object_get(arguments, "disk"));
	struct vmm_disk_config config;
	struct vmm_disk_file file;
	struct order *order;
	char why[512];

	if (!text || vmm_disk_config_parse(text, &config) || !config.dvd || !config.path[0]) {
		vmm_reply_error(request, "\"disk\" must be a file, as FILE,dvd");
		return;
	}
	/* In it, or just coming in or going out. */
	if (disk->config.path[0]) {
		vmm_reply_error(request, "%s is in the drive: eject it first", disk->config.path);
		return;
	}
	if (vmm_disk_file_open(&config, &file, why, sizeof(why))) {
		vmm_reply_error(request, "%s", why);
		return;
	}
	order = create_order(disk, request, visit_insert, back_insert);
	if (!order) {
		(void)vmm_disk_file_close(&file);
		return;
	}
	disk->file = file;
	memcpy(disk->config.path, config.path, sizeof(config.path));
	send(order);
}

/* --- all --------------------------------------------------------------------------------------------- */

/* NULL after replying with an error. */
static struct vmm_disk *find(struct vmm_vm *vm, struct vmm_request *request,
			     const json_t *arguments)
{
	const json_t *number = json_object_get(arguments, "lun");
	json_int_t lun = json_integer_value(number);
	struct vmm_disk *disk = NULL;

	if (!json_is_integer(number) || lun < 0 || lun >= VMM_DISKS_MAX) {
		vmm_reply_error(request, "\"lun\" must be the number of a disk, from 0 to %u",
				VMM_DISKS_MAX - 1);
		return NULL;
	}
	if (vm->hyperv.scsi)
		disk = vm->hyperv.scsi->disk[lun];
	if (!disk)
		vmm_reply_error(request, "there is no disk %d", (int)lun);
	else if (disk->leaving)
		vmm_reply_error(request, "disk %d is just being removed", (int)lun);
	return disk && !disk->leaving ? disk : NULL;
}

static const struct {
	const char *order;
	enum { DISKS = 1, DRIVES = 2 } of;
	void (*carry_out)(struct vmm_disk *disk, struct vmm_request *request,
			  const json_t *arguments);
} orders[] = {
	{ "remove", DISKS | DRIVES, remove_disk },
	{ "resize", DISKS, resize },
	{ "eject", DRIVES, eject },
	{ "insert", DRIVES, insert },
};
#define ORDERS (sizeof(orders) / sizeof(orders[0]))

void vmm_disk_command(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments)
{
	const char *order = json_string_value(json_object_get(arguments, "order"));
	struct vmm_disk *disk;
	unsigned i = 0;

	if (order && !strcmp(order, "add")) {
		add(vm, request, arguments);
		return;
	}
	while (i < ORDERS && (!order || strcmp(order, orders[i].order)))
		i++;
	if (i == ORDERS) {
		vmm_reply_error(request, "\"order\" must be add, remove, resize, eject or insert");
		return;
	}
	disk = find(vm, request, arguments);
	if (!disk)
		return;
	if (orders[i].of & (disk->config.dvd ? DRIVES : DISKS))
		orders[i].carry_out(disk, request, arguments);
	else
		vmm_reply_error(request, "%u is a %s", disk->lun,
				disk->config.dvd ? "DVD drive, whose medium says how large it is" :
						   "disk, which stays in its place");
}

/* --- status ------------------------------------------------------------------------------------------ */

static json_t *queue_json(const struct hvh_scsi_queue_status *queue)
{
	return json_pack("{s:b, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "open", queue->open,
			 "busy", (int)queue->busy, "commands", (json_int_t)queue->commands, "reads",
			 (json_int_t)queue->reads, "read_bytes", (json_int_t)queue->read_bytes,
			 "writes", (json_int_t)queue->writes, "write_bytes",
			 (json_int_t)queue->write_bytes, "flushes", (json_int_t)queue->flushes,
			 "zeroes", (json_int_t)queue->zeroes, "errors", (json_int_t)queue->errors);
}

static json_t *disk_json(const struct vmm_disk *disk, const struct hvh_scsi_lun_status *status)
{
	uint64_t allocated = vmm_disk_file_allocated(&disk->file);

	return json_pack("{s:i, s:b, s:b, s:s, s:s, s:I, s:i, s:o, s:b, s:b, s:b, s:s}", "lun",
			 (int)disk->lun, "dvd", status->dvd, "locked", status->locked, "path",
			 disk->config.path[0] ? disk->config.path :
			 disk->config.dvd     ? "empty" :
						"memory",
			 "format", disk->file.format, "bytes", (json_int_t)status->bytes,
			 "block_bytes", (int)disk->file.block_bytes, "allocated_bytes",
			 allocated ? json_integer((json_int_t)allocated) : json_null(), "readonly",
			 status->read_only, "write_cache", status->write_cache, "unmap",
			 disk->file.unmap_bytes != 0, "serial", disk->config.serial);
}

json_t *vmm_disks_json(const struct vmm_vm *vm, const struct hvh_scsi_status *status)
{
	const struct vmm_scsi *scsi = vm->hyperv.scsi;
	json_t *disks = json_array(), *queues = json_array();

	for (unsigned i = 0; i < VMM_DISKS_MAX; i++)
		if (scsi->disk[i] && status->lun[i].present)
			json_array_append_new(disks, disk_json(scsi->disk[i], &status->lun[i]));
	for (unsigned i = 0; i < HVH_SCSI_QUEUES_MAX; i++)
		if (!i || i < status->queues)
			json_array_append_new(queues, queue_json(&status->queue[i]));
	return json_pack("{s:s, s:b, s:i, s:s, s:I, s:o, s:o}", "storvsp",
			 hvw_storvsp_version_name(status->version), "ready", status->ready,
			 "queues", (int)status->queues, "io", scsi->engine->name, "violations",
			 (json_int_t)status->violations, "disks", disks, "queue", queues);
}
