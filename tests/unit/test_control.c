/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The control socket: a server on a thread of its own, clients (honest and hostile) in the main thread.
 */
#include "vmm/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "vmm/log.h"
#include "vmm/loop.h"

#define WAIT_MS 20000

struct server {
	struct vmm_loop *loop;
	struct vmm_control *control;
	pthread_t thread;
	struct vmm_request *held; /* of the command "hold" */
	char *big;
};

static char folder[64];
static char socket_path[100];

/* --- the server ------------------------------------------------------------------------------- */

static void handle(void *ctx, struct vmm_request *request, const char *command,
		   const json_t *arguments)
{
	struct server *s = ctx;

	if (strcmp(command, "echo") == 0) {
		vmm_reply(request, json_deep_copy(arguments));
	} else if (strcmp(command, "sum") == 0) {
		size_t len, sum = 0;
		const uint8_t *data = vmm_request_data(request, &len);

		for (size_t i = 0; i < len; i++)
			sum += data[i];
		vmm_reply_error(request, "%zu bytes, sum %zu", len, sum);
	} else if (strcmp(command, "hold") == 0) {
		if (s->held)
			vmm_reply_error(s->held, "another is held now");
		s->held = request;
	} else if (strcmp(command, "release") == 0) {
		if (s->held)
			vmm_reply(s->held, json_pack("{s:s}", "was", "held"));
		s->held = NULL;
		vmm_reply(request, json_object());
	} else if (strcmp(command, "park") == 0) {
		return; /* answered when the server ends */
	} else if (strcmp(command, "big") == 0) {
		vmm_reply(request, json_pack("{s:s}", "big", s->big));
	} else if (strcmp(command, "event") == 0) {
		vmm_control_event(s->control, json_pack("{s:s}", "event", "test"));
		vmm_reply(request, json_object());
	} else {
		vmm_reply_error(request, "no command '%s'", command);
	}
}

static void *serve(void *ctx)
{
	struct server *s = ctx;

	vmm_loop_run(s->loop);
	return NULL;
}

static int server_start(struct server *s, const char *name, int stream_fd)
{
	int error;

	*s = (struct server){ 0 };
	s->big = malloc(40001);
	memset(s->big, 'x', 40000);
	s->big[40000] = 0;
	error = vmm_loop_create(&s->loop);
	if (!error && stream_fd >= 0)
		error = vmm_control_create_stream(s->loop, stream_fd, handle, s, &s->control);
	else if (!error)
		error = vmm_control_create(s->loop, name, handle, s, &s->control);
	if (!error)
		error = pthread_create(&s->thread, NULL, serve, s);
	return error;
}

static void server_stop(struct server *s)
{
	vmm_loop_stop(s->loop);
	pthread_join(s->thread, NULL);
	vmm_control_destroy(s->control);
	vmm_loop_destroy(s->loop);
	free(s->big);
}

/* --- clients ---------------------------------------------------------------------------------- */

static int connect_to(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/hvhost/%s.sock", folder, name);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool send_text(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/* The next line as JSON; NULL at the end of the stream or after WAIT_MS. */
static json_t *receive(int fd)
{
	static char line[1 << 20];
	size_t len = 0;

	while (len < sizeof(line)) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };

		if (poll(&ready, 1, WAIT_MS) <= 0 || recv(fd, line + len, 1, 0) != 1)
			return NULL;
		if (line[len++] == '\n')
			return json_loadb(line, len, 0, NULL);
	}
	return NULL;
}

/* True when the server has closed its end, whatever it sent before. */
static bool is_closed(int fd)
{
	char bytes[4096];

	for (;;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&ready, 1, WAIT_MS) <= 0)
			return false;
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n <= 0)
			return n == 0 || errno == ECONNRESET;
	}
}

/* Receives one reply and looks at its error text ("" = ok). */
static bool reply_is(int fd, const char *error)
{
	json_t *reply = receive(fd);
	const char *text = json_string_value(json_object_get(reply, "error"));
	bool ok = json_is_true(json_object_get(reply, "ok"));
	bool right = reply && (*error ? !ok && text && strstr(text, error) : ok && !text);

	if (!right) {
		char *dump = json_dumps(reply, 0);

		printf("# reply is %.200s\n", dump ? dump : "missing");
		free(dump);
	}
	json_decref(reply);
	return right;
}

static bool still_serves(const char *name)
{
	int fd = connect_to(name);
	bool ok = fd >= 0 && send_text(fd, "{\"command\":\"echo\"}\n") && reply_is(fd, "");

	close(fd);
	return ok;
}

