/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_ndis.h"
#include "hvw_shared.h"

/*
 * Copy an object of `type`, whose first revision has `least` bytes, to `dst` (`size` bytes). Its own size says
 * what counts; zeros behind that.
 */
static int copy_object(void *dst, size_t size, const void *bytes, size_t len, uint8_t type,
		       size_t least)
{
	struct hvp_ndis_header h;

	if (len < least)
		return -EPROTO;
	hvw_memcpy(&h, bytes, sizeof(h));
	if (h.type != type || !h.revision || h.size < least || h.size > len)
		return -EPROTO;
	hvw_memset(dst, 0, size);
	hvw_memcpy(dst, bytes, h.size < size ? h.size : size);
	return 0;
}

int hvw_ndis_offload_parse(struct hvp_ndis_offload *offload, const void *bytes, size_t len)
{
	return copy_object(offload, sizeof(*offload), bytes, len, HVP_NDIS_OFFLOAD,
			   HVP_NDIS_OFFLOAD_SIZE_1);
}

int hvw_ndis_offload_fit(struct hvp_ndis_offload *offload, unsigned revision, size_t room)
{
	static const uint16_t sizes[] = { HVP_NDIS_OFFLOAD_SIZE_1, HVP_NDIS_OFFLOAD_SIZE_2,
					  HVP_NDIS_OFFLOAD_SIZE_3 };
	unsigned newest = sizeof(sizes) / sizeof(sizes[0]);

	if (revision < newest)
		newest = revision;
	while (newest && sizes[newest - 1] > room)
		newest--;
	if (!newest)
		return -EMSGSIZE;
	offload->h.type = HVP_NDIS_OFFLOAD;
	offload->h.revision = (uint8_t)newest;
	offload->h.size = sizes[newest - 1];
	return offload->h.size;
}

int hvw_ndis_offload_params_parse(struct hvp_ndis_offload_params *params, const void *bytes,
				  size_t len)
{
	return copy_object(params, sizeof(*params), bytes, len, HVP_NDIS_DEFAULT,
			   HVP_NDIS_OFFLOAD_PARAMS_SIZE_1);
}

int hvw_ndis_rss_caps_parse(struct hvp_ndis_rss_caps *caps, const void *bytes, size_t len)
{
	int err = copy_object(caps, sizeof(*caps), bytes, len, HVP_NDIS_RSS_CAPABILITIES,
			      HVP_NDIS_RSS_CAPS_SIZE_1);

	if (!err && caps->h.size < HVP_NDIS_RSS_CAPS_SIZE_2)
		caps->entries = HVP_RSS_TABLE_ENTRIES;
	return err;
}
