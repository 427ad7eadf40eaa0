/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device: parts of what lies in pieces of memory, the guest's or the back end's. Any thread.
 */
#include "net_priv.h"

size_t hvh_net_copy(void *dst, const struct iovec *iov, unsigned iovs, size_t at, size_t len)
{
	size_t done = 0;

	for (; iovs && done < len; iov++, iovs--) {
		size_t step;

		if (at >= iov->iov_len) {
			at -= iov->iov_len;
			continue;
		}
		step = iov->iov_len - at < len - done ? iov->iov_len - at : len - done;
		hvw_copy_out((uint8_t *)dst + done, (const uint8_t *)iov->iov_base + at, step);
		done += step;
		at = 0;
	}
	return done;
}

unsigned hvh_net_slice(const struct iovec *iov, unsigned iovs, size_t at, size_t len,
		       struct iovec *out)
{
	unsigned count = 0;

	for (; iovs && len; iov++, iovs--) {
		size_t step;

		if (at >= iov->iov_len) {
			at -= iov->iov_len;
			continue;
		}
		step = iov->iov_len - at < len ? iov->iov_len - at : len;
		out[count].iov_base = (uint8_t *)iov->iov_base + at;
		out[count++].iov_len = step;
		len -= step;
		at = 0;
	}
	return count;
}
