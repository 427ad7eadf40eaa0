/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the code for images needs of a system: a file, and random numbers. Bound when a program is linked: hvhost has
 * store.c, tests and fuzz targets a file in memory that remembers each write (fuzz/memory_store.c).
 *
 * Functions return 0 or negative errno, may wait for the medium, and any thread may call them.
 */
#ifndef VMM_IMAGE_STORE_H
#define VMM_IMAGE_STORE_H

#include <stddef.h>
#include <stdint.h>

/* All of it, or an error; -EIO: the file ends before. */
int vmm_store_read(int fd, void *bytes, size_t len, uint64_t at);
int vmm_store_write(int fd, const void *bytes, size_t len, uint64_t at);

/* What was written before, and the size of the file, are on stable storage. */
int vmm_store_sync(int fd);

int vmm_store_size(int fd, uint64_t *bytes);

/* Where the file grows it reads as zeros, also where it was longer once. */
int vmm_store_resize(int fd, uint64_t bytes);

/* Inside the file: reads as zeros from now on. */
int vmm_store_zero(int fd, uint64_t at, uint64_t bytes);

/* For identifiers. */
void vmm_store_random(void *bytes, size_t len);

#endif
