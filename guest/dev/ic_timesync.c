/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Time synchronisation. A sample is the host's time at a known reference time, so that the way here
 * costs no accuracy. The clock is stepped where time has jumped (the host says so, or, if the port
 * wants that, it is seconds behind) and slewed otherwise.
 */
#include "ic_priv.h"

/* Nearer than this, leave the clock alone: other sources steer more finely. */
#define SLEW_MIN_TICKS (HVP_TIME_PER_SECOND / 1000)

/* Some hosts forget the sync flag after a sleep of their own; so far behind a guest must step. */
#define BEHIND_TICKS (5 * HVP_TIME_PER_SECOND)

/* A sample cannot have been on its way for longer. */
#define AGE_MAX_TICKS (600 * (uint64_t)HVP_TIME_PER_SECOND)

/* What looks at two clocks quicker than this was not interrupted between them; how often to try for that. */
#define QUICK_TICKS (HVP_TIME_PER_SECOND / 100000)
#define CLOCK_TRIES 5

bool hvg_timesync_implicit;

static const struct hvp_ic_version frameworks[] = { { 3, 0 }, { 1, 0 } };
static const struct hvp_ic_version messages[] = { { 4, 0 }, { 3, 0 }, { 1, 0 } };

struct timesync {
	struct hvg_ic ic;
	struct hvos_lock lock;
	bool sampled; /* (l) */
	uint64_t host_time; /* (l) at … */
	uint64_t reference; /* (l) */
};

/* Host's time and the reference time it was read at; false: too short. */
static bool parse(struct hvg_ic *ic, const uint8_t *body, size_t size, uint64_t *host_time,
		  uint64_t *reference, uint8_t *flags)
{
	if (ic->message.major >= 4) {
		struct hvp_ic_timesync_v4 v4;
		const size_t needed = offsetof(struct hvp_ic_timesync_v4, reserved);

		if (size < needed)
			return false;
		hvw_memcpy(&v4, body, needed);
		*host_time = v4.host_time;
		*reference = v4.reference_time;
		*flags = v4.flags;
	} else {
		struct hvp_ic_timesync v3;

		if (size < sizeof(v3))
			return false;
		hvw_memcpy(&v3, body, sizeof(v3));
		*host_time = v3.host_time;
		*reference = hvg_device_reference(ic->device);
		*flags = v3.flags;
	}
	return true;
}

/*
 * By how much the clock is behind the host's, whose time was `host_time` at `reference`. The counter is read between two
 * looks at the clock and taken for the middle; of some tries the quickest counts, for a work may be interrupted anywhere.
 */
static int64_t clock_behind(const struct hvg_device *device, uint64_t host_time, uint64_t reference)
{
	uint64_t width_best = ~(uint64_t)0;
	int64_t delta = 0;
	unsigned tries;

	for (tries = 0; tries < CLOCK_TRIES && width_best > QUICK_TICKS; tries++) {
		uint64_t before = hvos_clock_get(), now = hvg_device_reference(device);
		uint64_t width = hvos_clock_get() - before;

		if (tries && width >= width_best)
			continue;
		width_best = width;
		delta = (int64_t)(host_time + (now - reference) - (before + width / 2));
	}
	return delta;
}

static void set_clock(const struct hvg_device *device, uint64_t host_time, uint64_t reference,
		      bool sync)
{
	int64_t delta = clock_behind(device, host_time, reference);
	int err = 0;

	if (sync ||
	    (delta > BEHIND_TICKS && __atomic_load_n(&hvg_timesync_implicit, __ATOMIC_RELAXED)))
		err = hvos_clock_step(delta);
	else if (delta > SLEW_MIN_TICKS || delta < -SLEW_MIN_TICKS)
		err = hvos_clock_slew(delta);
	if (err && err != -EOPNOTSUPP)
		hvg_log(HVOS_WARNING, "timesync: the clock cannot be set: error %d", -err);
}

static uint32_t sample(struct hvg_ic *ic, uint8_t *body, size_t size)
{
	struct timesync *timesync = (struct timesync *)ic;
	uint64_t host_time, reference, age;
	uint8_t flags;

	if (!parse(ic, body, size, &host_time, &reference, &flags))
		return HVP_IC_FAIL;
	age = hvg_device_reference(ic->device) - reference;
	/* Negative ones are beyond the limit too. Answered like the others: it is not the host's fault that time has passed. */
	if (age > AGE_MAX_TICKS || flags == HVP_TIMESYNC_PROBE)
		return HVP_IC_SUCCESS;
	hvos_lock(&timesync->lock);
	timesync->sampled = true;
	timesync->host_time = host_time;
	timesync->reference = reference;
	hvos_unlock(&timesync->lock);
	set_clock(ic->device, host_time, reference, flags & HVP_TIMESYNC_SYNC);
	return HVP_IC_SUCCESS;
}

int hvg_timesync_read(const struct hvg_device *device, uint64_t *host_time, uint64_t *reference)
{
	struct timesync *timesync = hvg_device_data(device);
	uint64_t now = hvg_device_reference(device), age, sampled_time;
	bool sampled;

	hvos_lock(&timesync->lock);
	sampled = timesync->sampled;
	age = now - timesync->reference;
	sampled_time = timesync->host_time;
	hvos_unlock(&timesync->lock);
	if (!sampled)
		return -EAGAIN;
	if (age > AGE_MAX_TICKS)
		return -ESTALE;
	*host_time = sampled_time + age;
	*reference = now;
	return 0;
}

static void init(struct hvg_ic *ic)
{
	hvos_lock_init(&((struct timesync *)ic)->lock, "hvg timesync");
}

static void fini(struct hvg_ic *ic)
{
	hvos_lock_fini(&((struct timesync *)ic)->lock);
}

static const struct hvg_ic_service service = {
	.name = "timesync",
	.type = HVP_IC_TIMESYNC,
	.framework = frameworks,
	.frameworks = sizeof(frameworks) / sizeof(frameworks[0]),
	.message = messages,
	.messages = sizeof(messages) / sizeof(messages[0]),
	.bytes = sizeof(struct timesync),
	.init = init,
	.fini = fini,
	.request = sample,
};

static int attach(struct hvg_device *device)
{
	return hvg_ic_attach(device, &service);
}

const struct hvg_driver hvg_timesync_driver = {
	.name = "timesync",
	.class_id = HVP_CLASS_TIMESYNC,
	.attach = attach,
	.detach = hvg_ic_detach,
	.suspend = hvg_ic_suspend,
	.resume = hvg_ic_resume,
};
