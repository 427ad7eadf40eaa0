/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Resets the SCSI host of a disk, as error handling does: scsi_reset DEVICE
 */
#include <errno.h>
#include <fcntl.h>
#include <scsi/sg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
	int what = SG_SCSI_RESET_HOST, disk = argc == 2 ? open(argv[1], O_RDONLY | O_NONBLOCK) : -1;

	if (disk < 0 || ioctl(disk, SG_SCSI_RESET, &what)) {
		fprintf(stderr, "scsi_reset: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
