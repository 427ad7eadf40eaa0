/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SCSI controller against a scripted guest: set-up at every version, queues, disks that come, go and grow, commands
 * under way, save and load. What the commands do: test_scsi_disk.c.
 */
#include <errno.h>

#include "fuzz/scsi_script.h"
#include "tap.h"

static struct scsi_guest *world(uint32_t version)
{
	struct scsi_guest *n = calloc(1, sizeof(*n));

	TAP_CHECK(scsi_guest_init(n));
	if (version)
		TAP_CHECK(scsi_guest_up(n, version));
	return n;
}

static void end(struct scsi_guest *n)
{
	scsi_guest_fini(n);
	free(n);
}

static bool broken(struct scsi_guest *n, unsigned channel)
{
	struct hvh_channel_info info;

	hvh_channel_info(embedder_channel(&n->e, channel), &info);
	return info.broken;
}

static struct hvh_scsi_status *status_of(struct scsi_guest *n)
{
	static struct hvh_scsi_status status;

	hvh_scsi_status(scsi_guest_device(n), &status);
	return &status;
}

/* TEST UNIT READY: the SRB status. */
static unsigned ready(struct scsi_guest *n, unsigned lun)
{
	return scsi_guest_blocks(n, lun, HVP_SCSI_TEST_UNIT_READY, 0, 0, 0, 0) ?
		       n->answer.u.srb.srb_status :
		       0;
}

/* The sense key and code of the last answer; 0: there is none. */
static uint32_t sense(struct scsi_guest *n)
{
	const struct hvp_storvsp_srb *srb = &n->answer.u.srb;
	uint8_t key;
	uint16_t asc;

	if (srb->srb_status != (HVP_SRB_ERROR | HVP_SRB_SENSE_VALID) ||
	    srb->scsi_status != HVP_SCSI_CHECK_CONDITION ||
	    hvw_sense_parse(srb->sense, srb->sense_length, &key, &asc))
		return 0;
	return (uint32_t)key << 16 | asc;
}

#define CAPACITY_CHANGED ((uint32_t)HVP_SENSE_UNIT_ATTENTION << 16 | HVP_ASC_CAPACITY_CHANGED)

/* --- set-up ------------------------------------------------------------------------------------------ */

TAP_TEST(every_version_can_be_set_up_and_takes_commands){
#define TRY(name, text, number, bytes)                                                             \
	{                                                                                          \
		struct scsi_guest *n = world(number);                                              \
                                                                                                   \
		TAP_EQ(status_of(n)->version, number);                                             \
		TAP_CHECK(status_of(n)->ready);                                                    \
		TAP_EQ(ready(n, 0), HVP_SRB_SUCCESS);                                              \
		TAP_EQ(status_of(n)->violations, 0);                                               \
		end(n);                                                                            \
	}
	HVP_STORVSP_VERSION_LIST(TRY)
#undef TRY
}

TAP_TEST(a_version_that_is_not_known_is_refused_and_another_may_be_tried)
{
	struct scsi_guest *n = world(0);
	struct hvw_storvsp m;

	TAP_EQ(scsi_guest_say(n, HVP_STORVSP_BEGIN_INITIALIZATION), 0);
	hvw_storvsp_init(&m, HVP_STORVSP_QUERY_PROTOCOL_VERSION);
	m.u.query_version.version = 0x0700;
	TAP_EQ(scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, 64), HVP_STORVSP_STATUS_REVISION_MISMATCH);
	m.u.query_version.version = HVP_STORVSP_5_1;
	TAP_EQ(scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, 64), 0);
	TAP_EQ(scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, 64), HVP_STORVSP_STATUS_INVALID_STATE);
	end(n);
}

TAP_TEST(an_answer_is_as_long_as_its_question)
{
	struct scsi_guest *n = world(0);
	struct hvw_storvsp m;

	hvw_storvsp_init(&m, HVP_STORVSP_BEGIN_INITIALIZATION);
	TAP_EQ(scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, 48), 0);
	TAP_EQ(n->answer.len, 48);
	hvw_storvsp_init(&m, HVP_STORVSP_QUERY_PROTOCOL_VERSION);
	m.u.query_version.version = HVP_STORVSP_6_2;
	TAP_EQ(scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, 64), 0);
	TAP_EQ(n->answer.len, 64);
	end(n);
}