/* --- tests ------------------------------------------------------------------------------------ */

TAP_TEST(request_gets_its_reply_with_its_id)
{
	struct server s;
	json_t *reply;
	int fd;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	fd = connect_to("vm");
	TAP_CHECK(send_text(fd, "{\"id\":[7,\"x\"],\"command\":\"echo\",\"a\":\"\\u00e9\"}\n"));
	reply = receive(fd);
	TAP_CHECK(json_is_true(json_object_get(reply, "ok")));
	TAP_EQ(json_integer_value(json_array_get(json_object_get(reply, "id"), 0)), 7);
	TAP_STR_EQ(json_string_value(json_object_get(json_object_get(reply, "result"), "a")),
		   "\xc3\xa9");
	json_decref(reply);
	/* Split and joined lines, empty ones, no id */
	TAP_CHECK(send_text(fd, "\n{\"command\":\"nothi"));
	usleep(20000);
	TAP_CHECK(send_text(fd, "ng\"}\n{\"command\":\"echo\"}\n"));
	TAP_CHECK(reply_is(fd, "no command 'nothing'"));
	TAP_CHECK(reply_is(fd, ""));
	close(fd);
	server_stop(&s);
}

TAP_TEST(bytes_behind_a_request_are_its_own)
{
	static char most[VMM_CONTROL_DATA_MAX + 64];
	struct server s;
	int fd, end;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	fd = connect_to("vm");
	TAP_CHECK(send_text(
		fd, "{\"command\":\"sum\",\"data_bytes\":3}\n\n\n\002{\"command\":\"sum\"}\n"));
	TAP_CHECK(reply_is(fd, "3 bytes, sum 22"));
	TAP_CHECK(reply_is(fd, "0 bytes, sum 0"));
	/* In pieces, the last with a whole line and half of the next one */
	TAP_CHECK(send_text(fd, "{\"command\":\"sum\",\"data_bytes\":5}\n\001\001"));
	usleep(20000);
	TAP_CHECK(send_text(fd, "\001\001"));
	usleep(20000);
	TAP_CHECK(send_text(fd, "\001{\"command\":\"nothing\"}\n{\"command\":\"sum\",\"data_by"));
	TAP_CHECK(reply_is(fd, "5 bytes, sum 5"));
	TAP_CHECK(reply_is(fd, "no command 'nothing'"));
	TAP_CHECK(send_text(fd, "tes\":1}\n\007"));
	TAP_CHECK(reply_is(fd, "1 bytes, sum 7"));
	end = snprintf(most, sizeof(most), "{\"command\":\"sum\",\"data_bytes\":%u}\n",
		       VMM_CONTROL_DATA_MAX);
	memset(most + end, 1, VMM_CONTROL_DATA_MAX);
	TAP_CHECK(send_text(fd, most));
	TAP_CHECK(reply_is(fd, "43008 bytes, sum 43008"));
	/* One that goes in between takes nothing with it. */
	TAP_CHECK(send_text(fd, "{\"command\":\"sum\",\"data_bytes\":9}\nx"));
	close(fd);
	TAP_CHECK(still_serves("vm"));
	server_stop(&s);
}

TAP_TEST(bytes_that_cannot_be_end_the_connection)
{
	static const char *const wrong[] = { "0",     "-1",  "43009", "4294967297",
					     "\"3\"", "1.5", "null",  "[]" };
	struct server s;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char line[80];
		int fd = connect_to("vm");

		snprintf(line, sizeof(line), "{\"command\":\"sum\",\"data_bytes\":%s}\n", wrong[i]);
		TAP_CHECK(send_text(fd, line));
		TAP_CHECK(reply_is(fd, "must be a number from 1 to 43008"));
		TAP_CHECK(is_closed(fd));
		close(fd);
	}
	TAP_CHECK(still_serves("vm"));
	server_stop(&s);
}

TAP_TEST(late_reply_overtaken_by_another_and_event_reaches_everybody)
{
	struct server s;
	json_t *event;
	int fd, other;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	fd = connect_to("vm");
	other = connect_to("vm");
	TAP_CHECK(send_text(other, "{\"command\":\"echo\"}\n") && reply_is(other, ""));
	TAP_CHECK(send_text(fd,
			    "{\"id\":1,\"command\":\"hold\"}\n{\"id\":2,\"command\":\"event\"}\n"));
	event = receive(fd);
	TAP_STR_EQ(json_string_value(json_object_get(event, "event")), "test");
	json_decref(event);
	event = receive(other);
	TAP_STR_EQ(json_string_value(json_object_get(event, "event")), "test");
	json_decref(event);
	TAP_CHECK(reply_is(fd, ""));
	TAP_CHECK(send_text(other, "{\"command\":\"release\"}\n"));
	TAP_CHECK(reply_is(other, ""));
	event = receive(fd);
	TAP_EQ(json_integer_value(json_object_get(event, "id")), 1);
	json_decref(event);
	close(fd);
	close(other);
	server_stop(&s);
}

