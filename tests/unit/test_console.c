/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The console on a pseudo-terminal, a pipe, a file. It uses the process's stdin and stdout, so each
 * test does its work in a forked child, which reports failures on stderr and by its exit status.
 */
#include "vmm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tap.h"
#include "vmm/log.h"
#include "vmm/loop.h"

#define WAIT_MS 10000

/* --- the child's side ------------------------------------------------------------------------- */

static struct child {
	struct vmm_loop *loop;
	struct vmm_console *console;
	int master;
	int slave;
	char input[200000];
	size_t input_len;
	size_t take; /* how much the guest takes in all */
	int leaves;
	int rooms;
	int failures;
} child;

#define EXPECT(condition) expect((condition), #condition, __LINE__)

static bool expect(bool ok, const char *text, int line)
{
	if (!ok) {
		fprintf(stderr, "# %s:%d: not true: %s\n", __FILE__, line, text);
		child.failures++;
	}
	return ok;
}

static size_t take_input(void *ctx, const uint8_t *bytes, size_t len)
{
	struct child *c = ctx;

	if (len > c->take - c->input_len)
		len = c->take - c->input_len;
	memcpy(c->input + c->input_len, bytes, len);
	c->input_len += len;
	return len;
}

static void leave(void *ctx)
{
	((struct child *)ctx)->leaves++;
}

static void output_room(void *ctx)
{
	((struct child *)ctx)->rooms++;
}

static const struct vmm_console_ops ops = { .input = take_input,
					    .leave = leave,
					    .output_room = output_room };

static void stop_pump(void *ctx)
{
	vmm_loop_stop(((struct child *)ctx)->loop);
}

static void pump(unsigned ms)
{
	struct vmm_timer timer;

	vmm_timer_init(&timer, child.loop, stop_pump, &child);
	vmm_timer_set(&timer, vmm_now_ns() + ms * 1000000ull);
	vmm_loop_run(child.loop);
}

#define PUMP_UNTIL(condition)                                                                      \
	do {                                                                                       \
		for (int i = 0; i < WAIT_MS / 5 && !(condition); i++)                              \
			pump(5);                                                                   \
		EXPECT(condition);                                                                 \
	} while (0)

static int open_console(enum vmm_serial_kind kind, const char *path)
{
	struct vmm_config config = { .serial = kind, .serial_path = path };

	child.take = sizeof(child.input);
	if (!child.loop && vmm_loop_create(&child.loop))
		return -1;
	return vmm_console_create(child.loop, &config, &ops, &child, &child.console);
}

static void use_terminal(void)
{
	EXPECT(openpty(&child.master, &child.slave, NULL, NULL, NULL) == 0);
	dup2(child.slave, STDIN_FILENO);
	dup2(child.slave, STDOUT_FILENO);
}

static void use_input(int fd)
{
	dup2(fd, STDIN_FILENO);
	close(fd);
}

static void finish(void)
{
	vmm_console_destroy(child.console);
	child.console = NULL;
	vmm_loop_destroy(child.loop);
}

static bool is_raw(int fd)
{
	struct termios t;

	return tcgetattr(fd, &t) == 0 && !(t.c_lflag & (ICANON | ECHO | ISIG | IEXTEN)) &&
	       !(t.c_iflag & (IXON | ICRNL)) && !(t.c_oflag & OPOST);
}

static bool type(const char *text)
{
	size_t len = strlen(text);

	return write(child.master, text, len) == (ssize_t)len;
}

