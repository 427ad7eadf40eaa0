/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The module hv_storvsc: synthetic storage controllers on the kernel's VMBus, in place of the stock module of this name.
 */
#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/percpu.h>

#include "hba.h"
#include "hvw_ring.h"

#define RING_BYTES_DEFAULT (128 * 1024)

/* The longest command that is taken, however long the host would have them: the list of its pages is kept for each processor. */
#define TRANSFER_MAX (2u << 20)

/* Of the commands for which there is room, assumed to be this long, so much is used: others are longer. */
#define COMMAND_PAGES 32u

/* How often a removal looks whether the host still answers. */
#define WATCH_MS 100u

int hba_logging = 1;
module_param_named(logging_level, hba_logging, int, 0644);
MODULE_PARM_DESC(
	logging_level,
	"Lines for commands that fail: 0: none, 1: all but TEST UNIT READY (default), 2: all");

static int ring_bytes = RING_BYTES_DEFAULT;
module_param_named(storvsc_ringbuffer_size, ring_bytes, int, 0444);
MODULE_PARM_DESC(storvsc_ringbuffer_size, "Bytes of data in each ring, each way");

static unsigned int hw_queues;
module_param_named(storvsc_max_hw_queues, hw_queues, uint, 0644);
MODULE_PARM_DESC(storvsc_max_hw_queues,
		 "Queues of the block layer; 0: one for each processor (default)");

static int cpus_per_channel = 4;
module_param_named(storvsc_vcpus_per_sub_channel, cpus_per_channel, int, 0444);
MODULE_PARM_DESC(
	storvsc_vcpus_per_sub_channel,
	"For how many processors hosts are taken to have a channel, where commands are counted");

static int lowater = 10;
module_param_named(ring_avail_percent_lowater, lowater, int, 0444);
MODULE_PARM_DESC(
	ring_avail_percent_lowater,
	"With less of its ring free, in percent, a processor's commands go by others' channels");

/* For lines of the core's. */
static const struct hvg_driver hba_driver = { .name = "storage" };

static const struct hba_kind scsi = {
	.channels = 8,
	.targets = 2,
	.luns = 255,
	.subchannels = true,
	.transfer_max = TRANSFER_MAX,
};
static const struct hba_kind fibre_channel = {
	.channels = 8,
	.targets = 128,
	.luns = 255,
	.fibre = true,
	.subchannels = true,
	.transfer_max = 512 << 10,
};
static const struct hba_kind ide = {
	.channels = 1,
	.targets = 1,
	.luns = 64,
	.one_disk = true,
	.transfer_max = TRANSFER_MAX,
};

static const struct hv_vmbus_device_id hba_ids[] = {
	{ HV_SCSI_GUID, .driver_data = (kernel_ulong_t)&scsi },
	{ HV_IDE_GUID, .driver_data = (kernel_ulong_t)&ide },
	{ HV_SYNTHFC_GUID, .driver_data = (kernel_ulong_t)&fibre_channel },
	{},
};
MODULE_DEVICE_TABLE(vmbus, hba_ids);

/* By driver_override any device can come, and the bus does not say of which class. */
static const struct hba_kind *kind_of(const struct hv_device *hv)
{
	const struct hv_vmbus_device_id *id;

	for (id = hba_ids; id->driver_data; id++)
		if (guid_equal(&id->guid, &hv->dev_type))
			return (const struct hba_kind *)id->driver_data;
	return NULL;
}

/* --- the SCSI host -------------------------------------------------------------------------------------- */

static struct scsi_host_template hba_template = {
	.module = THIS_MODULE,
	.name = "storvsc_host_t",
	.proc_name = "storvsc_host",
	.queuecommand = hba_queue,
	.commit_rqs = hba_commit,
	.cmd_size = sizeof(struct hba_command),
	.eh_host_reset_handler = hba_reset,
	.eh_timed_out = hba_timed_out,
	.COMPAT_LUN_ALLOC = hba_lun_alloc,
	.COMPAT_LUN_CONFIGURE = hba_lun_configure,
	.bios_param = hba_geometry,
	.change_queue_depth = scsi_change_queue_depth,
	.track_queue_depth = 1,
	.cmd_per_lun = 2048,
	.this_id = -1,
	.no_write_same = 1,
	.virt_boundary_mask = HVP_PAGE_SIZE - 1,
};

static u32 ring_pages(void)
{
	return DIV_ROUND_UP(clamp(ring_bytes, (int)HVP_PAGE_SIZE, 16 << 20), HVP_PAGE_SIZE) + 1;
}

/* What fits into the ring of one channel, but for a page of it. */
static unsigned ring_commands(void)
{
	return max(ring_pages() - 2, 1u) * HVP_PAGE_SIZE /
	       hvw_packet_space(hba_scratch_bytes((COMMAND_PAGES - 1) * HVP_PAGE_SIZE),
				HVP_STORVSP_BYTES);
}

