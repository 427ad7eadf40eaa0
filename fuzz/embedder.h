/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A monitor in miniature around libhvis-host: virtual clock, owner loops whose work is put off until
 * the test lets it happen, an inbox as large as the test wants, and a trace of what the guest gets to
 * see. After everything it does it checks the server's invariants and aborts where one is broken.
 *
 * One thread. Devices stand in slots: heartbeat (channel 1), shutdown (2), echo (3), timesync (4 on
 * request), and more echo devices that come and go. Channels are counted by their id minus 1.
 */
#ifndef FUZZ_EMBEDDER_H
#define FUZZ_EMBEDDER_H

#include <hvh/hvh_ic.h>
#include <hvh/hvh_inject.h>
#include <hvh/hvh_mem.h>
#include <hvh/hvh_server.h>

#include "fuzz/echo_device.h"
#include "hvp_hv.h"

#define EMBEDDER_CHANNELS     3 /* those that are there from the start: the fuzz corpora count on it */
#define EMBEDDER_CHANNELS_MAX 128
#define EMBEDDER_RAM	      (2u << 20)

enum embedder_slot {
	EMBEDDER_HEARTBEAT,
	EMBEDDER_SHUTDOWN,
	EMBEDDER_ECHO,
	EMBEDDER_TIMESYNC,
	EMBEDDER_HOT, /* and those behind it */
	EMBEDDER_SLOTS = EMBEDDER_HOT + 4,
};

/* An address behind the RAM. */
#define EMBEDDER_NO_RAM ((uint64_t)EMBEDDER_RAM + 0x100000)

/* Above 0 while the embedder allocates for itself: a test that has allocations fail leaves those alone. */
extern unsigned embedder_allocating;

struct embedder_message {
	uint32_t vp;
	uint32_t sint;
	uint32_t len;
	uint8_t bytes[HVP_MESSAGE_PAYLOAD_MAX];
};

enum embedder_work {
	EMBEDDER_START, /* owner loop: hvh_channel_start() */
	EMBEDDER_STARTED, /* control loop: hvh_server_started() */
	EMBEDDER_NOTIFY, /* owner loop: the notification after that */
	EMBEDDER_ATTEND, /* owner loop: hvh_channel_attend() */
	EMBEDDER_STOP, /* owner loop: hvh_channel_stop() */
	EMBEDDER_STOPPED, /* control loop: hvh_server_stopped() */
	EMBEDDER_WORK, /* control loop: hvh_server_work(); belongs to no channel */
};

struct embedder_task {
	enum embedder_work work;
	unsigned channel; /* its id minus 1 */
	int result; /* of EMBEDDER_STARTED */
};

/* A packet as ops->trace_packet saw it. */
struct embedder_packet {
	uint32_t type;
	uint32_t flags;
	uint64_t transaction_id;
	size_t len; /* of the payload */
	uint8_t bytes[512]; /* its beginning */
};

struct embedder {
	/* For the test to set. */
	struct hvh_server_config config; /* before embedder_init() */
	bool with_timesync; /* before embedder_init() */
	bool clock_stopped; /* the timesync device cannot read the time */
	bool synchronous; /* the owner loop is the control loop: no work is put off */
	unsigned room; /* messages that the inbox holds */
	int start_result; /* what ops->channel_start answers */
	int owner_result; /* what EMBEDDER_START answers instead of asking the device, unless 0 */
	/* After each action of the guest or a loop, and when the guest is signalled; may be NULL. */
	void (*after_action)(struct embedder *e);
	void (*signal)(struct embedder *e, uint32_t vp, uint32_t flag);
	void (*attending)(struct embedder *e); /* a channel is going to be told; may be NULL */
	struct hvh_device *(*own_create)(
		struct embedder
			*e); /* what stands in EMBEDDER_HOT instead of an echo device; NULL: that */
	void (*own_destroy)(struct hvh_device *device);
	unsigned (*held)(const struct embedder *e); /* mappings of e->mem by the test; NULL: none */
	void *ctx; /* the test's own */

	/* For the test to read. */
	struct hvh_mem *mem;
	struct hvh_server *server;
	struct hvh_device *slots[EMBEDDER_SLOTS]; /* NULL: not there */
	struct hvh_device *heartbeat; /* the slots' */
	struct hvh_device *shutdown;
	struct hvh_device *timesync;
	struct echo_device echo;
	unsigned withdrawals; /* the server's; the inbox stays, which is what the guest has been given */
	unsigned removed; /* devices that the server was done with */
	uint64_t now_ns;
	unsigned accepted[HVP_MSG_END]; /* the guest's messages that were no violation */
	unsigned refused[HVP_MSG_END]; /* and those that were */
	unsigned traced_messages[2]; /* by enum hvp_direction */
	unsigned traced_packets[2];
	unsigned traced_split; /* packets in two pieces */
	struct embedder_packet traced[2]; /* the last one */
	unsigned signals[EMBEDDER_CHANNELS_MAX];
	uint32_t signal_vp[EMBEDDER_CHANNELS_MAX]; /* of the last one */
	unsigned timers_set;
	unsigned lines; /* logged */
	char last_line[256];
	unsigned shutdowns_ended; /* of those asked for by embedder_shutdown(), and how the last one did */
	int shutdown_result;
	uint32_t shutdown_status;
	char *trace; /* what the guest got */
	size_t trace_len;