static size_t read_screen(char *buffer, size_t size, int wait_ms)
{
	struct pollfd ready = { .fd = child.master, .events = POLLIN };
	size_t len = 0;

	while (len < size && poll(&ready, 1, wait_ms) > 0) {
		ssize_t n = read(child.master, buffer + len, size - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return len;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* A loop that spins on an input that has ended would use all of that time. */
static bool idles(void)
{
	double before = cpu_seconds();

	pump(500);
	return cpu_seconds() - before < 0.25;
}

/* --- the parent's side ------------------------------------------------------------------------ */

static void drop_line(void *ctx, enum hvh_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)line;
}

static pid_t start_child(void (*run)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		/* Whoever runs the tests may have had some ignored (nohup, a shell's background). */
		for (int number = 1; number < NSIG; number++)
			signal(number, SIG_DFL);
		vmm_log_divert(drop_line, NULL);
		run();
		_exit(child.failures ? 1 : 0);
	}
	return pid;
}

static bool succeeds(void (*run)(void))
{
	pid_t pid = start_child(run);
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* --- terminal modes --------------------------------------------------------------------------- */

static bool same_mode(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

static void restores_on_destroy(void)
{
	struct termios before, after;

	use_terminal();
	tcgetattr(child.slave, &before);
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	EXPECT(is_raw(child.slave));
	finish();
	tcgetattr(child.slave, &after);
	EXPECT(same_mode(&before, &after));
}

TAP_TEST(terminal_is_raw_and_restored_by_destroy)
{
	TAP_CHECK(succeeds(restores_on_destroy));
}

static int exit_signal; /* 0: exit() */

static void ends_itself(void)
{
	dup2(child.slave, STDIN_FILENO);
	dup2(child.slave, STDOUT_FILENO);
	if (open_console(VMM_SERIAL_STDIO, NULL) || !is_raw(child.slave))
		_exit(99);
	if (exit_signal == 0)
		exit(7);
	if (exit_signal == SIGSEGV)
		*(volatile char *)mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) =
			1; /* a real fault */
	kill(getpid(), exit_signal);
	for (;;)
		pause();
}

TAP_TEST(terminal_is_restored_when_the_process_ends_otherwise)
{
	static const int signals[] = { 0,	SIGTERM, SIGINT,  SIGHUP, SIGQUIT, SIGABRT,
				       SIGSEGV, SIGBUS,	 SIGFPE,  SIGILL, SIGTRAP, SIGSYS,
				       SIGPIPE, SIGUSR1, SIGALRM, SIGXCPU };
	struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct termios before, after;
		int status, errors;
		pid_t pid;

		TAP_REQUIRE(openpty(&child.master, &child.slave, NULL, NULL, NULL) == 0);
		tcgetattr(child.slave, &before);
		exit_signal = signals[i];
		/* A sanitizer's report about the fault is expected, and in the way. */
		errors = dup(STDERR_FILENO);
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		pid = start_child(ends_itself);
		dup2(errors, STDERR_FILENO);
		close(errors);
		TAP_EQ(waitpid(pid, &status, 0), pid);
		if (exit_signal == 0)
			TAP_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
		else
			/* … which then exits */
			TAP_CHECK((WIFSIGNALED(status) && WTERMSIG(status) == exit_signal) ||
				  (WIFEXITED(status) && WEXITSTATUS(status) != 99 &&
				   WEXITSTATUS(status) != 0));
		tcgetattr(child.slave, &after);
		if (!TAP_CHECK(same_mode(&before, &after)))
			printf("# after signal %d\n", exit_signal);
		close(child.master);
		close(child.slave);
	}
}

/* A shell with one job: stops it, lets it go on in the background, gives it the terminal again. */

static void be_job(void)
{
	setpgid(0, 0);
	while (tcgetpgrp(STDIN_FILENO) != getpgrp())
		usleep(1000);
	if (open_console(VMM_SERIAL_STDIO, NULL))
		_exit(99);
	/* Input is echoed, so that the shell sees what arrived. */
	for (;;) {
		pump(20);
		if (child.input_len)
			vmm_console_write(child.console, (uint8_t *)child.input, child.input_len);
		child.input_len = 0;
	}
}

static bool becomes(bool raw, int fd)
{
	for (int i = 0; i < WAIT_MS / 5; i++) {
		if (is_raw(fd) == raw)
			return true;
		usleep(5000);
	}
	return false;
}

static bool screen_shows(const char *text)
{
	char screen[256];
	size_t len = read_screen(screen, sizeof(screen) - 1, 3000);

	screen[len] = '\0';
	return strstr(screen, text);
}

static void be_shell(void)
{
	struct termios cooked;
	int status;
	pid_t job;

	use_terminal();
	setsid();
	EXPECT(ioctl(STDIN_FILENO, TIOCSCTTY, 0) == 0);
	signal(SIGTTOU, SIG_IGN);
	tcgetattr(child.slave, &cooked);
	job = fork();
	if (job == 0) {
		signal(SIGTTOU, SIG_DFL);
		be_job();
	}
	setpgid(job, job);
	tcsetpgrp(child.slave, job);
	EXPECT(becomes(true, child.slave));

	/* kill -TSTP: the terminal is the shell's, as it was */
	kill(job, SIGTSTP);
	EXPECT(waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status));
	EXPECT(becomes(false, child.slave));
	tcsetpgrp(child.slave, getpgrp());

	/* bg: it runs on and leaves the terminal alone */
	kill(job, SIGCONT);
	usleep(100000);
	EXPECT(!is_raw(child.slave));
	EXPECT(type("for the shell\n"));
	usleep(900000);
	EXPECT(waitpid(job, &status, WNOHANG | WUNTRACED) == 0);
	{
		char line[64] = "";

		EXPECT(read(child.slave, line, sizeof(line) - 1) == 14 &&
		       strcmp(line, "for the shell\n") == 0);
	}
	read_screen((char[256]){ 0 }, 256, 50);

	/* fg of a running job comes without SIGCONT */
	tcsetpgrp(child.slave, job);
	EXPECT(becomes(true, child.slave));
	EXPECT(type("abc"));
	EXPECT(screen_shows("abc"));

	/* kill -STOP cannot be seen coming; the shell sets its mode itself, and fg sends SIGCONT */
	kill(job, SIGSTOP);
	EXPECT(waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status));
	tcsetattr(child.slave, TCSANOW, &cooked);
	kill(job, SIGCONT);
	EXPECT(becomes(true, child.slave));

	/* Killed in the background it leaves the shell's mode alone */
	tcsetpgrp(child.slave, getpgrp());
	tcsetattr(child.slave, TCSANOW, &cooked);
	kill(job, SIGTERM);
	EXPECT(waitpid(job, &status, 0) == job && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGTERM);
	EXPECT(!is_raw(child.slave));
}