TAP_TEST(set_up_messages_come_in_order)
{
	static const uint32_t order[] = { HVP_STORVSP_BEGIN_INITIALIZATION,
					  HVP_STORVSP_QUERY_PROTOCOL_VERSION,
					  HVP_STORVSP_QUERY_PROPERTIES,
					  HVP_STORVSP_END_INITIALIZATION };
	struct scsi_guest *n = world(0);
	struct hvw_storvsp m;

	for (unsigned step = 0; step < 4; step++) {
		for (unsigned i = 0; i < 4; i++) {
			hvw_storvsp_init(&m, order[i]);
			m.u.query_version.version = HVP_STORVSP_6_0;
			if (i != step)
				TAP_EQ(scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, 64),
				       HVP_STORVSP_STATUS_INVALID_STATE);
		}
		hvw_storvsp_init(&m, HVP_STORVSP_EXECUTE_SRB);
		m.u.srb.cdb_length = 6;
		TAP_EQ(scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, 64),
		       HVP_STORVSP_STATUS_INVALID_STATE);
		hvw_storvsp_init(&m, HVP_STORVSP_RESET_BUS);
		TAP_EQ(scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, 64),
		       HVP_STORVSP_STATUS_INVALID_STATE);
		hvw_storvsp_init(&m, order[step]);
		m.u.query_version.version = HVP_STORVSP_6_0;
		TAP_EQ(scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, 64), 0);
	}
	TAP_EQ(ready(n, 0), HVP_SRB_SUCCESS);
	hvw_storvsp_init(&m, HVP_STORVSP_RESET_BUS);
	TAP_EQ(scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, 64), 0);
	TAP_CHECK(!broken(n, SCSI_GUEST_CHANNEL));
	end(n);
}

TAP_TEST(operations_that_nobody_knows_are_refused_and_no_more)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);

	TAP_EQ(scsi_guest_say(n, 12), HVP_STORVSP_STATUS_INVALID_REQUEST);
	TAP_EQ(scsi_guest_say(n, 99), HVP_STORVSP_STATUS_INVALID_REQUEST);
	TAP_EQ(scsi_guest_say(n, HVP_STORVSP_ENUMERATE_BUS), HVP_STORVSP_STATUS_INVALID_REQUEST);
	TAP_EQ(ready(n, 0), HVP_SRB_SUCCESS);
	end(n);
}

/* A message that breaks the protocol costs the guest its channel, and no more. */
TAP_TEST(messages_that_make_no_sense_end_the_channel)
{
	for (unsigned i = 0; i < 4; i++) {
		struct scsi_guest *n = world(HVP_STORVSP_6_2);
		struct hvw_storvsp m;

		hvw_storvsp_init(&m, HVP_STORVSP_EXECUTE_SRB);
		m.u.srb.cdb_length = i == 0 ? 17 : 6;
		m.u.srb.data_in = i == 1 ? 3 : HVP_STORVSP_NO_DATA;
		TAP_EQ(scsi_guest_send(n, SCSI_GUEST_CHANNEL, &m, 0, 0,
				       i == 2 ? 40 :
				       i == 3 ? 8 :
						64),
		       0);
		TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), -EAGAIN);
		TAP_CHECK(broken(n, SCSI_GUEST_CHANNEL));
		TAP_EQ(status_of(n)->violations, 1);
		end(n);
	}
}

/* --- queues ------------------------------------------------------------------------------------------ */

TAP_TEST(properties_tell_of_queues_from_5_1_on)
{
	for (unsigned i = 0; i < 2; i++) {
		struct scsi_guest *n = world(0);
		struct hvw_storvsp m;

		TAP_EQ(scsi_guest_say(n, HVP_STORVSP_BEGIN_INITIALIZATION), 0);
		hvw_storvsp_init(&m, HVP_STORVSP_QUERY_PROTOCOL_VERSION);
		m.u.query_version.version = i ? HVP_STORVSP_5_1 : HVP_STORVSP_4_2;
		TAP_EQ(scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, 48), 0);
		TAP_EQ(scsi_guest_say(n, HVP_STORVSP_QUERY_PROPERTIES), 0);
		TAP_EQ(n->answer.u.properties.sub_channels_max, i ? SCSI_GUEST_QUEUES - 1 : 0);
		TAP_EQ(n->answer.u.properties.flags, i ? HVP_STORVSP_MULTI_CHANNEL : 0);
		TAP_EQ(n->answer.u.properties.transfer_max, HVH_SCSI_TRANSFER_MAX);
		end(n);
	}
}

