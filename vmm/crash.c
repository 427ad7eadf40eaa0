/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/crash.h"

#include <hvh/hvh_mem.h>
#include <string.h>

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

void vmm_crash_init(struct vmm_crash *crash)
{
	memset(crash, 0, sizeof(*crash));
	pthread_mutex_init(&crash->lock, NULL);
}

void vmm_crash_fini(struct vmm_crash *crash)
{
	pthread_mutex_destroy(&crash->lock);
}

/* --- the text ------------------------------------------------------------------------------------ */

/* In place: ASCII of one or more lines, without zeros, which json and terminals take as it is. */
static size_t make_printable(char *text, size_t len)
{
	while (len && !text[len - 1])
		len--;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < 0x20 && c != '\n' && c != '\t') || c >= 0x7f)
			text[i] = '?';
	}
	text[len] = '\0';
	return len;
}

/* Level, time stamp and caller as Linux puts them before a line: "<6>[    1.000000][  T123] ". */
static const char *skip_stamps(const char *line, const char *end)
{
	while (line < end) {
		const char *close = NULL;

		if (*line == '[')
			close = memchr(line, ']', (size_t)(end - line));
		else if (*line == '<')
			close = memchr(line, '>', (size_t)(end - line));
		else if (*line == ' ')
			close = line;
		if (!close)
			break;
		line = close + 1;
	}
	return line;
}

static bool begins_with(const char *line, const char *end, const char *what)
{
	size_t len = strlen(what);

	return (size_t)(end - line) >= len && memcmp(line, what, len) == 0;
}

static void keep_line(char *to, const char *line, const char *end)
{
	size_t len = (size_t)(end - line);

	if (len >= VMM_CRASH_LINE_MAX)
		len = VMM_CRASH_LINE_MAX - 1;
	memcpy(to, line, len);
	to[len] = '\0';
}

void vmm_crash_find_lines(const char *text, char *cause, char *panic)
{
	/* What a kernel says first when it comes to harm by itself; the panic then only says "fatal exception". */
	static const char *const causes[] = {
		"BUG: ",	  "Oops: ",	      "general protection fault",
		"kernel BUG at ", "invalid opcode: ", "divide error: ",
	};
	const char *end = text + strlen(text);

	*cause = *panic = '\0';
	for (const char *at = text, *line_end; at < end && !*panic; at = line_end + 1) {
		const char *line;

		line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end)
			line_end = end;
		line = skip_stamps(at, line_end);
		if (begins_with(line, line_end, "Kernel panic"))
			keep_line(panic, line, line_end);
		for (size_t i = 0; !*cause && i < COUNT_OF(causes); i++)
			if (begins_with(line, line_end, causes[i]))
				keep_line(cause, line, line_end);
	}
}

/* --- MSRs ---------------------------------------------------------------------------------------- */

uint64_t vmm_crash_read(struct vmm_crash *crash, uint32_t msr)
{
	uint64_t value;

	if (msr == HVP_MSR_CRASH_CTL)
		return HVP_CRASH_NOTIFY | HVP_CRASH_MESSAGE;
	pthread_mutex_lock(&crash->lock);
	value = crash->registers[msr - HVP_MSR_CRASH_P0];
	pthread_mutex_unlock(&crash->lock);
	return value;
}

/*
 * One report for all that a crashing system says: its registers from the first, its text from the first
 * that has one. Linux reports without text where a driver's panic handler comes before the one for the log.
 */
static void report_locked(struct vmm_crash *crash, const uint64_t *registers, const char *text,
			  size_t text_len)
{
	bool first = crash->phase != VMM_CRASH_REPORTED;

	if (crash->reports++ == 0)
		memcpy(crash->parameters, registers, sizeof(crash->parameters));
	if (first) {
		crash->phase = VMM_CRASH_REPORTED;
		crash->reported_news = true;
	}
	if (text_len && !crash->text_len) {
		memcpy(crash->text, text, text_len + 1);
		crash->text_len = text_len;
		crash->told_news = true;
	}
}