TAP_TEST(shell_can_stop_it_and_move_it_to_the_background)
{
	TAP_CHECK(succeeds(be_shell));
}

static void stops_without_a_shell(void)
{
	use_terminal();
	setsid(); /* a process group that nobody could continue is not stopped */
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	raise(SIGTSTP);
	EXPECT(is_raw(child.slave));
	finish();
}

TAP_TEST(stop_signal_without_a_shell_changes_nothing)
{
	TAP_CHECK(succeeds(stops_without_a_shell));
}

static void is_resized(void)
{
	struct winsize size = { .ws_row = 10, .ws_col = 20 };

	use_terminal();
	setsid();
	EXPECT(ioctl(STDIN_FILENO, TIOCSCTTY, 0) == 0);
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	for (int i = 0; i < 100; i++) {
		size.ws_row++;
		EXPECT(ioctl(child.master, TIOCSWINSZ, &size) == 0);
		raise(SIGWINCH);
		EXPECT(type("x"));
		pump(1);
	}
	PUMP_UNTIL(child.input_len == 100);
	finish();
}

TAP_TEST(window_resize_is_harmless)
{
	TAP_CHECK(succeeds(is_resized));
}

/* --- input ------------------------------------------------------------------------------------ */

static void passes_control_characters(void)
{
	use_terminal();
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	EXPECT(type("a\003\032\034\004\r\n\021\023\177z"));
	PUMP_UNTIL(child.input_len == 11);
	EXPECT(memcmp(child.input, "a\003\032\034\004\r\n\021\023\177z", 11) == 0);
	EXPECT(child.leaves == 0);
	EXPECT(type("\035q\035"));
	PUMP_UNTIL(child.leaves == 2);
	EXPECT(child.input_len == 12 && child.input[11] == 'q');
	EXPECT(idles());
	finish();
}

