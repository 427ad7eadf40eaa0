/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "ic_priv.h"

static const struct hvp_ic_version frameworks[] = { { 3, 0 }, { 1, 0 } };
static const struct hvp_ic_version messages[] = { { 3, 2 }, { 3, 1 }, { 3, 0 }, { 1, 0 } };

struct shutdown {
	struct hvg_ic ic;
	bool pending; /* (w) */
	bool force; /* (w) */
	enum hvos_power action; /* (w) */
};

static uint32_t ask(struct hvg_ic *ic, uint8_t *body, size_t size)
{
	struct shutdown *shutdown = (struct shutdown *)ic;
	uint32_t flags;

	/* Without the text, for which there is nobody to show it to. */
	if (size < offsetof(struct hvp_ic_shutdown, text))
		return HVP_IC_FAIL;
	hvw_memcpy(&flags, body + offsetof(struct hvp_ic_shutdown, flags), sizeof(flags));
	switch (flags & ~HVP_SHUTDOWN_FORCE) {
	case 0:
		shutdown->action = HVOS_POWER_OFF;
		break;
	case HVP_SHUTDOWN_RESTART:
		shutdown->action = HVOS_RESTART;
		break;
	case HVP_SHUTDOWN_HIBERNATE:
		shutdown->action = HVOS_HIBERNATE;
		break;
	default:
		return HVP_IC_FAIL;
	}
	if (!hvos_power_supported(shutdown->action))
		return HVP_IC_FAIL;
	shutdown->force = flags & HVP_SHUTDOWN_FORCE;
	shutdown->pending = true;
	return HVP_IC_SUCCESS;
}

/* Not before the answer is in the ring: the host would never hear it. */
static void act(struct hvg_ic *ic)
{
	struct shutdown *shutdown = (struct shutdown *)ic;

	if (!shutdown->pending)
		return;
	shutdown->pending = false;
	hvos_power(shutdown->action, shutdown->force);
}

static const struct hvg_ic_service service = {
	.name = "shutdown",
	.type = HVP_IC_SHUTDOWN,
	.framework = frameworks,
	.frameworks = sizeof(frameworks) / sizeof(frameworks[0]),
	.message = messages,
	.messages = sizeof(messages) / sizeof(messages[0]),
	.bytes = sizeof(struct shutdown),
	.request = ask,
	.answered = act,
};

static int attach(struct hvg_device *device)
{
	return hvg_ic_attach(device, &service);
}

const struct hvg_driver hvg_shutdown_driver = {
	.name = "shutdown",
	.class_id = HVP_CLASS_SHUTDOWN,
	.attach = attach,
	.detach = hvg_ic_detach,
	.suspend = hvg_ic_suspend,
	.resume = hvg_ic_resume,
};
