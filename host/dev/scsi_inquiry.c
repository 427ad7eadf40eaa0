/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SCSI controller: what describes a disk. Each answer is built in r->buffer.
 */
#include <string.h>

#include "scsi_priv.h"

/* Linux and FreeBSD know by the vendor that they may trust what a disk says of UNMAP and WRITE SAME. */
#define VENDOR	 "Msft    "
#define PRODUCT	 "Virtual Disk    "
#define DRIVE	 "Virtual DVD-ROM "
#define REVISION "1.0 "

/* The IEEE's number of Microsoft, in an identifier of NAA 6. */
static const uint8_t naa_prefix[4] = { 0x60, 0x02, 0x24, 0x80 };
#define NAA_BYTES 16u

/* --- INQUIRY ----------------------------------------------------------------------------------------- */

/* `disk`: NULL where there is none. */
static uint32_t put_standard(uint8_t *buffer, const struct hvh_scsi_disk *disk)
{
	struct hvp_inquiry inquiry = {
		.type = HVP_INQUIRY_NO_DEVICE,
		.version = HVP_INQUIRY_SPC_3,
		.format = HVP_INQUIRY_FORMAT,
		.additional_length =
			sizeof(inquiry) - offsetof(struct hvp_inquiry, additional_length) - 1,
	};

	if (disk) {
		inquiry.type = disk->dvd ? HVP_INQUIRY_DVD : HVP_INQUIRY_DISK;
		inquiry.removable = disk->dvd ? HVP_INQUIRY_REMOVABLE : 0;
		inquiry.flags7 = HVP_INQUIRY_CMDQUE;
		memcpy(inquiry.vendor, VENDOR, sizeof(inquiry.vendor));
		memcpy(inquiry.product, disk->dvd ? DRIVE : PRODUCT, sizeof(inquiry.product));
		memcpy(inquiry.revision, REVISION, sizeof(inquiry.revision));
		hvw_put_be16(inquiry.descriptors[0], HVP_STANDARD_SPC_3);
		if (!disk->dvd)
			hvw_put_be16(inquiry.descriptors[1], HVP_STANDARD_SBC_3);
	}
	memcpy(buffer, &inquiry, sizeof(inquiry));
	return sizeof(inquiry);
}

static uint32_t put_serial(uint8_t *page, const struct hvh_scsi_disk *disk)
{
	uint32_t len = (uint32_t)strlen(disk->serial);

	memcpy(page, disk->serial, len);
	return len;
}

/* One by the vendor's name, for those who look no further, and the one that names links to the disk are made of. */
static uint32_t put_identifiers(uint8_t *page, const struct hvh_scsi_disk *disk)
{
	struct hvp_vpd_identifier h = { .code_set = HVP_IDENTIFIER_BINARY };
	const uint8_t *id = disk->id.b;
	uint8_t *at = page;

	h.type = HVP_IDENTIFIER_T10;
	h.length = sizeof(VENDOR) - 1 + sizeof(disk->id);
	memcpy(at, &h, sizeof(h));
	at += sizeof(h);
	memcpy(at, VENDOR, sizeof(VENDOR) - 1);
	memcpy(at + sizeof(VENDOR) - 1, id, sizeof(disk->id));
	at += h.length;

	h.type = HVP_IDENTIFIER_NAA;
	h.length = NAA_BYTES;
	memcpy(at, &h, sizeof(h));
	at += sizeof(h);
	memcpy(at, naa_prefix, sizeof(naa_prefix));
	memcpy(at + 4, id, 6);
	memcpy(at + 10, id + 10, 6);
	return (uint32_t)(at + NAA_BYTES - page);
}

static uint32_t put_limits(uint8_t *page, const struct scsi_lun *lun)
{
	struct hvp_vpd_block_limits limits = { .wsnz = 0 };

	hvw_put_be16(limits.transfer_granularity,
		     (uint16_t)(lun->disk.physical_bytes >> lun->shift));
	hvw_put_be32(limits.transfer_max, HVH_SCSI_TRANSFER_MAX >> lun->shift);
	hvw_put_be64(limits.write_same_max, WRITE_SAME_BYTES_MAX >> lun->shift);
	if (lun->disk.unmap_bytes) {
		hvw_put_be32(limits.unmap_blocks_max, (uint32_t)(UNMAP_BYTES_MAX >> lun->shift));
		hvw_put_be32(limits.unmap_descriptors_max, UNMAP_DESCRIPTORS_MAX);
		hvw_put_be32(limits.unmap_granularity, lun->disk.unmap_bytes >> lun->shift);
		hvw_put_be32(limits.unmap_alignment, HVP_UNMAP_ALIGNMENT_VALID);
	}
	memcpy(page, (uint8_t *)&limits + sizeof(limits.h), sizeof(limits) - sizeof(limits.h));
	return sizeof(limits) - sizeof(limits.h);
}

static uint32_t put_block_device(uint8_t *page)
{
	struct hvp_vpd_block_device device = { .reserved = { 0 } };

	hvw_put_be16(device.rotation, HVP_ROTATION_NONE);
	memcpy(page, (uint8_t *)&device + sizeof(device.h), sizeof(device) - sizeof(device.h));
	return sizeof(device) - sizeof(device.h);
}

static uint32_t put_provisioning(uint8_t *page)
{
	const struct hvp_vpd_provisioning p = {
		.flags = HVP_PROVISIONING_UNMAP | HVP_PROVISIONING_WRITE_SAME_16 |
			 HVP_PROVISIONING_WRITE_SAME_10 | HVP_PROVISIONING_ZEROS,
		.type = HVP_PROVISIONING_THIN,
	};

	memcpy(page, (const uint8_t *)&p + sizeof(p.h), sizeof(p) - sizeof(p.h));
	return sizeof(p) - sizeof(p.h);
}

