/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Messages, interrupts of the SINTs, event flags: on each processor in turn, since there is one
 * connection to the host.
 *
 * A contact of a version that does not exist is answered, and changes nothing: that is how messages
 * are made to come.
 */
#include "bus.h"
#include "check.h"
#include "hv.h"

#define VERSION_NONE HVP_VERSION(99, 0)
#define WAIT	     (2000 * TICKS_PER_MS)
#define NOTHING	     (20 * TICKS_PER_MS) /* how long to see that nothing comes */
#define OTHER_SINT   5u
#define SINT_MSR     (HVP_MSR_SINT0 + HVP_VMBUS_SINT)

#define ITEMS(X)                                                                                   \
	X(RESET, "registers at the start: all 0, SINTs masked, version 1")                         \
	X(VECTOR, "a vector below 16 faults unless the SINT is masked")                            \
	X(ZERO, "message and event page are zero when they are enabled")                           \
	X(BACK, "registers read back as written; EOM reads 0")                                     \
	X(MESSAGE, "a message comes with an interrupt, complete, on the processor asked for")      \
	X(BUSY, "a message for a busy slot sets the pending flag and comes after the EOM")         \
	X(MASKED, "a masked SINT gives no interrupt, and its message stays in the slot")           \
	X(NO_AUTO_EOI, "without AutoEOI the interrupt stays in service until the EOI")             \
	X(AUTO_EOI, "with AutoEOI it does not")                                                    \
	X(OTHER, "messages come through another SINT, if the contact says so")                     \
	X(OFF, "no message comes while the SynIC is off")

enum item { ITEMS(CHECK_ITEM_ENUM) };

static struct check_item items[] = { ITEMS(CHECK_ITEM) };

static void note(enum item item, bool good)
{
	check_note(&items[item], good);
}

/* Have the host answer to a processor. */
static bool provoke_for(const struct cpu *cpu, uint8_t sint)
{
	struct hvp_msg_initiate_contact contact = {
		.h.type = HVP_MSG_INITIATE_CONTACT,
		.version = VERSION_NONE,
		.target_vp = cpu->vp_index,
		.u.v5.sint = sint,
	};

	return !hv_post(HVP_CONNECTION_MESSAGE_1, HVP_MESSAGE_VMBUS, &contact, sizeof(contact));
}

static bool provoke(uint8_t sint)
{
	return provoke_for(cpu_this(), sint);
}

static bool full_for(const struct cpu *cpu, unsigned sint)
{
	return *(volatile uint32_t *)&cpu->messages->slot[sint].type != HVP_MESSAGE_NONE;
}

static bool slot_full(unsigned sint)
{
	return full_for(cpu_this(), sint);
}

static bool pending_for(const struct cpu *cpu, unsigned sint)
{
	return *(volatile uint8_t *)&cpu->messages->slot[sint].flags & HVP_MESSAGE_FLAG_PENDING;
}

static bool pending(unsigned sint)
{
	return pending_for(cpu_this(), sint);
}

/* The answer, taken out of the slot. */
static bool take(unsigned sint, struct hvp_synic_message *message)
{
	return TIME_UNTIL(slot_full(sint), WAIT) && hv_synic_take(sint, message);
}

static bool is_refusal(const struct hvp_synic_message *message)
{
	struct hvp_msg_version_response response;

	hvw_memcpy(&response, message->payload, sizeof(response));
	return message->type == HVP_MESSAGE_VMBUS && message->size == sizeof(response) &&
	       response.h.type == HVP_MSG_VERSION_RESPONSE && !response.supported;
}

static void check_registers(void)
{
	bool good = hvg_arch_get(HVP_MSR_SCONTROL) == 0 && hvg_arch_get(HVP_MSR_SIMP) == 0 &&
		    hvg_arch_get(HVP_MSR_SIEFP) == 0 && hvg_arch_get(HVP_MSR_SVERSION) == 1;

	for (unsigned i = 0; i < HVP_SINT_COUNT; i++)
		good &= hvg_arch_get(HVP_MSR_SINT0 + i) == HVP_SINT_MASKED;
	note(ITEM_RESET, good);
	note(ITEM_VECTOR, !cpu_try_set(SINT_MSR, 15) && !cpu_try_set(SINT_MSR, 0) &&
				  cpu_try_set(SINT_MSR, HVP_SINT_MASKED | 15) &&
				  cpu_try_set(SINT_MSR, HVP_SINT_MASKED));
}