TAP_TEST(client_that_shuts_its_sending_side_still_gets_its_replies)
{
	struct server s;
	int fd;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	fd = connect_to("vm");
	TAP_CHECK(send_text(fd, "{\"command\":\"hold\"}\n"));
	shutdown(fd, SHUT_WR);
	usleep(20000);
	TAP_CHECK(still_serves("vm"));
	{
		int other = connect_to("vm");

		TAP_CHECK(send_text(other, "{\"command\":\"release\"}\n") && reply_is(other, ""));
		close(other);
	}
	TAP_CHECK(reply_is(fd, ""));
	TAP_CHECK(is_closed(fd));
	close(fd);
	server_stop(&s);
}

TAP_TEST(client_gone_before_the_reply_does_no_harm)
{
	struct server s;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	for (int i = 0; i < 100; i++) {
		int fd = connect_to("vm");

		TAP_CHECK(send_text(fd, "{\"command\":\"hold\"}\n"));
		close(fd);
	}
	TAP_CHECK(still_serves("vm"));
	{
		int fd = connect_to("vm");

		TAP_CHECK(send_text(fd, "{\"command\":\"release\"}\n") && reply_is(fd, ""));
		close(fd);
	}
	server_stop(&s);
}

TAP_TEST(waiting_request_is_answered_when_the_server_ends)
{
	struct server s;
	int fd, idle;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	fd = connect_to("vm");
	idle = connect_to("vm");
	TAP_CHECK(send_text(fd, "{\"command\":\"hold\"}\n"));
	TAP_CHECK(still_serves("vm"));
	server_stop(&s);
	TAP_CHECK(reply_is(fd, "the VM has ended"));
	TAP_CHECK(is_closed(fd));
	TAP_CHECK(is_closed(idle));
	close(fd);
	close(idle);
	TAP_EQ(connect_to("vm"), -1);
}

TAP_TEST(line_that_is_no_request_gets_an_error)
{
	static const struct {
		const char *line, *error;
	} cases[] = {
		{ "hello\n", "one line with a JSON object" },
		{ "[1]\n", "one line with a JSON object" },
		{ "\"command\"\n", "one line with a JSON object" },
		{ "{\"command\":\"echo\"\n", "one line with a JSON object" },
		{ "{\"command\":\"echo\"} {}\n", "one line with a JSON object" },
		{ "{\"command\":\"echo\",\"command\":\"big\"}\n", "one line with a JSON object" },
		{ "{\"command\":\"\xff\xfe\"}\n", "one line with a JSON object" },
		{ "{\"command\":\"a\\u0000b\"}\n", "one line with a JSON object" },
		{ "{}\n", "\"command\" is missing" },
		{ "{\"command\":1}\n", "\"command\" is missing" },
		{ "{\"command\":\"%s%n%s\"}\n", "no command '%s%n%s'" },
	};
	struct server s;
	int fd;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	fd = connect_to("vm");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		TAP_CHECK(send_text(fd, cases[i].line) && reply_is(fd, cases[i].error));
	/* A zero byte in the middle of a line */
	TAP_EQ(send(fd, "{\"a\":\0}\n", 8, MSG_NOSIGNAL), 8);
	TAP_CHECK(reply_is(fd, "one line with a JSON object"));
	TAP_CHECK(send_text(fd, "{\"command\":\"echo\"}\n") && reply_is(fd, ""));
	close(fd);
	server_stop(&s);
}

TAP_TEST(deep_nesting_gets_an_error)
{
	struct server s;
	char deep[60000];
	int fd;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	memset(deep, '[', sizeof(deep));
	deep[sizeof(deep) - 2] = '\n';
	deep[sizeof(deep) - 1] = 0;
	fd = connect_to("vm");
	TAP_CHECK(send_text(fd, deep) && reply_is(fd, "one line with a JSON object"));
	close(fd);
	server_stop(&s);
}

