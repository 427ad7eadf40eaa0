/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The storage protocol: what guest and host of a synthetic SCSI controller say on the ring itself. Versions, set-up,
 * and the request that carries a SCSI command. What is inside the command: hvp_scsi.h.
 *
 * A message is the payload of an in-band packet, of a GPA-direct packet when the request has data, or of a completion.
 */
#ifndef PROTO_HVP_STORVSP_H
#define PROTO_HVP_STORVSP_H

#include "hvp_base.h"

/*
 * Versions in ascending order: name, text, number, bytes of a message. What is not an answer has that length; an answer
 * has the length of what it answers, because FreeBSD begins with the old one at any version.
 */
#define HVP_STORVSP_VERSION_LIST(X)                                                                \
	X(2_0, "2.0", 0x0200, 48)                                                                  \
	X(4_2, "4.2", 0x0402, 48)                                                                  \
	X(5_1, "5.1", 0x0501, 64)                                                                  \
	X(6_0, "6.0", 0x0600, 64)                                                                  \
	X(6_2, "6.2", 0x0602, 64)

enum hvp_storvsp_version {
#define HVP_STORVSP_VERSION_ENUM(name, text, number, bytes) HVP_STORVSP_##name = (number),
	HVP_STORVSP_VERSION_LIST(HVP_STORVSP_VERSION_ENUM)
#undef HVP_STORVSP_VERSION_ENUM
};

#define HVP_STORVSP_BYTES_OLD 48u
#define HVP_STORVSP_BYTES     64u

#define HVP_STORVSP_TO_GUEST 1u
#define HVP_STORVSP_TO_HOST  2u

/*
 * Operations: number, name, structure, bytes that its fields need, who sends it, first version. COMPLETE_IO answers all
 * that the guest sends, and has the structure of what it answers. Without a row: 12, for Fibre Channel alone, and 14,
 * which no known guest or host uses.
 */
#define HVP_STORVSP_LIST(X)                                                                        \
	X(1, COMPLETE_IO, header, 12, HVP_STORVSP_TO_GUEST, HVP_STORVSP_2_0)                       \
	X(2, REMOVE_DEVICE, header, 12, HVP_STORVSP_TO_GUEST, HVP_STORVSP_2_0)                     \
	X(3, EXECUTE_SRB, srb, 48, HVP_STORVSP_TO_HOST, HVP_STORVSP_2_0)                           \
	X(4, RESET_LUN, srb, 48, HVP_STORVSP_TO_HOST, HVP_STORVSP_2_0)                             \
	X(5, RESET_ADAPTER, srb, 48, HVP_STORVSP_TO_HOST, HVP_STORVSP_2_0)                         \
	X(6, RESET_BUS, srb, 48, HVP_STORVSP_TO_HOST, HVP_STORVSP_2_0)                             \
	X(7, BEGIN_INITIALIZATION, header, 12, HVP_STORVSP_TO_HOST, HVP_STORVSP_2_0)               \
	X(8, END_INITIALIZATION, header, 12, HVP_STORVSP_TO_HOST, HVP_STORVSP_2_0)                 \
	X(9, QUERY_PROTOCOL_VERSION, query_version, 16, HVP_STORVSP_TO_HOST, HVP_STORVSP_2_0)      \
	X(10, QUERY_PROPERTIES, header, 12, HVP_STORVSP_TO_HOST, HVP_STORVSP_2_0)                  \
	X(11, ENUMERATE_BUS, header, 12, HVP_STORVSP_TO_GUEST, HVP_STORVSP_4_2)                    \
	X(13, CREATE_SUB_CHANNELS, sub_channels, 14, HVP_STORVSP_TO_HOST, HVP_STORVSP_5_1)

enum hvp_storvsp_operation {
#define HVP_STORVSP_ENUM(number, name, type, least, direction, version)                            \
	HVP_STORVSP_##name = (number),
	HVP_STORVSP_LIST(HVP_STORVSP_ENUM)
#undef HVP_STORVSP_ENUM
		HVP_STORVSP_END = 15 /* one more than the highest number */
};

/* What `status` says: numbers of NTSTATUS. Guests look at it where they set up; with commands the SRB status counts. */
#define HVP_STORVSP_STATUS_SUCCESS	     0x00000000u
#define HVP_STORVSP_STATUS_INVALID_PARAMETER 0xc000000du
#define HVP_STORVSP_STATUS_INVALID_REQUEST   0xc0000010u
#define HVP_STORVSP_STATUS_REVISION_MISMATCH 0xc0000059u
#define HVP_STORVSP_STATUS_NO_DEVICE	     0xc00000c0u
#define HVP_STORVSP_STATUS_INVALID_STATE     0xc0000184u
#define HVP_STORVSP_STATUS_IO_ERROR	     0xc0000185u

