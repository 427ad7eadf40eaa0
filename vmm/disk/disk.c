/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <hvh/hvh_server.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control.h"
#include "vmm/disk/disk_priv.h"
#include "vmm/io_loops.h"
#include "vmm/log.h"
#include "vmm/vm_priv.h"

#define QUEUES_DEFAULT_MAX 8u

/* --- what the controller needs ----------------------------------------------------------------------- */

/* It is done; with some disks the guest is to hear of it later. */
static void finish(struct vmm_scsi_queue *queue, struct hvh_disk_io *io)
{
	const struct vmm_disk *disk = io->disk;

	if (disk->config.late_ms)
		vmm_disk_late_add(&queue->late, io, disk->config.late_ms);
	else
		hvh_scsi_done(io, io->result);
}

static void on_submit(void *ctx, struct hvh_disk_io *io)
{
	struct vmm_scsi *scsi = ctx;
	struct vmm_scsi_queue *queue = &scsi->queue[io->queue];
	struct vmm_disk *disk = io->disk;

	if (disk->config.fail_every &&
	    atomic_fetch_add(&disk->requests, 1) % disk->config.fail_every ==
		    disk->config.fail_every - 1) {
		io->result = -EIO;
		finish(queue, io);
	} else {
		scsi->engine->submit(queue->engine, io);
	}
}

static void on_kick(void *ctx, unsigned queue)
{
	struct vmm_scsi *scsi = ctx;

	scsi->engine->kick(scsi->queue[queue].engine);
}

static void on_released(void *ctx, unsigned lun, void *disk)
{
	(void)ctx;
	(void)lun;
	vmm_call_post(&((struct vmm_disk *)disk)->released);
}

static void on_ejected(void *ctx, unsigned lun, void *disk)
{
	(void)ctx;
	(void)lun;
	vmm_call_post(&((struct vmm_disk *)disk)->ejected);
}

static const struct hvh_scsi_backend backend = {
	.submit = on_submit,
	.kick = on_kick,
	.released = on_released,
	.ejected = on_ejected,
};

/* --- what the engines need --------------------------------------------------------------------------- */

static const struct vmm_disk_file *file_of(void *disk)
{
	return &((const struct vmm_disk *)disk)->file;
}

static void on_done(void *ctx, struct hvh_disk_io *io)
{
	finish(ctx, io);
}

static void on_flush(void *ctx)
{
	const struct vmm_scsi_queue *queue = ctx;

	hvh_scsi_flush(queue->scsi->device, queue->index);
}

static void on_start(void *ctx)
{
	struct vmm_scsi_queue *queue = ctx;
	int err = queue->scsi->engine->start(queue->engine);

	if (err)
		vmm_log(HVH_LOG_ERROR, "disks: queue %u stands still: %s", queue->index,
			strerror(-err));
}

/* --- the controller ---------------------------------------------------------------------------------- */

static int create_engines(struct vmm_scsi *scsi)
{
	static const struct vmm_disk_engine_ops *const engines[] = { &vmm_disk_uring,
								     &vmm_disk_threads };
	int err = 0;

	scsi->engine = engines[0];
	for (unsigned i = 0; i < scsi->queues; i++) {
		struct vmm_scsi_queue *queue = &scsi->queue[i];
		struct vmm_loop *loop = vmm_io_loops_get(scsi->vm->hyperv.io, VMM_STOP_SCSI + i);
		const struct vmm_disk_engine_user user = { file_of, on_done, on_flush, queue };

		queue->scsi = scsi;
		queue->index = i;
		err = scsi->engine->create(loop, &user, &queue->engine);
		/* What the first one cannot have the others have not either. */
		if (err && !i) {
			vmm_log(HVH_LOG_INFO, "disks: no %s (%s): %s", scsi->engine->name,
				strerror(-err), engines[1]->name);
			scsi->engine = engines[1];
			err = scsi->engine->create(loop, &user, &queue->engine);
		}
		if (err)
			return err;
		vmm_call_init(&queue->start, loop, on_start, queue);
		vmm_disk_late_init(&queue->late, loop, on_flush, queue);
	}
	return 0;
}