static bool report(struct vmm_crash *crash, const struct hvh_mem *mem, uint64_t control)
{
	char text[HVP_CRASH_MESSAGE_MAX + 1];
	uint64_t registers[HVP_CRASH_PARAMETERS];
	size_t len = 0;
	bool news;

	pthread_mutex_lock(&crash->lock);
	memcpy(registers, crash->registers, sizeof(registers));
	pthread_mutex_unlock(&crash->lock);
	if (control & HVP_CRASH_MESSAGE) {
		uint64_t bytes = registers[HVP_CRASH_MESSAGE_BYTES];

		len = bytes < HVP_CRASH_MESSAGE_MAX ? (size_t)bytes : HVP_CRASH_MESSAGE_MAX;
		/* Text that is not in RAM is none; the report counts all the same. */
		if (len && hvh_mem_read(mem, registers[HVP_CRASH_MESSAGE_GPA], text, len))
			len = 0;
		len = make_printable(text, len);
	}
	pthread_mutex_lock(&crash->lock);
	report_locked(crash, registers, text, len);
	news = crash->reported_news || crash->told_news;
	pthread_mutex_unlock(&crash->lock);
	return news;
}

bool vmm_crash_write(struct vmm_crash *crash, const struct hvh_mem *mem, uint32_t msr,
		     uint64_t value)
{
	if (msr == HVP_MSR_CRASH_CTL)
		return (value & HVP_CRASH_NOTIFY) && report(crash, mem, value);
	pthread_mutex_lock(&crash->lock);
	crash->registers[msr - HVP_MSR_CRASH_P0] = value;
	pthread_mutex_unlock(&crash->lock);
	return false;
}

/*
 * Whoever hands the machine to another kernel gives up its identity first, and a guest that only stands
 * still after a panic does not. So this tells the two apart.
 */
bool vmm_crash_identified(struct vmm_crash *crash, uint64_t os_id)
{
	enum vmm_crash_phase phase = os_id ? VMM_CRASH_KERNEL : VMM_CRASH_HANDOVER;
	bool news;

	pthread_mutex_lock(&crash->lock);
	news = crash->phase != VMM_CRASH_NONE && crash->phase != phase;
	if (news) {
		crash->phase = phase;
		crash->phase_news = true;
	}
	pthread_mutex_unlock(&crash->lock);
	return news;
}

/* --- what the monitor asks ------------------------------------------------------------------------ */

enum vmm_crash_phase vmm_crash_phase(struct vmm_crash *crash)
{
	enum vmm_crash_phase phase;

	pthread_mutex_lock(&crash->lock);
	phase = crash->phase;
	pthread_mutex_unlock(&crash->lock);
	return phase;
}

bool vmm_crash_take_news(struct vmm_crash *crash, struct vmm_crash_news *news)
{
	bool any;

	memset(news, 0, sizeof(*news));
	pthread_mutex_lock(&crash->lock);
	any = crash->reported_news || crash->told_news || crash->phase_news;
	news->phase = crash->phase;
	news->reported = crash->reported_news;
	news->told = crash->told_news;
	memcpy(news->parameters, crash->parameters, sizeof(news->parameters));
	if (news->told)
		vmm_crash_find_lines(crash->text, news->cause, news->panic);
	crash->reported_news = crash->told_news = crash->phase_news = false;
	pthread_mutex_unlock(&crash->lock);
	return any;
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

json_t *vmm_crash_json(struct vmm_crash *crash)
{
	static const char *const phases[] = {
		[VMM_CRASH_NONE] = "none",
		[VMM_CRASH_REPORTED] = "reported",
		[VMM_CRASH_HANDOVER] = "starting a crash kernel",
		[VMM_CRASH_KERNEL] = "crash kernel runs",
	};
	char cause[VMM_CRASH_LINE_MAX], panic[VMM_CRASH_LINE_MAX];
	json_t *parameters, *json = NULL;

	pthread_mutex_lock(&crash->lock);
	if (crash->phase != VMM_CRASH_NONE) {
		parameters = json_array();
		for (unsigned i = 0; i < HVP_CRASH_PARAMETERS; i++)
			json_array_append_new(
				parameters,
				json_sprintf("0x%llx", (unsigned long long)crash->parameters[i]));
		vmm_crash_find_lines(crash->text, cause, panic);
		json = json_pack("{s:s, s:i, s:o, s:o, s:o, s:o}", "state", phases[crash->phase],
				 "reports", (int)crash->reports, "parameters", parameters, "cause",
				 text_or_null(cause), "panic", text_or_null(panic), "message",
				 text_or_null(crash->text));
	}
	pthread_mutex_unlock(&crash->lock);
	return json ? json : json_null();
}
