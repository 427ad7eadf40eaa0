/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hvh/hvh_ic.h>
#include <hvh/hvh_state.h>

#include "fuzz/threaded_host_priv.h"

/* A save finds no channel in between within so many tries, a millisecond apart, or is given up. */
#define SAVE_TRIES 200u

_Noreturn void threaded_host_die(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
	abort();
}

/* --- doors: between control loop and owner loops -------------------------------------------------------- */

#define DOOR_OF(job, member) ((struct door *)((char *)(job)-offsetof(struct door, member)))

static struct door *find_door(struct threaded_host *host, const struct hvh_channel *channel)
{
	struct door *found = NULL;
	unsigned i;

	pthread_mutex_lock(&host->doors_lock);
	for (i = 0; i < DOORS && !found; i++)
		if (host->doors[i].channel == channel)
			found = &host->doors[i];
	pthread_mutex_unlock(&host->doors_lock);
	THREADED_REQUIRE(found);
	return found;
}

/* From here on no doorbell and no timer reaches the channel. Owner loop. */
static void shut(struct door *door)
{
	pthread_mutex_lock(&door->host->doors_lock);
	door->live = false;
	pthread_mutex_unlock(&door->host->doors_lock);
	threaded_loop_cancel(door->owner, &door->notify);
	threaded_loop_cancel(door->owner, &door->attend);
	door->deadline_ns = 0;
	door->running = false;
}

static void free_door(struct door *door)
{
	pthread_mutex_lock(&door->host->doors_lock);
	door->channel = NULL;
	pthread_mutex_unlock(&door->host->doors_lock);
}

static void knock(struct door *door)
{
	pthread_mutex_lock(&door->host->doors_lock);
	if (door->live)
		threaded_loop_give(door->owner, &door->notify);
	pthread_mutex_unlock(&door->host->doors_lock);
}

static void on_start(struct threaded_host *host, struct job *job)
{
	struct door *door = DOOR_OF(job, start);

	door->running = true;
	door->result = hvh_channel_start(door->channel);
	if (door->result)
		shut(door);
	threaded_loop_give(&host->control, &door->started);
}

static void on_notify(struct threaded_host *host, struct job *job)
{
	/* The server's state is saved: its devices touch the guest's memory no more. */
	if (!atomic_load(&host->muted))
		hvh_channel_notify(DOOR_OF(job, notify)->channel);
}

static void on_attend(struct threaded_host *host, struct job *job)
{
	(void)host;
	hvh_channel_attend(DOOR_OF(job, attend)->channel);
}

static void on_stop(struct threaded_host *host, struct job *job)
{
	(void)host;
	hvh_channel_stop(DOOR_OF(job, stop)->channel);
}

static void on_started(struct threaded_host *host, struct job *job)
{
	struct door *door = DOOR_OF(job, started);
	struct hvh_channel *channel = door->channel;
	int result = door->result;

	host->starting--;
	if (result)
		free_door(door);
	if (hvh_server_started(host->server, channel, result))
		knock(door);
}

static void on_stopped(struct threaded_host *host, struct job *job)
{
	struct door *door = DOOR_OF(job, stopped);
	struct hvh_channel *channel = door->channel;

	free_door(door);
	hvh_server_stopped(host->server, channel);
}

uint16_t threaded_host_doorbell(struct threaded_host *host, uint32_t connection_id)
{
	uint16_t status = HVP_STATUS_INVALID_CONNECTION_ID;
	unsigned i;

	pthread_mutex_lock(&host->doors_lock);
	for (i = 0; i < DOORS; i++) {
		struct door *door = &host->doors[i];

		if (!door->live || door->connection_id != connection_id)
			continue;
		threaded_loop_give(door->owner, &door->notify);
		status = HVP_STATUS_SUCCESS;
	}
	pthread_mutex_unlock(&host->doors_lock);
	return status;
}

uint64_t threaded_host_expire(struct threaded_host *host, const struct loop *owner)
{
	uint64_t next_ns = 0;
	unsigned i;

	if (atomic_load(&host->muted))
		return 0;
	for (i = 0; i < DOORS; i++) {
		struct door *door = &host->doors[i];
		uint64_t now_ns;

		/* Doors belong to one owner for good, so the rest is ours to look at. */
		if (door->owner != owner || !door->deadline_ns)
			continue;
		now_ns = threaded_host_now_ns();
		if (door->deadline_ns <= now_ns) {
			door->deadline_ns = 0;
			hvh_channel_expire(door->channel, now_ns);
		}
		if (door->deadline_ns && (!next_ns || door->deadline_ns < next_ns))
			next_ns = door->deadline_ns;
	}
	return next_ns;
}