static void free_scsi(struct vmm_scsi *scsi)
{
	for (unsigned i = 0; i < scsi->queues; i++)
		if (scsi->queue[i].engine)
			scsi->engine->destroy(scsi->queue[i].engine);
	for (unsigned i = 0; i < VMM_DISKS_MAX; i++)
		if (scsi->disk[i])
			vmm_disk_destroy(scsi, scsi->disk[i]);
	if (scsi->device)
		hvh_scsi_destroy(scsi->device);
	free(scsi);
}

/* Not offered yet. */
static int create_scsi(struct vmm_vm *vm, struct vmm_scsi **created)
{
	struct hvh_scsi_config config = {
		.instance_id = HVP_GUID(0x73697668u, 0x7363u, 0x4973u, 0x8000u, 0ull),
		.queues_max = vm->config->cpus < QUEUES_DEFAULT_MAX ? vm->config->cpus :
								      QUEUES_DEFAULT_MAX,
	};
	struct vmm_scsi *scsi = calloc(1, sizeof(*scsi));
	int err;

	if (!scsi)
		return -ENOMEM;
	scsi->vm = vm;
	scsi->queues = config.queues_max;
	err = create_engines(scsi);
	if (!err)
		err = hvh_scsi_create(&config, &backend, scsi, &scsi->device);
	if (err) {
		free_scsi(scsi);
		return err;
	}
	*created = scsi;
	return 0;
}

static int offer(struct vmm_vm *vm, struct vmm_scsi *scsi)
{
	int err = hvh_server_add(vm->hyperv.server, scsi->device);

	if (err)
		return err;
	vm->hyperv.scsi = scsi;
	for (unsigned i = 0; i < scsi->queues; i++)
		vmm_call_post(&scsi->queue[i].start);
	return 0;
}

int vmm_scsi_get(struct vmm_vm *vm, struct vmm_scsi **scsi)
{
	int err;

	*scsi = vm->hyperv.scsi;
	if (*scsi)
		return 0;
	err = create_scsi(vm, scsi);
	if (err)
		return err;
	err = offer(vm, *scsi);
	if (err)
		free_scsi(*scsi);
	return err;
}

struct hvh_device *vmm_scsi_device(const struct vmm_vm *vm)
{
	return vm->hyperv.scsi ? vm->hyperv.scsi->device : NULL;
}

/* --- disks ------------------------------------------------------------------------------------------- */

static uint64_t hash(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
	return hash;
}

/* A copy of an image has the identifier of the image. */
static bool is_known(const struct vmm_scsi *scsi, const struct hvp_guid *id)
{
	static const struct hvp_guid none;
	bool known = !memcmp(id, &none, sizeof(none));

	for (unsigned i = 0; i < VMM_DISKS_MAX && !known; i++)
		known = scsi->disk[i] && !memcmp(id, &scsi->disk[i]->id, sizeof(*id));
	return known;
}

/*
 * The same for the same disk of the same machine: by its serial number, or the image's own, or by where it is. Before the
 * disk is among the controller's.
 */
static struct hvp_guid identify(const struct vmm_scsi *scsi, const struct vmm_disk *disk)
{
	char place[16] = "";
	struct hvp_guid id;

	if (!disk->config.serial[0] && !is_known(scsi, &disk->file.id))
		return disk->file.id;
	if (!disk->config.serial[0])
		snprintf(place, sizeof(place), "/%u", disk->lun);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t half = hash(0xcbf29ce484222325ull + i, disk->vm->config->name);

		half = hash(hash(half, place), disk->config.serial);
		memcpy(id.b + 8 * i, &half, sizeof(half));
	}
	return id;
}

static void on_disk_released(void *ctx)
{
	struct vmm_disk *disk = ctx;
	struct vmm_vm *vm = disk->vm;

	if (disk->request)
		vmm_reply(disk->request, json_object());
	vmm_disk_destroy(vm->hyperv.scsi, disk);
	if (!--vm->hyperv.errands)
		vmm_vm_wake(vm);
}

/* By whose order ever: its file is not used any more. */
static void on_disk_ejected(void *ctx)
{
	struct vmm_disk *disk = ctx;

	vmm_log(HVH_LOG_INFO, "disk %u: %s is out of the drive", disk->lun, disk->config.path);
	/* A file without an image is complete at any time. */
	(void)vmm_disk_file_close(&disk->file);
	disk->config.path[0] = '\0';
}

