/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A plain main() for fuzz targets: replays fuzz/corpora/<name of this program>/ and prints TAP, one line for each file.
 * Every input is also replayed cut short at each length (but see fuzz_cuts), from a heap block of exactly that size, so
 * that the sanitizer builds see any read past the end. A corpus that is missing or empty is a failure.
 *
 * A target may define fuzz_corpus_complete(), called after the whole inputs (before the cut ones): it returns the
 * number of things that no input reached (messages never accepted, say) and prints a "# " line for each.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"

/* Longer inputs are cut only at the first so many lengths: headers are near the front. */
#define CUTS_MAX 1024u

struct input {
	uint8_t *data;
	size_t len;
};

static int read_input(const char *path, struct input *input)
{
	FILE *file = fopen(path, "rb");
	long len;

	if (!file)
		return -1;
	if (fseek(file, 0, SEEK_END) || (len = ftell(file)) < 0 || fseek(file, 0, SEEK_SET))
		goto err_close;
	input->len = (size_t)len;
	input->data = malloc(input->len + 1); /* + 1: malloc(0) may be NULL */
	if (!input->data)
		goto err_close;
	if (fread(input->data, 1, input->len, file) != input->len)
		goto err_free;
	fclose(file);
	return 0;

err_free:
	free(input->data);
err_close:
	fclose(file);
	return -1;
}

static int replay(const struct input *input, size_t len)
{
	uint8_t *exact = malloc(len);

	if (!exact && len)
		return -1;
	if (len)
		memcpy(exact, input->data, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	return 0;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Replays one file, whole or cut. */
static int replay_file(const char *dir, const char *name, int cut)
{
	char path[4096];
	struct input input;
	size_t step = 1;
	int err = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return -1;
	if (read_input(path, &input))
		return -1;
	if (!cut)
		err = replay(&input, input.len);
	if (&fuzz_cuts)
		step += input.len / fuzz_cuts;
	for (size_t len = 0; cut && !err && len < input.len && len < CUTS_MAX * step; len += step)
		err = replay(&input, len);
	free(input.data);
	return err;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	char dir[4096];
	struct dirent **entries;
	int count, failed = 0, number = 0;

	if (argc > 1)
		snprintf(dir, sizeof(dir), "%s", argv[1]);
	else
		snprintf(dir, sizeof(dir), "fuzz/corpora/%s", slash ? slash + 1 : argv[0]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	count = scandir(dir, &entries, is_visible, alphasort);
	if (count <= 0) {
		printf("1..1\nnot ok 1 - %s holds inputs\n", dir);
		return 1;
	}
	for (int cut = 0; cut <= 1; cut++) {
		for (int i = 0; i < count; i++) {
			int err = replay_file(dir, entries[i]->d_name, cut);

			failed += err != 0;
			printf("%sok %d - %s%s\n", err ? "not " : "", ++number, entries[i]->d_name,
			       cut ? ", cut short" : "");
		}
		if (!cut && fuzz_corpus_complete) {
			int missed = fuzz_corpus_complete();

			failed += missed != 0;
			printf("%sok %d - corpus reaches everything it must\n",
			       missed ? "not " : "", ++number);
		}
	}
	printf("1..%d\n", number);
	while (count)
		free(entries[--count]);
	free(entries);
	return failed != 0;
}