/* --- the server's ops ------------------------------------------------------------------------------------ */

static enum threaded_device index_of(const struct threaded_host *host,
				     const struct hvh_channel *channel)
{
	struct hvh_channel_info info;
	unsigned i = 0;

	hvh_channel_info(channel, &info);
	while (host->devices[i] != info.device)
		THREADED_REQUIRE(++i < THREADED_DEVICES);
	return i;
}

static struct loop *owner_of(struct threaded_host *host, enum threaded_device device)
{
	return &host->owners[device % OWNERS];
}

static int op_channel_start(void *ctx, struct hvh_channel *channel, uint32_t connection_id)
{
	struct threaded_host *host = ctx;
	enum threaded_device device = index_of(host, channel);
	const struct loop *owner = owner_of(host, device);
	struct door *door = NULL;
	unsigned i;

	host->starting++;
	pthread_mutex_lock(&host->doors_lock);
	for (i = 0; i < DOORS && !door; i++)
		if (!host->doors[i].channel && host->doors[i].owner == owner)
			door = &host->doors[i];
	THREADED_REQUIRE(door);
	door->channel = channel;
	door->connection_id = connection_id;
	door->live = true;
	door->echo = device >= THREADED_ECHO && device < THREADED_OWN ?
			     (struct echo_device *)host->devices[device] :
			     NULL;
	threaded_loop_give(door->owner, &door->start);
	pthread_mutex_unlock(&host->doors_lock);
	return 0;
}

static void op_channel_attend(void *ctx, struct hvh_channel *channel)
{
	struct door *door = find_door(ctx, channel);

	threaded_loop_give(door->owner, &door->attend);
}

static void op_channel_stop(void *ctx, struct hvh_channel *channel)
{
	struct door *door = find_door(ctx, channel);

	threaded_loop_give(door->owner, &door->stop);
}

static void op_channel_drained(void *ctx, struct hvh_channel *channel)
{
	struct threaded_host *host = ctx;
	struct door *door = find_door(host, channel);

	shut(door);
	threaded_loop_give(&host->control, &door->stopped);
}

static void op_timer(void *ctx, struct hvh_channel *channel, uint64_t deadline_ns)
{
	find_door(ctx, channel)->deadline_ns = deadline_ns;
}

static void op_attention(void *ctx)
{
	struct threaded_host *host = ctx;

	threaded_loop_give(&host->control, &host->work);
}

static void destroy_device(struct threaded_host *host, struct hvh_device *device, unsigned index)
{
	if (index == THREADED_HEARTBEAT)
		hvh_heartbeat_destroy(device);
	else if (index == THREADED_SHUTDOWN)
		hvh_shutdown_destroy(device);
	else if (index == THREADED_TIMESYNC)
		hvh_timesync_destroy(device);
	else if (index == THREADED_OWN)
		host->config.own_destroy(device);
	else
		free(device);
}

static void op_device_removed(void *ctx, struct hvh_device *device)
{
	struct threaded_host *host = ctx;

	host->leaving--;
	/* Only echo devices are removed. */
	destroy_device(host, device, THREADED_ECHO);
}

static uint64_t op_now_ns(void *ctx)
{
	(void)ctx;
	return threaded_host_now_ns();
}

static void op_log(void *ctx, enum hvh_log_level level, const char *line)
{
	struct threaded_host *host = ctx;

	if (getenv("HVIS_HOST_LOG"))
		fprintf(stderr, "# host: %s\n", line);
	if (level > HVH_LOG_WARNING || atomic_fetch_add(&host->lines, 1))
		return;
	pthread_mutex_lock(&host->doors_lock);
	snprintf(host->line, sizeof(host->line), "%s", line);
	pthread_mutex_unlock(&host->doors_lock);
}

static const struct hvh_server_ops server_ops = {
	.post_message = threaded_partition_post,
	.signal = threaded_partition_signal,
	.channel_start = op_channel_start,
	.channel_attend = op_channel_attend,
	.channel_stop = op_channel_stop,
	.channel_drained = op_channel_drained,
	.timer = op_timer,
	.attention = op_attention,
	.device_removed = op_device_removed,
	.now_ns = op_now_ns,
	.log = op_log,
};

static void on_flush(struct threaded_host *host, struct job *job)
{
	(void)job;
	if (!atomic_load(&host->muted))
		hvh_server_flush(host->server);
}

static void on_work(struct threaded_host *host, struct job *job)
{
	(void)job;
	if (host->server)
		hvh_server_work(host->server);
}

/* --- what the guest posts ---------------------------------------------------------------------------------- */

