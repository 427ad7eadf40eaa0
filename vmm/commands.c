/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/commands.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/ask.h"
#include "vmm/client.h"
#include "vmm/control.h"
#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/trace.h"

#define NS_PER_S	   1000000000ull
#define LIST_TIMEOUT_S	   3
#define SHUTDOWN_TIMEOUT_S 120

/* --- printing --------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* "3 min 5 s". */
static const char *duration(char *buffer, size_t size, double seconds)
{
	long long s = (long long)seconds;

	if (s < 60)
		snprintf(buffer, size, "%.1f s", seconds);
	else if (s < 3600)
		snprintf(buffer, size, "%lld min %lld s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buffer, size, "%lld h %lld min", s / 3600, s / 60 % 60);
	else
		snprintf(buffer, size, "%lld d %lld h", s / 86400, s / 3600 % 24);
	return buffer;
}

static const char *uptime_of(char *buffer, size_t size, const json_t *status)
{
	const json_t *seconds = json_object_get(json_object_get(status, "vm"), "uptime_seconds");

	return json_is_number(seconds) ? duration(buffer, size, json_number_value(seconds)) : "-";
}

static const char *last_answer(char *buffer, size_t size, const json_t *service)
{
	const json_t *ms = json_object_get(service, "last_reply_ms");
	char time[32];

	if (!json_is_integer(ms))
		return "-";
	snprintf(buffer, size, "%s ago",
		 duration(time, sizeof(time), (double)json_integer_value(ms) / 1000));
	return buffer;
}

/* --- status and heartbeat --------------------------------------------------------------------- */

static void print_services(json_t *services)
{
	const char *name;
	json_t *service;

	vmm_print("%-12s %-12s %-8s %-9s %9s %9s  %s\n", "SERVICE", "STATE", "VERSION", "FRAMEWORK",
		  "REQUESTS", "REPLIES", "LAST ANSWER");
	json_object_foreach(services, name, service)
	{
		char buffer[48];

		if (json_is_null(service))
			vmm_print("%-12s off\n", name);
		else
			vmm_print("%-12s %-12s %-8s %-9s %9lld %9lld  %s\n", name,
				  text_of(service, "state"), text_of(service, "version"),
				  text_of(service, "framework"),
				  (long long)number_of(service, "requests"),
				  (long long)number_of(service, "replies"),
				  last_answer(buffer, sizeof(buffer), service));
	}
}

static void print_channels(const json_t *channels)
{
	const json_t *channel;
	size_t i;

	vmm_print("\n%-12s %-12s %9s %9s %9s\n", "CHANNEL", "STATE", "PROCESSOR", "RECEIVED",
		  "SENT");
	json_array_foreach(channels, i, channel)
	{
		char processor[24] = "-";

		if (json_is_integer(json_object_get(channel, "target_vp")))
			snprintf(processor, sizeof(processor), "%lld",
				 (long long)number_of(channel, "target_vp"));
		vmm_print("%-12s %-12s %9s %9lld %9lld\n", text_of(channel, "device"),
			  text_of(channel, "state"), processor,
			  (long long)number_of(channel, "packets_in"),
			  (long long)number_of(channel, "packets_out"));
	}
}

static long long sum_of(const json_t *nic, const char *counter)
{
	long long sum = 0;
	size_t index;
	json_t *queue;

	json_array_foreach(json_object_get(nic, "queue"), index, queue)
		sum += (long long)number_of(queue, counter);
	return sum;
}

static void print_nics(const json_t *nics)
{
	size_t index;
	json_t *nic;

	if (!json_array_size(nics))
		return;
	vmm_print("%-8s %-5s %-17s %-5s %-5s %6s %6s %10s %10s\n", "Adapter", "Kind", "Address",
		  "Link", "NVSP", "MTU", "Queues", "Received", "Sent");
	json_array_foreach(nics, index, nic) vmm_print(
		"%-8lld %-5s %-17s %-5s %-5s %6lld %6lld %10lld %10lld\n",
		(long long)number_of(nic, "number"), text_of(nic, "kind"), text_of(nic, "mac"),
		json_is_true(json_object_get(nic, "link")) ? "up" : "down", text_of(nic, "nvsp"),
		(long long)number_of(nic, "mtu"), (long long)number_of(nic, "queues"),
		sum_of(nic, "rx_frames"), sum_of(nic, "tx_frames"));
}

static void print_crash(const json_t *crash)
{
	if (!json_is_object(crash))
		return;
	vmm_print("The guest has crashed (%s).\n", text_of(crash, "state"));
	if (json_is_string(json_object_get(crash, "cause")))
		vmm_print("  %s\n", text_of(crash, "cause"));
	if (json_is_string(json_object_get(crash, "panic")))
		vmm_print("  %s\n", text_of(crash, "panic"));
}

static void print_status(const json_t *status)
{
	const json_t *vm = json_object_get(status, "vm");
	const char *version =
		json_string_value(json_object_get(json_object_get(status, "vmbus"), "version"));
	long long cpus = number_of(vm, "cpus");
	char uptime[32];

	vmm_print("%s: %s for %s (%s), %lld processor%s, %lld MiB of memory\n", text_of(vm, "name"),
		  text_of(vm, "state"), uptime_of(uptime, sizeof(uptime), status),
		  text_of(vm, "accel"), cpus, cpus == 1 ? "" : "s",
		  (long long)number_of(vm, "memory") >> 20);
	vmm_print("Guest: %s\n", text_of(json_object_get(status, "guest"), "os"));
	vmm_print("VMBus: %s\n", version ? version : "the guest is not connected");
	print_crash(json_object_get(status, "crash"));
	vmm_print("\n");
	print_services(json_object_get(status, "services"));
	print_channels(json_object_get(status, "channels"));
	if (json_array_size(json_object_get(status, "nics"))) {
		vmm_print("\n");
		print_nics(json_object_get(status, "nics"));
	}
	if (json_is_object(json_object_get(status, "storage"))) {
		vmm_print("\n");
		vmm_print_disks(json_object_get(status, "storage"));
	}
}

enum vmm_exit vmm_command_status(const struct vmm_query *query)
{
	json_t *status =
		vmm_ask(query->name, json_pack("{s:s}", "command", "status"), VMM_ASK_TIMEOUT_S);

	if (!status)
		return VMM_EXIT_FAILED;
	if (query->json) {
		vmm_print_json(status);
		return VMM_EXIT_DONE;
	}
	print_status(status);
	json_decref(status);
	return VMM_EXIT_DONE;
}

enum vmm_exit vmm_command_heartbeat(const struct vmm_query *query)
{
	json_t *result =
		vmm_ask(query->name, json_pack("{s:s}", "command", "heartbeat"), VMM_ASK_TIMEOUT_S);
	const char *verdict = text_of(result, "verdict");
	enum vmm_exit status = strcmp(verdict, "ok") == 0 ? VMM_EXIT_DONE : VMM_EXIT_FAILED;
	char buffer[48];

	if (!result)
		return VMM_EXIT_FAILED;
	if (query->json) {
		vmm_print_json(result);
		return status;
	}
	if (status == VMM_EXIT_DONE)
		vmm_print("%s: ok, last answer %s, %lld in all\n", query->name,
			  last_answer(buffer, sizeof(buffer), result),
			  (long long)number_of(result, "replies"));
	else
		vmm_print("%s: %s, last answer %s (service %s)\n", query->name, verdict,
			  last_answer(buffer, sizeof(buffer), result), text_of(result, "state"));
	json_decref(result);
	return status;
}

/* --- services ------------------------------------------------------------------------------------ */

static enum vmm_exit show_services(const struct vmm_query *query)
{
	json_t *status = vmm_ask(query->name, json_pack("{s:s}", "command", "status"),
				 VMM_ASK_TIMEOUT_S),
	       *services;

	if (!status)
		return VMM_EXIT_FAILED;
	services = json_object_get(status, "services");
	if (query->json)
		vmm_print_json(json_incref(services));
	else
		print_services(services);
	json_decref(status);
	return VMM_EXIT_DONE;
}

enum vmm_exit vmm_command_service(const struct vmm_query *query)
{
	uint64_t begin_ns = vmm_now_ns();
	json_t *result;

	if (!query->service)
		return show_services(query);
	result = vmm_ask(query->name,
			 json_pack("{s:s, s:s, s:b}", "command", "service", "service",
				   query->service, "on", (int)query->on),
			 VMM_ASK_TIMEOUT_S);
	if (!result)
		return VMM_EXIT_FAILED;
	json_decref(result);
	if (query->json)
		vmm_print_json(json_pack("{s:s, s:s, s:b, s:I}", "name", query->name, "service",
					 query->service, "on", (int)query->on, "elapsed_ms",
					 (json_int_t)((vmm_now_ns() - begin_ns) / 1000000)));
	else
		vmm_print("%s: %s is %s\n", query->name, query->service, query->on ? "on" : "off");
	return VMM_EXIT_DONE;
}

/* --- network adapters ----------------------------------------------------------------------------- */

static enum vmm_exit show_nics(const struct vmm_query *query)
{
	json_t *status = vmm_ask(query->name, json_pack("{s:s}", "command", "status"),
				 VMM_ASK_TIMEOUT_S),
	       *nics;

	if (!status)
		return VMM_EXIT_FAILED;
	nics = json_object_get(status, "nics");
	if (query->json)
		vmm_print_json(json_incref(nics));
	else if (!json_array_size(nics))
		vmm_print("%s: no network adapters\n", query->name);
	else
		print_nics(nics);
	json_decref(status);
	return VMM_EXIT_DONE;
}

enum vmm_exit vmm_command_nic(const struct vmm_query *query)
{
	static const struct {
		const char *order, *done;
	} orders[] = { { "add", "added" },
		       { "remove", "removed" },
		       { "connect", "connected" },
		       { "disconnect", "disconnected" },
		       { "changed", "changed" } };
	unsigned nic = query->nic;
	json_t *result;

	if (!query->nic_order)
		return show_nics(query);
	result = vmm_ask(query->name,
			 json_pack("{s:s, s:i, s:s, s:s*}", "command", "nic", "nic", (int)nic,
				   "order", query->nic_order, "kind", query->nic_kind),
			 VMM_ASK_TIMEOUT_S);
	if (!result)
		return VMM_EXIT_FAILED;
	if (query->nic_kind)
		nic = (unsigned)number_of(result, "nic");
	json_decref(result);
	if (query->json)
		vmm_print_json(json_pack("{s:s, s:i, s:s}", "name", query->name, "nic", (int)nic,
					 "order", query->nic_order));
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]) && !query->json; i++)
		if (!strcmp(query->nic_order, orders[i].order))
			vmm_print("%s: network adapter %u: %s\n", query->name, nic, orders[i].done);
	return VMM_EXIT_DONE;
}

