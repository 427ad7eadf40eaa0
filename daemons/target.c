/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemons/target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_BYTES 2048

/* --- the folder -------------------------------------------------------------------------------------- */

/* Below `at` and through no link, whatever others make of the path meanwhile. */
static int open_below(int at, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, at, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* The next name of a path, and what follows it; false: there is none. */
static bool next_name(const char **path, char *name, size_t size)
{
	size_t len;

	*path += strspn(*path, "/");
	len = strcspn(*path, "/");
	if (!len || len >= size)
		return false;
	memcpy(name, *path, len);
	name[len] = '\0';
	*path += len;
	return true;
}

/* One folder after the other; takes `at`. */
static int make_folders(int at, const char *path)
{
	char name[256];

	while (next_name(&path, name, sizeof(name))) {
		int next = open_below(at, name);

		if (next == -ENOENT) {
			next = mkdirat(at, name, 0755) && errno != EEXIST ? -errno :
									    open_below(at, name);
		}
		close(at);
		if (next < 0)
			return next;
		at = next;
	}
	return at;
}

/* The rest of the path behind an allowed folder that it lies in, or NULL. */
static const char *behind(const char *allowed, const char *path)
{
	size_t len = strlen(allowed);

	while (len && allowed[len - 1] == '/')
		len--;
	return strncmp(path, allowed, len) || (path[len] && path[len] != '/') ? NULL : path + len;
}

static bool climbs(const char *path)
{
	char name[256];

	while (next_name(&path, name, sizeof(name)))
		if (!strcmp(name, ".."))
			return true;
	/* It ended before its end: a name that no folder has. */
	return path[strspn(path, "/")] != '\0';
}

static int open_folder(const struct hvd_policy *policy, const char *path, bool create)
{
	const char *rest = NULL, *allowed = NULL;
	int at, fd;

	if (path[0] != '/' || climbs(path))
		return -EACCES;
	for (size_t i = 0; i < policy->count && !rest; i++) {
		allowed = policy->allowed[i];
		rest = behind(allowed, path);
	}
	if (!rest)
		return -EACCES;
	/* This one the administrator has named, links and all. */
	at = open(*allowed ? allowed : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return -errno;
	if (create)
		return make_folders(at, rest);
	rest += strspn(rest, "/");
	fd = *rest ? open_below(at, rest) : open_below(at, ".");
	close(at);
	return fd;
}

/* --- the file ---------------------------------------------------------------------------------------- */

/* What is there by that name. 0: it may be written. */
static int look(struct hvd_target *target, const struct hvd_policy *policy)
{
	struct stat status;

	target->mode = policy->mode;
	target->replaces = false;
	if (fstatat(target->folder, target->name, &status, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (!target->overwrite)
		return -EEXIST;
	if (!S_ISREG(status.st_mode))
		return -EACCES;
	target->replaces = true;
	target->mode = status.st_mode & 07777;
	target->uid = status.st_uid;
	target->gid = status.st_gid;
	return 0;
}

static void name_temporary(struct hvd_target *target)
{
	snprintf(target->temporary, sizeof(target->temporary), ".hvis-fcopyd.%ld", (long)getpid());
}

/* Where it can be, without a name: then nothing is left of it if we die. */
static int open_file(struct hvd_target *target)
{
	target->temporary[0] = '\0';
	target->fd = openat(target->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (target->fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return target->fd < 0 ? -errno : 0;
	name_temporary(target);
	unlinkat(target->folder, target->temporary, 0);
	target->fd = openat(target->folder, target->temporary,
			    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return target->fd < 0 ? -errno : 0;
}

/* False: there is less than that, where the file system can tell. */
static bool has_room(int fd, uint64_t bytes)
{
	struct statvfs system;

	return fstatvfs(fd, &system) || !system.f_blocks ||
	       bytes / (system.f_frsize ? system.f_frsize : 1) <= system.f_bavail;
}

int hvd_target_open(struct hvd_target *target, const struct hvd_policy *policy, const char *path,
		    const char *name, uint64_t bytes, bool overwrite, bool create)
{
	int err;

	*target = (struct hvd_target){
		.folder = -1, .fd = -1, .overwrite = overwrite, .bytes = bytes
	};
	if (!*name || strlen(name) >= sizeof(target->name) || strchr(name, '/') ||
	    !strcmp(name, ".") || !strcmp(name, ".."))
		return -EACCES;
	strcpy(target->name, name);
	target->folder = open_folder(policy, path, create);
	if (target->folder < 0)
		return target->folder;
	err = look(target, policy);
	if (!err)
		err = open_file(target);
	/* Not by taking it: some file systems fill with zeros what is to be kept for a file, and the host waits. */
	if (!err && !has_room(target->fd, bytes))
		err = -ENOSPC;
	if (err)
		hvd_target_cancel(target);
	return err;
}

int hvd_target_write(struct hvd_target *target, uint64_t offset, const void *data, size_t len)
{
	const char *at = data;

	if (offset > target->bytes || len > target->bytes - offset)
		return -EFBIG;
	target->written += len;
	while (len) {
		ssize_t n = pwrite(target->fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		at += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int link_to(struct hvd_target *target, const char *name)
{
	char self[64];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", target->fd);
	return linkat(AT_FDCWD, self, target->folder, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* Under its name, or under none that counts. */
static int give_name(struct hvd_target *target)
{
	bool has_name = target->temporary[0];
	int err = 0;

	if (!target->overwrite && !has_name)
		return link_to(target, target->name);
	if (!has_name) {
		name_temporary(target);
		unlinkat(target->folder, target->temporary, 0);
		err = link_to(target, target->temporary);
	}
	if (!err && syscall(SYS_renameat2, target->folder, target->temporary, target->folder,
			    target->name, target->overwrite ? 0 : RENAME_NOREPLACE))
		err = -errno;
	if (!err)
		target->temporary[0] = '\0';
	return err;
}

int hvd_target_complete(struct hvd_target *target)
{
	int err = target->written == target->bytes ? 0 : -EBADMSG;

	if (!err && target->replaces && fchown(target->fd, target->uid, target->gid))
		err = -errno;
	if (!err && (fchmod(target->fd, target->mode) || fsync(target->fd)))
		err = -errno;
	if (!err)
		err = give_name(target);
	if (!err && fsync(target->folder))
		err = -errno;
	hvd_target_cancel(target);
	return err;
}

void hvd_target_cancel(struct hvd_target *target)
{
	if (target->fd >= 0)
		close(target->fd);
	if (target->folder >= 0) {
		if (target->temporary[0])
			unlinkat(target->folder, target->temporary, 0);
		close(target->folder);
	}
	target->fd = target->folder = -1;
	target->temporary[0] = '\0';
}