struct post_job {
	struct job job;
	const struct hvp_post_message *post;
	uint16_t status;
};

static void on_post(struct threaded_host *host, struct job *job)
{
	struct post_job *post_job = (struct post_job *)job;
	const struct hvp_post_message *post = post_job->post;

	post_job->status = hvh_server_post(host->server, post->connection_id, post->message_type,
					   post->payload, post->payload_size);
	threaded_job_done(host, job);
}

uint16_t threaded_host_post(struct threaded_host *host, const struct hvp_post_message *post)
{
	struct post_job job = { .job.fn = on_post, .post = post };

	/* A host that is gone takes no message. */
	return threaded_loop_ask(host, &job.job) ? job.status : HVP_STATUS_INVALID_CONNECTION_ID;
}

/* --- devices ------------------------------------------------------------------------------------------------ */

static bool clock_read(void *ctx, uint64_t *host_time, uint64_t *reference_time)
{
	(void)ctx;
	*reference_time = threaded_host_reference();
	*host_time = HVP_TIME_UNIX_EPOCH + *reference_time;
	return true;
}

static void make_device(struct threaded_host *host, unsigned index)
{
	struct hvh_device **device = &host->devices[index];
	struct echo_device *echo;

	switch (index) {
	case THREADED_HEARTBEAT:
		THREADED_REQUIRE(hvh_heartbeat_create(device) == 0);
		break;
	case THREADED_SHUTDOWN:
		THREADED_REQUIRE(hvh_shutdown_create(device) == 0);
		break;
	case THREADED_TIMESYNC:
		THREADED_REQUIRE(hvh_timesync_create(clock_read, host, device) == 0);
		break;
	case THREADED_OWN:
		*device = host->config.own_create(host->config.own_ctx);
		break;
	default:
		echo = malloc(sizeof(*echo));
		THREADED_REQUIRE(echo);
		echo_device_init(echo, (uint8_t)index);
		echo->behaviour = host->config.echo;
		*device = &echo->device;
	}
	THREADED_REQUIRE(hvh_server_add(host->server, *device) == 0);
}

void threaded_host_idle(struct threaded_host *host, const struct loop *owner)
{
	unsigned i;

	for (i = 0; i < DOORS; i++)
		if (host->doors[i].owner == owner && host->doors[i].running && host->doors[i].echo)
			echo_device_drain(host->doors[i].echo);
}

/* --- errands: a test's calls, on the loop they belong to ------------------------------------------------------ */

enum errand_kind {
	ERRAND_STATS,
	ERRAND_SHUTDOWN,
	ERRAND_STEP,
	ERRAND_TURN,
	ERRAND_RELOAD,
	ERRAND_CALL,
	ERRAND_LEAVE
};

struct errand {
	struct job job;
	enum errand_kind kind;
	struct threaded_host_stats *stats;
	int64_t argument;
	void (*fn)(struct hvh_device *device, void *ctx); /* of ERRAND_CALL */
	void *ctx;
	int result;
};

static void shutdown_done(void *ctx, int result, uint32_t status)
{
	(void)ctx;
	(void)result;
	(void)status;
}

/* Owner loop of the device. */
static void on_device_errand(struct threaded_host *host, struct job *job)
{
	struct errand *errand = (struct errand *)job;

	if (errand->kind == ERRAND_CALL)
		errand->fn(host->devices[THREADED_OWN], errand->ctx);
	else if (errand->kind == ERRAND_SHUTDOWN)
		errand->result = hvh_shutdown_request(host->devices[THREADED_SHUTDOWN],
						      (uint32_t)errand->argument, "bye",
						      shutdown_done, NULL);
	else
		errand->result =
			hvh_timesync_step(host->devices[THREADED_TIMESYNC], errand->argument);
	threaded_job_done(host, job);
}

static void read_stats(struct threaded_host *host, struct threaded_host_stats *stats)
{
	unsigned i;

	memset(stats, 0, sizeof(*stats));
	hvh_server_stats(host->server, &stats->server);
	for (i = THREADED_ECHO; i < THREADED_OWN; i++)
		if (host->devices[i])
			stats->echoes |= 1u << (i - THREADED_ECHO);
	pthread_mutex_lock(&host->doors_lock);
	memcpy(stats->line, host->line, sizeof(stats->line));
	pthread_mutex_unlock(&host->doors_lock);
	stats->lines = atomic_load(&host->lines);
	stats->dropped = atomic_load(&host->dropped);
}

/* No channel is started, and no device is on its way out. */
static bool all_left(struct threaded_host *host)
{
	bool none = !host->leaving;
	unsigned i;

	pthread_mutex_lock(&host->doors_lock);
	for (i = 0; i < DOORS; i++)
		none &= !host->doors[i].channel;
	pthread_mutex_unlock(&host->doors_lock);
	return none;
}