static uint32_t put_pages(uint8_t *page, const struct hvh_scsi_disk *disk)
{
	uint32_t len = 0;

	page[len++] = HVP_VPD_PAGES;
	if (disk->serial[0])
		page[len++] = HVP_VPD_SERIAL;
	page[len++] = HVP_VPD_IDENTIFIERS;
	if (disk->dvd)
		return len;
	page[len++] = HVP_VPD_BLOCK_LIMITS;
	page[len++] = HVP_VPD_BLOCK_DEVICE;
	if (disk->unmap_bytes)
		page[len++] = HVP_VPD_PROVISIONING;
	return len;
}

/* The page behind its header; 0: there is no such page. */
static uint32_t put_page(uint8_t *page, uint8_t number, const struct scsi_lun *lun)
{
	switch (number) {
	case HVP_VPD_PAGES:
		return put_pages(page, &lun->disk);
	case HVP_VPD_SERIAL:
		return put_serial(page, &lun->disk);
	case HVP_VPD_IDENTIFIERS:
		return put_identifiers(page, &lun->disk);
	case HVP_VPD_BLOCK_LIMITS:
		return lun->disk.dvd ? 0 : put_limits(page, lun);
	case HVP_VPD_BLOCK_DEVICE:
		return lun->disk.dvd ? 0 : put_block_device(page);
	case HVP_VPD_PROVISIONING:
		return lun->disk.unmap_bytes ? put_provisioning(page) : 0;
	default:
		return 0;
	}
}

/* Of INQUIRY alone, and not where commands of its length have theirs. */
static uint32_t allocation(const struct scsi_request *r)
{
	return hvw_be16(r->message.u.srb.cdb + 3);
}

void hvh_scsi_inquiry(struct scsi_request *r)
{
	uint8_t flags = r->cdb.flags, page = r->message.u.srb.cdb[2];
	struct hvp_vpd h = { .type = r->lun->disk.dvd ? HVP_INQUIRY_DVD : HVP_INQUIRY_DISK,
			     .page = page };
	uint32_t len;

	if (!(flags & HVP_CDB_EVPD)) {
		if (flags || page)
			hvh_scsi_invalid(r);
		else
			hvh_scsi_reply(r, put_standard(r->buffer, &r->lun->disk), allocation(r));
		return;
	}
	len = put_page(r->buffer + sizeof(h), page, r->lun);
	if (!len || flags != HVP_CDB_EVPD) {
		hvh_scsi_invalid(r);
		return;
	}
	hvw_put_be16(h.length, (uint16_t)len);
	memcpy(r->buffer, &h, sizeof(h));
	hvh_scsi_reply(r, len + (uint32_t)sizeof(h), allocation(r));
}

void hvh_scsi_inquiry_absent(struct scsi_request *r)
{
	if (r->cdb.flags & HVP_CDB_EVPD)
		hvh_scsi_invalid(r);
	else
		hvh_scsi_reply(r, put_standard(r->buffer, NULL), allocation(r));
}

/* --- LUNs, capacity ---------------------------------------------------------------------------------- */

void hvh_scsi_report_luns(struct scsi_request *r)
{
	const struct hvp_storvsp_srb *srb = &r->message.u.srb;
	struct hvp_lun_list h = { .reserved = { 0 } };
	uint32_t len = sizeof(h);
	unsigned i;

	for (i = 0; i < HVH_SCSI_LUNS && !srb->path && !srb->target; i++) {
		struct hvp_lun_entry entry = { .lun = (uint8_t)i };

		if (!hvh_scsi_lun_present(r->q->scsi, i))
			continue;
		memcpy(r->buffer + len, &entry, sizeof(entry));
		len += (uint32_t)sizeof(entry);
	}
	hvw_put_be32(h.length, len - (uint32_t)sizeof(h));
	memcpy(r->buffer, &h, sizeof(h));
	hvh_scsi_reply(r, len, r->cdb.length);
}

void hvh_scsi_capacity_10(struct scsi_request *r)
{
	uint64_t last = atomic_load(&r->lun->blocks) - 1;
	struct hvp_capacity_10 capacity;

	hvw_put_be32(capacity.last, last < UINT32_MAX ? (uint32_t)last : UINT32_MAX);
	hvw_put_be32(capacity.block_bytes, r->lun->disk.block_bytes);
	memcpy(r->buffer, &capacity, sizeof(capacity));
	hvh_scsi_reply(r, sizeof(capacity), sizeof(capacity));
}

void hvh_scsi_capacity_16(struct scsi_request *r)
{
	const struct scsi_lun *lun = r->lun;
	struct hvp_capacity_16 capacity = { .protection = 0 };
	uint32_t in_physical = lun->disk.physical_bytes >> lun->shift;

	hvw_put_be64(capacity.last, atomic_load(&lun->blocks) - 1);
	hvw_put_be32(capacity.block_bytes, lun->disk.block_bytes);
	for (; in_physical > 1; in_physical >>= 1)
		capacity.exponent++;
	if (lun->disk.unmap_bytes)
		hvw_put_be16(capacity.provisioning, HVP_CAPACITY_THIN | HVP_CAPACITY_ZEROS);
	memcpy(r->buffer, &capacity, sizeof(capacity));
	hvh_scsi_reply(r, sizeof(capacity), r->cdb.length);
}
