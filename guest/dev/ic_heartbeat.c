/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "ic_priv.h"

static const struct hvp_ic_version frameworks[] = { { 3, 0 }, { 1, 0 } };
static const struct hvp_ic_version messages[] = { { 3, 0 }, { 1, 0 } };

/*
 * Each beat goes back with the next number: that we can add is the sign of life. The state stays as it came, "unknown": it
 * is that of the applications, of which a driver knows nothing.
 */
static uint32_t beat(struct hvg_ic *ic, uint8_t *body, size_t size)
{
	uint64_t sequence;

	(void)ic;
	if (size < sizeof(sequence))
		return HVP_IC_FAIL;
	hvw_memcpy(&sequence, body, sizeof(sequence));
	sequence++;
	hvw_memcpy(body, &sequence, sizeof(sequence));
	return HVP_IC_SUCCESS;
}

static const struct hvg_ic_service service = {
	.name = "heartbeat",
	.type = HVP_IC_HEARTBEAT,
	.framework = frameworks,
	.frameworks = sizeof(frameworks) / sizeof(frameworks[0]),
	.message = messages,
	.messages = sizeof(messages) / sizeof(messages[0]),
	.bytes = sizeof(struct hvg_ic),
	.request = beat,
};

static int attach(struct hvg_device *device)
{
	return hvg_ic_attach(device, &service);
}

const struct hvg_driver hvg_heartbeat_driver = {
	.name = "heartbeat",
	.class_id = HVP_CLASS_HEARTBEAT,
	.attach = attach,
	.detach = hvg_ic_detach,
	.suspend = hvg_ic_suspend,
	.resume = hvg_ic_resume,
};