struct hvp_storvsp_header {
	uint32_t operation;
	uint32_t flags; /* bit 0: completion requested; the packet's own flag is what counts */
	uint32_t status;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_storvsp_header, 12);

#define HVP_CDB_BYTES  16u /* room for a command */
#define HVP_SENSE_ROOM 20u /* for sense data; 18 before 5.1 */
#define HVP_SENSE_OLD  18u

/* A command and its answer. The last 16 bytes are there from 5.1 on. */
struct hvp_storvsp_srb {
	struct hvp_storvsp_header h;
	uint16_t length; /* of all behind the header */
	uint8_t srb_status; /* out: HVP_SRB_* */
	uint8_t scsi_status; /* out: HVP_SCSI_* */
	uint8_t port;
	uint8_t path;
	uint8_t target;
	uint8_t lun;
	uint8_t cdb_length;
	uint8_t sense_length; /* in: room; out: bytes */
	uint8_t data_in; /* HVP_STORVSP_WRITE, … */
	uint8_t reserved;
	uint32_t transfer_length; /* in: wanted; out: done */
	union {
		uint8_t cdb[HVP_CDB_BYTES]; /* in */
		uint8_t sense[HVP_SENSE_ROOM]; /* out */
	} HVP_WIRE(4);
	uint16_t reserved2;
	uint8_t queue_tag;
	uint8_t queue_action;
	uint32_t flags; /* HVP_SRB_FLAG_* */
	uint32_t timeout_seconds;
	uint32_t sort_key;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_storvsp_srb, 64);
HVP_OFFSET(struct hvp_storvsp_srb, transfer_length, 24);
HVP_OFFSET(struct hvp_storvsp_srb, reserved2, 48);
HVP_OFFSET(struct hvp_storvsp_srb, sort_key, 60);

#define HVP_STORVSP_WRITE   0u /* to the device */
#define HVP_STORVSP_READ    1u
#define HVP_STORVSP_NO_DATA 2u

/* The low six bits of the SRB status, and what may be added. Linux takes SUCCESS with anything added for an error. */
#define HVP_SRB_SUCCESS		0x01u
#define HVP_SRB_ABORTED		0x02u
#define HVP_SRB_ERROR		0x04u
#define HVP_SRB_BUSY		0x05u
#define HVP_SRB_INVALID_REQUEST 0x06u
#define HVP_SRB_INVALID_PATH	0x07u
#define HVP_SRB_NO_DEVICE	0x08u
#define HVP_SRB_BUS_RESET	0x0eu
#define HVP_SRB_DATA_OVERRUN	0x12u /* also less than was wanted */
#define HVP_SRB_INVALID_LUN	0x20u
#define HVP_SRB_INVALID_TARGET	0x21u
#define HVP_SRB_CODE		0x3fu
#define HVP_SRB_SENSE_VALID	0x80u

struct hvp_storvsp_query_version {
	struct hvp_storvsp_header h;
	uint16_t version; /* the major number in the high byte */
	uint16_t revision;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_storvsp_query_version, 16);

/* The answer to QUERY_PROPERTIES. */
struct hvp_storvsp_properties {
	struct hvp_storvsp_header h;
	uint32_t reserved;
	uint16_t sub_channels_max;
	uint16_t reserved2;
	uint32_t flags; /* HVP_STORVSP_MULTI_CHANNEL */
	uint32_t transfer_max; /* bytes of one request */
	uint64_t unique_id;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_storvsp_properties, 36);
HVP_OFFSET(struct hvp_storvsp_properties, unique_id, 28);

#define HVP_STORVSP_MULTI_CHANNEL 0x1u

/* What only guests of a Fibre Channel adapter ask; and the answer. */
#define HVP_STORVSP_FIBRE_DATA 12u

struct hvp_storvsp_fibre {
	struct hvp_storvsp_header h;
	uint8_t primary; /* 0: the secondary path is in use */
	uint8_t reserved[3];
	struct {
		uint8_t port[8]; /* world-wide names, as on the wire of Fibre Channel */
		uint8_t node[8];
	} paths[2]; /* primary, secondary */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_storvsp_fibre, 48);

struct hvp_storvsp_sub_channels {
	struct hvp_storvsp_header h;
	uint16_t count;
	uint16_t reserved;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_storvsp_sub_channels, 16);

#endif