static uint32_t ask_queues(struct scsi_guest *n, unsigned count)
{
	struct hvw_storvsp m;

	hvw_storvsp_init(&m, HVP_STORVSP_CREATE_SUB_CHANNELS);
	m.u.sub_channels.count = (uint16_t)count;
	return scsi_guest_ask(n, SCSI_GUEST_CHANNEL, &m, 64);
}

TAP_TEST(queues_are_granted_all_or_none_and_once)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);

	TAP_EQ(ask_queues(n, SCSI_GUEST_QUEUES), HVP_STORVSP_STATUS_INVALID_PARAMETER);
	TAP_EQ(ask_queues(n, 0), 0);
	TAP_CHECK(scsi_guest_queues(n, SCSI_GUEST_QUEUES - 1));
	TAP_EQ(ask_queues(n, 1), HVP_STORVSP_STATUS_INVALID_STATE);
	TAP_EQ(status_of(n)->queues, SCSI_GUEST_QUEUES);
	end(n);
}

TAP_TEST(a_command_is_answered_on_the_queue_it_came_on)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);
	const uint8_t cdb[16] = { HVP_SCSI_READ_10, 0, 0, 0, 0, 1, 0, 0, 2, 0 };

	TAP_REQUIRE(scsi_guest_queues(n, 2));
	n->hold = true;
	for (unsigned i = 0; i < 3; i++) {
		struct hvw_storvsp m;

		hvw_storvsp_init(&m, 0);
		memcpy(m.u.srb.cdb, cdb, sizeof(cdb));
		m.u.srb.cdb_length = 10;
		m.u.srb.data_in = HVP_STORVSP_READ;
		m.u.srb.transfer_length = 1024;
		TAP_EQ(scsi_guest_send(n, SCSI_GUEST_CHANNEL + i, &m, 4096 * i, 1024, 64), 0);
	}
	TAP_EQ(n->requests, 3);
	scsi_guest_release(n, ~0u);
	for (unsigned i = 0; i < 3; i++) {
		TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL + i), 0);
		TAP_EQ(n->packet.h.transaction_id, n->next_id - 2 + i);
		TAP_EQ(n->answer.u.srb.srb_status, HVP_SRB_SUCCESS);
		TAP_EQ(n->answer.u.srb.transfer_length, 1024);
		TAP_EQ(status_of(n)->queue[i].reads, 1);
		TAP_EQ(status_of(n)->queue[i].read_bytes, 1024);
		TAP_EQ(n->data[4096 * i + 1023], 0x11);
		TAP_EQ(n->data[4096 * i + 1024], 0);
	}
	end(n);
}

TAP_TEST(set_up_belongs_on_the_first_queue)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);
	struct hvw_storvsp m;

	TAP_REQUIRE(scsi_guest_queues(n, 1));
	hvw_storvsp_init(&m, HVP_STORVSP_BEGIN_INITIALIZATION);
	TAP_EQ(scsi_guest_ask(n, SCSI_GUEST_CHANNEL + 1, &m, 64), HVP_STORVSP_STATUS_INVALID_STATE);
	hvw_storvsp_init(&m, HVP_STORVSP_RESET_LUN);
	TAP_EQ(scsi_guest_ask(n, SCSI_GUEST_CHANNEL + 1, &m, 64), 0);
	end(n);
}

/* --- many commands ----------------------------------------------------------------------------------- */

static int send_read(struct scsi_guest *n)
{
	struct hvw_storvsp m;

	hvw_storvsp_init(&m, 0);
	m.u.srb.cdb[0] = HVP_SCSI_READ_6;
	m.u.srb.cdb[4] = 1;
	m.u.srb.cdb_length = 6;
	m.u.srb.data_in = HVP_STORVSP_READ;
	m.u.srb.transfer_length = 512;
	return scsi_guest_send(n, SCSI_GUEST_CHANNEL, &m, 0, 512, 64);
}

