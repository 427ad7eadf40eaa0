/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest core with its drivers on port/sim, and a hostile host: the input says what becomes of each
 * message of a host that would otherwise do what is right, and then what the host does on its own account:
 * messages, packets, bytes in rings and in the SynIC's pages, rescinds and offers. What must hold whatever
 * the host does is checked by port/sim: no wrong use of a service, no wait without an end, nothing left.
 */
#include <stdio.h>
#include <string.h>

#include "fuzz/echo_driver.h"
#include "fuzz/fake_host.h"
#include "fuzz/fuzz_target.h"
#include "fuzz/input.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_ic.h"
#include "hvw_ic.h"
#include "port/sim/sim.h"

#define RAM	   (512u << 10)
#define CPUS	   2u
#define STEPS_MAX  48u
#define PACKET_MAX 256u

const unsigned fuzz_cuts = 4;

static struct input in;

static struct fake_host fake;
static struct hvg_bus *bus;

/* The host has told the guest that memory is its own again, which is not so: it must not be touched then. */
static bool lied;

/* Messages of the host that reached the guest as they should, by type. */
static unsigned sent[HVP_MSG_END];

static unsigned byte(void)
{
	return input_byte(&in);
}

static unsigned word(void)
{
	return input_word(&in);
}

/* --- messages ----------------------------------------------------------------------------------------- */

static bool frees_memory(uint32_t type)
{
	return type == HVP_MSG_GPADL_TORNDOWN || type == HVP_MSG_GPADL_CREATED ||
	       type == HVP_MSG_UNLOAD_RESPONSE || type == HVP_MSG_VERSION_RESPONSE;
}

static void send(const uint8_t *message, size_t len)
{
	soft_message(&fake.soft, fake.message_vp, HVP_MESSAGE_VMBUS, message, len);
}

/* Each message of the host passes here; bytes that are used up are zero, which lets it through. */
static bool tamper(struct fake_host *host, const void *message, size_t len)
{
	unsigned what = byte();
	uint8_t changed[HVP_MESSAGE_PAYLOAD_MAX] = { 0 };
	uint32_t type, value;

	(void)host;
	memcpy(&type, message, sizeof(type));
	if (what % 16 > 6 || what % 16 == 0) {
		sent[type]++;
		return false;
	}
	lied |= frees_memory(type);
	memcpy(changed, message, len);
	switch (what % 16) {
	case 1: /* never */
		break;
	case 2: /* twice */
		send(changed, len);
		send(changed, len);
		break;
	case 3: /* cut short */
		send(changed, byte() % len);
		break;
	case 4: /* with a tail */
		input_take(&in, changed + len, sizeof(changed) - len);
		send(changed, sizeof(changed));
		break;
	case 5: /* another number in a field */
		value = byte() % 8 ? (uint32_t)byte() : 0xffffffffu - (uint32_t)byte();
		memcpy(changed + byte() % (len / 4) * 4, &value, sizeof(value));
		send(changed, len);
		break;
	default: /* bits */
		changed[byte() % len] ^= (uint8_t)byte();
		send(changed, len);
		break;
	}
	return true;
}

/* A message out of nothing, with fields that may well fit. */
static void raw_message(void)
{
	uint8_t message[HVP_MESSAGE_PAYLOAD_MAX] = { 0 };
	uint32_t type = byte() % (HVP_MSG_END + 2);
	size_t len = byte() % (sizeof(message) + 1), filled = byte() % 32;

	memcpy(message, &type, sizeof(type));
	if (filled > sizeof(message) - 8)
		filled = sizeof(message) - 8;
	input_take(&in, message + 8, filled);
	lied |= frees_memory(type);
	send(message, len);
}

/* --- memory that both know ------------------------------------------------------------------------------ */

static struct fake_channel *channel(void)
{
	return &fake.channels[byte() % FAKE_CHANNELS];
}

static void spoil_ring(void)
{
	struct fake_channel *ch = channel();
	uint32_t offset = word(), bytes = byte() % 16;
	uint8_t noise[16];

	input_take(&in, noise, bytes);
	if (lied || !ch->ring.base)
		return;
	/* Control pages and the first packets are what matters: half of the offsets hit these. */
	offset = offset & 1 ? offset % 128 : offset;
	offset %= (uint32_t)(ch->ring.bytes - sizeof(noise));
	memcpy((uint8_t *)ch->ring.base + offset, noise, bytes);
	fake_signal(&fake, ch);
}

static void spoil_synic(void)
{
	unsigned cpu = byte() % CPUS, page = byte();
	uint32_t offset = word() % 256, bytes = byte() % 24;
	uint64_t pages[2] = { fake.soft.cpu[cpu].simp, fake.soft.cpu[cpu].siefp };
	uint64_t base = pages[page % 2];
	uint8_t noise[24];

	input_take(&in, noise, bytes);
	if (!(base & HVP_MSR_ENABLE))
		return;
	base = (base & ~(uint64_t)(HVP_PAGE_SIZE - 1)) + HVP_VMBUS_SINT * 256;
	if (offset > 256 - sizeof(noise))
		offset = 256 - sizeof(noise);
	if (hvh_mem_write(fake.mem, base + offset, noise, bytes) == 0)
		sim_interrupt(cpu);
}

static void spoil_clock(void)
{
	struct hvp_reference_tsc_page page;

	input_take(&in, &page, sizeof(page));
	if (fake.soft.reference_tsc & HVP_MSR_ENABLE &&
	    hvh_mem_write(fake.mem, fake.soft.reference_tsc & ~(uint64_t)(HVP_PAGE_SIZE - 1), &page,
			  sizeof(page)))
		sim_die("the clock's page is no memory");
}

