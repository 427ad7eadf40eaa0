/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/disk/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "vmm/image/image.h"

#define UNMAP_BYTES 4096u

/* What a file system writes at once. */
#define PHYSICAL_BYTES 4096u

#define BLOCK_BYTES_DEFAULT 512u

/* Images that are more than the bytes of a disk: how they begin, or (VHD without a header) how their last 512 bytes do. */
static const struct {
	const char *name;
	const char *magic;
	bool at_end;
} formats[] = {
	{ "VHDX", "vhdxfile", false }, { "VHD", "conectix", false }, { "VHD", "conectix", true },
	{ "qcow2", "QFI\xfb", false }, { "VMDK", "KDMV", false },
};

static int fail(char *why, size_t why_size, const char *what, int err)
{
	snprintf(why, why_size, "%s: %s", what, strerror(err));
	return -err;
}

static bool begins_with(int fd, off_t at, const char *magic)
{
	char bytes[16];
	size_t len = strlen(magic);

	return at >= 0 && pread(fd, bytes, len, at) == (ssize_t)len && !memcmp(bytes, magic, len);
}

/* What looks like an image, and is not called one. A guest that writes to it as if it were raw would destroy it. */
static const char *foreign_format(const struct vmm_disk_file *file)
{
	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (begins_with(file->fd, formats[i].at_end ? (off_t)file->bytes - 512 : 0,
				formats[i].magic))
			return formats[i].name;
	return NULL;
}

/* A number from a block device's folder in /sys; 0: there is none. A partition's is in that of its disk. */
static unsigned long long device_number(dev_t device, const char *name)
{
	static const char *const folders[] = { "queue", "../queue" };
	unsigned long long number = 0;

	for (unsigned i = 0; i < 2 && !number; i++) {
		char path[128];
		FILE *file;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s/%s", major(device),
			 minor(device), folders[i], name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fscanf(file, "%llu", &number) != 1)
			number = 0;
		fclose(file);
	}
	return number;
}

/*
 * Whether holes can be made: behind the end of the file there is nothing that the attempt could change. That of the disk may
 * be in the midst of an image.
 */
static bool can_unmap(const struct vmm_disk_file *file, const struct stat *st)
{
	if (file->read_only)
		return false;
	if (file->device)
		return device_number(st->st_rdev, "discard_max_bytes") &&
		       device_number(st->st_rdev, "write_zeroes_max_bytes");
	return fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (st->st_size + 2 * (off_t)UNMAP_BYTES) & -(off_t)UNMAP_BYTES,
			 UNMAP_BYTES) == 0;
}

static int find_size(struct vmm_disk_file *file, const struct stat *st)
{
	uint64_t bytes = (uint64_t)st->st_size;

	if (file->device && ioctl(file->fd, BLKGETSIZE64, &bytes) < 0)
		return -errno;
	file->bytes = bytes - bytes % file->block_bytes;
	return 0;
}

/* Two machines on one image would destroy it. A file system that has no such locks goes without. */
static int lock(const struct vmm_disk_file *file)
{
	struct flock whole = { .l_type = file->read_only ? F_RDLCK : F_WRLCK,
			       .l_whence = SEEK_SET };

	if (fcntl(file->fd, F_OFD_SETLK, &whole) < 0 && (errno == EAGAIN || errno == EACCES))
		return -EBUSY;
	return 0;
}

static int open_memory(const struct vmm_disk_config *config, struct vmm_disk_file *file, char *why,
		       size_t why_size)
{
	file->fd = memfd_create("disk", MFD_CLOEXEC);
	if (file->fd < 0 || ftruncate(file->fd, (off_t)config->memory_bytes) < 0) {
		int err = errno;

		(void)vmm_disk_file_close(file);
		return fail(why, why_size, "memory for the disk", err);
	}
	file->bytes = config->memory_bytes;
	file->unmap_bytes = UNMAP_BYTES;
	return 0;
}

static int open_raw(const struct vmm_disk_config *config, struct vmm_disk_file *file,
		    const struct stat *st, char *why, size_t why_size)
{
	const char *format;
	int err = find_size(file, st);

	if (err)
		return fail(why, why_size, config->path, -err);
	if (!file->bytes) {
		snprintf(why, why_size, "%s: it is empty; truncate -s 10G would make a disk of it",
			 config->path);
		return -EINVAL;
	}
	format = config->format == VMM_DISK_RAW ? NULL : foreign_format(file);
	if (format) {
		snprintf(
			why, why_size,
			"%s: it looks like a %s image, and its name does not say so: %sformat=raw takes its bytes as they are",
			config->path, format,
			!strcmp(format, "VHDX") ? "format=vhdx takes it as one, " :
			!strcmp(format, "VHD")	? "format=vhd takes it as one, " :
						  "");
		return -EINVAL;
	}
	if (can_unmap(file, st))
		file->unmap_bytes = UNMAP_BYTES;
	return 0;
}