static unsigned block_queues(void)
{
	return hw_queues ? min(hw_queues, num_present_cpus()) : num_present_cpus();
}

/* Of each of these. Hosts that have fewer channels than there are processors are the rule. */
static unsigned block_commands(void)
{
	const unsigned channels = 1 + (num_present_cpus() - 1) / max(cpus_per_channel, 1);

	return clamp(ring_commands() * channels * 9 / 10, 1u, HVG_STOR_DEPTH_MAX);
}

static void set_limits(struct hba *hba)
{
	const struct hvg_stor_info *info = hvg_stor_info(hba->stor);
	const u32 bytes = min(info->transfer_max, hba->kind->transfer_max) & ~(HVP_PAGE_SIZE - 1);
	struct Scsi_Host *shost = hba->shost;

	shost->max_lun = hba->kind->luns;
	shost->max_id = hba->kind->targets;
	shost->max_channel = hba->kind->channels - 1;
	shost->max_cmd_len = HVP_CDB_BYTES;
	shost->max_sectors = bytes >> SECTOR_SHIFT;
	shost->sg_tablesize = bytes / HVP_PAGE_SIZE + 1;
	shost->nr_hw_queues = block_queues();
	shost->can_queue = block_commands();
	if (hba->kind->fibre)
		hba_fibre_init(shost);
}

static int add_host(struct hba *hba, struct device *parent)
{
	const u8 *instance = hba->device->info.instance_id.b;
	int err = scsi_add_host(hba->shost, parent);

	if (err)
		return err;
	if (hba->kind->fibre) {
		err = hba_fibre_add(hba);
		if (err) {
			scsi_remove_host(hba->shost);
			return err;
		}
	}
	/* That there is no disk yet is no error. */
	if (hba->kind->one_disk)
		(void)scsi_add_device(hba->shost, 0, instance[5] << 8 | instance[4], 0);
	else
		scsi_scan_host(hba->shost);
	return 0;
}

/* --- the core's side ------------------------------------------------------------------------------------ */

/* The block layer tries again by itself. */
static void ignore_room(void *ctx, unsigned queue)
{
}

static void rescan(void *ctx)
{
	struct hba *hba = ctx;

	hvos_work_queue(&hba->scan);
}

static const struct hvg_stor_ops stor_ops = { hba_done, ignore_room, rescan };

static int attach(struct hba *hba)
{
	int err;

	mutex_lock(&hba->life);
	hba_expect_subchannels(hba);
	err = hvg_stor_attach(hba->stor);
	hba->attached = !err;
	mutex_unlock(&hba->life);
	if (!err)
		hba_map_queues(hba);
	return err;
}

/* Once is enough. */
static void detach(struct hba *hba)
{
	mutex_lock(&hba->life);
	if (hba->attached)
		hvg_stor_detach(hba->stor);
	hba->attached = false;
	mutex_unlock(&hba->life);
}

static u64 count_answers(const struct hba *hba)
{
	struct hvg_stor_counters counters;
	u64 answers = 0;
	unsigned i;

	for (i = 0; i < HVG_STOR_QUEUES_MAX; i++) {
		hvg_stor_counters(hba->stor, i, &counters);
		answers += counters.completed;
	}
	return answers;
}

/*
 * Who waits for commands is let go when the host has taken the device away, has spoilt a ring, or for as long as a command may
 * take has answered none of those that it has.
 */
static void watch(struct work_struct *work)
{
	struct hba *hba = container_of(to_delayed_work(work), struct hba, watch);
	const u64 answers = count_answers(hba);

	if (answers != hba->answers || !hvg_stor_busy(hba->stor)) {
		hba->answers = answers;
		hba->give_up = jiffies + HBA_COMMAND_SECONDS * HZ;
	}
	/* Nobody else detaches meanwhile. */
	if (hba_is_lost(hba) || time_after(jiffies, hba->give_up))
		detach(hba);
	else
		schedule_delayed_work(&hba->watch, msecs_to_jiffies(WATCH_MS));
}

/* --- life ----------------------------------------------------------------------------------------------- */

static void free_hba(struct hba *hba)
{
	free_percpu(hba->scratch);
	kfree(hba->map);
	hvos_free(hba->subs);
	if (hba->stor)
		hvg_stor_destroy(hba->stor);
	if (hba->device)
		hvg_linux_device_destroy(hba->device);
	scsi_host_put(hba->shost);
}

static int create_stor(struct hba *hba)
{
	const unsigned queues = hba->kind->subchannels ?
					min_t(unsigned, num_online_cpus(), HVG_STOR_QUEUES_MAX) :
					1;
	const struct hvg_stor_config config = {
		.version_max = HVP_STORVSP_6_2,
		.queues = queues,
		/* Any may be in use by all processors for a while. */
		.depth = min(block_commands() * block_queues(), HVG_STOR_DEPTH_MAX),
		.ring_pages = ring_pages(),
		.timeout_seconds = 60,
		.fibre = hba->kind->fibre,
		.spare_percent = queues > 1 ? clamp(lowater, 0, 100) : 0,
	};

	return hvg_stor_create(hba->device, &config, &stor_ops, hba, &hba->stor);
}