TAP_TEST(line_of_a_megabyte_is_refused_and_the_next_one_served)
{
	struct server s;
	char *line = malloc((1 << 20) + 2);
	int fd;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	memset(line, ' ', 1 << 20);
	strcpy(line + (1 << 20), "\n");
	fd = connect_to("vm");
	TAP_CHECK(send_text(fd, line));
	TAP_CHECK(reply_is(fd, "longer than 65536"));
	TAP_CHECK(send_text(fd, "{\"command\":\"echo\"}\n") && reply_is(fd, ""));
	/* Just as long as it may be */
	snprintf(line, 1 << 20, "{\"command\":\"echo\",\"a\":\"%*s\"}\n", 65536 - 26, "");
	TAP_EQ(strlen(line), 65536);
	TAP_CHECK(send_text(fd, line) && reply_is(fd, ""));
	/* One byte more, newline included, is still cut off cleanly */
	snprintf(line, 1 << 20, "{\"command\":\"echo\",\"a\":\"%*s\"}\n", 65537 - 26, "");
	TAP_CHECK(send_text(fd, line) && reply_is(fd, "longer than 65536"));
	TAP_CHECK(send_text(fd, "{\"command\":\"echo\"}\n") && reply_is(fd, ""));
	close(fd);
	free(line);
	server_stop(&s);
}

TAP_TEST(unfinished_line_keeps_nobody_else_waiting)
{
	struct server s;
	int fd;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	fd = connect_to("vm");
	TAP_CHECK(send_text(fd, "{\"command\":\"echo\""));
	TAP_CHECK(still_serves("vm"));
	close(fd);
	TAP_CHECK(still_serves("vm"));
	server_stop(&s);
}

TAP_TEST(client_that_does_not_read_is_dropped)
{
	struct server s;
	int fd, sent = 0;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	fd = connect_to("vm");
	/*
	 * 40 kB of answer to each: a few dozen fill the socket and what the server keeps. On a busy machine
	 * thousands of requests wait in the socket before the server comes to read one.
	 */
	while (sent < 100000 && send_text(fd, "{\"command\":\"big\"}\n"))
		sent++;
	TAP_CHECK(sent < 100000);
	TAP_CHECK(still_serves("vm"));
	TAP_CHECK(is_closed(fd));
	close(fd);
	server_stop(&s);
}

TAP_TEST(too_many_waiting_requests_are_refused)
{
	struct server s;
	int fd;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	fd = connect_to("vm");
	for (int i = 0; i < 70; i++)
		TAP_CHECK(send_text(fd, "{\"command\":\"park\"}\n"));
	for (int i = 64; i < 70; i++)
		TAP_CHECK(reply_is(fd, "too many requests"));
	TAP_CHECK(still_serves("vm"));
	server_stop(&s);
	for (int i = 0; i < 64; i++)
		TAP_CHECK(reply_is(fd, "the VM has ended"));
	TAP_CHECK(is_closed(fd));
	close(fd);
}

TAP_TEST(hundreds_of_silent_clients_do_not_lock_others_out)
{
	struct server s;
	int fds[300];

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	for (int i = 0; i < 300; i++)
		fds[i] = connect_to("vm");
	TAP_CHECK(still_serves("vm"));
	TAP_CHECK(is_closed(fds[0]));
	for (int i = 0; i < 300; i++)
		close(fds[i]);
	TAP_CHECK(still_serves("vm"));
	server_stop(&s);
}

TAP_TEST(descriptors_running_out_is_survived)
{
	struct rlimit old, low;
	struct server s;
	int fds[40], count = 0;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	for (int i = 0; i < 40; i++)
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Nothing is left for the server's side of these. */
	low.rlim_cur = (rlim_t)fds[39] + 1;
	setrlimit(RLIMIT_NOFILE, &low);
	for (int i = 0; i < 40; i++) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };

		snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
		count += connect(fds[i], (struct sockaddr *)&address, sizeof(address)) == 0;
	}
	TAP_EQ(count, 40);
	usleep(100000);
	for (int i = 0; i < 40; i++)
		close(fds[i]);
	setrlimit(RLIMIT_NOFILE, &old);
	TAP_CHECK(still_serves("vm"));
	server_stop(&s);
}

TAP_TEST(name_in_use_is_refused)
{
	struct server s;
	struct vmm_control *second;
	struct vmm_loop *loop;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	TAP_REQUIRE(vmm_loop_create(&loop) == 0);
	TAP_EQ(vmm_control_create(loop, "vm", handle, NULL, &second), -EADDRINUSE);
	TAP_CHECK(still_serves("vm"));
	TAP_REQUIRE(vmm_control_create(loop, "vm2", handle, NULL, &second) == 0);
	vmm_control_destroy(second);
	vmm_loop_destroy(loop);
	server_stop(&s);
	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	TAP_CHECK(still_serves("vm"));
	server_stop(&s);
}