static void check_on(void)
{
	struct cpu *cpu = cpu_this();
	static const uint8_t zeros[HVP_PAGE_SIZE];

	cpu->messages = mem_pages(1);
	cpu->events = mem_pages(1);
	hvw_memset(cpu->messages, 0xee, HVP_PAGE_SIZE);
	hvw_memset(cpu->events, 0xee, HVP_PAGE_SIZE);
	hv_synic_on(NULL);
	note(ITEM_ZERO, !__builtin_memcmp(cpu->messages, zeros, HVP_PAGE_SIZE) &&
				!__builtin_memcmp(cpu->events, zeros, HVP_PAGE_SIZE));
	note(ITEM_BACK,
	     hvg_arch_get(HVP_MSR_SIMP) == (mem_gpa(cpu->messages) | HVP_MSR_ENABLE) &&
		     hvg_arch_get(HVP_MSR_SIEFP) == (mem_gpa(cpu->events) | HVP_MSR_ENABLE) &&
		     hvg_arch_get(SINT_MSR) == VECTOR_SINT &&
		     hvg_arch_get(HVP_MSR_SCONTROL) == HVP_MSR_ENABLE &&
		     hvg_arch_get(HVP_MSR_EOM) == 0);
}

static void check_messages(void)
{
	struct cpu *cpu = cpu_this();
	uint32_t before = cpu_interrupts(cpu, VECTOR_SINT);
	struct hvp_synic_message message;

	note(ITEM_MESSAGE,
	     provoke(HVP_VMBUS_SINT) && take(HVP_VMBUS_SINT, &message) && is_refusal(&message) &&
		     TIME_UNTIL(cpu_interrupts(cpu, VECTOR_SINT) == before + 1, WAIT));

	note(ITEM_BUSY, provoke(HVP_VMBUS_SINT) && TIME_UNTIL(slot_full(HVP_VMBUS_SINT), WAIT) &&
				!pending(HVP_VMBUS_SINT) && provoke(HVP_VMBUS_SINT) &&
				TIME_UNTIL(pending(HVP_VMBUS_SINT), WAIT) &&
				take(HVP_VMBUS_SINT, &message) && is_refusal(&message) &&
				take(HVP_VMBUS_SINT, &message) && is_refusal(&message) &&
				!TIME_UNTIL(slot_full(HVP_VMBUS_SINT), NOTHING));
}

static void check_masked(void)
{
	struct cpu *cpu = cpu_this();
	uint32_t before = cpu_interrupts(cpu, VECTOR_SINT);
	struct hvp_synic_message message;

	hvg_arch_set(SINT_MSR, HVP_SINT_MASKED | VECTOR_SINT);
	note(ITEM_MASKED, provoke(HVP_VMBUS_SINT) && TIME_UNTIL(slot_full(HVP_VMBUS_SINT), WAIT) &&
				  !TIME_UNTIL(cpu_interrupts(cpu, VECTOR_SINT) != before, NOTHING));
	hvg_arch_set(SINT_MSR, VECTOR_SINT);
	note(ITEM_MASKED, take(HVP_VMBUS_SINT, &message));
}

/* True: after its interrupt, whose handler did not end it, the vector is in service. */
static bool stays_in_service(uint64_t sint)
{
	struct cpu *cpu = cpu_this();
	uint32_t before = cpu_interrupts(cpu, VECTOR_SINT);
	struct hvp_synic_message message;
	bool came, stays;

	hvg_arch_set(SINT_MSR, sint);
	cpu->no_eoi[VECTOR_SINT] = true;
	came = provoke(HVP_VMBUS_SINT) && take(HVP_VMBUS_SINT, &message) &&
	       TIME_UNTIL(cpu_interrupts(cpu, VECTOR_SINT) == before + 1, WAIT);
	stays = cpu_in_service(VECTOR_SINT);
	if (stays)
		bm_apic_write(APIC_EOI, 0);
	cpu->no_eoi[VECTOR_SINT] = false;
	hvg_arch_set(SINT_MSR, VECTOR_SINT);
	note(sint & HVP_SINT_AUTO_EOI ? ITEM_AUTO_EOI : ITEM_NO_AUTO_EOI,
	     came && !cpu_in_service(VECTOR_SINT));
	return stays;
}

static void check_other_sint(void)
{
	struct cpu *cpu = cpu_this();
	uint32_t before = cpu_interrupts(cpu, VECTOR_SINT + OTHER_SINT);
	struct hvp_synic_message message;

	hvg_arch_set(HVP_MSR_SINT0 + OTHER_SINT, VECTOR_SINT + OTHER_SINT);
	note(ITEM_OTHER,
	     provoke(OTHER_SINT) && take(OTHER_SINT, &message) && is_refusal(&message) &&
		     !slot_full(HVP_VMBUS_SINT) &&
		     TIME_UNTIL(cpu_interrupts(cpu, VECTOR_SINT + OTHER_SINT) == before + 1, WAIT));
	hvg_arch_set(HVP_MSR_SINT0 + OTHER_SINT, HVP_SINT_MASKED);
}

