/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/net/pcap.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The format's own structures (draft-ietf-opsawg-pcap), in this machine's byte order. */
#define PCAP_MAGIC_NS	   0xa1b23c4du
#define PCAP_MAJOR	   2
#define PCAP_MINOR	   4
#define PCAP_LENGTH_MAX	   0x40000u
#define PCAP_LINK_ETHERNET 1u

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t reserved[2];
	uint32_t length_max;
	uint32_t link_type;
};

struct record_header {
	uint32_t seconds, nanoseconds;
	uint32_t captured, length;
};

struct vmm_pcap {
	FILE *file; /* (l) */
	pthread_mutex_t lock;
};

int vmm_pcap_create(const char *path, struct vmm_pcap **pcap)
{
	const struct file_header header = {
		.magic = PCAP_MAGIC_NS,
		.major = PCAP_MAJOR,
		.minor = PCAP_MINOR,
		.length_max = PCAP_LENGTH_MAX,
		.link_type = PCAP_LINK_ETHERNET,
	};
	struct vmm_pcap *created = calloc(1, sizeof(*created));
	int err;

	if (!created)
		return -ENOMEM;
	created->file = fopen(path, "we");
	if (!created->file || fwrite(&header, sizeof(header), 1, created->file) != 1) {
		err = -errno;
		if (created->file)
			fclose(created->file);
		free(created);
		return err;
	}
	pthread_mutex_init(&created->lock, NULL);
	*pcap = created;
	return 0;
}

void vmm_pcap_destroy(struct vmm_pcap *pcap)
{
	if (!pcap)
		return;
	fclose(pcap->file);
	pthread_mutex_destroy(&pcap->lock);
	free(pcap);
}

void vmm_pcap_write(struct vmm_pcap *pcap, const struct iovec *iov, unsigned iovs)
{
	struct record_header header = { 0 };
	struct timespec now;
	size_t len = 0;

	for (unsigned i = 0; i < iovs; i++)
		len += iov[i].iov_len;
	clock_gettime(CLOCK_REALTIME, &now);
	header.seconds = (uint32_t)now.tv_sec;
	header.nanoseconds = (uint32_t)now.tv_nsec;
	header.captured = (uint32_t)len;
	header.length = (uint32_t)len;
	pthread_mutex_lock(&pcap->lock);
	fwrite(&header, sizeof(header), 1, pcap->file);
	for (unsigned i = 0; i < iovs; i++)
		fwrite(iov[i].iov_base, 1, iov[i].iov_len, pcap->file);
	/* So that a reader sees it, also when the monitor is killed. */
	fflush(pcap->file);
	pthread_mutex_unlock(&pcap->lock);
}
