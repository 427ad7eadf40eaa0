/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_scsi.h"
#include "hvw_shared.h"

/* --- commands ---------------------------------------------------------------------------------------- */

/* The upper three bits of the number are the group. */
unsigned hvw_cdb_bytes(uint8_t op)
{
	static const uint8_t bytes[8] = { 6, 10, 10, 0, 16, 12, 0, 0 };

	return bytes[op >> 5];
}

#define LBA_6_HIGH 0x1fu /* in byte 1 */

int hvw_cdb_parse(struct hvw_cdb *cdb, const uint8_t *bytes, size_t len)
{
	unsigned need = len ? hvw_cdb_bytes(bytes[0]) : 0;

	if (!need || len < need)
		return -EPROTO;
	cdb->op = bytes[0];
	cdb->flags = bytes[1];
	switch (need) {
	case sizeof(struct hvp_cdb_6):
		cdb->lba = (uint64_t)(bytes[1] & LBA_6_HIGH) << 16 |
			   hvw_be16(bytes + offsetof(struct hvp_cdb_6, lba));
		cdb->length = bytes[offsetof(struct hvp_cdb_6, length)];
		break;
	case sizeof(struct hvp_cdb_10):
		cdb->lba = hvw_be32(bytes + offsetof(struct hvp_cdb_10, lba));
		cdb->length = hvw_be16(bytes + offsetof(struct hvp_cdb_10, length));
		break;
	case sizeof(struct hvp_cdb_12):
		cdb->lba = hvw_be32(bytes + offsetof(struct hvp_cdb_12, lba));
		cdb->length = hvw_be32(bytes + offsetof(struct hvp_cdb_12, length));
		break;
	default:
		cdb->lba = hvw_be64(bytes + offsetof(struct hvp_cdb_16, lba));
		cdb->length = hvw_be32(bytes + offsetof(struct hvp_cdb_16, length));
		break;
	}
	return 0;
}

void hvw_cdb_build(uint8_t *bytes, const struct hvw_cdb *cdb)
{
	unsigned len = hvw_cdb_bytes(cdb->op);

	hvw_memset(bytes, 0, len);
	bytes[0] = cdb->op;
	bytes[1] = cdb->flags;
	switch (len) {
	case sizeof(struct hvp_cdb_6):
		bytes[1] |= (uint8_t)(cdb->lba >> 16 & LBA_6_HIGH);
		hvw_put_be16(bytes + offsetof(struct hvp_cdb_6, lba), (uint16_t)cdb->lba);
		bytes[offsetof(struct hvp_cdb_6, length)] = (uint8_t)cdb->length;
		break;
	case sizeof(struct hvp_cdb_10):
		hvw_put_be32(bytes + offsetof(struct hvp_cdb_10, lba), (uint32_t)cdb->lba);
		hvw_put_be16(bytes + offsetof(struct hvp_cdb_10, length), (uint16_t)cdb->length);
		break;
	case sizeof(struct hvp_cdb_12):
		hvw_put_be32(bytes + offsetof(struct hvp_cdb_12, lba), (uint32_t)cdb->lba);
		hvw_put_be32(bytes + offsetof(struct hvp_cdb_12, length), cdb->length);
		break;
	case sizeof(struct hvp_cdb_16):
		hvw_put_be64(bytes + offsetof(struct hvp_cdb_16, lba), cdb->lba);
		hvw_put_be32(bytes + offsetof(struct hvp_cdb_16, length), cdb->length);
		break;
	default:
		break;
	}
}

/* --- sense ------------------------------------------------------------------------------------------- */

#define KEY_MASK 0x0fu

void hvw_sense_build(struct hvp_sense *sense, uint8_t key, uint16_t asc)
{
	hvw_memset(sense, 0, sizeof(*sense));
	sense->response = HVP_SENSE_FIXED;
	sense->key = key;
	sense->additional_length = HVP_SENSE_ADDITIONAL;
	hvw_put_be16(sense->asc, asc);
}

int hvw_sense_parse(const uint8_t *bytes, size_t len, uint8_t *key, uint16_t *asc)
{
	const size_t need = offsetof(struct hvp_sense, asc) + 2;

	if (len < need || (bytes[0] & HVP_SENSE_FIXED_MASK) != HVP_SENSE_FIXED)
		return -EPROTO;
	*key = bytes[offsetof(struct hvp_sense, key)] & KEY_MASK;
	*asc = hvw_be16(bytes + offsetof(struct hvp_sense, asc));
	return 0;
}

/* --- UNMAP ------------------------------------------------------------------------------------------- */

#define LIST_BYTES	 sizeof(struct hvp_unmap_list)
#define DESCRIPTOR_BYTES sizeof(struct hvp_unmap_descriptor)

int hvw_unmap_iter_init(struct hvw_unmap_iter *iter, const uint8_t *bytes, size_t len)
{
	size_t whole, descriptors;

	if (len < LIST_BYTES)
		return -EPROTO;
	whole = hvw_be16(bytes) + sizeof(((struct hvp_unmap_list *)0)->length);
	descriptors = hvw_be16(bytes + offsetof(struct hvp_unmap_list, descriptors_length));
	if (whole < LIST_BYTES || whole > len || descriptors > whole - LIST_BYTES ||
	    descriptors % DESCRIPTOR_BYTES)
		return -EPROTO;
	iter->next = bytes + LIST_BYTES;
	iter->left = (unsigned)(descriptors / DESCRIPTOR_BYTES);
	return 0;
}

int hvw_unmap_iter_next(struct hvw_unmap_iter *iter, struct hvw_unmap *unmap)
{
	if (!iter->left)
		return -EAGAIN;
	unmap->lba = hvw_be64(iter->next);
	unmap->blocks = hvw_be32(iter->next + offsetof(struct hvp_unmap_descriptor, blocks));
	iter->next += DESCRIPTOR_BYTES;
	iter->left--;
	return 0;
}

int hvw_unmap_build(uint8_t *bytes, size_t size, const struct hvw_unmap *unmap, unsigned count)
{
	size_t len = LIST_BYTES + count * DESCRIPTOR_BYTES;
	unsigned i;

	if (len > size || len - sizeof(uint16_t) > UINT16_MAX)
		return -EMSGSIZE;
	hvw_memset(bytes, 0, len);
	hvw_put_be16(bytes, (uint16_t)(len - sizeof(uint16_t)));
	hvw_put_be16(bytes + offsetof(struct hvp_unmap_list, descriptors_length),
		     (uint16_t)(len - LIST_BYTES));
	for (i = 0; i < count; i++) {
		uint8_t *at = bytes + LIST_BYTES + i * DESCRIPTOR_BYTES;

		hvw_put_be64(at, unmap[i].lba);
		hvw_put_be32(at + offsetof(struct hvp_unmap_descriptor, blocks), unmap[i].blocks);
	}
	return (int)len;
}