/* --- time synchronisation ----------------------------------------------------------------------- */

enum vmm_exit vmm_command_timesync(const struct vmm_query *query)
{
	json_t *result = vmm_ask(query->name,
				 json_pack("{s:s, s:f}", "command", "timesync", "offset_seconds",
					   query->offset_seconds),
				 VMM_ASK_TIMEOUT_S);

	if (!result)
		return VMM_EXIT_FAILED;
	if (query->json) {
		vmm_print_json(result);
		return VMM_EXIT_DONE;
	}
	if (query->offset_seconds != 0)
		vmm_print("%s: told to set its clock to the host's %+.3f s\n", query->name,
			  query->offset_seconds);
	else
		vmm_print("%s: told to set its clock to the host's\n", query->name);
	json_decref(result);
	return VMM_EXIT_DONE;
}

/* --- nmi, pause, resume ------------------------------------------------------------------------- */

enum vmm_exit vmm_command_nmi(const struct vmm_query *query)
{
	json_t *result =
		vmm_ask(query->name, json_pack("{s:s}", "command", "nmi"), VMM_ASK_TIMEOUT_S);

	if (!result)
		return VMM_EXIT_FAILED;
	json_decref(result);
	return VMM_EXIT_DONE;
}

enum vmm_exit vmm_command_pause(const struct vmm_query *query)
{
	json_t *result =
		vmm_ask(query->name, json_pack("{s:s}", "command", "pause"), VMM_ASK_TIMEOUT_S);

