/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Backup: the host's freeze and thaw, which the daemon does. When the host goes away in between, the daemon is told to thaw.
 */
#include "hvp_daemon.h"
#include "hvp_vss.h"
#include "ic_daemon_priv.h"

/* As the kernel's own driver waits: what is to be written before a freeze can take long. */
#define FREEZE_TIMEOUT_MS 900000u
#define TIMEOUT_MS	  30000u

#define MESSAGE sizeof(struct hvp_daemon_vss)

static const struct hvp_ic_version frameworks[] = { { 3, 0 } };
static const struct hvp_ic_version messages[] = { { 5, 0 } };

static uint8_t op_of(const uint8_t *body)
{
	return body[offsetof(struct hvp_vss_header, op)];
}

static void put_flags(uint8_t *body, uint32_t flags)
{
	hvw_memcpy(body + offsetof(struct hvp_vss_plain, flags), &flags, sizeof(flags));
}

/* The daemon's message is the beginning of the host's. */
static uint32_t ask(uint8_t *body, size_t size, uint8_t *message, uint32_t *status)
{
	*status = HVP_IC_INVALID;
	if (size < sizeof(struct hvp_vss_plain))
		return 0;
	*status = HVP_IC_SUCCESS;
	switch (op_of(body)) {
	case HVP_VSS_HOT_BACKUP:
	case HVP_VSS_FREEZE:
	case HVP_VSS_THAW:
		hvw_memset(message, 0, MESSAGE);
		message[offsetof(struct hvp_daemon_vss, op)] = op_of(body);
		return MESSAGE;
	case HVP_VSS_GET_DM_INFO:
		put_flags(body, 0);
		return 0;
	}
	/* The others tell what the host does, and want no more than to be heard. */
	return 0;
}

static uint32_t timeout_ms(const uint8_t *message)
{
	return op_of(message) == HVP_VSS_FREEZE ? FREEZE_TIMEOUT_MS : TIMEOUT_MS;
}

static uint32_t answer(const uint8_t *message, uint8_t *body, size_t size)
{
	uint32_t status;

	(void)size;
	hvw_memcpy(&status, message + offsetof(struct hvp_daemon_vss, status), sizeof(status));
	if (op_of(body) == HVP_VSS_HOT_BACKUP)
		put_flags(body, HVP_VSS_NO_AUTO_RECOVERY);
	return status;
}

static enum hvg_daemon_effect effect(const uint8_t *message)
{
	const uint8_t op = op_of(message);

	return op == HVP_VSS_FREEZE ? HVG_DAEMON_HOLDS :
	       op == HVP_VSS_THAW   ? HVG_DAEMON_LETS_GO :
				      HVG_DAEMON_AS_BEFORE;
}

static void undo(uint8_t *message)
{
	hvw_memset(message, 0, MESSAGE);
	message[offsetof(struct hvp_daemon_vss, op)] = HVP_VSS_THAW;
}

static bool hello(const uint8_t *message, size_t size)
{
	return size >= MESSAGE &&
	       message[offsetof(struct hvp_daemon_vss, op)] == HVP_DAEMON_VSS_REGISTER;
}

static void greet(uint8_t *message)
{
	const uint32_t version = HVP_DAEMON_VSS_REGISTER;

	hvw_memcpy(message, &version, sizeof(version));
}

static const struct hvg_daemon_service service = {
	.ic = {
		HVG_DAEMON_IC(MESSAGE),
		.name = "vss",
		.type = HVP_IC_VSS,
		.framework = frameworks,
		.frameworks = sizeof(frameworks) / sizeof(frameworks[0]),
		.message = messages,
		.messages = sizeof(messages) / sizeof(messages[0]),
		.message_max = HVW_IC_HEADERS + sizeof(struct hvp_vss_freeze) + 8,
	},
	.answer_bytes = MESSAGE,
	.greeting_bytes = sizeof(uint32_t),
	.ask = ask,
	.timeout_ms = timeout_ms,
	.answer = answer,
	.effect = effect,
	.undo = undo,
	.undo_bytes = MESSAGE,
	.hello = hello,
	.greet = greet,
};

static int attach(struct hvg_device *device)
{
	return hvg_ic_attach(device, &service.ic);
}

const struct hvg_driver hvg_vss_driver = {
	.name = "vss",
	.class_id = HVP_CLASS_VSS,
	.attach = attach,
	.detach = hvg_ic_detach,
	.suspend = hvg_ic_suspend,
	.resume = hvg_ic_resume,
};