TAP_TEST(bad_names_are_refused)
{
	static const char *const names[] = {
		"",
		".",
		".hidden",
		"a/b",
		"../up",
		"-x",
		"two words",
		"a\nb",
		"\xc3\xa9",
		"a:b",
		"12345678901234567890123456789012345678901234567890123456789012345"
	};
	struct vmm_control *control;
	struct vmm_loop *loop;

	TAP_REQUIRE(vmm_loop_create(&loop) == 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		TAP_EQ(vmm_control_create(loop, names[i], handle, NULL, &control), -EINVAL);
	vmm_loop_destroy(loop);
}

TAP_TEST(socket_of_a_killed_process_is_replaced)
{
	struct server s;
	struct stat status;
	int ready[2], wait_status;
	char byte;
	pid_t child;

	TAP_REQUIRE(pipe(ready) == 0);
	child = fork();
	if (child == 0) {
		struct vmm_control *control;
		struct vmm_loop *loop;

		if (vmm_loop_create(&loop) == 0 &&
		    vmm_control_create(loop, "vm", handle, NULL, &control) == 0 &&
		    write(ready[1], "r", 1) == 1)
			pause();
		_exit(1);
	}
	TAP_EQ(read(ready[0], &byte, 1), 1);
	kill(child, SIGKILL);
	waitpid(child, &wait_status, 0);
	close(ready[0]);
	close(ready[1]);
	TAP_EQ(stat(socket_path, &status), 0);
	TAP_EQ(connect_to("vm"), -1);
	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	TAP_EQ(stat(socket_path, &status), 0);
	TAP_EQ(status.st_mode & 0777, 0600);
	TAP_CHECK(still_serves("vm"));
	server_stop(&s);
	TAP_EQ(stat(socket_path, &status), -1);
}

static void note_line(void *ctx, enum hvh_log_level level, const char *line)
{
	(void)level;
	snprintf(ctx, 256, "%s", line);
}

TAP_TEST(folder_that_others_can_write_to_is_refused)
{
	struct vmm_control *control;
	struct vmm_loop *loop;
	char path[128], line[256] = "";

	snprintf(path, sizeof(path), "%s/hvhost", folder);
	TAP_REQUIRE(vmm_loop_create(&loop) == 0);
	vmm_log_divert(note_line, line);
	TAP_EQ(chmod(path, 0777), 0);
	TAP_EQ(vmm_control_create(loop, "vm", handle, NULL, &control), -EPERM);
	TAP_CHECK(strstr(line, "chmod 700"));
	TAP_EQ(chmod(path, 0700), 0);
	vmm_log_divert(NULL, NULL);
	vmm_loop_destroy(loop);
}

TAP_TEST(stream_is_served_like_a_client)
{
	struct server s;
	int fds[2];

	TAP_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	TAP_REQUIRE(server_start(&s, NULL, fds[1]) == 0);
	TAP_CHECK(send_text(fds[0], "{\"command\":\"echo\"}\n") && reply_is(fds[0], ""));
	TAP_CHECK(send_text(fds[0], "{\"command\":\"hold\"}\nnonsense\n"));
	TAP_CHECK(reply_is(fds[0], "one line with a JSON object"));
	server_stop(&s);
	TAP_CHECK(reply_is(fds[0], "the VM has ended"));
	TAP_CHECK(is_closed(fds[0]));
	close(fds[0]);
}

TAP_TEST(random_bytes_do_no_harm)
{
	struct server s;

	TAP_REQUIRE(server_start(&s, "vm", -1) == 0);
	for (int round = 0; round < 50; round++) {
		char bytes[5000];
		int fd = connect_to("vm");

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = "{}[]\",:\n\\echo0\x80\xff"[tap_random() % 17];
		TAP_CHECK(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0);
		close(fd);
	}
	TAP_CHECK(still_serves("vm"));
	server_stop(&s);
}

int main(void)
{
	char path[128];
	int status;

	snprintf(folder, sizeof(folder), "/tmp/hvhost-test-XXXXXX");
	if (!mkdtemp(folder))
		return 1;
	setenv("XDG_RUNTIME_DIR", folder, 1);
	snprintf(socket_path, sizeof(socket_path), "%s/hvhost/vm.sock", folder);
	status = tap_run();
	snprintf(path, sizeof(path), "%s/hvhost", folder);
	/* Fails when something was left in it. */
	if (rmdir(path) || rmdir(folder)) {
		printf("# %s is not empty\n", path);
		status = 1;
	}
	return status;
}