TAP_TEST(commands_beyond_the_limit_wait_in_the_ring_and_all_are_answered)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);
	unsigned sent = 0, answered = 0;

	n->hold = true;
	/* Ring and requests full: the guest cannot send more. */
	while (sent < 2000 && !send_read(n))
		sent++;
	TAP_CHECK(sent > 256 && sent < 2000);
	TAP_EQ(n->requests, 256);
	TAP_EQ(status_of(n)->queue[0].busy, 256);
	n->hold = false;
	scsi_guest_release(n, ~0u);
	/* One notification takes no more than so many; time brings the next. */
	for (unsigned round = 0; round < 10; round++) {
		while (!scsi_guest_take(n, SCSI_GUEST_CHANNEL)) {
			TAP_EQ(n->answer.u.srb.srb_status, HVP_SRB_SUCCESS);
			answered++;
		}
		embedder_advance(&n->e, 1);
	}
	TAP_EQ(answered, sent);
	TAP_EQ(status_of(n)->queue[0].busy, 0);
	end(n);
}

TAP_TEST(a_back_end_that_gathers_is_kicked_and_keeps_up)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);
	unsigned sent = 0, answered = 0;

	n->batch = true;
	while (sent < 300 && !send_read(n)) {
		sent++;
		while (!scsi_guest_take(n, SCSI_GUEST_CHANNEL))
			answered++;
	}
	TAP_EQ(answered, 300);
	TAP_CHECK(n->kicks >= 300);
	end(n);
}

TAP_TEST(a_channel_is_closed_when_what_is_under_way_has_come_to_its_end)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);
	struct hvh_channel_info info;

	n->hold = true;
	TAP_EQ(send_read(n), 0);
	guest_post_close(&n->g, SCSI_GUEST_CHANNEL);
	embedder_run(&n->e);
	TAP_CHECK(status_of(n)->version == HVP_STORVSP_6_2);
	scsi_guest_release(n, ~0u);
	embedder_run(&n->e);
	TAP_EQ(status_of(n)->version, 0);
	hvh_channel_info(embedder_channel(&n->e, SCSI_GUEST_CHANNEL), &info);
	TAP_CHECK(!info.open);
	end(n);
}

/* --- disks ------------------------------------------------------------------------------------------- */

TAP_TEST(a_disk_that_comes_is_told_and_found)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);

	TAP_EQ(ready(n, 5), HVP_SRB_INVALID_LUN);
	TAP_EQ(n->answer.u.srb.scsi_status, HVP_SCSI_CHECK_CONDITION);
	TAP_EQ(n->answer.u.srb.sense_length, 0);
	TAP_EQ(scsi_guest_add(n, 2), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(n->packet.h.type, HVP_PACKET_INBAND);
	TAP_EQ(n->packet.h.transaction_id, 0);
	TAP_EQ(n->answer.u.h.operation, HVP_STORVSP_ENUMERATE_BUS);
	TAP_EQ(n->answer.len, 64);
	TAP_EQ(ready(n, 5), HVP_SRB_SUCCESS);
	TAP_EQ(scsi_guest_add(n, 2), -EEXIST);
	end(n);
}

TAP_TEST(old_guests_are_told_in_their_length_or_not_at_all)
{
	for (unsigned i = 0; i < 2; i++) {
		struct scsi_guest *n = world(i ? HVP_STORVSP_4_2 : HVP_STORVSP_2_0);

		TAP_EQ(scsi_guest_add(n, 2), 0);
		TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), i ? 0 : -EAGAIN);
		if (i)
			TAP_EQ(n->answer.len, 48);
		end(n);
	}
}

