/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/scsi_script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hvw_pkt.h"

/* --- the back end ---------------------------------------------------------------------------------- */

/* What the device may never ask for is a bug of its. */
static void check_io(const struct scsi_guest_disk *disk, const struct hvh_disk_io *io)
{
	uint64_t bytes = 0;

	EMBEDDER_REQUIRE(disk->there && (!disk->is.dvd || disk->medium));
	EMBEDDER_REQUIRE(io->offset <= 2 * disk->is.bytes &&
			 io->bytes <= 2 * disk->is.bytes - io->offset);
	EMBEDDER_REQUIRE(io->op == HVH_DISK_READ || !disk->is.read_only);
	EMBEDDER_REQUIRE(io->op == HVH_DISK_FLUSH || io->bytes);
	if (io->op != HVH_DISK_READ && io->op != HVH_DISK_WRITE) {
		EMBEDDER_REQUIRE(!io->iovs);
		return;
	}
	EMBEDDER_REQUIRE(io->iovs && io->iovs <= HVH_SCSI_IOVS);
	for (unsigned i = 0; i < io->iovs; i++)
		bytes += io->iov[i].iov_len;
	EMBEDDER_REQUIRE(bytes == io->bytes);
}

static void carry_out(struct scsi_guest *n, struct hvh_disk_io *io)
{
	struct scsi_guest_disk *disk = io->disk;
	uint8_t *at = disk->bytes + io->offset;

	if (io->op == HVH_DISK_ZERO && !n->result)
		memset(at, 0, io->bytes);
	for (unsigned i = 0; i < io->iovs && !n->result; i++) {
		if (io->op == HVH_DISK_READ)
			memcpy(io->iov[i].iov_base, at, io->iov[i].iov_len);
		else if (io->op == HVH_DISK_WRITE)
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
		at += io->iov[i].iov_len;
	}
	hvh_scsi_done(io, n->result);
}

static void on_submit(void *ctx, struct hvh_disk_io *io)
{
	struct scsi_guest *n = ctx;
	struct scsi_guest_io *log = &n->log[n->requests++ % SCSI_GUEST_LOG];

	check_io(io->disk, io);
	*log = (struct scsi_guest_io){ io->op, io->durable, io->unmap, io->offset, io->bytes };
	if (n->hold || n->batch) {
		io->next = NULL;
		*n->held_end = io;
		n->held_end = &io->next;
	} else {
		carry_out(n, io);
	}
}

static void take_held(struct scsi_guest *n, unsigned count)
{
	while (n->held && count--) {
		struct hvh_disk_io *io = n->held;

		n->held = io->next;
		if (!n->held)
			n->held_end = &n->held;
		carry_out(n, io);
	}
}

static void on_kick(void *ctx, unsigned queue)
{
	struct scsi_guest *n = ctx;

	(void)queue;
	n->kicks++;
	if (n->batch)
		take_held(n, ~0u);
}

static void on_released(void *ctx, unsigned lun, void *disk)
{
	struct scsi_guest *n = ctx;
	struct scsi_guest_disk *gone = disk;

	EMBEDDER_REQUIRE(gone->there && gone->lun == lun);
	gone->there = false;
	n->released++;
}

static void on_ejected(void *ctx, unsigned lun, void *disk)
{
	struct scsi_guest *n = ctx;
	struct scsi_guest_disk *drive = disk;

	EMBEDDER_REQUIRE(drive->there && drive->is.dvd && drive->lun == lun && drive->medium);
	drive->medium = false;
	n->ejected++;
}

void scsi_guest_release(struct scsi_guest *n, unsigned count)
{
	take_held(n, count);
	for (unsigned queue = 0; queue < n->config.queues_max; queue++)
		hvh_scsi_flush(scsi_guest_device(n), queue);
	embedder_run(&n->e);
}

/* --- life ------------------------------------------------------------------------------------------ */