/* `there`: a bit for each device. */
static void make_server(struct threaded_host *host, unsigned there)
{
	const struct hvh_server_config config = { .version_max = host->config.version_max,
						  .vps = host->config.cpus };
	unsigned i;

	THREADED_REQUIRE(hvh_server_create(host->mem, &config, &server_ops, host, &host->server) ==
			 0);
	for (i = 0; i < THREADED_DEVICES; i++)
		if (there & 1u << i)
			make_device(host, i);
}

/* Take everything from the guest without a word to it. */
static void drop_server(struct threaded_host *host)
{
	unsigned i;

	atomic_store(&host->muted, true);
	hvh_server_reset(host->server);
	threaded_control_nested(host, all_left);
	hvh_server_destroy(host->server);
	host->server = NULL;
	for (i = 0; i < THREADED_DEVICES; i++) {
		if (host->devices[i])
			destroy_device(host, host->devices[i], i);
		host->devices[i] = NULL;
	}
}

static void turn_device(struct threaded_host *host, unsigned index)
{
	struct hvh_device *device = host->devices[index];

	if (!device) {
		make_device(host, index);
		return;
	}
	host->devices[index] = NULL;
	host->leaving++;
	THREADED_REQUIRE(hvh_server_remove(host->server, device) == 0);
}

static void park_owners(struct threaded_host *host)
{
	for (unsigned i = 0; i < OWNERS; i++)
		threaded_owner_park(&host->owners[i]);
}

static void unpark_owners(struct threaded_host *host)
{
	for (unsigned i = 0; i < OWNERS; i++)
		threaded_owner_unpark(&host->owners[i]);
}

static bool all_started(struct threaded_host *host)
{
	return !host->starting;
}

/* What the owners have said to the control loop so far is done. */
static bool nothing_queued(struct threaded_host *host)
{
	bool nothing;

	pthread_mutex_lock(&host->control.lock);
	nothing = !host->control.first;
	pthread_mutex_unlock(&host->control.lock);
	return nothing;
}

/* With processors parked. On success owners are parked too. */
static bool save(struct threaded_host *host, struct hvh_state_writer *w)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	unsigned tries;

	for (tries = 0; tries < SAVE_TRIES; tries++) {
		int err;

		park_owners(host);
		threaded_control_nested(host, nothing_queued);
		hvh_state_writer_init(w);
		err = hvh_server_save(host->server, w);
		if (!err)
			return true;
		THREADED_REQUIRE(err == -EBUSY);
		free(w->bytes);
		unpark_owners(host);
		nanosleep(&pause, NULL);
	}
	return false;
}

static bool reload(struct threaded_host *host)
{
	struct hvh_state_writer w;
	struct hvh_state_reader r;
	unsigned there = 0, i;
	bool saved;

	threaded_partition_park(host);
	saved = save(host, &w);
	for (i = 0; i < THREADED_DEVICES; i++)
		there |= host->devices[i] ? 1u << i : 0;
	if (saved) {
		/* What was still to be done for the old server is not for the new one. */
		atomic_store(&host->muted, true);
		unpark_owners(host);
		drop_server(host);
		threaded_partition_reload(host);
		make_server(host, there);
		atomic_store(&host->muted, false);
		hvh_state_reader_init(&r, w.bytes, w.len);
		THREADED_REQUIRE(hvh_server_load(host->server, &r) == 0);
		THREADED_REQUIRE(hvh_state_reader_finish(&r) == 0);
		free(w.bytes);
		/* Before the guest is heard again. */
		threaded_control_nested(host, all_started);
	}
	threaded_partition_unpark(host);
	/* The processors' slots may have been emptied since. */
	threaded_loop_give(&host->control, &host->flush);
	return saved;
}

/* Control loop. */
static void on_errand(struct threaded_host *host, struct job *job)
{
	struct errand *errand = (struct errand *)job;

	switch (errand->kind) {
	case ERRAND_STATS:
		read_stats(host, errand->stats);
		break;
	case ERRAND_SHUTDOWN:
		job->fn = on_device_errand;
		threaded_loop_give(owner_of(host, THREADED_SHUTDOWN), job);
		return;
	case ERRAND_STEP:
		job->fn = on_device_errand;
		threaded_loop_give(owner_of(host, THREADED_TIMESYNC), job);
		return;
	case ERRAND_CALL:
		job->fn = on_device_errand;
		threaded_loop_give(owner_of(host, THREADED_OWN), job);
		return;
	case ERRAND_TURN:
		turn_device(host, (unsigned)errand->argument);
		break;
	case ERRAND_RELOAD:
		errand->result = reload(host);
		break;
	case ERRAND_LEAVE:
		drop_server(host);
		break;
	}
	threaded_job_done(host, job);
}

