/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Files from the host. The host names them and sends their pieces; the daemon writes them. What the host says is checked here as
 * far as the protocol goes: which files may be written is for the daemon to decide.
 */
#include "hvp_daemon.h"
#include "hvw_utf16.h"
#include "ic_daemon_priv.h"

/* As the kernel's own driver waits. */
#define TIMEOUT_MS 30000u

/* Files are not longer anywhere. */
#define FILE_OFFSET_MAX 0x7fffffffffffffffull

#define MESSAGE sizeof(struct hvp_fcopy_write)

static const struct hvp_ic_version frameworks[] = { { 3, 0 } };
static const struct hvp_ic_version messages[] = { { 1, 1 } };

/* --- the host's request for the daemon --------------------------------------------------------------- */

/* The daemon's texts take the bytes of the host's units, so that all else is at its place. */
static uint32_t ask_start(const uint8_t *body, size_t size, uint8_t *message)
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
static uint32_t ask_write(const uint8_t *body, size_t size, uint8_t *message)
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

static uint32_t ask(uint8_t *body, size_t size, uint8_t *message, uint32_t *status)
{
	struct hvp_fcopy_header header;

	*status = HVP_IC_INVALID;
	if (size < sizeof(header))
		return 0;
	hvw_memcpy(&header, body, sizeof(header));
	switch (header.op) {
	case HVP_FCOPY_START:
		*status = ask_start(body, size, message);
		return *status ? 0 : sizeof(struct hvp_daemon_fcopy_start);
	case HVP_FCOPY_WRITE:
		*status = ask_write(body, size, message);
		return *status ? 0 : sizeof(struct hvp_fcopy_write);
	case HVP_FCOPY_COMPLETE:
	case HVP_FCOPY_CANCEL:
		hvw_memcpy(message, &header, sizeof(header));
		return sizeof(header);
	}
	*status = HVP_IC_NOT_SUPPORTED;
	return 0;
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