int scsi_guest_add(struct scsi_guest *n, unsigned disk)
{
	int err = hvh_scsi_add(scsi_guest_device(n), n->disk[disk].lun, &n->disk[disk].is);

	if (!err) {
		n->disk[disk].there = true;
		n->disk[disk].medium = n->disk[disk].is.dvd && n->disk[disk].is.bytes;
	}
	return err;
}

int scsi_guest_insert(struct scsi_guest *n, uint64_t bytes)
{
	struct scsi_guest_disk *drive = &n->disk[SCSI_GUEST_DRIVE];
	int err = hvh_scsi_insert(scsi_guest_device(n), drive->lun, bytes);

	if (!err) {
		EMBEDDER_REQUIRE(!drive->medium);
		drive->medium = true;
	}
	return err;
}

/* Also when it is made anew for a load: with the disks that were there. */
static struct hvh_device *own_create(struct embedder *e)
{
	struct scsi_guest *n = e->ctx;
	struct hvh_device *device = NULL;

	EMBEDDER_REQUIRE(!hvh_scsi_create(&n->config, &n->backend, n, &device));
	for (unsigned i = 0; i < SCSI_GUEST_DISKS; i++) {
		struct hvh_scsi_disk is = n->disk[i].is;

		if (is.dvd && !n->disk[i].medium)
			is.bytes = 0;
		EMBEDDER_REQUIRE(!n->disk[i].there || !hvh_scsi_add(device, n->disk[i].lun, &is));
	}
	return device;
}

struct hvh_device *scsi_guest_device(struct scsi_guest *n)
{
	return n->e.slots[EMBEDDER_HOT];
}

static void make_disks(struct scsi_guest *n)
{
	static const unsigned luns[SCSI_GUEST_DISKS] = { 0, 1, 5, 6 };

	for (unsigned i = 0; i < SCSI_GUEST_DISKS; i++) {
		struct scsi_guest_disk *disk = &n->disk[i];

		disk->lun = luns[i];
		if (!disk->is.bytes)
			disk->is.bytes = 1u << 20;
		if (!disk->is.block_bytes)
			disk->is.block_bytes = i == 1 ? 4096 : i == SCSI_GUEST_DRIVE ? 2048 : 512;
		disk->is.dvd = i == SCSI_GUEST_DRIVE;
		if (disk->is.dvd)
			disk->is.read_only = true;
		disk->is.physical_bytes = disk->is.dvd ? 2048 : 4096;
		disk->is.unmap_bytes = i >= 2 ? 0 : 4096;
		disk->is.disk = disk;
		memset(disk->is.id.b, (int)(0x10 * (i + 1)), sizeof(disk->is.id.b));
		disk->bytes = calloc(2, disk->is.bytes);
		EMBEDDER_REQUIRE(disk->bytes);
		memset(disk->bytes, 0x11 * (int)(i + 1), disk->is.bytes);
	}
	strcpy(n->disk[0].is.serial, "serial-0");
	n->disk[0].there = true;
}

bool scsi_guest_init(struct scsi_guest *n)
{
	const struct hvp_guid instance = HVP_GUID(1u, 2u, 3u, 4u, 5ull);
	struct hvh_mem_region region;
	struct hvw_msg msg;

	n->e.ctx = n;
	n->e.own_create = own_create;
	n->e.own_destroy = hvh_scsi_destroy;
	n->backend.submit = on_submit;
	n->backend.kick = on_kick;
	n->backend.released = on_released;
	n->backend.ejected = on_ejected;
	n->held_end = &n->held;
	n->next_id = 1000;
	n->config.instance_id = instance;
	if (!n->config.queues_max)
		n->config.queues_max = SCSI_GUEST_QUEUES;
	make_disks(n);
	embedder_init(&n->e);
	guest_init(&n->g, &n->e);
	if (!guest_up(&n->g) || embedder_add(&n->e, EMBEDDER_HOT) ||
	    !guest_expect(&n->g, HVP_MSG_OFFER_CHANNEL, &msg) ||
	    !guest_share_ring(&n->g, SCSI_GUEST_CHANNEL, SCSI_GUEST_RING, SCSI_GUEST_RING / 2) ||
	    !guest_open(&n->g, SCSI_GUEST_CHANNEL, 0))
		return false;
	hvh_mem_region(n->e.mem, 0, &region);
	for (unsigned i = 0; i < SCSI_GUEST_DATA; i++)
		n->data_gpns[i] = n->g.next_gpn++;
	n->data = (uint8_t *)region.host + n->data_gpns[0] * HVP_PAGE_SIZE;
	return true;
}