static void check_this_cpu(void *unused)
{
	(void)unused;
	check_registers();
	check_on();
	check_messages();
	check_masked();
	note(ITEM_NO_AUTO_EOI, stays_in_service(VECTOR_SINT));
	note(ITEM_AUTO_EOI, !stays_in_service(VECTOR_SINT | HVP_SINT_AUTO_EOI));
	check_other_sint();
	hvg_arch_set(HVP_MSR_SCONTROL, 0);
	note(ITEM_OFF, provoke(HVP_VMBUS_SINT) && !TIME_UNTIL(slot_full(HVP_VMBUS_SINT), NOTHING));
	hv_synic_off(NULL);
}

/* --- event flags ---------------------------------------------------------------------------------- */

struct events {
	struct bus_channel *channel;
	bool came;
	bool cleared;
};

/* On the processor that the channel's events are to go to. */
static void await_event(void *arg)
{
	struct events *e = arg;
	unsigned id = e->channel->offer.channel_id;

	e->came = TIME_UNTIL(hv_synic_event(HVP_VMBUS_SINT, id), WAIT);
	e->cleared = !hv_synic_event(HVP_VMBUS_SINT, id);
}

static void look_for_event(void *arg)
{
	struct events *e = arg;

	e->came = hv_synic_event(HVP_VMBUS_SINT, e->channel->offer.channel_id);
}

/* A channel opened for each processor in turn; the host speaks first on the heartbeat's, once it is signalled. */
static void check_events(void)
{
	static const struct hvp_guid heartbeat = HVP_CLASS_HEARTBEAT;
	uint32_t missing = 0, elsewhere = 0;

	cpu_run_all(hv_synic_on, NULL);
	if (!tap_ok(bus_connect(HVP_VERSION_5_3), "a contact of 5.3 is answered"))
		return;
	for (unsigned i = 0; i < hvos_cpu_count(); i++) {
		/* The first event may come before the answer to the open. */
		uint32_t before = cpu_interrupts(&cpus[i], VECTOR_SINT);
		struct events e = { .channel = bus_open(&heartbeat, cpus[i].vp_index) };

		if (!e.channel) {
			missing |= 1u << i;
			continue;
		}
		cpu_run(i, await_event, &e);
		if (!e.came || !e.cleared || cpu_interrupts(&cpus[i], VECTOR_SINT) == before)
			missing |= 1u << i;
		for (unsigned other = 0; other < hvos_cpu_count(); other++) {
			struct events none = { .channel = e.channel };

			if (other == i)
				continue;
			cpu_run(other, look_for_event, &none);
			elsewhere |= none.came ? 1u << other : 0;
		}
		bus_close(e.channel);
	}
	tap_eq(missing, 0, "event flags: set once, with an interrupt, on the channel's processor");
	tap_eq(elsewhere, 0, "event flags: not on any other");
	tap_ok(bus_disconnect(), "UNLOAD is answered");
	cpu_run_all(hv_synic_off, NULL);
}

/* --- messages of an earlier connection ------------------------------------------------------------- */

static void count_messages(void *arg)
{
	struct hvp_synic_message message;
	unsigned *count = arg;

	while (TIME_UNTIL(hv_synic_take(HVP_VMBUS_SINT, &message), NOTHING))
		++*count;
}

/*
 * An answer to one contact waits behind another in a slot of the second processor; then the first one
 * connects. Guests that take any answer for theirs would be led astray by what came later.
 */
static void check_withdrawn(void)
{
	struct cpu *other = &cpus[1];
	unsigned count = 0;

	if (hvos_cpu_count() < 2)
		return;
	cpu_run_all(hv_synic_on, NULL);
	/* Each is a contact itself: the first answer has to be there before the second is asked for. */
	tap_ok(provoke_for(other, HVP_VMBUS_SINT) &&
		       TIME_UNTIL(full_for(other, HVP_VMBUS_SINT), WAIT) &&
		       provoke_for(other, HVP_VMBUS_SINT) &&
		       TIME_UNTIL(pending_for(other, HVP_VMBUS_SINT), WAIT) &&
		       bus_connect(HVP_VERSION_5_3),
	       "a contact from one processor, with messages waiting on another");
	cpu_run(1, count_messages, &count);
	tap_eq(count, 1, "a new contact takes back what waits for a busy slot");
	tap_ok(bus_disconnect(), "UNLOAD is answered then");
	cpu_run_all(hv_synic_off, NULL);
}

void check_synic(void)
{
	for (unsigned i = 0; i < hvos_cpu_count(); i++)
		cpu_run(i, check_this_cpu, NULL);
	check_report("SynIC", items, sizeof(items) / sizeof(items[0]));
	check_events();
	check_withdrawn();
}
