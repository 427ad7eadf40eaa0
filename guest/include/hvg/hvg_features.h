/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the hypervisor announces to this partition, in the bits of hvp_hv.h.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_FEATURES_H
#define GUEST_INCLUDE_HVG_HVG_FEATURES_H

#include <stdbool.h>

#include "hvp_base.h"

struct hvg_features {
	uint32_t build;
	uint32_t version; /* major << 16 | minor; 0: not told */
	uint32_t access; /* HVP_ACCESS_*: registers */
	uint32_t privileges; /* HVP_PRIV_*: hypercalls */
	uint32_t misc; /* HVP_FEATURE_* */
	uint32_t hints; /* HVP_HINT_* */
};

#endif