/* --- packets ------------------------------------------------------------------------------------------- */

static void put(struct fake_channel *ch, const void *payload, uint32_t len)
{
	if (!lied && ch->open && ch->ring.base)
		(void)!fake_put(&fake, ch, byte(), payload, len);
}

static void raw_packet(void)
{
	struct fake_channel *ch = channel();
	uint8_t payload[PACKET_MAX];
	uint32_t len = byte();

	input_take(&in, payload, len);
	put(ch, payload, len);
}

static void ic_negotiate(void)
{
	static const struct hvp_ic_version known[] = { { 1, 0 }, { 3, 0 }, { 3, 2 }, { 4, 0 } };
	struct fake_channel *ch = channel();
	unsigned framework = byte() % 2 + 1, message = byte() % 4 + 1;
	uint8_t payload[PACKET_MAX];
	int len =
		hvw_ic_build_negotiate(payload, sizeof(payload), known, framework, known, message);

	if (len > 0)
		put(ch, payload, (uint32_t)len);
}

static void ic_request(void)
{
	struct fake_channel *ch = channel();
	uint8_t payload[PACKET_MAX];
	struct hvp_ic_header header = {
		.framework = { 3, 0 },
		.message = { 3, 0 },
		.type = (uint16_t)(byte() % 8),
		.size = (uint16_t)(byte() % 64),
		.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST,
	};
	size_t len = hvw_ic_build(payload, &header);

	input_take(&in, payload + HVW_IC_HEADERS, header.size);
	put(ch, payload, (uint32_t)len);
}

/* --- devices ------------------------------------------------------------------------------------------- */

static const struct hvp_guid *class_of(unsigned which)
{
	static const struct hvg_driver *const drivers[] = { &hvg_heartbeat_driver,
							    &hvg_shutdown_driver,
							    &hvg_timesync_driver, &echo_driver };

	return &drivers[which % 4]->class_id;
}

/* Sub-channels have the GUIDs of the first channel: instance n is that of class n. */
static void offer(void)
{
	unsigned which = byte() % 4;
	uint16_t index = (uint16_t)(byte() % 4);
	struct fake_channel *channel = fake_add(&fake, *class_of(which), (uint8_t)which, index);

	if (channel)
		fake_offer(&fake, channel);
}

static void use_echo(void)
{
	unsigned which = byte(), action = byte() % ECHO_ACTIONS, number = byte();

	(void)!echo_driver_do(which, (enum echo_action)action, number % 64);
}

static void step(void)
{
	switch (byte() % 14) {
	case 0:
		hvos_sleep_ms(byte());
		break;
	case 1:
		raw_packet();
		break;
	case 2:
		spoil_ring();
		break;
	case 3:
		fake_signal(&fake, channel());
		break;
	case 4:
		soft_event(&fake.soft, byte() % CPUS, word() % HVP_EVENT_FLAG_COUNT);
		break;
	case 5:
		raw_message();
		break;
	case 6:
		fake_rescind(&fake, channel());
		break;
	case 7:
		offer();
		break;
	case 8:
		ic_negotiate();
		break;
	case 9:
		ic_request();
		break;
	case 10:
		use_echo();
		break;
	case 11:
		spoil_synic();
		break;
	case 12:
		spoil_clock();
		break;
	default:
		sim_run();
		break;
	}
}

/* --- one input ------------------------------------------------------------------------------------------ */

static void quiet(void)
{
	static const struct hvg_driver *const drivers[] = { &hvg_heartbeat_driver,
							    &hvg_shutdown_driver,
							    &hvg_timesync_driver, &echo_driver };
	const struct hvg_bus_config config = {
		.os_id = 1ull << 63,
		.version_max = HVP_VERSION_5_3,
		.drivers = drivers,
		.driver_count = 4,
	};
	unsigned steps;

	if (hvg_bus_start(&config, &bus))
		return;
	(void)!hvg_bus_settle(bus, 1000);
	for (steps = 0; in.left && steps < STEPS_MAX; steps++)
		step();
	sim_run();
	if (byte() % 2 || hvg_bus_suspend(bus) || hvg_bus_resume(bus) == 0)
		sim_run();
	hvg_bus_stop(bus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sim_config config = { .cpus = CPUS };

	in.next = data;
	in.left = len;
	lied = false;
	fake_init(&fake, CPUS, RAM);
	fake.tamper = tamper;
	for (unsigned which = 0; which < 4; which++)
		(void)fake_add(&fake, *class_of(which), (uint8_t)which, 0);
	config.seed = byte();
	config.works = (enum sim_works)(byte() % SIM_WORKS_WAYS);
	soft_configure(&fake.soft, &config);
	sim_start(&config);
	echo_driver_init(PACKET_MAX);
	quiet();
	echo_driver_fini();
	sim_stop();
	fake_fini(&fake);
	return 0;
}

int fuzz_corpus_complete(void)
{
	static const uint32_t needed[] = {
		HVP_MSG_OFFER_CHANNEL,	  HVP_MSG_RESCIND_OFFER,   HVP_MSG_ALL_OFFERS_DELIVERED,
		HVP_MSG_OPEN_RESULT,	  HVP_MSG_GPADL_CREATED,   HVP_MSG_GPADL_TORNDOWN,
		HVP_MSG_VERSION_RESPONSE, HVP_MSG_UNLOAD_RESPONSE, HVP_MSG_MODIFY_CHANNEL_RESPONSE,
	};
	int missing = 0;

	for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!sent[needed[i]]) {
			printf("# never sent: %s\n", hvw_msg_name(needed[i]));
			missing++;
		}
	return missing;
}
