/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * hvis-fcopyd: writes the files that the host copies into the guest.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemons/service.h"
#include "daemons/target.h"
#include "daemons/uio.h"
#include "hvp_daemon.h"
#include "hvp_ic.h"

#define DEVICE "/dev/vmbus/hv_fcopy"

/* What hosts have always found: readable by all, and executable, because they have no way to say so. */
#define MODE 0744

static struct hvd_policy policy = { .mode = MODE };
static struct hvd_target target = { .folder = -1, .fd = -1 };

union message {
	struct hvp_fcopy_header h;
	struct hvp_daemon_fcopy_start start;
	struct hvp_fcopy_write write;
};

static bool allow(const char *value)
{
	if (value[0] != '/' || policy.count == HVD_ALLOWED_MAX)
		return false;
	policy.allowed[policy.count++] = value;
	return true;
}

static bool set_mode(const char *value)
{
	char *rest;
	unsigned long mode = strtoul(value, &rest, 8);

	policy.mode = (mode_t)mode;
	return *value && !*rest && mode <= 0777;
}

static uint32_t status_of(int err)
{
	switch (err) {
	case 0:
		return HVP_IC_SUCCESS;
	case -EEXIST:
		return HVP_IC_EXISTS;
	case -ENOSPC:
	case -EDQUOT:
		return HVP_IC_DISK_FULL;
	default:
		return HVP_IC_FAIL;
	}
}

static int start(const struct hvp_daemon_fcopy_start *message)
{
	char path[sizeof(message->path) + 1], name[sizeof(message->name) + 1];
	int err;

	/* Whose texts they are: terminated or not. */
	snprintf(path, sizeof(path), "%.*s", (int)sizeof(message->path), message->path);
	snprintf(name, sizeof(name), "%.*s", (int)sizeof(message->name), message->name);
	if (target.fd >= 0) {
		hvd_target_cancel(&target);
		hvd_log(LOG_WARNING, "the host begins a file before it has ended the last one");
		return -EPROTO;
	}
	err = hvd_target_open(&target, &policy, path, name, message->bytes,
			      message->flags & HVP_FCOPY_OVERWRITE,
			      message->flags & HVP_FCOPY_CREATE_PATH);
	if (err)
		hvd_log(LOG_WARNING, "%s%s%s: refused: %s", path,
			*path && path[strlen(path) - 1] == '/' ? "" : "/", name,
			err == -ELOOP			? "a symbolic link is in its path" :
			err == -EACCES || err == -EXDEV ? "it is not allowed there" :
							  strerror(-err));
	return err;
}

static int serve(const union message *message, size_t len)
{
	int err = -EBADF;

	switch (message->h.op) {
	case HVP_FCOPY_START:
		return len < sizeof(message->start) ? -EPROTO : start(&message->start);
	case HVP_FCOPY_WRITE:
		if (target.fd >= 0 && len == sizeof(message->write) &&
		    message->write.size <= HVP_FCOPY_DATA)
			err = hvd_target_write(&target, message->write.offset, message->write.data,
					       message->write.size);
		break;
	case HVP_FCOPY_COMPLETE:
		if (target.fd >= 0)
			err = hvd_target_complete(&target);
		break;
	case HVP_FCOPY_CANCEL:
		hvd_target_cancel(&target);
		return 0;
	}
	/* The host cancels then, if it still can. */
	if (err)
		hvd_target_cancel(&target);
	return err;
}

/* --- whose messages they are -------------------------------------------------------------------------- */

static int device = -1; /* of a driver; -1: there is none */
static struct hvd_uio uio; /* then: the channel itself */

static ssize_t next_message(union message *message)
{
	return device >= 0 ? hvd_read(device, message, sizeof(*message)) :
			     hvd_uio_read(&uio, (uint8_t *)message);
}

static int answer(uint32_t status)
{
	return device >= 0 ? hvd_write(device, &status, sizeof(status)) :
			     hvd_uio_answer(&uio, status);
}

static int serve_all(void)
{
	static union message message;

	for (;;) {
		ssize_t n = next_message(&message);
		uint32_t status;
		int err;

		if (n <= 0) {
			hvd_target_cancel(&target);
			if (n != -EINTR)
				hvd_log(n ? LOG_ERR : LOG_INFO, "%s",
					n ? strerror((int)-n) : "the driver has gone");
			return n && n != -EINTR;
		}
		status = n < (ssize_t)sizeof(message.h) ? HVP_IC_FAIL :
							  status_of(serve(&message, (size_t)n));
		err = answer(status);
		if (err) {
			hvd_target_cancel(&target);
			hvd_log(LOG_ERR, "%s", strerror(-err));
			return 1;
		}
	}
}

/* 0, or what the process ends with. */
static int register_with(const char *path, bool *stopped)
{
	uint32_t version = HVP_DAEMON_FCOPY_VERSION;
	ssize_t n;

	device = hvd_open(path);
	if (device < 0)
		return 1;
	n = hvd_register(device, &version, sizeof(version), &version, sizeof(version));
	*stopped = n == -EINTR;
	return n == sizeof(version) && version == HVP_DAEMON_FCOPY_VERSION ? 0 : 1;
}

/* Where the kernel has no driver, the channel is there for whoever opens it. */
static bool open_channel(const char *path)
{
	int err;

	if (strcmp(path, DEVICE) || !access(path, F_OK))
		return false;
	err = hvd_uio_open(&uio, "");
	if (err && err != -ENOENT)
		hvd_log(LOG_ERR, "uio_hv_generic's device: %s", strerror(-err));
	return !err;
}

int main(int argc, char **argv)
{
	static const struct hvd_option options[] = {
		{ "--allow", "FOLDER  files may be written below it; may be repeated (/)", allow },
		{ "--mode", "MODE     of new files, in octal (744)", set_mode },
		{ NULL, NULL, NULL },
	};
	const char *path = hvd_arguments(argc, argv, "hvis-fcopyd", DEVICE, options);
	bool stopped = false;

	if (!policy.count)
		allow("/");
	hvd_catch_signals();
	if (open_channel(path)) {
		hvd_log(LOG_INFO, "serves file copy, on the channel itself");
	} else {
		int status = register_with(path, &stopped);

		if (status)
			return stopped ? 0 : status;
		hvd_log(LOG_INFO, "serves file copy");
	}
	return serve_all();
}
