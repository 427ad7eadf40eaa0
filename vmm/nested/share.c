/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "vmm/nested/share.h"

int vmm_share_add(struct vmm_share *share, const char *path, bool writable, const char **entry)
{
	struct vmm_share_file *file = &share->files[share->count];

	if (share->count == SHARE_FILES_MAX)
		return -ENOSPC;
	file->path = realpath(path, NULL);
	if (!file->path)
		return -errno;
	file->writable = writable;
	snprintf(file->entry, sizeof(file->entry), "file%u", share->count);
	*entry = file->entry;
	share->count++;
	return 0;
}

void vmm_share_close(struct vmm_share *share)
{
	while (share->count)
		free(share->files[--share->count].path);
}

static int write_file(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), err = 0;

	if (fd < 0)
		return -errno;
	if (len && write(fd, bytes, len) != (ssize_t)len)
		err = -EIO;
	close(fd);
	return err;
}

/* Become root of a user namespace of our own; files keep their owner's rights. */
static int map_user(uid_t uid, gid_t gid)
{
	char line[64];
	int err;

	err = write_file("/proc/self/setgroups", "deny", 4);
	if (err)
		return err;
	snprintf(line, sizeof(line), "0 %u 1", uid);
	err = write_file("/proc/self/uid_map", line, strlen(line));
	if (err)
		return err;
	snprintf(line, sizeof(line), "0 %u 1", gid);
	return write_file("/proc/self/gid_map", line, strlen(line));
}

/* Flags that a mount has must be said again when it is made read-only in a user namespace. */
static unsigned long kept_flags(const char *path)
{
	struct statvfs vfs;
	unsigned long flags = 0;

	if (statvfs(path, &vfs))
		return 0;
	if (vfs.f_flag & ST_NOSUID)
		flags |= MS_NOSUID;
	if (vfs.f_flag & ST_NODEV)
		flags |= MS_NODEV;
	if (vfs.f_flag & ST_NOEXEC)
		flags |= MS_NOEXEC;
	if (vfs.f_flag & ST_NOATIME)
		flags |= MS_NOATIME;
	if (vfs.f_flag & ST_NODIRATIME)
		flags |= MS_NODIRATIME;
	if (vfs.f_flag & ST_RELATIME)
		flags |= MS_RELATIME;
	return flags;
}

static int make_read_only(const char *path)
{
	return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | kept_flags(path), NULL) ?
		       -errno :
		       0;
}

static int bind_file(const struct vmm_share_file *file, int fd)
{
	char target[64], source[64];
	int err;

	snprintf(target, sizeof(target), SHARE_FOLDER "/%s", file->entry);
	snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
	err = write_file(target, NULL, 0);
	if (err)
		return err;
	if (mount(source, target, NULL, MS_BIND, NULL))
		return -errno;
	return file->writable ? 0 : make_read_only(target);
}

int vmm_share_enter(const struct vmm_share *share, const char *name, const char *bytes, size_t len,
		    const char **step)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int fds[SHARE_FILES_MAX], err = 0;
	char path[64];
	unsigned i;

	*step = "new mount namespace (as an ordinary user that needs user namespaces)";
	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)))
		return -errno;
	if (uid) {
		*step = "user namespace";
		err = map_user(uid, gid);
		if (err)
			return err;
	}
	/* Opened here: what was opened outside belongs to mounts that this namespace cannot bind, and the folder may cover a path. */
	for (i = 0; i < share->count; i++) {
		*step = share->files[i].path;
		fds[i] = open(share->files[i].path, O_PATH | O_CLOEXEC);
		if (fds[i] < 0)
			return -errno;
	}
	*step = "mounts of our own (in a chroot its root must be a mount point)";
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	*step = "private folder for the shared files";
	if (mount("hvhost", SHARE_FOLDER, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755"))
		return -errno;
	for (i = 0; i < share->count; i++) {
		*step = share->files[i].path;
		err = bind_file(&share->files[i], fds[i]);
		if (err)
			return err;
		close(fds[i]);
	}
	*step = "command line of the inner monitor";
	snprintf(path, sizeof(path), SHARE_FOLDER "/%s", name);
	err = write_file(path, bytes, len);
	return err ? err : make_read_only(SHARE_FOLDER);
}