	/* Private. */
	struct embedder_message *inbox;
	unsigned inbox_count, inbox_capacity;
	struct embedder_task tasks[256];
	unsigned task_count;
	struct {
		struct hvh_device *device;
		enum embedder_slot slot;
	} leaving[EMBEDDER_CHANNELS_MAX]; /* given to hvh_server_remove() */
	unsigned leaving_count;
	bool owned[EMBEDDER_CHANNELS_MAX]; /* between a successful start and drained */
	uint64_t deadline_ns[EMBEDDER_CHANNELS_MAX];
	size_t trace_capacity;
	bool muted; /* the server goes away: nothing goes to the trace or the inbox */
	uint64_t work_ns; /* of ops->work_at; 0: none */
	bool injecting; /* what the guest gets may be anything */
	bool refusing; /* a reserved channel, which may have the id of any other */
	bool posting; /* within hvh_server_flush(): answers may be old */
};

/* What the timesync device takes for the host's time and the reference counter when now_ns is this. */
#define EMBEDDER_HOST_TIME(now_ns) (133000000000000000ull + (now_ns) / 100)
#define EMBEDDER_REFERENCE(now_ns) (77 + (now_ns) / 100)

/* Make memory, devices and server. e->config is zero: 5.3, 4 processors. */
void embedder_init(struct embedder *e);

/* Reset, let everything come to its end, check that nothing is left, free. */
void embedder_fini(struct embedder *e);

/* The guest posts a message / signals a connection; a signal nobody listens to is lost. */
uint16_t embedder_post(struct embedder *e, uint32_t connection_id, const void *message, size_t len);
void embedder_doorbell(struct embedder *e, uint32_t connection_id);

/* The guest takes the oldest message of its inbox; false: none. */
bool embedder_take(struct embedder *e, struct embedder_message *message);

/* There may be room in the inbox again. */
void embedder_flush(struct embedder *e);

/*
 * Do one piece of the work that is put off: of those that may come next (each loop keeps the order of
 * its channel) the one that `pick` says. False: there was none.
 */
bool embedder_step(struct embedder *e, unsigned pick);

/* All of it, oldest first. A slow device that drains is not waited for. */
void embedder_run(struct embedder *e);

/* Time goes on; timers expire when they are due. */
void embedder_advance(struct embedder *e, uint64_t ns);

/* The device of the echo channel is done with a slow close. */
void embedder_drain(struct embedder *e);

void embedder_reset(struct embedder *e);

/* Faults on purpose; see hvh_inject.h. A load ends them. */
void embedder_inject(struct embedder *e, const char *text);

/*
 * Hot add and removal. An instance can be added again at once, but for EMBEDDER_ECHO, which is one
 * object. 0; -EBUSY: it is there already, or that; -ENOENT: it is not; and as hvh_server_add().
 */
int embedder_add(struct embedder *e, enum embedder_slot slot);
int embedder_remove(struct embedder *e, enum embedder_slot slot);

/* The echo device of a slot; NULL: not there, or another kind. */
struct echo_device *embedder_echo(struct embedder *e, enum embedder_slot slot);

/* The channel with that id, or NULL. */
struct hvh_channel *embedder_channel(struct embedder *e, unsigned channel);

/* As hvh_shutdown_request(). */
int embedder_shutdown(struct embedder *e, uint32_t flags);

/*
 * The state of server and devices; the caller frees it. -EBUSY as hvh_server_save().
 */
int embedder_save(struct embedder *e, uint8_t **state, size_t *len);

/*
 * A fresh server with fresh devices, from `state`; the old one goes away without a trace. The second one
 * with others: a bit for each slot, as embedder_there() tells.
 */
int embedder_load(struct embedder *e, const uint8_t *state, size_t len);
int embedder_load_with(struct embedder *e, unsigned there, const uint8_t *state, size_t len);
unsigned embedder_there(const struct embedder *e);

/* A line in the trace. */
void embedder_trace(struct embedder *e, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Abort with a line when the server's own books do not agree. Called by everything above. */
void embedder_check(struct embedder *e);

/* Abort unless true: for the embedder and for what uses it. */
#define EMBEDDER_REQUIRE(condition)                                                                \
	do {                                                                                       \
		if (!(condition))                                                                  \
			embedder_die(__FILE__, __LINE__, #condition);                              \
	} while (0)
_Noreturn void embedder_die(const char *file, int line, const char *what);

#endif