static struct hba *make_hba(struct hv_device *hv, const struct hba_kind *kind)
{
	struct Scsi_Host *shost = scsi_host_alloc(&hba_template, sizeof(struct hba));
	struct hba *hba;

	if (!shost)
		return NULL;
	hba = hba_of(shost);
	hba->shost = shost;
	hba->kind = kind;
	mutex_init(&hba->life);
	mutex_init(&hba->map_lock);
	hvos_work_init(&hba->scan, hba_run_scan, hba);
	hvos_work_init(&hba->luns, hba_run_luns, hba);
	INIT_DELAYED_WORK(&hba->watch, watch);
	hba->device = hvg_linux_device_create(hv, &hba_driver);
	hba->subs = hvos_alloc(HVG_STOR_QUEUES_MAX * sizeof(*hba->subs));
	hba->map = kcalloc(nr_cpu_ids, sizeof(*hba->map), GFP_KERNEL);
	hba->scratch_bytes = hba_scratch_bytes(TRANSFER_MAX);
	hba->scratch = __alloc_percpu(hba->scratch_bytes, sizeof(u64));
	if (!hba->device || !hba->subs || !hba->map || !hba->scratch || create_stor(hba)) {
		free_hba(hba);
		return NULL;
	}
	return hba;
}

static int hba_probe(struct hv_device *hv, const struct hv_vmbus_device_id *id)
{
	const struct hba_kind *kind = kind_of(hv);
	struct hba *hba;
	int err;

	if (!kind)
		return -ENODEV;
	if (compat_isolated()) {
		hvg_log(HVOS_WARNING, "storage: not for guests whose memory the host does not see");
		return -EOPNOTSUPP;
	}
	hba = make_hba(hv, kind);
	if (!hba)
		return -ENOMEM;
	hv_set_drvdata(hv, hba);
	err = attach(hba);
	if (!err) {
		set_limits(hba);
		err = add_host(hba, &hv->device);
		if (!err)
			return 0;
		detach(hba);
	}
	hvg_log(HVOS_WARNING, "storage: it cannot be attached: error %d", -err);
	hv_set_drvdata(hv, NULL);
	hvos_work_fini(&hba->scan);
	hvos_work_fini(&hba->luns);
	free_hba(hba);
	return err;
}

/* While there is a host it is asked for more, caches among it; after a revocation all fails at once. */
static COMPAT_REMOVE_TYPE hba_remove(struct hv_device *hv)
{
	struct hba *hba = hv_get_drvdata(hv);

	hba->give_up = jiffies + HBA_COMMAND_SECONDS * HZ;
	watch(&hba->watch.work);
	hvos_work_fini(&hba->scan);
	if (hba->kind->fibre)
		hba_fibre_remove(hba);
	scsi_remove_host(hba->shost);
	hvos_work_fini(&hba->luns);
	cancel_delayed_work_sync(&hba->watch);
	detach(hba);
	hv_set_drvdata(hv, NULL);
	free_hba(hba);
	COMPAT_REMOVE_RETURN(0);
}

/* What is under way comes to its end; what comes meanwhile, if anything does, waits. */
static int hba_suspend(struct hv_device *hv)
{
	struct hba *hba = hv_get_drvdata(hv);

	WRITE_ONCE(hba->asleep, true);
	detach(hba);
	return 0;
}

static int hba_resume(struct hv_device *hv)
{
	struct hba *hba = hv_get_drvdata(hv);
	int err = attach(hba);

	WRITE_ONCE(hba->asleep, false);
	return err;
}

static struct hv_driver hba_hv_driver = {
	.name = KBUILD_MODNAME,
	.id_table = hba_ids,
	.probe = hba_probe,
	.remove = hba_remove,
	.suspend = hba_suspend,
	.resume = hba_resume,
	.driver = {
		.probe_type = PROBE_PREFER_ASYNCHRONOUS,
	},
};

static int __init hba_init(void)
{
	int err = hvos_linux_start();

	if (err)
		return err;
	err = hba_fibre_start();
	if (err)
		goto err_stop;
	err = vmbus_driver_register(&hba_hv_driver);
	if (err)
		goto err_fibre;
	return 0;

err_fibre:
	hba_fibre_stop();
err_stop:
	hvos_linux_stop();
	return err;
}

static void __exit hba_exit(void)
{
	vmbus_driver_unregister(&hba_hv_driver);
	hba_fibre_stop();
	hvos_linux_stop();
}

module_init(hba_init);
module_exit(hba_exit);

MODULE_DESCRIPTION("Hyper-V synthetic storage");
/* By the prefix administrators, and `hvis status`, tell it from others. */
MODULE_VERSION("hvis-" HVIS_VERSION);
MODULE_LICENSE("Dual BSD/GPL");