	if (!result)
		return VMM_EXIT_FAILED;
	json_decref(result);
	vmm_print("%s: paused\n", query->name);
	return VMM_EXIT_DONE;
}

enum vmm_exit vmm_command_resume(const struct vmm_query *query)
{
	json_t *result =
		vmm_ask(query->name, json_pack("{s:s}", "command", "resume"), VMM_ASK_TIMEOUT_S);
	char buffer[32];

	if (!result)
		return VMM_EXIT_FAILED;
	if (query->json) {
		vmm_print_json(result);
		return VMM_EXIT_DONE;
	}
	vmm_print(
		"%s: goes on after %s%s\n", query->name,
		duration(buffer, sizeof(buffer),
			 json_number_value(json_object_get(result, "paused_seconds"))),
		json_is_true(json_object_get(result, "clock_ordered")) ?
			"" :
			"; its clock is behind by that: the guest has no time synchronisation driver loaded");
	json_decref(result);
	return VMM_EXIT_DONE;
}

/* --- list ------------------------------------------------------------------------------------- */

/* What is known of one VM: { name, state, pid, status or null }. */
static json_t *describe(const char *name)
{
	struct vmm_client *client;
	json_t *reply = NULL, *status;
	const char *state = "running";
	long long pid;
	int error = vmm_client_open(name, &client);

	if (error)
		return json_pack("{s:s, s:s, s:n, s:n}", "name", name, "state",
				 error == -ECONNREFUSED ? "not running" : "unreachable", "pid",
				 "status");
	pid = vmm_client_peer(client);
	error = vmm_client_send(client, json_pack("{s:s}", "command", "status"));
	if (!error)
		error = vmm_ask_receive(client, vmm_now_ns() + LIST_TIMEOUT_S * NS_PER_S, &reply);
	vmm_client_close(client);
	if (error == -EPIPE)
		state = "not running";
	else if (error)
		state = "not answering";
	status = json_object_get(reply, "result");
	if (!error && !status)
		state = "starting";
	status = status ? json_incref(status) : json_null();
	json_decref(reply);
	return json_pack("{s:s, s:s, s:I, s:o}", "name", name, "state", state, "pid",
			 (json_int_t)pid, "status", status);
}

