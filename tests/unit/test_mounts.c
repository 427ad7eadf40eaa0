/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which file systems a backup freezes.
 */
#include "daemons/mounts.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "tap.h"

static struct hvd_mounts mounts;

static int read_text(const char *text)
{
	FILE *in = fmemopen((void *)text, strlen(text), "r");
	int err = in ? hvd_mounts_read(&mounts, in) : -errno;

	if (in)
		fclose(in);
	return err;
}

TAP_TEST(a_common_system)
{
	TAP_EQ(read_text(
		       "21 26 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
		       "26 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"
		       "30 26 8:15 / /boot/efi rw,relatime shared:2 - vfat /dev/sda15 rw,fmask=0022\n"
		       "31 26 0:25 / /tmp rw - tmpfs tmpfs rw\n"
		       "32 26 8:17 / /with\\040blank rw shared:3 master:4 - xfs /dev/sdb1 rw,attr2\n"
		       "33 26 8:33 / /cdrom ro - iso9660 /dev/sr0 ro\n"
		       "34 26 0:40 / /nfs rw - nfs4 server:/dev/x rw\n"),
	       0);
	TAP_EQ(mounts.count, 3);
	TAP_STR_EQ(mounts.mount[0].path, "/");
	TAP_STR_EQ(mounts.mount[0].type, "ext4");
	TAP_CHECK(mounts.mount[0].device == makedev(8, 1));
	TAP_STR_EQ(mounts.mount[1].path, "/boot/efi");
	TAP_STR_EQ(mounts.mount[2].path, "/with blank");
	hvd_mounts_free(&mounts);
}

TAP_TEST(one_that_is_mounted_often_is_frozen_once)
{
	TAP_EQ(read_text("26 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
			 "27 26 8:1 /srv /jail ro,relatime - ext4 /dev/sda1 rw\n"
			 "28 26 0:30 /@ /data rw - btrfs /dev/sdb rw\n"
			 "29 26 0:30 /@home /home rw - btrfs /dev/sdb rw\n"
			 "30 26 8:2 / /first ro - ext4 /dev/sda2 rw\n"
			 "31 26 8:2 / /second rw - ext4 /dev/sda2 rw\n"),
	       0);
	TAP_EQ(mounts.count, 3);
	TAP_STR_EQ(mounts.mount[1].path, "/data");
	/* Read-only is a mount, and not the file system. */
	TAP_STR_EQ(mounts.mount[2].path, "/first");
	hvd_mounts_free(&mounts);
}

TAP_TEST(what_makes_no_sense)
{
	static const char *const wrong[] = {
		"26 1 8:1 / / rw\n",
		"26 1 8:1 / / rw - ext4 /dev/sda1\n",
		"26 1 8 / / rw - ext4 /dev/sda1 rw\n",
		"\n",
		"26 1 8:1 / / rw - ext4 /dev/sda1 rw\nx\n",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		TAP_EQ(read_text(wrong[i]), -EPROTO);
		TAP_EQ(mounts.count, 0);
	}
	/* An escape that is none stays as it is. */
	TAP_EQ(read_text("26 1 8:1 / /a\\04 rw - ext4 /dev/sda1 rw\n"), 0);
	TAP_STR_EQ(mounts.mount[0].path, "/a\\04");
	hvd_mounts_free(&mounts);
}

TAP_TEST(too_many)
{
	static char text[64 * (HVD_MOUNTS_MAX + 2)];
	size_t len = 0;

	for (unsigned i = 0; i <= HVD_MOUNTS_MAX; i++)
		len += (size_t)sprintf(text + len, "1 1 9:%u / /%u rw - ext4 /dev/md%u rw\n", i, i,
				       i);
	TAP_EQ(read_text(text), -E2BIG);
	TAP_EQ(mounts.count, 0);
}

TAP_MAIN()