void scsi_guest_fini(struct scsi_guest *n)
{
	/* The controller is not closed before what it waits for has come. */
	n->hold = n->batch = false;
	take_held(n, ~0u);
	guest_fini(&n->g);
	embedder_fini(&n->e);
	for (unsigned i = 0; i < SCSI_GUEST_DISKS; i++)
		free(n->disk[i].bytes);
}

int scsi_guest_save_and_load(struct scsi_guest *n)
{
	uint8_t *state;
	size_t len;
	int err = embedder_save(&n->e, &state, &len);

	if (err)
		return err;
	err = embedder_load(&n->e, state, len);
	free(state);
	embedder_run(&n->e);
	return err;
}

/* --- packets --------------------------------------------------------------------------------------- */

static int put(struct scsi_guest *n, unsigned channel, uint16_t type, uint32_t header,
	       const struct hvw_piece *pieces, unsigned count)
{
	struct guest_channel *ch = &n->g.channels[channel];
	int err = ch->tx.control ? hvw_tx_put(&ch->tx, type, HVP_PACKET_FLAG_COMPLETION,
					      ++n->next_id, header, pieces, count) :
				   -EINVAL;

	if (!err && hvw_tx_commit(&ch->tx))
		embedder_doorbell(&n->e, ch->connection_id);
	embedder_run(&n->e);
	return err;
}

int scsi_guest_take(struct scsi_guest *n, unsigned channel)
{
	struct guest_channel *ch = &n->g.channels[channel];
	uint32_t len;
	int err;

	embedder_run(&n->e);
	err = ch->rx.control ? hvw_rx_next(&ch->rx, &n->packet) : -EINVAL;
	if (err)
		return err;
	memset(&n->answer, 0, sizeof(n->answer));
	len = n->packet.payload_len < sizeof(n->answer.u.bytes) ? n->packet.payload_len :
								  sizeof(n->answer.u.bytes);
	n->answer.len = n->packet.payload_len;
	err = hvw_rx_copy(&ch->rx, &n->packet, n->packet.header_len, n->answer.u.bytes, len);
	if (hvw_rx_release(&ch->rx))
		embedder_doorbell(&n->e, ch->connection_id);
	return err;
}

uint32_t scsi_guest_ask(struct scsi_guest *n, unsigned channel, struct hvw_storvsp *m, uint32_t len)
{
	const struct hvw_piece piece = { m->u.bytes, len };

	m->u.h.flags = 1;
	if (put(n, channel, HVP_PACKET_INBAND, 0, &piece, 1) || scsi_guest_take(n, channel) ||
	    n->packet.h.type != HVP_PACKET_COMPLETION || n->packet.h.transaction_id != n->next_id ||
	    n->answer.u.h.operation != HVP_STORVSP_COMPLETE_IO || n->answer.len != len)
		return 1;
	return n->answer.u.h.status;
}

uint32_t scsi_guest_say(struct scsi_guest *n, uint32_t operation)
{
	struct hvw_storvsp m;

	hvw_storvsp_init(&m, operation);
	return scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, HVP_STORVSP_BYTES);
}

bool scsi_guest_up(struct scsi_guest *n, uint32_t version)
{
	struct hvw_storvsp m;

	if (scsi_guest_say(n, HVP_STORVSP_BEGIN_INITIALIZATION))
		return false;
	hvw_storvsp_init(&m, HVP_STORVSP_QUERY_PROTOCOL_VERSION);
	m.u.query_version.version = (uint16_t)version;
	return !scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, HVP_STORVSP_BYTES_OLD) &&
	       !scsi_guest_say(n, HVP_STORVSP_QUERY_PROPERTIES) &&
	       !scsi_guest_say(n, HVP_STORVSP_END_INITIALIZATION);
}