static int is_socket(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');
	char name[sizeof(entry->d_name)];

	if (!dot || strcmp(dot, ".sock") != 0)
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)(dot - entry->d_name), entry->d_name);
	return vmm_name_is_valid(name);
}

static json_t *list_vms(void)
{
	struct dirent **entries;
	json_t *vms = json_array();
	int count = scandir(vmm_control_folder(), &entries, is_socket, alphasort);

	if (count < 0) {
		int error = errno;

		/* No folder yet: no VM yet. */
		if (error == ENOENT)
			return vms;
		vmm_log(HVH_LOG_ERROR, "cannot read %s: %s", vmm_control_folder(), strerror(error));
		json_decref(vms);
		return NULL;
	}
	for (int i = 0; i < count; i++) {
		*strrchr(entries[i]->d_name, '.') = '\0';
		json_array_append_new(vms, describe(entries[i]->d_name));
		free(entries[i]);
	}
	free(entries);
	return vms;
}

enum vmm_exit vmm_command_list(const struct vmm_query *query)
{
	json_t *vms = list_vms();
	const json_t *vm;
	size_t i;

	if (!vms)
		return VMM_EXIT_FAILED;
	if (query->json) {
		vmm_print_json(vms);
		return VMM_EXIT_DONE;
	}
	vmm_print("%-20s %-14s %8s %6s  %s\n", "NAME", "STATE", "PROCESS", "VMBUS", "UPTIME");
	json_array_foreach(vms, i, vm)
	{
		const json_t *status = json_object_get(vm, "status");
		char uptime[32], pid[24] = "-";

		if (number_of(vm, "pid"))
			snprintf(pid, sizeof(pid), "%lld", (long long)number_of(vm, "pid"));
		vmm_print("%-20s %-14s %8s %6s  %s\n", text_of(vm, "name"), text_of(vm, "state"),
			  pid, text_of(json_object_get(status, "vmbus"), "version"),
			  uptime_of(uptime, sizeof(uptime), status));
	}
	json_decref(vms);
	return VMM_EXIT_DONE;
}

/* --- shutdown --------------------------------------------------------------------------------- */

struct shutdown {
	const struct vmm_query *query;
	struct vmm_client *client;
	uint64_t begin_ns;
	uint64_t deadline_ns;
	unsigned seconds;
	int progress; /* the last line is a running count, to be wiped out */
	json_t *answer; /* the guest's or the monitor's, or NULL */
	json_int_t status; /* of hvhost run, -1: not told */
};

static void wipe_progress(struct shutdown *s)
{
	if (s->progress)
		fputs("\r\033[K", stderr);
	s->progress = 0;
}

static void show_progress(struct shutdown *s)
{
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[K%s: %s ... %llu s", s->query->name,
		s->answer ? "waiting for the guest to go down" : "asking the guest",
		(unsigned long long)((vmm_now_ns() - s->begin_ns) / NS_PER_S));
	fflush(stderr);
	s->progress = 1;
}

/* The next message, with the time running on the screen. */
static int next_message(struct shutdown *s, json_t **message)
{
	for (;;) {
		uint64_t step_ns = vmm_now_ns() + NS_PER_S;
		int error = vmm_client_receive(
			s->client, step_ns < s->deadline_ns ? step_ns : s->deadline_ns, message);

		if (error != -ETIMEDOUT || vmm_now_ns() >= s->deadline_ns)
			return error;
		show_progress(s);
	}
}

