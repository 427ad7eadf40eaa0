/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * hvis-vssd: freezes and thaws the guest's file systems when the host makes a backup.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemons/freeze.h"
#include "daemons/service.h"
#include "hvp_daemon.h"
#include "hvp_ic.h"
#include "hvp_vss.h"

#define DEVICE	"/dev/vmbus/hv_vss"
#define MOUNTS	"/proc/self/mountinfo"
#define LIMIT_S 300

static const char *mounts_path = MOUNTS;
static unsigned limit_s = LIMIT_S;
static struct hvd_mounts mounts;
static struct hvd_freeze frozen = { .ops = &hvd_freeze_ops };
static bool asked; /* for a freeze or a thaw, of this process */

static bool set_mounts(const char *value)
{
	mounts_path = value;
	return true;
}

static bool set_limit(const char *value)
{
	char *rest;
	unsigned long seconds = strtoul(value, &rest, 10);

	limit_s = (unsigned)seconds;
	return *value && !*rest && seconds >= 1 && seconds <= 3600;
}

static void log_report(void)
{
	char *save = NULL;

	for (char *line = strtok_r(frozen.report, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		hvd_log(LOG_WARNING, "%s", line);
	frozen.report[0] = '\0';
}

static int read_mounts(void)
{
	FILE *in = fopen(mounts_path, "re");
	int err = in ? hvd_mounts_read(&mounts, in) : -errno;

	if (in)
		fclose(in);
	return err;
}

static uint32_t freeze(int device)
{
	int err;

	asked = true;
	if (frozen.shared) {
		/* It lasts until the thaw that is due to it. */
		return HVP_IC_FAIL;
	}
	err = read_mounts();
	if (!err) {
		err = hvd_freeze(&frozen, &mounts, limit_s, device);
		/* Not a word more now, if it is. */
		if (!err)
			return HVP_IC_SUCCESS;
		log_report();
	}
	hvd_log(LOG_ERR, "cannot freeze: %s", strerror(-err));
	hvd_mounts_free(&mounts);
	return HVP_IC_FAIL;
}

static uint32_t thaw(void)
{
	const bool first = !asked;
	size_t count = 0;
	int err;

	asked = true;
	if (!frozen.shared && first) {
		/* Whoever froze it has died, or was ended, and it was thawed then. */
		hvd_log(LOG_ERR, "a thaw, of what this process has not frozen: a backup that "
				 "began before is not one");
		return HVP_IC_FAIL;
	}
	if (!frozen.shared)
		return HVP_IC_SUCCESS;
	for (size_t i = 0; i < frozen.count; i++)
		count += frozen.fd[i] >= 0;
	err = hvd_thaw(&frozen);
	log_report();
	if (err)
		hvd_log(LOG_ERR,
			"thawed after %u s already, because no thaw came: the backup is not one",
			limit_s);
	else
		hvd_log(LOG_INFO, "%zu file systems were frozen for a backup", count);
	hvd_mounts_free(&mounts);
	return err ? HVP_IC_FAIL : HVP_IC_SUCCESS;
}

/* Nobody is going to say so any more. */
static void end_freeze(void)
{
	if (frozen.shared)
		thaw();
}

static uint32_t serve(int device, uint8_t op)
{
	switch (op) {
	case HVP_VSS_HOT_BACKUP:
		return HVP_IC_SUCCESS;
	case HVP_VSS_FREEZE:
		return freeze(device);
	case HVP_VSS_THAW:
		return thaw();
	}
	return HVP_IC_NOT_SUPPORTED;
}

static int serve_all(int device)
{
	for (;;) {
		struct hvp_daemon_vss message;
		ssize_t n = hvd_read(device, &message, sizeof(message));
		int err = 0;

		if (n == -EINTR)
			return 0;
		if (n == (ssize_t)sizeof(message)) {
			message.status = serve(device, message.op);
			err = hvd_write(device, &message, sizeof(message));
		} else if (n > 0) {
			err = -EPROTO;
		}
		if (n <= 0 || err) {
			/* First of all. */
			end_freeze();
			hvd_log(n ? LOG_ERR : LOG_INFO, "%s",
				n ? strerror(n < 0 ? (int)-n : -err) : "the driver has gone");
			return n ? 1 : 0;
		}
	}
}

int main(int argc, char **argv)
{
	static const struct hvd_option options[] = {
		{ "--limit", "SECONDS thaw when nobody has said so by then (300)", set_limit },
		{ "--mounts", "FILE   what is mounted (" MOUNTS ")", set_mounts },
		{ NULL, NULL, NULL },
	};
	const char *path = hvd_arguments(argc, argv, "hvis-vssd", DEVICE, options);
	struct hvp_daemon_vss hello = { .op = HVP_DAEMON_VSS_REGISTER };
	uint32_t version;
	int device, status;
	ssize_t n;

	hvd_catch_signals();
	device = hvd_open(path);
	if (device < 0)
		return 1;
	/* What is not in memory might have to come from a file system that is frozen. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		hvd_log(LOG_WARNING, "the memory cannot be locked: %s", strerror(errno));
	n = hvd_register(device, &hello, sizeof(hello), &version, sizeof(version));
	if (n != sizeof(version) || version != HVP_DAEMON_VSS_REGISTER)
		return n == -EINTR ? 0 : 1;
	hvd_log(LOG_INFO, "serves backups");
	status = serve_all(device);
	end_freeze();
	return status;
}
