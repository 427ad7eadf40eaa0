/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Files from the host. The host names them and sends their pieces; the daemon writes them. What the host says is checked here as
 * far as the protocol goes: which files may be written is for the daemon to decide.
 */
#include "hvw_fcopy.h"
#include "ic_daemon_priv.h"

/* As the kernel's own driver waits. */
#define TIMEOUT_MS 30000u

#define MESSAGE HVW_FCOPY_MESSAGE

static const struct hvp_ic_version frameworks[] = { { 3, 0 } };
static const struct hvp_ic_version messages[] = { { 1, 1 } };

/* --- the host's request for the daemon --------------------------------------------------------------- */

static uint32_t ask(uint8_t *body, size_t size, uint8_t *message, uint32_t *status)
{
	return hvw_fcopy_to_daemon(body, size, message, status);
}

static uint32_t timeout_ms(const uint8_t *message)
{
	(void)message;
	return TIMEOUT_MS;
}

/* --- the daemon -------------------------------------------------------------------------------------- */

static uint32_t answer(const uint8_t *message, uint8_t *body, size_t size)
{
	uint32_t status;

	(void)body;
	(void)size;
	hvw_memcpy(&status, message, sizeof(status));
	return status;
}

static enum hvg_daemon_effect effect(const uint8_t *message)
{
	uint32_t op;

	hvw_memcpy(&op, message, sizeof(op));
	return op == HVP_FCOPY_START ? HVG_DAEMON_HOLDS :
	       op == HVP_FCOPY_WRITE ? HVG_DAEMON_AS_BEFORE :
				       HVG_DAEMON_LETS_GO;
}

static void undo(uint8_t *message)
{
	const struct hvp_fcopy_header header = { .op = HVP_FCOPY_CANCEL };

	hvw_memcpy(message, &header, sizeof(header));
}

static bool hello(const uint8_t *message, size_t size)
{
	uint32_t version = 0;

	if (size >= sizeof(version))
		hvw_memcpy(&version, message, sizeof(version));
	return version == HVP_DAEMON_FCOPY_VERSION;
}

static void greet(uint8_t *message)
{
	const uint32_t version = HVP_DAEMON_FCOPY_VERSION;

	hvw_memcpy(message, &version, sizeof(version));
}

static const struct hvg_daemon_service service = {
	.ic = {
		HVG_DAEMON_IC(MESSAGE),
		.name = "fcopy",
		.type = HVP_IC_FCOPY,
		.framework = frameworks,
		.frameworks = sizeof(frameworks) / sizeof(frameworks[0]),
		.message = messages,
		.messages = sizeof(messages) / sizeof(messages[0]),
		.message_max = HVW_IC_HEADERS + sizeof(struct hvp_fcopy_write) + 8,
	},
	.answer_bytes = sizeof(uint32_t),
	.greeting_bytes = sizeof(uint32_t),
	.ask = ask,
	.timeout_ms = timeout_ms,
	.answer = answer,
	.effect = effect,
	.undo = undo,
	.undo_bytes = sizeof(struct hvp_fcopy_header),
	.hello = hello,
	.greet = greet,
};

static int attach(struct hvg_device *device)
{
	return hvg_ic_attach(device, &service.ic);
}

const struct hvg_driver hvg_fcopy_driver = {
	.name = "fcopy",
	.class_id = HVP_CLASS_FCOPY,
	.attach = attach,
	.detach = hvg_ic_detach,
	.suspend = hvg_ic_suspend,
	.resume = hvg_ic_resume,
};