TAP_TEST(a_disk_that_goes_is_given_back_when_nobody_uses_it)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);

	n->hold = true;
	TAP_EQ(send_read(n), 0);
	TAP_EQ(hvh_scsi_remove(scsi_guest_device(n), 0), 0);
	TAP_EQ(n->released, 0);
	TAP_EQ(scsi_guest_add(n, 0), -EBUSY);
	TAP_EQ(hvh_scsi_remove(scsi_guest_device(n), 0), -ENOENT);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(n->answer.u.h.operation, HVP_STORVSP_ENUMERATE_BUS);
	TAP_EQ(ready(n, 0), HVP_SRB_INVALID_LUN);
	scsi_guest_release(n, ~0u);
	TAP_EQ(n->released, 1);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(n->answer.u.srb.srb_status, HVP_SRB_SUCCESS);
	TAP_EQ(scsi_guest_add(n, 0), 0);
	end(n);
}

TAP_TEST(a_resize_is_told_once_to_the_first_command_that_hears_of_it)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);
	const uint8_t inquiry[16] = { HVP_SCSI_INQUIRY, 0, 0, 0, 36 };

	TAP_EQ(hvh_scsi_resize(scsi_guest_device(n), 0, 2u << 20), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(n->answer.u.h.operation, HVP_STORVSP_ENUMERATE_BUS);
	TAP_CHECK(scsi_guest_command(n, 0, inquiry, HVP_STORVSP_READ, 36));
	TAP_EQ(n->answer.u.srb.srb_status, HVP_SRB_SUCCESS);
	/* The command is not carried out. */
	TAP_CHECK(scsi_guest_blocks(n, 0, HVP_SCSI_READ_10, 0, 0, 1, 512));
	TAP_EQ(sense(n), CAPACITY_CHANGED);
	TAP_EQ(n->requests, 0);
	TAP_CHECK(scsi_guest_blocks(n, 0, HVP_SCSI_READ_10, 0, 4095, 1, 512));
	TAP_EQ(n->answer.u.srb.srb_status, HVP_SRB_SUCCESS);
	/* The same size again is no change. */
	TAP_EQ(hvh_scsi_resize(scsi_guest_device(n), 0, 2u << 20), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(ready(n, 0), HVP_SRB_SUCCESS);
	end(n);
}

TAP_TEST(a_resize_can_be_asked_for)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);
	const uint8_t request[16] = { HVP_SCSI_REQUEST_SENSE, 0, 0, 0, 18 };
	uint8_t key = 0;
	uint16_t asc = 0;

	TAP_EQ(hvh_scsi_resize(scsi_guest_device(n), 0, 512), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_CHECK(scsi_guest_command(n, 0, request, HVP_STORVSP_READ, 18));
	TAP_EQ(n->answer.u.srb.transfer_length, 18);
	TAP_EQ(hvw_sense_parse(n->data, 18, &key, &asc), 0);
	TAP_EQ(key, HVP_SENSE_UNIT_ATTENTION);
	TAP_EQ(asc, HVP_ASC_CAPACITY_CHANGED);
	TAP_CHECK(scsi_guest_command(n, 0, request, HVP_STORVSP_READ, 18));
	TAP_EQ(hvw_sense_parse(n->data, 18, &key, &asc), 0);
	TAP_EQ(key, HVP_SENSE_NONE);
	TAP_EQ(ready(n, 0), HVP_SRB_SUCCESS);
	end(n);
}

TAP_TEST(disks_and_sizes_that_make_no_sense_are_refused)
{
	struct scsi_guest *n = world(0);
	struct hvh_device *device = scsi_guest_device(n);
	struct hvh_scsi_disk is = n->disk[2].is, bad;

	TAP_EQ(hvh_scsi_add(device, HVH_SCSI_LUNS, &is), -EINVAL);
	bad = is;
	bad.bytes = 0;
	TAP_EQ(hvh_scsi_add(device, 5, &bad), -EINVAL);
	bad.bytes = 513;
	TAP_EQ(hvh_scsi_add(device, 5, &bad), -EINVAL);
	bad = is;
	bad.block_bytes = 1024;
	TAP_EQ(hvh_scsi_add(device, 5, &bad), -EINVAL);
	bad = is;
	bad.physical_bytes = 3000;
	TAP_EQ(hvh_scsi_add(device, 5, &bad), -EINVAL);
	bad = is;
	memset(bad.serial, 'x', sizeof(bad.serial));
	TAP_EQ(hvh_scsi_add(device, 5, &bad), -EINVAL);
	TAP_EQ(hvh_scsi_resize(device, 5, 512), -ENOENT);
	TAP_EQ(hvh_scsi_resize(device, 0, 0), -EINVAL);
	TAP_EQ(hvh_scsi_resize(device, 0, 100), -EINVAL);
	TAP_EQ(hvh_scsi_resize(device, HVH_SCSI_LUNS, 512), -EINVAL);
	TAP_EQ(hvh_scsi_remove(device, 7), -ENOENT);
	end(n);
}