static int open_image(const struct vmm_disk_config *config, struct vmm_disk_file *file, bool vhdx,
		      const struct stat *st, char *why, size_t why_size)
{
	const struct vmm_disk_image_facts *facts;
	char reason[256];
	int err;

	if (file->device) {
		snprintf(why, why_size, "%s: a block device, which holds no image: format=raw",
			 config->path);
		return -EINVAL;
	}
	err = vmm_disk_image_open(file->fd, vhdx ? VMM_IMAGE_VHDX : VMM_IMAGE_VHD, file->read_only,
				  &file->image, reason, sizeof(reason));
	if (err) {
		snprintf(why, why_size, "%s: %s", config->path, reason);
		return err;
	}
	facts = vmm_disk_image_facts(file->image);
	if (config->block_bytes && config->block_bytes != facts->block_bytes) {
		snprintf(why, why_size, "%s: its blocks are of %u bytes", config->path,
			 facts->block_bytes);
		return -EINVAL;
	}
	file->format = vhdx ? "vhdx" : "vhd";
	file->bytes = facts->bytes;
	file->block_bytes = facts->block_bytes;
	file->physical_bytes = facts->physical_bytes;
	file->id = facts->id;
	if (facts->allocation_bytes)
		file->unmap_bytes = can_unmap(file, st)	     ? UNMAP_BYTES :
				    vhdx && !file->read_only ? facts->allocation_bytes :
							       0;
	return 0;
}

/*
 * Others may ignore that flag, as Linux' 9p does: there a write is followed by a sync. By its mount, because 9p says that a file is
 * on what the other side has it on.
 */
static bool heeds_dsync(const struct vmm_disk_file *file, const struct stat *st)
{
	static const char *const names[] = { "ext4", "f2fs", "xfs" };
	char line[4096], type[32];
	unsigned ma, mi;
	bool heeds = file->device;
	FILE *mounts = heeds ? NULL : fopen("/proc/self/mountinfo", "re");

	while (mounts && fgets(line, sizeof(line), mounts)) {
		const char *rest = strstr(line, " - ");

		if (!rest || sscanf(line, "%*u %*u %u:%u", &ma, &mi) != 2 ||
		    makedev(ma, mi) != st->st_dev || sscanf(rest, " - %31s", type) != 1)
			continue;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			heeds |= !strcmp(type, names[i]);
		break;
	}
	if (mounts)
		fclose(mounts);
	return heeds;
}

static int look_at(const struct vmm_disk_config *config, struct vmm_disk_file *file, char *why,
		   size_t why_size)
{
	struct stat st;

	if (fstat(file->fd, &st) < 0)
		return fail(why, why_size, config->path, errno);
	file->device = S_ISBLK(st.st_mode);
	if (!file->device && !S_ISREG(st.st_mode)) {
		snprintf(why, why_size, "%s: neither a file nor a block device", config->path);
		return -EINVAL;
	}
	file->dsync = heeds_dsync(file, &st);
	/* Before anything is read: whoever has it may just be writing. */
	if (lock(file)) {
		snprintf(why, why_size, "%s: another program uses it", config->path);
		return -EBUSY;
	}
	if (config->format == VMM_DISK_VHD || config->format == VMM_DISK_VHDX)
		return open_image(config, file, config->format == VMM_DISK_VHDX, &st, why,
				  why_size);
	return open_raw(config, file, &st, why, why_size);
}

int vmm_disk_file_open(const struct vmm_disk_config *config, struct vmm_disk_file *file, char *why,
		       size_t why_size)
{
	int err;

	*file = (struct vmm_disk_file){
		.fd = -1,
		.format = "raw",
		.read_only = config->read_only,
		.block_bytes = config->block_bytes ? config->block_bytes : BLOCK_BYTES_DEFAULT,
		.physical_bytes = config->dvd ? config->block_bytes : PHYSICAL_BYTES,
	};
	if (!config->path[0] && config->dvd)
		return 0;
	if (!config->path[0])
		return open_memory(config, file, why, why_size);
	file->fd = open(config->path, (config->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (file->fd < 0)
		return fail(why, why_size, config->path, errno);
	err = look_at(config, file, why, why_size);
	/* Nothing was written, so nothing can be missing. */
	if (err)
		(void)vmm_disk_file_close(file);
	return err;
}

int vmm_disk_file_close(struct vmm_disk_file *file)
{
	int err = file->image ? vmm_disk_image_close(file->image) : 0;

	file->image = NULL;
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	return err;
}

static int resize_raw(struct vmm_disk_file *file, uint64_t bytes, char *why, size_t why_size)
{
	struct vmm_disk_file now = *file;
	struct stat st;
	int err;

	if (bytes && ftruncate(file->fd, (off_t)bytes) < 0)
		return fail(why, why_size, "the file cannot grow", errno);
	err = fstat(file->fd, &st) < 0 ? -errno : find_size(&now, &st);
	if (err)
		return fail(why, why_size, "its size is unknown", -err);
	if (now.bytes < file->bytes) {
		snprintf(why, why_size, "it has become smaller, which no guest expects");
		return -EINVAL;
	}
	file->bytes = now.bytes;
	return 0;
}

int vmm_disk_file_resize(struct vmm_disk_file *file, uint64_t bytes, char *why, size_t why_size)
{
	if (bytes && bytes < file->bytes) {
		snprintf(why, why_size, "it has %llu bytes already, and does not shrink",
			 (unsigned long long)file->bytes);
		return -EINVAL;
	}
	if (bytes && (file->device || file->read_only)) {
		snprintf(why, why_size, "%s: only without a size, to tell what it has become",
			 file->device ? "a block device" : "a read-only disk");
		return -EINVAL;
	}
	if (file->image) {
		int err = 0;

		if (bytes && bytes != file->bytes)
			err = vmm_disk_image_resize(file->image, bytes, why, why_size);
		if (bytes && !err)
			file->bytes = bytes;
		return err;
	}
	return resize_raw(file, bytes, why, why_size);
}

uint64_t vmm_disk_file_allocated(const struct vmm_disk_file *file)
{
	struct stat st;

	return file->fd < 0 || file->device || fstat(file->fd, &st) < 0 ?
		       0 :
		       (uint64_t)st.st_blocks * 512;
}
