/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include "vmm/image/crc32c.h"
#include "vmm/image/store.h"
#include "vmm/image/vhdx_priv.h"

static bool is_valid(const struct vhdx_header *header)
{
	return header->signature == VHDX_HEADER_SIGNATURE &&
	       header->checksum == vmm_crc32c_without(header, sizeof(*header),
						      offsetof(struct vhdx_header, checksum));
}

static int choose(struct vhdx *v)
{
	struct vhdx_header header[2];
	bool valid[2];

	for (unsigned i = 0; i < 2; i++) {
		int err = vmm_store_read(v->image.fd, &header[i], sizeof(header[i]),
					 VHDX_HEADER_OFFSET(i));

		if (err)
			return vmm_disk_image_fail(&v->image, "its headers", err);
		valid[i] = is_valid(&header[i]);
	}
	if (!valid[0] && !valid[1])
		return vmm_disk_image_refuse(&v->image, "both headers of the VHDX are damaged");
	if (valid[0] && valid[1] && header[0].sequence == header[1].sequence &&
	    memcmp(&header[0], &header[1], sizeof(header[0])))
		return vmm_disk_image_refuse(&v->image,
					     "the VHDX has two headers of the same number");
	v->current = !valid[0] || (valid[1] && header[1].sequence > header[0].sequence);
	v->header = header[v->current];
	return 0;
}

static int check_log(struct vhdx *v)
{
	const struct vhdx_header *h = &v->header;
	bool empty = vhdx_is_zero(&h->log);

	if (h->log_version && !empty)
		return vmm_disk_image_refuse(&v->image, "a log of version %u is not supported",
					     h->log_version);
	if (!h->log_bytes && empty && v->image.read_only)
		return 0;
	if (!h->log_bytes || h->log_bytes % VHDX_UNIT || h->log_offset % VHDX_UNIT ||
	    h->log_offset < VHDX_UNIT || h->log_offset > v->file_bytes ||
	    h->log_bytes > v->file_bytes - h->log_offset)
		return vmm_disk_image_refuse(&v->image, "the VHDX's log is not inside the file");
	if (h->log_bytes > VHDX_LOG_BYTES_MAX)
		return vmm_disk_image_refuse(&v->image,
					     "a log of %u MiB is not supported, only up to %u MiB",
					     h->log_bytes >> 20, VHDX_LOG_BYTES_MAX >> 20);
	return 0;
}

int vmm_vhdx_headers_read(struct vhdx *v)
{
	char signature[8];
	int err = vmm_store_size(v->image.fd, &v->file_bytes);

	if (err)
		return vmm_disk_image_fail(&v->image, "its size", err);
	if (v->file_bytes < VHDX_UNIT)
		return vmm_disk_image_refuse(&v->image, "too short for a VHDX");
	err = vmm_store_read(v->image.fd, signature, sizeof(signature), 0);
	if (err)
		return vmm_disk_image_fail(&v->image, "its first bytes", err);
	if (memcmp(signature, VHDX_FILE_SIGNATURE, sizeof(signature)))
		return vmm_disk_image_refuse(&v->image, "not a VHDX");
	err = choose(v);
	if (err)
		return err;
	if (v->header.version != 1)
		return vmm_disk_image_refuse(&v->image, "a VHDX of version %u is not supported",
					     v->header.version);
	return check_log(v);
}

int vmm_vhdx_headers_write(struct vhdx *v)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned place = !v->current;
		int err;

		v->header.sequence++;
		v->header.checksum = vmm_crc32c_without(&v->header, sizeof(v->header),
							offsetof(struct vhdx_header, checksum));
		err = vmm_store_write(v->image.fd, &v->header, sizeof(v->header),
				      VHDX_HEADER_OFFSET(place));
		if (!err)
			err = vmm_store_sync(v->image.fd);
		if (err)
			return err;
		v->current = place;
	}
	return 0;
}
