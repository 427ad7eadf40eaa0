/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What differs between two runs of the same script is when things happen, in which order channels come
 * to their turn, and numbers that somebody picks. So: no times; a stream for each channel and one for
 * the rest; and in place of such a number its rank among those of its kind that the stream has had.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/log.h"
#include "vmm/trace.h"

/* Fields with numbers that somebody picks: name, kind. Zero is no such number: it means "none". */
#define PICKED_LIST(X)                                                                             \
	X(connection_id, CONNECTION)                                                               \
	X(gpadl, GPADL)                                                                            \
	X(ring_gpadl, GPADL)                                                                       \
	X(open_id, OPEN)                                                                           \
	X(interrupt_page, PAGE)                                                                    \
	X(monitor_page_to_guest, PAGE)                                                             \
	X(monitor_page_to_host, PAGE)                                                              \
	X(transaction, TRANSACTION)

enum kind { CONNECTION, GPADL, OPEN, PAGE, TRANSACTION, QUESTION, KINDS };

/* Where the number of a question stands in an RNDIS message, and how long it is, in digits of its payload. */
#define QUESTION_DIGIT	16u
#define QUESTION_DIGITS 8u

/* Numbers in the order in which they appeared. */
struct ranks {
	uint64_t *numbers;
	size_t count, size;
};

struct stream {
	size_t number; /* what its channel is called now */
	uint64_t channel_id; /* 0: what belongs to no channel */
	struct ranks ranks[KINDS];
	char *text; /* the lines so far */
	size_t text_len;
	FILE *lines;
};

struct owner {
	uint64_t gpadl, channel_id;
};

struct normaliser {
	struct stream **streams; /* by first appearance; the first is that of no channel */
	size_t count, size;
	/* Which channel a GPADL was last made for: some messages name only the GPADL. */
	struct owner *owners;
	size_t owner_count, owner_size;
};

/* The array with room for one more; NULL: it is as it was. */
static void *grow(void *array, size_t count, size_t *size, size_t element)
{
	size_t wanted = *size ? 2 * *size : 16;

	if (count < *size)
		return array;
	array = realloc(array, wanted * element);
	if (array)
		*size = wanted;
	return array;
}

/* --- streams ------------------------------------------------------------------------------------------ */

static int find_stream(struct normaliser *n, uint64_t channel_id, struct stream **stream)
{
	struct stream *added, **streams;
	size_t i = 0;

	while (i < n->count && n->streams[i]->channel_id != channel_id)
		i++;
	if (i < n->count) {
		*stream = n->streams[i];
		return 0;
	}
	streams = grow(n->streams, n->count, &n->size, sizeof(*streams));
	if (!streams)
		return -ENOMEM;
	n->streams = streams;
	added = calloc(1, sizeof(*added));
	if (!added)
		return -ENOMEM;
	added->number = n->count;
	added->channel_id = channel_id;
	added->lines = open_memstream(&added->text, &added->text_len);
	if (!added->lines) {
		free(added);
		return -ENOMEM;
	}
	n->streams[n->count++] = added;
	*stream = added;
	return 0;
}

static int set_owner(struct normaliser *n, uint64_t gpadl, uint64_t channel_id)
{
	struct owner *owners;
	size_t i = 0;

	while (i < n->owner_count && n->owners[i].gpadl != gpadl)
		i++;
	if (i == n->owner_count) {
		owners = grow(n->owners, n->owner_count, &n->owner_size, sizeof(*owners));
		if (!owners)
			return -ENOMEM;
		n->owners = owners;
		n->owners[n->owner_count++].gpadl = gpadl;
	}
	n->owners[i].channel_id = channel_id;
	return 0;
}

