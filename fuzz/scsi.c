/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SCSI controller against a guest that says anything at any time, while disks come, go and change their size and the
 * back end is slow or fails. The input: a byte of the version, then actions, each a byte and what it needs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "fuzz/input.h"
#include "fuzz/scsi_script.h"

#define ACTIONS_MAX 64u

const unsigned fuzz_cuts = 6;

static unsigned good[256], checked, loads, broken, changes;

/* Answers are well-formed, whatever was asked. */
static void look_at_answer(const struct scsi_guest *n)
{
	const struct hvp_storvsp_srb *srb = &n->answer.u.srb;
	uint8_t key;
	uint16_t asc;

	if (n->packet.h.type != HVP_PACKET_COMPLETION) {
		EMBEDDER_REQUIRE(n->packet.h.type == HVP_PACKET_INBAND &&
				 n->answer.u.h.operation == HVP_STORVSP_ENUMERATE_BUS);
		return;
	}
	EMBEDDER_REQUIRE(n->answer.u.h.operation == HVP_STORVSP_COMPLETE_IO);
	EMBEDDER_REQUIRE(n->answer.len >= 48 && n->answer.len <= 64);
	if (srb->srb_status == (HVP_SRB_ERROR | HVP_SRB_SENSE_VALID)) {
		EMBEDDER_REQUIRE(!hvw_sense_parse(srb->sense, srb->sense_length, &key, &asc) &&
				 key && asc);
		checked++;
	}
}

static void take_all(struct scsi_guest *n)
{
	for (unsigned channel = 0; channel < 1 + SCSI_GUEST_QUEUES; channel++)
		while (!scsi_guest_take(n, SCSI_GUEST_CHANNEL + channel))
			look_at_answer(n);
}

/* What the embedder is told agrees with what it has done. */
static void look_at_status(struct scsi_guest *n)
{
	struct hvh_scsi_status status;

	hvh_scsi_status(scsi_guest_device(n), &status);
	for (unsigned i = 0; i < SCSI_GUEST_DISKS; i++) {
		const struct hvh_scsi_lun_status *lun = &status.lun[n->disk[i].lun];

		EMBEDDER_REQUIRE(!lun->present || n->disk[i].there);
		EMBEDDER_REQUIRE(!lun->present || lun->dvd == (i == SCSI_GUEST_DRIVE));
		EMBEDDER_REQUIRE(!lun->present || lun->dvd ||
				 lun->bytes <= 2 * n->disk[i].is.bytes);
	}
	EMBEDDER_REQUIRE(!status.ready || status.version);
	EMBEDDER_REQUIRE(status.queues <= 1 + SCSI_GUEST_QUEUES);
}

/* A command with a header of the input's choice; in most of them the parts that matter are plausible. */
static void send_command(struct scsi_guest *n, struct input *in)
{
	static const unsigned luns[4] = { 0, 1, 5, 6 };
	unsigned bits = input_byte(in), channel = SCSI_GUEST_CHANNEL + (bits & 3);
	struct hvw_storvsp m;
	uint32_t bytes, offset;

	hvw_storvsp_init(&m, 0);
	m.u.srb.lun = (uint8_t)luns[bits >> 2 & 3];
	m.u.srb.data_in = (uint8_t)(bits >> 4 & 3);
	input_take(in, m.u.srb.cdb, sizeof(m.u.srb.cdb));
	m.u.srb.cdb_length =
		(uint8_t)(bits & 0x40 ? hvw_cdb_bytes(m.u.srb.cdb[0]) : input_byte(in));
	bytes = input_word(in);
	offset = bits & 0x80 ? input_word(in) % 4096 : 0;
	m.u.srb.transfer_length = bits & 0x80 ? (uint32_t)input_word(in) * 5 : bytes;
	input_take(in, n->data + offset, 64);
	if (scsi_guest_send(n, channel, &m, offset, bytes, 64))
		return;
	if (n->hold || n->batch)
		return;
	if (!scsi_guest_take(n, channel)) {
		look_at_answer(n);
		if (n->answer.u.srb.srb_status == HVP_SRB_SUCCESS)
			good[m.u.srb.cdb[0]]++;
	}
}

