/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How the subcommands ask a running VM, and print what they get. What goes wrong is said in one line to stderr.
 */
#ifndef VMM_ASK_H
#define VMM_ASK_H

#include <jansson.h>
#include <stdint.h>

struct vmm_client;

/*
 * One question, which is taken, one answer: the result, to be released by the caller, or NULL after that line.
 * What the running VM answers by itself it answers at once.
 */
#define VMM_ASK_TIMEOUT_S 10
json_t *vmm_ask(const char *name, json_t *request, unsigned timeout_s);

/* For those who have more to say: as vmm_client_open(), after that line. */
int vmm_ask_open(const char *name, struct vmm_client **client);

/* As vmm_client_receive(); the next message that is a reply: events are passed over. */
int vmm_ask_receive(struct vmm_client *client, uint64_t deadline_ns, json_t **reply);

/* The line for why no reply came: an error of sending or receiving. */
void vmm_ask_silence(const char *name, int error);

/* To the standard output. Text from the guest may be in it: nothing gets through that a terminal would act on. */
void vmm_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* `value` is taken. */
void vmm_print_json(json_t *value);

#endif
