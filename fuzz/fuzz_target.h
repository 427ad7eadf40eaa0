/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a file in fuzz/ defines. It is linked with libFuzzer ("make fuzz-NAME") and with fuzz/replay.c (every test run).
 */
#ifndef FUZZ_FUZZ_TARGET_H
#define FUZZ_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Takes one input from a peer; returns 0. May abort() to report a wrong result. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/*
 * Optional: replay cuts each input at so many lengths only, spread over it. For targets that take lists of actions:
 * those are slow, and where a list ends matters little.
 */
__attribute__((weak)) extern const unsigned fuzz_cuts;

/*
 * Optional: called by replay once the corpus has gone through. Returns how many of the things that the corpus must
 * reach (such as an accepted message of each type) it did not reach, after a "# " line on stdout for each.
 */
__attribute__((weak)) int fuzz_corpus_complete(void);

/* For fuzz_corpus_complete(): 1, and that line, unless the corpus has reached `what`. */
#define FUZZ_NEVER(what) ((what) ? 0 : (printf("# never: %s\n", #what), 1))

#endif