static void send_message(struct scsi_guest *n, struct input *in)
{
	struct hvw_storvsp m;
	unsigned len = 8 * (input_byte(in) % 9);

	memset(&m, 0, sizeof(m));
	input_take(in, m.u.bytes, 16);
	(void)scsi_guest_ask(n, SCSI_GUEST_CHANNEL + input_byte(in) % 3, &m, len ? len : 64);
}

static void change_disk(struct scsi_guest *n, struct input *in)
{
	unsigned bits = input_byte(in), disk = bits & 3;
	uint64_t bytes;

	switch (bits >> 2 & 3) {
	case 0:
		changes += !scsi_guest_add(n, disk);
		break;
	case 1:
		changes += !hvh_scsi_remove(scsi_guest_device(n), n->disk[disk].lun);
		break;
	case 2:
		if (disk == SCSI_GUEST_DRIVE) {
			changes += !hvh_scsi_eject(scsi_guest_device(n), n->disk[disk].lun);
			break;
		}
		/* fall through */
	default:
		bytes = (uint64_t)input_word(in) * 64;
		if (disk == SCSI_GUEST_DRIVE)
			changes += bytes <= 2 * n->disk[disk].is.bytes &&
				   !scsi_guest_insert(n, bytes);
		else if (bytes <= 2 * n->disk[disk].is.bytes)
			changes += !hvh_scsi_resize(scsi_guest_device(n), n->disk[disk].lun, bytes);
		break;
	}
}

static void act(struct scsi_guest *n, struct input *in)
{
	static const int results[4] = { 0, -EIO, -ENOSPC, -EROFS };
	unsigned action = input_byte(in);

	switch (action % 8) {
	case 0:
		send_message(n, in);
		break;
	case 1:
		change_disk(n, in);
		break;
	case 2:
		n->hold = action & 0x10;
		n->batch = action & 0x20;
		n->result = results[action >> 6];
		if (!n->hold)
			scsi_guest_release(n, ~0u);
		break;
	case 3:
		scsi_guest_release(n, action >> 3);
		take_all(n);
		break;
	case 4:
		loads += !scsi_guest_save_and_load(n);
		break;
	default:
		send_command(n, in);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint32_t versions[4] = { HVP_STORVSP_2_0, HVP_STORVSP_4_2, HVP_STORVSP_5_1,
					      HVP_STORVSP_6_2 };
	struct input in = { data, len };
	struct scsi_guest *n = calloc(1, sizeof(*n));
	struct hvh_channel_info info;
	unsigned version = input_byte(&in);

	n->disk[1].is.read_only = version & 0x10;
	EMBEDDER_REQUIRE(scsi_guest_init(n));
	if (!(version & 0x20))
		EMBEDDER_REQUIRE(scsi_guest_up(n, versions[version & 3]));
	if (version & 0x40 && (version & 3) >= 2 && !(version & 0x20))
		EMBEDDER_REQUIRE(scsi_guest_queues(n, 2));
	for (unsigned i = 0; i < ACTIONS_MAX && in.left; i++)
		act(n, &in);
	take_all(n);
	look_at_status(n);
	hvh_channel_info(embedder_channel(&n->e, SCSI_GUEST_CHANNEL), &info);
	broken += info.broken;
	scsi_guest_fini(n);
	free(n);
	return 0;
}

int fuzz_corpus_complete(void)
{
	int missing = !checked + !loads + !broken + !changes;

	if (missing)
		printf("# refused %u, saved and loaded %u, broken %u, disks changed %u\n", checked,
		       loads, broken, changes);
#define CHECK_GOOD(number, name, bytes)                                                            \
	if (!good[number]) {                                                                       \
		printf("# never carried out: " #name "\n");                                        \
		missing++;                                                                         \
	}
	HVP_SCSI_OP_LIST(CHECK_GOOD)
#undef CHECK_GOOD
	return missing;
}