TAP_TEST(everything_typed_reaches_the_guest_but_the_way_out)
{
	TAP_CHECK(succeeds(passes_control_characters));
}

static void waits_for_the_guest(void)
{
	use_terminal();
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	child.take = 3;
	EXPECT(type("abcdefgh"));
	PUMP_UNTIL(child.input_len == 3);
	/* The way out is seen although the guest takes nothing. */
	EXPECT(type("\035"));
	PUMP_UNTIL(child.leaves == 1);
	child.take = 5;
	vmm_console_resume(child.console);
	PUMP_UNTIL(child.input_len == 5);
	child.take = 100;
	vmm_console_resume(child.console);
	vmm_console_resume(child.console);
	PUMP_UNTIL(child.input_len == 8);
	EXPECT(memcmp(child.input, "abcdefgh", 8) == 0);
	finish();
}

TAP_TEST(input_waits_until_the_guest_has_room)
{
	TAP_CHECK(succeeds(waits_for_the_guest));
}

static void floods(void)
{
	size_t left = 200000; /* more than anybody keeps */
	bool typed = false;
	char junk[1000];

	use_terminal();
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	child.take = 0;
	memset(junk, 'j', sizeof(junk));
	/* On a busy machine the console may read less in a millisecond than is written. */
	EXPECT(fcntl(child.master, F_SETFL, O_NONBLOCK) == 0);
	for (int i = 0; i < WAIT_MS && left; i++) {
		ssize_t n = write(child.master, junk, left < sizeof(junk) ? left : sizeof(junk));

		if (n > 0)
			left -= (size_t)n;
		pump(1);
	}
	EXPECT(left == 0);
	PUMP_UNTIL(typed || (typed = type("\035")));
	PUMP_UNTIL(child.leaves == 1);
	finish();
}

TAP_TEST(way_out_works_behind_input_that_nobody_takes)
{
	TAP_CHECK(succeeds(floods));
}

static void reads_pipe(void)
{
	static char sent[150000];
	size_t written = 0;
	int fds[2];

	EXPECT(pipe2(fds, O_CLOEXEC) == 0);
	use_input(fds[0]);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 7);
	child.take = 0;
	/* The guest's pace is the pipe's: nothing is lost. A byte like Ctrl-] is nothing special here. */
	for (int i = 0; i < WAIT_MS && child.input_len < sizeof(sent); i++) {
		ssize_t n = write(fds[1], sent + written, sizeof(sent) - written);

		written += n > 0 ? (size_t)n : 0;
		child.take += 1000;
		if (child.take > sizeof(sent))
			child.take = sizeof(sent);
		vmm_console_resume(child.console);
		pump(1);
	}
	EXPECT(child.input_len == sizeof(sent) && memcmp(child.input, sent, sizeof(sent)) == 0);
	EXPECT(child.leaves == 0);
	close(fds[1]);
	EXPECT(idles());
	EXPECT(child.leaves == 0);
	finish();
}

TAP_TEST(piped_input_arrives_whole_and_its_end_is_no_end)
{
	TAP_CHECK(succeeds(reads_pipe));
}

static void reads_nothing(void)
{
	use_input(open("/dev/null", O_RDONLY | O_CLOEXEC));
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	EXPECT(idles());
	EXPECT(child.input_len == 0 && child.leaves == 0);
	finish();
}

TAP_TEST(no_input_at_all_is_fine)
{
	TAP_CHECK(succeeds(reads_nothing));
}