static int choose_lun(const struct vmm_scsi *scsi, unsigned *lun, char *why, size_t why_size)
{
	if (*lun != VMM_DISK_LUN_ANY) {
		if (!scsi->disk[*lun])
			return 0;
		snprintf(why, why_size, "LUN %u is taken", *lun);
		return -EEXIST;
	}
	for (*lun = 0; *lun < VMM_DISKS_MAX; (*lun)++)
		if (!scsi->disk[*lun])
			return 0;
	snprintf(why, why_size, "there are %u disks already", VMM_DISKS_MAX);
	return -ENOSPC;
}

int vmm_disk_create(struct vmm_scsi *scsi, const char *text, struct vmm_disk **created, char *why,
		    size_t why_size)
{
	struct vmm_disk *disk = calloc(1, sizeof(*disk));
	const char *right;
	int err = 0;

	if (!disk) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	disk->vm = scsi->vm;
	disk->file.fd = -1;
	right = vmm_disk_config_parse(text, &disk->config);
	if (right) {
		snprintf(why, why_size, "%s", right);
		err = -EINVAL;
	}
	disk->lun = disk->config.lun;
	if (!err)
		err = choose_lun(scsi, &disk->lun, why, why_size);
	if (!err)
		err = vmm_disk_file_open(&disk->config, &disk->file, why, why_size);
	if (err) {
		free(disk);
		return err;
	}
	vmm_call_init(&disk->released, scsi->vm->loop, on_disk_released, disk);
	vmm_call_init(&disk->ejected, scsi->vm->loop, on_disk_ejected, disk);
	disk->id = identify(scsi, disk);
	scsi->disk[disk->lun] = disk;
	*created = disk;
	return 0;
}

void vmm_disk_destroy(struct vmm_scsi *scsi, struct vmm_disk *disk)
{
	int err = vmm_disk_file_close(&disk->file);

	if (err)
		vmm_log(HVH_LOG_ERROR, "disk %u: %s is not complete: %s", disk->lun,
			disk->config.path, strerror(-err));
	scsi->disk[disk->lun] = NULL;
	free(disk);
}

int vmm_disk_attach(struct vmm_scsi *scsi, struct vmm_disk *disk)
{
	struct hvh_scsi_disk is = {
		.disk = disk,
		.dvd = disk->config.dvd,
		.bytes = disk->file.bytes,
		.block_bytes = disk->file.block_bytes,
		.physical_bytes = disk->file.physical_bytes,
		.unmap_bytes = disk->file.unmap_bytes,
		.read_only = disk->config.read_only,
		.id = disk->id,
	};

	memcpy(is.serial, disk->config.serial, sizeof(disk->config.serial));
	return hvh_scsi_add(scsi->device, disk->lun, &is);
}

/* --- the machine's ----------------------------------------------------------------------------------- */

static int create_disks(struct vmm_vm *vm, struct vmm_scsi *scsi)
{
	int err = 0;

	for (unsigned i = 0; i < vm->config->disks && !err; i++) {
		struct vmm_disk *disk;
		char why[512];

		err = vmm_disk_create(scsi, vm->config->disk[i], &disk, why, sizeof(why));
		if (err)
			vmm_log(HVH_LOG_ERROR, "--disk %s: %s", vm->config->disk[i], why);
		else
			err = vmm_disk_attach(scsi, disk);
	}
	return err;
}

int vmm_disks_create(struct vmm_vm *vm)
{
	struct vmm_scsi *scsi;
	int err;

	if (!vm->config->disks)
		return 0;
	err = create_scsi(vm, &scsi);
	if (err)
		return err;
	err = create_disks(vm, scsi);
	if (!err)
		err = offer(vm, scsi);
	if (err)
		free_scsi(scsi);
	return err;
}

void vmm_disks_destroy(struct vmm_vm *vm)
{
	if (vm->hyperv.scsi)
		free_scsi(vm->hyperv.scsi);
	vm->hyperv.scsi = NULL;
}
