/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the guest tells the host about itself, each time that it is asked.
 */
#ifndef DAEMONS_FACTS_H
#define DAEMONS_FACTS_H

#include <stddef.h>
#include <stdint.h>

#define HVD_FACTS 10

/*
 * Key and value of a fact, in the order in which hosts know them; a value that is not known is empty. `services`: the version that
 * the driver tells. `root`: where /etc is, "" but in tests. False: there are no more.
 */
int hvd_fact(uint32_t index, const char *services, const char *root, const char **key, char *value,
	     size_t size);

#endif