static void has_no_stdin(void)
{
	close(STDIN_FILENO);
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	EXPECT(idles());
	finish();
}

TAP_TEST(closed_input_is_fine)
{
	TAP_CHECK(succeeds(has_no_stdin));
}

static void reads_file(void)
{
	char path[] = "/tmp/hvhost-test-XXXXXX";
	int fd = mkstemp(path);
	char bytes[1000];

	unlink(path);
	memset(bytes, 'f', sizeof(bytes));
	for (int i = 0; i < 100; i++)
		EXPECT(write(fd, bytes, sizeof(bytes)) == sizeof(bytes));
	lseek(fd, 0, SEEK_SET);
	use_input(fd);
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	child.take = 70000;
	PUMP_UNTIL(child.input_len == 70000);
	EXPECT(idles());
	child.take = sizeof(child.input);
	vmm_console_resume(child.console);
	PUMP_UNTIL(child.input_len == 100000);
	EXPECT(idles());
	finish();
}

TAP_TEST(input_from_a_file_arrives_whole)
{
	TAP_CHECK(succeeds(reads_file));
}

/* --- output ----------------------------------------------------------------------------------- */

static void *write_much(void *ctx)
{
	char block[1000];

	memset(block, 'o', sizeof(block));
	for (int i = 0; i < 200; i++)
		vmm_console_write(child.console, (uint8_t *)block, sizeof(block));
	atomic_store((atomic_bool *)ctx, true);
	return NULL;
}

static void is_not_read(void)
{
	static char screen[300000];
	atomic_bool finished = false;
	pthread_t writer;

	use_terminal();
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	pthread_create(&writer, NULL, write_much, &finished);
	pump(300);
	EXPECT(!atomic_load(&finished));
	/* The loop is free meanwhile */
	EXPECT(type("\035"));
	PUMP_UNTIL(child.leaves == 1);
	EXPECT(read_screen(screen, sizeof(screen), 500) == 200000);
	pthread_join(writer, NULL);

	/* Once more, and now the VM is stopped */
	atomic_store(&finished, false);
	pthread_create(&writer, NULL, write_much, &finished);
	pump(300);
	EXPECT(!atomic_load(&finished));
	vmm_console_cut(child.console);
	pthread_join(writer, NULL);
	finish(); /* within its second, though nobody reads */
}

TAP_TEST(output_blocks_while_the_terminal_is_stopped_and_can_be_cut)
{
	uint64_t begin_ns = vmm_now_ns();

	TAP_CHECK(succeeds(is_not_read));
	TAP_CHECK(vmm_now_ns() - begin_ns < 8000000000ull);
}

static void offers(void)
{
	static uint8_t bytes[100000];
	static char screen[200000];
	size_t taken;

	use_terminal();
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	taken = vmm_console_offer(child.console, bytes, sizeof(bytes));
	EXPECT(taken > 0 && taken < sizeof(bytes));
	/* Until nothing moves any more */
	for (int i = 0; i < 20; i++) {
		taken += vmm_console_offer(child.console, bytes, sizeof(bytes) - taken);
		pump(10);
	}
	EXPECT(taken < sizeof(bytes));
	child.rooms = 0;
	EXPECT(read_screen(screen, sizeof(screen), 100) > 0);
	PUMP_UNTIL(child.rooms == 1);
	finish();
}

TAP_TEST(offered_output_never_blocks_and_room_is_told)
{
	TAP_CHECK(succeeds(offers));
}

static void is_hung_up(void)
{
	struct termios t;

	use_terminal();
	signal(SIGHUP, SIG_IGN);
	setsid();
	EXPECT(ioctl(STDIN_FILENO, TIOCSCTTY, 0) == 0);
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	vmm_console_write(child.console, (const uint8_t *)"before", 6);
	pump(20);
	close(child.master);
	pump(20);
	EXPECT(tcgetattr(STDIN_FILENO, &t) < 0);
	for (int i = 0; i < 100; i++)
		vmm_console_write(child.console, (const uint8_t *)child.input, 1000);
	EXPECT(child.leaves == 0);
	EXPECT(idles());
	finish();
}

