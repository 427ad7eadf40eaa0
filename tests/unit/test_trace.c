/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hvp_ic.h"
#include "hvp_ring.h"
#include "hvw_ic.h"
#include "hvw_msg.h"
#include "tap.h"
#include "vmm/trace.h"

/* --- lines ------------------------------------------------------------------------------------------- */

static json_t *message_json(enum hvp_direction direction, const void *bytes, uint32_t len)
{
	struct vmm_trace_record record = { .direction = direction, .len = len, .kept = len };

	memcpy(record.bytes, bytes, len);
	return vmm_trace_record_json(&record);
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static json_int_t number_at(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

TAP_TEST(message_has_its_name_and_fields)
{
	const struct hvp_msg_open_channel open = {
		.h.type = HVP_MSG_OPEN_CHANNEL,
		.channel_id = 7,
		.open_id = 8,
		.ring_gpadl = 0xe1e10,
		.target_vp = 3,
		.downstream_page = 4,
		.user_data = { 0xab },
	};
	json_t *line = message_json(HVP_TO_HOST, &open, sizeof(open));
	const json_t *fields = json_object_get(line, "fields");

	TAP_STR_EQ(text_at(line, "to"), "host");
	TAP_STR_EQ(text_at(line, "message"), "OPEN_CHANNEL");
	TAP_EQ(number_at(line, "length"), sizeof(open));
	TAP_EQ(number_at(fields, "channel_id"), 7);
	TAP_EQ(number_at(fields, "open_id"), 8);
	TAP_EQ(number_at(fields, "ring_gpadl"), 0xe1e10);
	TAP_EQ(number_at(fields, "target_vp"), 3);
	TAP_EQ(number_at(fields, "downstream_page"), 4);
	TAP_EQ(strlen(text_at(fields, "user_data")), 2 * HVP_USER_DATA_MAX);
	TAP_CHECK(strncmp(text_at(fields, "user_data"), "ab00", 4) == 0);
	TAP_EQ(strlen(text_at(line, "payload")), 2 * sizeof(open));
	json_decref(line);
}

TAP_TEST(contact_shows_what_its_version_has)
{
	struct hvp_msg_initiate_contact contact = {
		.h.type = HVP_MSG_INITIATE_CONTACT,
		.version = HVP_VERSION_4_1,
		.u.interrupt_page = 0x123456000,
	};
	json_t *line = message_json(HVP_TO_HOST, &contact, sizeof(contact));
	const json_t *fields = json_object_get(line, "fields");

	TAP_EQ(number_at(fields, "interrupt_page"), 0x123456000);
	TAP_CHECK(!json_object_get(fields, "sint"));
	json_decref(line);
	contact.version = HVP_VERSION_5_0;
	contact.u.v5.sint = 2;
	line = message_json(HVP_TO_HOST, &contact, sizeof(contact));
	fields = json_object_get(line, "fields");
	TAP_EQ(number_at(fields, "sint"), 2);
	TAP_CHECK(!json_object_get(fields, "interrupt_page"));
	json_decref(line);
}

/* Those without anything behind the header have none, and only those. */
TAP_TEST(every_message_in_the_list_has_fields)
{
	static const struct {
		uint32_t type, least;
		enum hvp_direction direction;
	} all[] = {
#define ENTRY(number, name, type, least, direction, version) { number, least, direction },
		HVP_MSG_LIST(ENTRY)
#undef ENTRY
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		uint8_t bytes[HVP_MESSAGE_PAYLOAD_MAX] = { (uint8_t)all[i].type };
		json_t *line = message_json(all[i].direction, bytes, all[i].least);

		TAP_CHECK(strcmp(text_at(line, "message"), "UNKNOWN") != 0);
		TAP_EQ(json_object_size(json_object_get(line, "fields")) != 0,
		       all[i].least != sizeof(struct hvp_msg_header));
		json_decref(line);
	}
}

TAP_TEST(message_that_is_wrong_is_shown_without_fields)
{
	static const uint8_t none[1], unknown[12] = { 200 },
				      short_open[12] = { HVP_MSG_OPEN_CHANNEL };
	json_t *line = message_json(HVP_TO_HOST, none, 0);

	TAP_STR_EQ(text_at(line, "message"), "UNKNOWN");
	json_decref(line);
	line = message_json(HVP_TO_HOST, unknown, sizeof(unknown));
	TAP_STR_EQ(text_at(line, "message"), "UNKNOWN");
	TAP_EQ(number_at(line, "type"), 200);
	json_decref(line);
	line = message_json(HVP_TO_HOST, short_open, sizeof(short_open));
	TAP_STR_EQ(text_at(line, "message"), "OPEN_CHANNEL");
	TAP_CHECK(!json_object_get(line, "fields"));
	TAP_STR_EQ(text_at(line, "payload"), "050000000000000000000000");
	json_decref(line);
}

TAP_TEST(packet_of_a_service_is_decoded)
{
	const struct hvp_ic_header h = {
		.framework = { 3, 0 },
		.type = HVP_IC_HEARTBEAT,
		.message = { 3, 1 },
		.size = 8,
		.transaction_id = 9,
		.flags = HVP_IC_FLAG_REQUEST,
	};
	struct vmm_trace_record record = {
		.is_packet = true,
		.channel_id = 2,
		.type = HVP_PACKET_INBAND,
		.transaction_id = 5,
		.device = "heartbeat",
	};
	const json_t *ic;
	json_t *line;

	record.len = record.kept = (uint32_t)hvw_ic_build(record.bytes, &h);
	line = vmm_trace_record_json(&record);
	ic = json_object_get(line, "ic");
	TAP_STR_EQ(text_at(line, "to"), "guest");
	TAP_STR_EQ(text_at(line, "packet"), "INBAND");
	TAP_STR_EQ(text_at(line, "device"), "heartbeat");
	TAP_EQ(number_at(line, "channel"), 2);
	TAP_EQ(number_at(line, "transaction"), 5);
	TAP_STR_EQ(text_at(ic, "type"), "HEARTBEAT");
	TAP_STR_EQ(text_at(ic, "framework"), "3.0");
	TAP_STR_EQ(text_at(ic, "version"), "3.1");
	TAP_EQ(number_at(ic, "transaction"), 9);
	json_decref(line);
	/* Another device's bytes are nobody's message. */
	memset(record.bytes, 0xff, sizeof(record.bytes));
	line = vmm_trace_record_json(&record);
	TAP_CHECK(!json_object_get(line, "ic"));
	json_decref(line);
}

/* --- the file ------------------------------------------------------------------------------------------ */

static char path[] = "/tmp/test_trace.XXXXXX";

static FILE *read_trace(void)
{
	FILE *in = fopen(path, "r");

	unlink(path);
	return in;
}

/* Lines of the file; *lost: how many it says are missing. */
static unsigned count_lines(FILE *in, json_int_t *lost)
{
	char *text = NULL;
	size_t size = 0;
	unsigned lines = 0;

	*lost = 0;
	while (in && getline(&text, &size, in) > 0) {
		json_t *line = json_loads(text, 0, NULL);

		TAP_CHECK(json_is_object(line));
		*lost += number_at(line, "lost");
		lines += !json_object_get(line, "lost");
		json_decref(line);
	}
	free(text);
	return lines;
}

#define THREADS 3
#define EACH	1000

static void *trace_many(void *ctx)
{
	const uint8_t bytes[300] = { 1 };
	const struct vmm_trace_record record = { .is_packet = true, .device = "echo" };
	const struct iovec payload[2] = { { (void *)bytes, 10 }, { (void *)bytes, sizeof(bytes) } };

	for (unsigned i = 0; i < EACH; i++)
		vmm_trace_packet(ctx, &record, payload);
	return NULL;
}

TAP_TEST(records_of_all_threads_are_in_the_file)
{
	pthread_t threads[THREADS];
	struct vmm_trace *trace;
	json_int_t lost;
	int fd = mkstemp(path);
	FILE *in;

	TAP_REQUIRE(fd >= 0 && vmm_trace_create(path, &trace) == 0);
	close(fd);
	for (unsigned i = 0; i < THREADS; i++)
		TAP_REQUIRE(pthread_create(&threads[i], NULL, trace_many, trace) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	TAP_CHECK(vmm_trace_destroy(trace));
	TAP_CHECK(vmm_trace_destroy(NULL));
	in = read_trace();
	TAP_EQ(count_lines(in, &lost), THREADS * EACH);
	TAP_EQ(lost, 0);
	fclose(in);
}

static void *end_trace(void *trace)
{
	return vmm_trace_destroy(trace) ? trace : NULL;
}

/* A pipe that nobody reads: the writer hangs, who traces does not, and nothing is missing without a word. */
TAP_TEST(file_that_hangs_costs_records_and_no_time)
{
	static const uint8_t contact[40] = { HVP_MSG_INITIATE_CONTACT };
	const unsigned total = 20000;
	struct vmm_trace *trace;
	json_int_t lost;
	pthread_t thread;
	unsigned lines;
	void *ended;
	FILE *in;
	int fd;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	TAP_REQUIRE(fd >= 0 && close(fd) == 0 && unlink(path) == 0 && mkfifo(path, 0600) == 0);
	in = fdopen(open(path, O_RDONLY | O_NONBLOCK), "r");
	TAP_REQUIRE(in && vmm_trace_create(path, &trace) == 0);
	unlink(path);
	for (unsigned i = 0; i < total; i++)
		vmm_trace_message(trace, HVP_TO_HOST, contact, sizeof(contact));
	TAP_REQUIRE(fcntl(fileno(in), F_SETFL, 0) == 0);
	/* Another thread ends the trace while this one reads. */
	TAP_REQUIRE(pthread_create(&thread, NULL, end_trace, trace) == 0);
	lines = count_lines(in, &lost);
	pthread_join(thread, &ended);
	TAP_CHECK(ended);
	TAP_CHECK(lost > 0);
	TAP_EQ(lines + (unsigned)lost, total);
	fclose(in);
}

TAP_TEST(trace_that_cannot_be_made_is_refused)
{
	struct vmm_trace *trace;

	TAP_EQ(vmm_trace_create("/nonexistent/trace", &trace), -ENOENT);
	/* A pipe without a reader is no reason to wait. */
	strcpy(path + strlen(path) - 6, "XXXXXX");
	close(mkstemp(path));
	TAP_REQUIRE(unlink(path) == 0 && mkfifo(path, 0600) == 0);
	TAP_EQ(vmm_trace_create(path, &trace), -ENXIO);
	unlink(path);
}

/* --- normalised ----------------------------------------------------------------------------------------- */

static char *normalised(const char *text, int *err)
{
	FILE *in = fmemopen((void *)text, strlen(text), "r"), *out;
	char *result = NULL;
	size_t len;

	out = open_memstream(&result, &len);
	*err = in && out ? vmm_trace_normalise(in, "test", out) : -ENOMEM;
	fclose(out);
	fclose(in);
	return result;
}

static void check_equal(const char *a, const char *b, bool equal)
{
	int err;
	char *x = normalised(a, &err), *y;

	TAP_EQ(err, 0);
	y = normalised(b, &err);
	TAP_EQ(err, 0);
	TAP_EQ(strcmp(x, y) == 0, equal);
	if ((strcmp(x, y) == 0) != equal)
		printf("# %s\n# %s\n", x, y);
	free(x);
	free(y);
}

#define OFFER(time, channel)                                                                       \
	"{\"time\":" time ",\"message\":\"OFFER_CHANNEL\",\"fields\":{\"channel_id\":" channel     \
	",\"connection_id\":820" channel "},\"payload\":\"aa" channel "\"}\n"
#define HEADER(time, channel, gpadl)                                                               \
	"{\"time\":" time ",\"message\":\"GPADL_HEADER\",\"fields\":{\"channel_id\":" channel      \
	",\"gpadl\":" gpadl "}}\n"
#define BODY(time, gpadl)                                                                          \
	"{\"time\":" time ",\"message\":\"GPADL_BODY\",\"fields\":{\"gpadl\":" gpadl "}}\n"
#define PACKET(time, channel, transaction)                                                         \
	"{\"time\":" time ",\"packet\":\"INBAND\",\"channel\":" channel                            \
	",\"transaction\":" transaction ",\"payload\":\"0102\"}\n"

TAP_TEST(times_picked_numbers_and_the_order_of_channels_do_not_matter)
{
	check_equal(OFFER("0.1", "1") OFFER("0.2", "2") HEADER("0.3", "1", "100") BODY("0.4", "100")
			    HEADER("0.5", "2", "200") PACKET("0.6", "1", "77")
				    PACKET("0.7", "1", "0"),
		    OFFER("1.1", "4") OFFER("1.2", "9") HEADER("1.3", "9", "55")
			    HEADER("1.4", "4", "66") BODY("1.5", "66") PACKET("1.6", "4", "5")
				    PACKET("1.7", "4", "0"),
		    true);
}

TAP_TEST(what_is_said_and_in_which_order_on_one_channel_matters)
{
	const char *two = OFFER("0", "1") HEADER("0", "1", "1") HEADER("0", "1", "2")
		BODY("0", "2");

	check_equal(two, OFFER("0", "1") HEADER("0", "1", "1") HEADER("0", "1", "2") BODY("0", "1"),
		    false);
	check_equal(two, OFFER("0", "1") HEADER("0", "1", "1") BODY("0", "1"), false);
	check_equal(two, OFFER("0", "1") HEADER("0", "1", "3") HEADER("0", "1", "1") BODY("0", "1"),
		    true);
	check_equal(PACKET("0", "1", "0"), PACKET("0", "1", "8"), false);
	check_equal(PACKET("0", "1", "7") PACKET("0", "1", "7"),
		    PACKET("0", "1", "7") PACKET("0", "1", "8"), false);
}

#define QUESTION(id, payload_id, payload)                                                          \
	"{\"time\":1,\"channel\":1,\"rndis\":{\"message\":\"SET\",\"id\":" id                      \
	"},\"payload\":\"0500000020000000" payload_id payload "\"}\n"
#define BUFFER(gpadl, payload)                                                                     \
	"{\"time\":1,\"channel\":1,\"nvsp\":{\"message\":\"SEND_RECV_BUF\",\"gpadl\":" gpadl       \
	"},\"payload\":\"" payload "\"}\n"

TAP_TEST(numbers_of_an_adapters_questions_and_buffers_do_not_matter)
{
	check_equal(QUESTION("9", "09000000", "aa") QUESTION("10", "0a000000", "bb"),
		    QUESTION("3", "03000000", "aa") QUESTION("2", "02000000", "bb"), true);
	check_equal(QUESTION("9", "09000000", "aa") QUESTION("9", "09000000", "aa"),
		    QUESTION("3", "03000000", "aa") QUESTION("4", "04000000", "aa"), false);
	check_equal(QUESTION("9", "09000000", "aa"), QUESTION("9", "09000000", "ab"), false);
	check_equal(BUFFER("100", "65000000"), BUFFER("200", "66000000"), true);
	check_equal(BUFFER("100", "65") BUFFER("200", "65"),
		    BUFFER("100", "65") BUFFER("100", "65"), false);
}

TAP_TEST(what_is_no_trace_is_told)
{
	int err;
	char *text = normalised("{\"time\":1,\"message\":\"UNLOAD\"}\nrubbish\n", &err);

	TAP_EQ(err, -EINVAL);
	TAP_STR_EQ(text, "");
	free(text);
	text = normalised("{\"lost\":3}\n", &err);
	TAP_EQ(err, 0);
	TAP_STR_EQ(text, "{\"lost\":3}\n");
	free(text);
}

TAP_MAIN()
