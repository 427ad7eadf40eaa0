/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SCSI controller: what DVD drives have and disks have not. A medium is one track of data. The tray is always closed:
 * a medium that is ejected is gone until the embedder brings another.
 */
#include <string.h>

#include "scsi_priv.h"

/* --- the medium -------------------------------------------------------------------------------------- */

/* What is ejected goes when no command uses it any more: this one does not. */
void hvh_scsi_dvd_start_stop(struct scsi_request *r)
{
	uint8_t bits = r->message.u.srb.cdb[4] & (HVP_CDB_LOEJ | HVP_CDB_START);
	bool present = hvh_scsi_medium_present(r->lun);

	if (bits == HVP_CDB_LOEJ && atomic_load(&r->lun->locked)) {
		hvh_scsi_check(r, present ? HVP_SENSE_ILLEGAL_REQUEST : HVP_SENSE_NOT_READY,
			       HVP_ASC_REMOVAL_PREVENTED);
	} else if ((bits & HVP_CDB_START) && !present) {
		hvh_scsi_check(r, HVP_SENSE_NOT_READY, HVP_ASC_NO_MEDIUM_TRAY_CLOSED);
	} else {
		if (bits == HVP_CDB_LOEJ)
			(void)hvh_scsi_medium_eject(r->q->scsi, r->lun);
		hvh_scsi_good(r, 0);
	}
}

void hvh_scsi_dvd_prevent_allow(struct scsi_request *r)
{
	atomic_store(&r->lun->locked, r->message.u.srb.cdb[4] & HVP_CDB_PREVENT);
	hvh_scsi_good(r, 0);
}

/* The next event there is, once. */
static uint8_t take_event(struct scsi_lun *lun)
{
	uint32_t events = atomic_load(&lun->events), first;

	do {
		if (!events)
			return 0;
		first = events & ~(events - 1);
	} while (!atomic_compare_exchange_weak(&lun->events, &events, events & ~first));
	return first == EVENT_REMOVAL ? HVP_MEDIA_REMOVAL :
	       first == EVENT_NEW     ? HVP_MEDIA_NEW :
					HVP_MEDIA_EJECT_REQUEST;
}

void hvh_scsi_dvd_event(struct scsi_request *r)
{
	struct hvp_event event = { .class_ = HVP_EVENT_NONE_AVAILABLE,
				   .classes = 1u << HVP_EVENT_MEDIA };
	uint32_t len = offsetof(struct hvp_event, code);

	/* Who does not poll wants to wait, which MMC leaves to us. */
	if (!(r->cdb.flags & HVP_CDB_POLLED)) {
		hvh_scsi_invalid(r);
		return;
	}
	if (r->message.u.srb.cdb[4] & 1u << HVP_EVENT_MEDIA) {
		event.class_ = HVP_EVENT_MEDIA;
		/* Who has no room for it is to get it next time. */
		if (r->cdb.length >= sizeof(event) && r->room >= sizeof(event))
			event.code = take_event(r->lun);
		event.status = hvh_scsi_medium_present(r->lun) ? HVP_MEDIA_PRESENT : 0;
		len = sizeof(event);
	}
	hvw_put_be16(event.length, (uint16_t)(len - sizeof(event.length)));
	memcpy(r->buffer, &event, len);
	hvh_scsi_reply(r, len, r->cdb.length);
}

/* --- what is on it ----------------------------------------------------------------------------------- */

static uint8_t *put_track(uint8_t *at, uint8_t track, uint64_t block, bool msf)
{
	struct hvp_toc_track entry = { .control = HVP_TOC_DATA, .track = track };
	uint32_t frames = (uint32_t)block + HVP_MSF_START;

	if (msf) {
		entry.start[1] = (uint8_t)(frames / HVP_MSF_FRAMES / 60);
		entry.start[2] = (uint8_t)(frames / HVP_MSF_FRAMES % 60);
		entry.start[3] = (uint8_t)(frames % HVP_MSF_FRAMES);
	} else {
		hvw_put_be32(entry.start, (uint32_t)block);
	}
	memcpy(at, &entry, sizeof(entry));
	return at + sizeof(entry);
}

