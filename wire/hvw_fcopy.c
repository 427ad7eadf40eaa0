/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_fcopy.h"

#include "hvp_ic.h"
#include "hvw_shared.h"
#include "hvw_utf16.h"

/* Files are not longer anywhere. */
#define FILE_OFFSET_MAX 0x7fffffffffffffffull

/* The daemon's texts take the bytes of the host's units, so that all else is at its place. */
static uint32_t take_start(const uint8_t *body, size_t size, uint8_t *message)
{
	static const uint16_t names[] = { offsetof(struct hvp_fcopy_start, name),
					  offsetof(struct hvp_fcopy_start, path) };
	unsigned i;

	if (size < sizeof(struct hvp_fcopy_start))
		return HVP_IC_INVALID;
	hvw_memcpy(message, body, sizeof(struct hvp_fcopy_start));
	for (i = 0; i < 2; i++) {
		hvw_memset(message + names[i], 0, HVP_DAEMON_FCOPY_NAME_BYTES);
		if (hvw_utf16_to_utf8((char *)message + names[i], HVP_DAEMON_FCOPY_NAME_BYTES,
				      body + names[i], HVP_FCOPY_NAME_UNITS) < 0)
			return HVP_IC_INVALID;
	}
	return HVP_IC_SUCCESS;
}

/* A piece may be sent short, but daemons get it whole, and none has to look at its size. */
static uint32_t take_write(const uint8_t *body, size_t size, uint8_t *message)
{
	const size_t at = offsetof(struct hvp_fcopy_write, data);
	uint64_t offset;
	uint32_t bytes;

	if (size < at)
		return HVP_IC_INVALID;
	hvw_memcpy(&offset, body + offsetof(struct hvp_fcopy_write, offset), sizeof(offset));
	hvw_memcpy(&bytes, body + offsetof(struct hvp_fcopy_write, size), sizeof(bytes));
	if (bytes > HVP_FCOPY_DATA || bytes > size - at || offset > FILE_OFFSET_MAX - bytes)
		return HVP_IC_INVALID;
	hvw_memcpy(message, body, at + bytes);
	hvw_memset(message + at + bytes, 0, HVP_FCOPY_DATA - bytes);
	return HVP_IC_SUCCESS;
}

uint32_t hvw_fcopy_to_daemon(const uint8_t *body, size_t size, uint8_t *message, uint32_t *status)
{
	struct hvp_fcopy_header header;

	*status = HVP_IC_INVALID;
	if (size < sizeof(header))
		return 0;
	hvw_memcpy(&header, body, sizeof(header));
	switch (header.op) {
	case HVP_FCOPY_START:
		*status = take_start(body, size, message);
		return *status ? 0 : sizeof(struct hvp_daemon_fcopy_start);
	case HVP_FCOPY_WRITE:
		*status = take_write(body, size, message);
		return *status ? 0 : sizeof(struct hvp_fcopy_write);
	case HVP_FCOPY_COMPLETE:
	case HVP_FCOPY_CANCEL:
		hvw_memcpy(message, &header, sizeof(header));
		return sizeof(header);
	}
	*status = HVP_IC_NOT_SUPPORTED;
	return 0;
}