/* 1: refused, after a line to stderr. */
static int handle_message(struct shutdown *s, json_t *message)
{
	const char *event = json_string_value(json_object_get(message, "event"));
	const char *error = json_string_value(json_object_get(message, "error"));

	if (event && strcmp(event, "ended") == 0)
		s->status = number_of(message, "status");
	if (event)
		return 0;
	if (json_is_true(json_object_get(message, "ok"))) {
		json_decref(s->answer);
		s->answer = json_incref(json_object_get(message, "result"));
		return 0;
	}
	/* The VM ended while the request was under way: that is what was wanted. */
	if (s->status >= 0)
		return 0;
	wipe_progress(s);
	vmm_log(HVH_LOG_ERROR, "the VM '%s' was not shut down: %s%s", s->query->name,
		error ? error : "it answers nonsense",
		s->query->force || s->query->reboot || s->query->hibernate ? "" :
									     "; --force stops it");
	return 1;
}

static enum vmm_exit report_end(struct shutdown *s)
{
	const struct vmm_query *query = s->query;
	/* Whoever stops it by force asked for that status. */
	int crashed = s->status == VMM_EXIT_CRASHED,
	    failed = s->status == VMM_EXIT_FAILED && !query->force;

	if (crashed || failed) {
		vmm_log(HVH_LOG_ERROR, "the VM '%s' %s instead of shutting down", query->name,
			crashed ? "crashed" : "was stopped");
		return VMM_EXIT_FAILED;
	}
	if (query->json)
		vmm_print_json(json_pack("{s:s, s:I, s:O?}", "name", query->name, "elapsed_ms",
					 (json_int_t)((vmm_now_ns() - s->begin_ns) / 1000000),
					 "answer", s->answer));
	else if (query->reboot)
		vmm_print("%s: the guest restarts\n", query->name);
	else
		vmm_print("%s: %s after %.1f s\n", query->name,
			  query->force	   ? "stopped" :
			  query->hibernate ? "hibernated" :
					     "powered off",
			  (double)(vmm_now_ns() - s->begin_ns) / 1e9);
	return VMM_EXIT_DONE;
}

/* Until the VM is gone; a guest that restarts only has to agree. */
static enum vmm_exit wait_for_end(struct shutdown *s)
{
	const char *name = s->query->name;

	for (;;) {
		json_t *message;
		int error, refused;

		if (s->query->reboot && s->answer)
			return report_end(s);
		error = next_message(s, &message);
		wipe_progress(s);
		if (error == -EPIPE && (s->answer || s->status >= 0))
			return report_end(s);
		if (error == -ETIMEDOUT && s->answer) {
			vmm_log(HVH_LOG_ERROR,
				"the VM '%s' still runs after %u s; `hvhost shutdown %s --force` stops it",
				name, s->seconds, name);
			return VMM_EXIT_FAILED;
		}
		if (error) {
			vmm_ask_silence(name, error);
			return VMM_EXIT_FAILED;
		}
		refused = handle_message(s, message);
		json_decref(message);
		if (refused)
			return VMM_EXIT_FAILED;
	}
}

static json_t *shutdown_request(const struct vmm_query *query)
{
	if (query->force)
		return json_pack("{s:s}", "command", "stop");
	if (query->power_button)
		return json_pack("{s:s}", "command", "power-button");
	return json_pack("{s:s, s:b, s:b}", "command", "shutdown", "reboot", query->reboot,
			 "hibernate", query->hibernate);
}

enum vmm_exit vmm_command_shutdown(const struct vmm_query *query)
{
	struct shutdown s = { .query = query, .status = -1, .begin_ns = vmm_now_ns() };
	enum vmm_exit status = VMM_EXIT_FAILED;
	int error;

	s.seconds = query->timeout_seconds ? query->timeout_seconds : SHUTDOWN_TIMEOUT_S;
	s.deadline_ns = s.begin_ns + s.seconds * NS_PER_S;
	if (vmm_ask_open(query->name, &s.client))
		return VMM_EXIT_FAILED;
	error = vmm_client_send(s.client, shutdown_request(query));
	if (error)
		vmm_ask_silence(query->name, error);
	else
		status = wait_for_end(&s);
	vmm_client_close(s.client);
	json_decref(s.answer);
	return status;
}

/* --- trace ------------------------------------------------------------------------------------ */

enum vmm_exit vmm_command_trace(const struct vmm_query *query)
{
	bool is_stdin = strcmp(query->trace_path, "-") == 0;
	FILE *in = is_stdin ? stdin : fopen(query->trace_path, "re");
	int err;

	if (!in) {
		vmm_log(HVH_LOG_ERROR, "%s: %s", query->trace_path, strerror(errno));
		return VMM_EXIT_FAILED;
	}
	err = vmm_trace_normalise(in, is_stdin ? "the standard input" : query->trace_path, stdout);
	if (!is_stdin)
		fclose(in);
	return err ? VMM_EXIT_FAILED : VMM_EXIT_DONE;
}