void hvh_scsi_dvd_toc(struct scsi_request *r)
{
	const uint8_t *cdb = r->message.u.srb.cdb;
	uint8_t format = cdb[2] & HVP_TOC_FORMAT_MASK, from = cdb[6];
	bool msf = r->cdb.flags & HVP_CDB_MSF;
	struct hvp_toc h = { .first = 1, .last = 1 };
	uint8_t *at = r->buffer + sizeof(h);
	uint32_t len;

	if (format > HVP_TOC_SESSIONS ||
	    (format == HVP_TOC_TRACKS && from > 1 && from != HVP_TOC_LEAD_OUT)) {
		hvh_scsi_invalid(r);
		return;
	}
	if (format == HVP_TOC_SESSIONS || from <= 1)
		at = put_track(at, 1, 0, msf);
	if (format == HVP_TOC_TRACKS)
		at = put_track(at, HVP_TOC_LEAD_OUT, atomic_load(&r->lun->blocks), msf);
	len = (uint32_t)(at - r->buffer);
	hvw_put_be16(h.length, (uint16_t)(len - sizeof(h.length)));
	memcpy(r->buffer, &h, sizeof(h));
	hvh_scsi_reply(r, len, r->cdb.length);
}

void hvh_scsi_dvd_disc(struct scsi_request *r)
{
	struct hvp_disc_information disc = {
		.status = HVP_DISC_COMPLETE,
		.first_track = 1,
		.sessions = 1,
		.first_of_last = 1,
		.last_of_last = 1,
		.flags = HVP_DISC_UNRESTRICTED,
	};

	if (r->cdb.flags) {
		hvh_scsi_invalid(r);
		return;
	}
	hvw_put_be16(disc.length, sizeof(disc) - sizeof(disc.length));
	memcpy(r->buffer, &disc, sizeof(disc));
	hvh_scsi_reply(r, sizeof(disc), r->cdb.length);
}

/* --- what the drive can do --------------------------------------------------------------------------- */

/* With a medium alone, or always; and what is behind the header. */
static const struct feature {
	uint16_t code;
	bool always;
	uint8_t length;
	uint8_t data[8];
} features[] = {
	{ HVP_FEATURE_PROFILES, true, 4, { HVP_PROFILE_DVD_ROM >> 8, HVP_PROFILE_DVD_ROM & 0xff } },
	{ HVP_FEATURE_CORE, true, 4, { 0, 0, 0, HVP_FEATURE_INTERFACE_SCSI } },
	{ HVP_FEATURE_REMOVABLE, true, 4, { HVP_MODE_DRIVE_MECHANISM } },
	{ HVP_FEATURE_RANDOM_READABLE, false, 8, { 0, 0, HVP_DVD_BLOCK >> 8, 0, 0, 1 } },
	{ HVP_FEATURE_DVD_READ, false, 0, { 0 } },
};

static uint8_t *put_feature(uint8_t *at, const struct feature *feature, bool present)
{
	struct hvp_feature h = { .length = feature->length };

	hvw_put_be16(h.code, feature->code);
	h.flags = (uint8_t)((feature->always ? HVP_FEATURE_PERSISTENT : 0) |
			    (feature->always || present ? HVP_FEATURE_IS_CURRENT : 0));
	memcpy(at, &h, sizeof(h));
	memcpy(at + sizeof(h), feature->data, feature->length);
	/* The profile is that of the medium. */
	if (feature->code == HVP_FEATURE_PROFILES)
		at[sizeof(h) + 2] = present;
	return at + sizeof(h) + feature->length;
}

void hvh_scsi_dvd_configuration(struct scsi_request *r)
{
	uint16_t from = hvw_be16(r->message.u.srb.cdb + 2);
	uint8_t which = r->cdb.flags & HVP_CONFIGURATION_MASK;
	bool present = hvh_scsi_medium_present(r->lun);
	struct hvp_configuration h = { .reserved = { 0 } };
	uint8_t *at = r->buffer + sizeof(h);
	uint32_t len;
	size_t i;

	if (which > HVP_CONFIGURATION_ONE) {
		hvh_scsi_invalid(r);
		return;
	}
	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (features[i].code < from ||
		    (which == HVP_CONFIGURATION_ONE && features[i].code != from) ||
		    (which == HVP_CONFIGURATION_CURRENT && !features[i].always && !present))
			continue;
		at = put_feature(at, &features[i], present);
	}
	len = (uint32_t)(at - r->buffer);
	hvw_put_be32(h.length, len - (uint32_t)sizeof(h.length));
	hvw_put_be16(h.profile, present ? HVP_PROFILE_DVD_ROM : 0);
	memcpy(r->buffer, &h, sizeof(h));
	hvh_scsi_reply(r, len, r->cdb.length);
}