TAP_TEST(hang_up_does_not_end_it)
{
	TAP_CHECK(succeeds(is_hung_up));
}

static void loses_its_reader(void)
{
	int fds[2];

	EXPECT(pipe2(fds, O_CLOEXEC) == 0);
	dup2(fds[1], STDOUT_FILENO);
	close(fds[1]);
	use_input(open("/dev/null", O_RDONLY | O_CLOEXEC));
	signal(SIGPIPE, SIG_IGN);
	EXPECT(open_console(VMM_SERIAL_STDIO, NULL) == 0);
	close(fds[0]);
	for (int i = 0; i < 100; i++)
		vmm_console_write(child.console, (const uint8_t *)child.input, 1000);
	finish();
}

TAP_TEST(reader_of_a_pipe_that_leaves_does_not_end_it)
{
	TAP_CHECK(succeeds(loses_its_reader));
}

static void writes_file(void)
{
	char path[] = "/tmp/hvhost-test-XXXXXX", *text;
	int fd = mkstemp(path);
	struct stat status;

	EXPECT(write(fd, "old contents", 12) == 12);
	EXPECT(open_console(VMM_SERIAL_FILE, path) == 0);
	for (int i = 0; i < 50000; i++)
		vmm_console_write(child.console, (const uint8_t *)"0123456789\r\n", 12);
	finish();
	EXPECT(fstat(fd, &status) == 0 && status.st_size == 600000);
	text = calloc(1, 600001);
	EXPECT(pread(fd, text, 600000, 0) == 600000);
	for (int i = 0; i < 50000; i++)
		if (!EXPECT(memcmp(text + i * 12, "0123456789\r\n", 12) == 0))
			break;
	free(text);
	unlink(path);
}

TAP_TEST(output_to_a_file_is_complete)
{
	TAP_CHECK(succeeds(writes_file));
}

static void note_line(void *ctx, enum hvh_log_level level, const char *line)
{
	(void)level;
	snprintf(ctx, 256, "%s", line);
}

static void cannot_write_file(void)
{
	char path[64], line[256] = "";

	vmm_log_divert(note_line, line);
	EXPECT(open_console(VMM_SERIAL_FILE, "/nonexistent/serial") == -ENOENT);
	EXPECT(strstr(line, "/nonexistent/serial"));
	snprintf(path, sizeof(path), "/tmp/hvhost-test-fifo-%d", (int)getpid());
	EXPECT(mkfifo(path, 0600) == 0);
	EXPECT(open_console(VMM_SERIAL_FILE, path) == -ENXIO);
	EXPECT(strstr(line, "nobody reads"));
	unlink(path);
	/* A full disk loses output, says so once, and does not end anything. */
	EXPECT(open_console(VMM_SERIAL_FILE, "/dev/full") == 0);
	for (int i = 0; i < 100; i++)
		vmm_console_write(child.console, (const uint8_t *)child.input, 1000);
	finish();
	EXPECT(strstr(line, "output is lost"));
}

TAP_TEST(file_that_cannot_be_written_is_told)
{
	TAP_CHECK(succeeds(cannot_write_file));
}

static void is_none(void)
{
	use_terminal();
	EXPECT(open_console(VMM_SERIAL_NONE, NULL) == 0);
	EXPECT(!is_raw(child.slave));
	vmm_console_write(child.console, (const uint8_t *)"x", 1);
	EXPECT(vmm_console_offer(child.console, (const uint8_t *)"x", 1) == 1);
	EXPECT(read_screen((char[8]){ 0 }, 8, 50) == 0);
	finish();
}

TAP_TEST(no_console_leaves_the_terminal_alone)
{
	TAP_CHECK(succeeds(is_none));
}

TAP_MAIN()
