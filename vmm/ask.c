/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/ask.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vmm/client.h"
#include "vmm/log.h"
#include "vmm/loop.h"

#define NS_PER_S 1000000000ull

/* The longest text that guests give is a value of HVW_KVP_VALUE bytes. */
#define PRINT_BYTES 8192

/* --- asking ----------------------------------------------------------------------------------- */

int vmm_ask_open(const char *name, struct vmm_client **client)
{
	int error = vmm_client_open(name, client);

	if (error == -ENOENT || error == -ECONNREFUSED)
		vmm_log(HVH_LOG_ERROR,
			"no VM named '%s' is running; `hvhost list` shows those that are", name);
	else if (error == -EACCES || error == -EPERM)
		vmm_log(HVH_LOG_ERROR,
			"the VM '%s' is not yours: %s; be the user who started it, or root", name,
			strerror(-error));
	else if (error)
		vmm_log(HVH_LOG_ERROR, "cannot reach the VM '%s': %s", name, strerror(-error));
	return error;
}

void vmm_ask_silence(const char *name, int error)
{
	if (error == -EPIPE)
		vmm_log(HVH_LOG_ERROR, "the VM '%s' ended before it answered", name);
	else if (error == -ETIMEDOUT)
		vmm_log(HVH_LOG_ERROR, "the VM '%s' does not answer", name);
	else
		vmm_log(HVH_LOG_ERROR, "cannot talk to the VM '%s': %s", name, strerror(-error));
}

int vmm_ask_receive(struct vmm_client *client, uint64_t deadline_ns, json_t **reply)
{
	for (;;) {
		int error = vmm_client_receive(client, deadline_ns, reply);

		if (error || !json_object_get(*reply, "event"))
			return error;
		json_decref(*reply);
	}
}

json_t *vmm_ask(const char *name, json_t *request, unsigned timeout_s)
{
	struct vmm_client *client;
	json_t *reply = NULL, *result;
	int error = vmm_ask_open(name, &client);

	if (error) {
		json_decref(request);
		return NULL;
	}
	error = vmm_client_send(client, request);
	if (!error)
		error = vmm_ask_receive(client, vmm_now_ns() + timeout_s * NS_PER_S, &reply);
	vmm_client_close(client);
	if (error) {
		vmm_ask_silence(name, error);
		return NULL;
	}
	result = json_incref(json_object_get(reply, "result"));
	if (!json_is_object(result)) {
		const char *text = json_string_value(json_object_get(reply, "error"));

		vmm_log(HVH_LOG_ERROR, "the VM '%s': %s", name, text ? text : "answers nonsense");
		json_decref(result);
		result = NULL;
	}
	json_decref(reply);
	return result;
}

/* --- printing --------------------------------------------------------------------------------- */

void vmm_print_json(json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(value);
}

void vmm_print(const char *format, ...)
{
	char line[PRINT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (const unsigned char *c = (unsigned char *)line; *c; c++) {
		/* Also those that take two bytes. */
		bool escape = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0;

		c += escape;
		putchar(escape || (*c < 0x20 && *c != '\n') || *c == 0x7f ? '?' : *c);
	}
}