bool scsi_guest_queues(struct scsi_guest *n, unsigned count)
{
	struct hvw_storvsp m;
	struct hvw_msg msg;

	hvw_storvsp_init(&m, HVP_STORVSP_CREATE_SUB_CHANNELS);
	m.u.sub_channels.count = (uint16_t)count;
	if (scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, HVP_STORVSP_BYTES))
		return false;
	for (unsigned i = 1; i <= count; i++)
		if (!guest_expect(&n->g, HVP_MSG_OFFER_CHANNEL, &msg))
			return false;
	for (unsigned i = 1; i <= count; i++)
		if (!guest_share_ring(&n->g, SCSI_GUEST_CHANNEL + i, SCSI_GUEST_RING,
				      SCSI_GUEST_RING / 2) ||
		    !guest_open(&n->g, SCSI_GUEST_CHANNEL + i, i % 4))
			return false;
	return true;
}

/* --- commands -------------------------------------------------------------------------------------- */

int scsi_guest_send(struct scsi_guest *n, unsigned channel, struct hvw_storvsp *m, uint32_t offset,
		    uint32_t bytes, uint32_t len)
{
	uint8_t header[1024];
	struct hvw_gpa_writer writer;
	struct hvw_piece pieces[2] = { { header, 0 }, { m->u.bytes, len } };

	m->u.h.operation = HVP_STORVSP_EXECUTE_SRB;
	m->u.h.flags = 1;
	if (!bytes)
		return put(n, channel, HVP_PACKET_INBAND, 0, &pieces[1], 1);
	if (hvw_gpa_writer_init(&writer, header, sizeof(header)) ||
	    hvw_gpa_writer_add(&writer, n->data_gpns + offset / HVP_PAGE_SIZE,
			       offset % HVP_PAGE_SIZE, bytes))
		abort();
	pieces[0].len = (uint32_t)hvw_gpa_writer_finish(&writer);
	return put(n, channel, HVP_PACKET_GPA_DIRECT, pieces[0].len, pieces, 2);
}

bool scsi_guest_command(struct scsi_guest *n, unsigned lun, const uint8_t *cdb, uint8_t data_in,
			uint32_t bytes)
{
	struct hvw_storvsp m;

	hvw_storvsp_init(&m, HVP_STORVSP_EXECUTE_SRB);
	m.u.srb.lun = (uint8_t)lun;
	m.u.srb.cdb_length = (uint8_t)hvw_cdb_bytes(cdb[0]);
	if (!m.u.srb.cdb_length)
		m.u.srb.cdb_length = 16;
	memcpy(m.u.srb.cdb, cdb, m.u.srb.cdb_length);
	m.u.srb.sense_length = HVP_SENSE_ROOM;
	m.u.srb.data_in = data_in;
	m.u.srb.transfer_length = bytes;
	return !scsi_guest_send(n, SCSI_GUEST_CHANNEL, &m, 0, bytes, HVP_STORVSP_BYTES) &&
	       !scsi_guest_take(n, SCSI_GUEST_CHANNEL) &&
	       n->packet.h.transaction_id == n->next_id &&
	       n->answer.u.h.operation == HVP_STORVSP_COMPLETE_IO;
}

bool scsi_guest_blocks(struct scsi_guest *n, unsigned lun, uint8_t op, uint8_t flags, uint64_t lba,
		       uint32_t length, uint32_t bytes)
{
	const struct hvw_cdb cdb = { op, flags, length, lba };
	uint8_t built[HVP_CDB_BYTES] = { 0 };
	bool reads = op == HVP_SCSI_READ_6 || op == HVP_SCSI_READ_10 || op == HVP_SCSI_READ_12 ||
		     op == HVP_SCSI_READ_16;

	hvw_cdb_build(built, &cdb);
	return scsi_guest_command(
		n, lun, built,
		bytes ? reads ? HVP_STORVSP_READ : HVP_STORVSP_WRITE : HVP_STORVSP_NO_DATA, bytes);
}