static int run_errand(struct threaded_host *host, struct errand *errand)
{
	errand->job.fn = on_errand;
	THREADED_REQUIRE(threaded_loop_ask(host, &errand->job));
	return errand->result;
}

bool threaded_host_reload(struct threaded_host *host)
{
	return run_errand(host, &(struct errand){ .kind = ERRAND_RELOAD });
}

void threaded_host_turn(struct threaded_host *host, unsigned echo)
{
	run_errand(host, &(struct errand){ .kind = ERRAND_TURN, .argument = THREADED_ECHO + echo });
}

void threaded_host_call(struct threaded_host *host,
			void (*fn)(struct hvh_device *device, void *ctx), void *ctx)
{
	run_errand(host, &(struct errand){ .kind = ERRAND_CALL, .fn = fn, .ctx = ctx });
}

int threaded_host_shutdown(struct threaded_host *host, uint32_t flags)
{
	return run_errand(host, &(struct errand){ .kind = ERRAND_SHUTDOWN, .argument = flags });
}

int threaded_host_step(struct threaded_host *host, int64_t offset)
{
	return run_errand(host, &(struct errand){ .kind = ERRAND_STEP, .argument = offset });
}

void threaded_host_stats(struct threaded_host *host, struct threaded_host_stats *stats)
{
	run_errand(host, &(struct errand){ .kind = ERRAND_STATS, .stats = stats });
}

/* --- life --------------------------------------------------------------------------------------------------- */

static void init_doors(struct threaded_host *host)
{
	unsigned i;

	pthread_mutex_init(&host->doors_lock, NULL);
	for (i = 0; i < DOORS; i++) {
		struct door *door = &host->doors[i];

		door->host = host;
		door->owner = &host->owners[i % OWNERS];
		door->start.fn = on_start;
		door->notify.fn = on_notify;
		door->attend.fn = on_attend;
		door->stop.fn = on_stop;
		door->started.fn = on_started;
		door->stopped.fn = on_stopped;
	}
	host->flush.fn = on_flush;
	host->work.fn = on_work;
}

struct threaded_host *threaded_host_create(const struct threaded_host_config *config,
					   struct user_config *user)
{
	struct threaded_host *host = calloc(1, sizeof(*host));
	struct hvh_mem_region region;
	unsigned i;

	THREADED_REQUIRE(host && config->cpus && config->cpus <= THREADED_CPUS_MAX);
	host->config = *config;
	THREADED_REQUIRE(hvh_mem_create(&host->mem) == 0);
	THREADED_REQUIRE(hvh_mem_add(host->mem, THREADED_GPA, config->ram_bytes) == 0);
	THREADED_REQUIRE(hvh_mem_region(host->mem, 0, &region));
	threaded_partition_init(host);
	init_doors(host);
	make_server(host, (1u << (config->own_create ? THREADED_DEVICES : THREADED_OWN)) - 1);
	for (i = 0; i < OWNERS; i++) {
		host->owners[i].index = i;
		threaded_loop_init(&host->owners[i], host, threaded_owner_run);
	}
	threaded_loop_init(&host->control, host, threaded_control_run);
	user->cpus = config->cpus;
	user->hypervisor = &host->table;
	user->kicked = threaded_partition_kicked;
	user->memory = (uint8_t *)region.host + HVP_PAGE_SIZE;
	/* Page 0 is for nobody; see hvos_shared_alloc(). */
	user->memory_gpa = region.gpa + HVP_PAGE_SIZE;
	user->memory_bytes = region.len - HVP_PAGE_SIZE;
	return host;
}

void threaded_host_stop(struct threaded_host *host)
{
	unsigned i;

	run_errand(host, &(struct errand){ .kind = ERRAND_LEAVE });
	threaded_loop_end(&host->control);
	for (i = 0; i < OWNERS; i++)
		threaded_loop_end(&host->owners[i]);
}

unsigned threaded_host_destroy(struct threaded_host *host)
{
	unsigned held, i;

	threaded_partition_fini(host);
	threaded_loop_fini(&host->control);
	for (i = 0; i < OWNERS; i++)
		threaded_loop_fini(&host->owners[i]);
	held = hvh_mem_held(host->mem);
	hvh_mem_destroy(host->mem);
	pthread_mutex_destroy(&host->doors_lock);
	free(host);
	return held;
}