TAP_TEST(other_paths_and_targets_have_no_disks)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);

	for (unsigned i = 0; i < 3; i++) {
		struct hvw_storvsp m;

		hvw_storvsp_init(&m, 0);
		m.u.srb.path = i == 0;
		m.u.srb.target = i == 1;
		m.u.srb.lun = i == 2 ? 255 : 0;
		m.u.srb.cdb_length = 6;
		m.u.srb.data_in = HVP_STORVSP_NO_DATA;
		TAP_EQ(scsi_guest_send(n, SCSI_GUEST_CHANNEL, &m, 0, 0, 64), 0);
		TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
		TAP_EQ(n->answer.u.srb.srb_status, HVP_SRB_INVALID_LUN);
	}
	end(n);
}

/* --- save and load ----------------------------------------------------------------------------------- */

TAP_TEST(a_controller_goes_on_where_it_was_saved)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);

	TAP_EQ(scsi_guest_add(n, 1), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_REQUIRE(scsi_guest_queues(n, 2));
	TAP_CHECK(scsi_guest_blocks(n, 0, HVP_SCSI_READ_10, 0, 0, 8, 4096));
	TAP_EQ(hvh_scsi_resize(scsi_guest_device(n), 0, 2u << 20), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	n->disk[0].is.bytes = 2u << 20;
	TAP_EQ(scsi_guest_save_and_load(n), 0);
	TAP_EQ(status_of(n)->version, HVP_STORVSP_6_2);
	TAP_EQ(status_of(n)->queues, 3);
	TAP_EQ(status_of(n)->queue[0].read_bytes, 4096);
	TAP_CHECK(status_of(n)->queue[2].open);
	/* The attention was not lost. */
	TAP_CHECK(scsi_guest_blocks(n, 0, HVP_SCSI_READ_10, 0, 0, 8, 4096));
	TAP_EQ(sense(n), CAPACITY_CHANGED);
	TAP_EQ(ready(n, 1), HVP_SRB_SUCCESS);
	TAP_EQ(ready(n, 0), HVP_SRB_SUCCESS);
	end(n);
}

TAP_TEST(a_disk_that_grew_while_it_was_saved_is_told)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);
	uint8_t *state;
	size_t len;

	TAP_REQUIRE(!embedder_save(&n->e, &state, &len));
	n->disk[0].is.bytes = 2u << 20;
	TAP_EQ(embedder_load(&n->e, state, len), 0);
	free(state);
	embedder_run(&n->e);
	TAP_EQ(ready(n, 0), HVP_SRB_ERROR | HVP_SRB_SENSE_VALID);
	TAP_EQ(sense(n), CAPACITY_CHANGED);
	n->disk[0].is.bytes = 1u << 20;
	end(n);
}

TAP_TEST(a_command_under_way_is_waited_for_before_a_save)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);

	n->hold = true;
	TAP_EQ(send_read(n), 0);
	TAP_EQ(scsi_guest_save_and_load(n), -EBUSY);
	scsi_guest_release(n, ~0u);
	TAP_EQ(scsi_guest_save_and_load(n), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(n->answer.u.srb.srb_status, HVP_SRB_SUCCESS);
	end(n);
}

TAP_TEST(a_state_without_the_disks_that_it_had_is_refused)
{
	struct scsi_guest *n = world(HVP_STORVSP_6_2);
	uint8_t *state;
	size_t len;

	TAP_REQUIRE(!embedder_save(&n->e, &state, &len));
	n->disk[0].there = false;
	TAP_EQ(embedder_load(&n->e, state, len), -EPROTO);
	free(state);
	end(n);
}

TAP_MAIN()