static uint64_t number_of(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

/* The channel that a line is about; 0: none. */
static int channel_of(struct normaliser *n, const json_t *line, uint64_t *channel_id)
{
	const json_t *fields = json_object_get(line, "fields");
	uint64_t gpadl = number_of(fields, "gpadl");

	*channel_id = number_of(line, "channel");
	if (!*channel_id)
		*channel_id = number_of(fields, "channel_id");
	if (*channel_id && gpadl)
		return set_owner(n, gpadl, *channel_id);
	for (size_t i = 0; !*channel_id && gpadl && i < n->owner_count; i++)
		if (n->owners[i].gpadl == gpadl)
			*channel_id = n->owners[i].channel_id;
	return 0;
}

/* --- lines --------------------------------------------------------------------------------------------- */

/* The number's rank from 1 on; 0: no memory. */
static uint64_t rank_of(struct ranks *ranks, uint64_t number)
{
	uint64_t *numbers;
	size_t i = 0;

	while (i < ranks->count && ranks->numbers[i] != number)
		i++;
	if (i == ranks->count) {
		numbers = grow(ranks->numbers, ranks->count, &ranks->size, sizeof(*numbers));
		if (!numbers)
			return 0;
		ranks->numbers = numbers;
		ranks->numbers[ranks->count++] = number;
	}
	return i + 1;
}

static int renumber(struct stream *stream, json_t *object)
{
	static const struct {
		const char *name;
		enum kind kind;
	} picked[] = {
#define PICKED(name, kind) { #name, kind },
		PICKED_LIST(PICKED)
#undef PICKED
	};

	for (size_t i = 0; i < sizeof(picked) / sizeof(picked[0]); i++) {
		uint64_t number = number_of(object, picked[i].name), rank;

		if (!number)
			continue;
		rank = rank_of(&stream->ranks[picked[i].kind], number);
		if (!rank ||
		    json_object_set_new(object, picked[i].name, json_integer((json_int_t)rank)))
			return -ENOMEM;
	}
	return 0;
}

/* An RNDIS message's number, which its answer has too: also in the payload, whose other bytes are worth comparing. */
static int renumber_question(struct stream *stream, const json_t *line, json_t *rndis)
{
	const char *payload = json_string_value(json_object_get(line, "payload"));
	uint64_t number = number_of(rndis, "id"), rank;
	char *text;

	if (!json_object_get(rndis, "id"))
		return 0;
	rank = rank_of(&stream->ranks[QUESTION], number);
	if (!rank || json_object_set_new(rndis, "id", json_integer((json_int_t)rank)))
		return -ENOMEM;
	if (!payload || strlen(payload) < QUESTION_DIGIT + QUESTION_DIGITS)
		return 0;
	text = strdup(payload);
	if (!text)
		return -ENOMEM;
	memset(text + QUESTION_DIGIT, '0', QUESTION_DIGITS);
	json_string_set(json_object_get(line, "payload"), text);
	free(text);
	return 0;
}

static bool is_timesync(const json_t *line)
{
	const char *type = json_string_value(json_object_get(json_object_get(line, "ic"), "type"));

	return type && strcmp(type, "TIMESYNC") == 0;
}

/* The same line without what differs. */
static int normalise_line(struct stream *stream, json_t *line)
{
	json_t *fields = json_object_get(line, "fields"), *nvsp = json_object_get(line, "nvsp");
	int err = renumber(stream, line);

	if (!err && fields)
		err = renumber(stream, fields);
	if (!err && number_of(nvsp, "gpadl"))
		err = renumber(stream, nvsp);
	if (!err)
		err = renumber_question(stream, line, json_object_get(line, "rndis"));
	json_object_del(line, "time");
	if (json_object_get(fields, "channel_id"))
		json_object_set_new(fields, "channel_id", json_integer((json_int_t)stream->number));
	if (json_object_get(line, "channel"))
		json_object_set_new(line, "channel", json_integer((json_int_t)stream->number));
	/* What the fields tell, with the numbers that were picked; or clocks. */
	if (fields || number_of(nvsp, "gpadl") || is_timesync(line))
		json_object_del(line, "payload");
	return err;
}

static int add_line(struct normaliser *n, json_t *line)
{
	struct stream *stream;
	uint64_t channel_id;
	int err = channel_of(n, line, &channel_id);

	if (!err)
		err = find_stream(n, channel_id, &stream);
	if (!err)
		err = normalise_line(stream, line);
	if (err)
		return err;
	if (json_dumpf(line, stream->lines, JSON_COMPACT | JSON_SORT_KEYS) ||
	    fputc('\n', stream->lines) == EOF)
		return -ENOMEM;
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static int read_all(struct normaliser *n, FILE *in, const char *name)
{
	char *text = NULL;
	size_t size = 0;
	unsigned long number = 0;
	ssize_t len;
	int err = 0;

	while (!err && (len = getline(&text, &size, in)) > 0) {
		json_t *line = json_loadb(text, (size_t)len, 0, NULL);

		number++;
		if (json_is_object(line)) {
			err = add_line(n, line);
			if (err)
				vmm_log(HVH_LOG_ERROR, "%s: out of memory", name);
		} else {
			vmm_log(HVH_LOG_ERROR, "%s: line %lu is not one of a trace", name, number);
			err = -EINVAL;
		}
		json_decref(line);
	}
	if (!err && ferror(in)) {
		err = -EIO;
		vmm_log(HVH_LOG_ERROR, "%s: cannot be read", name);
	}
	free(text);
	return err;
}

static void free_stream(struct stream *stream)
{
	fclose(stream->lines);
	free(stream->text);
	for (unsigned kind = 0; kind < KINDS; kind++)
		free(stream->ranks[kind].numbers);
	free(stream);
}

int vmm_trace_normalise(FILE *in, const char *name, FILE *out)
{
	struct normaliser n = { 0 };
	struct stream *first;
	int err = find_stream(&n, 0, &first);

	if (!err)
		err = read_all(&n, in, name);
	for (size_t i = 0; !err && i < n.count; i++)
		if (fflush(n.streams[i]->lines) == 0)
			fwrite(n.streams[i]->text, 1, n.streams[i]->text_len, out);
	for (size_t i = 0; i < n.count; i++)
		free_stream(n.streams[i]);
	free(n.streams);
	free(n.owners);
	return err;
}
