/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/crash.h"

#include <hvh/hvh_mem.h>
#include <stdlib.h>

#include "tap.h"

#define RAM_BYTES (4 * HVP_PAGE_SIZE)
#define TEXT_GPA  0x800

static struct hvh_mem *mem;
static struct vmm_crash crash;
static struct vmm_crash_news news;

static void set_up(void)
{
	if (hvh_mem_create(&mem) || hvh_mem_add(mem, 0, RAM_BYTES))
		abort();
	vmm_crash_init(&crash);
}

static void tear_down(void)
{
	vmm_crash_fini(&crash);
	hvh_mem_destroy(mem);
}

/* What a guest does: P0 to P4, then CRASH_CTL. */
static bool report(uint64_t p0, uint64_t p3, uint64_t p4, uint64_t control)
{
	const uint64_t p[] = { p0, 11, 12, p3, p4 };

	for (uint32_t i = 0; i < HVP_CRASH_PARAMETERS; i++)
		TAP_CHECK(!vmm_crash_write(&crash, mem, HVP_MSR_CRASH_P0 + i, p[i]));
	return vmm_crash_write(&crash, mem, HVP_MSR_CRASH_CTL, control);
}

static bool report_text(const char *text, size_t len)
{
	if (hvh_mem_write(mem, TEXT_GPA, text, len))
		abort();
	return report(0, TEXT_GPA, len, HVP_CRASH_NOTIFY | HVP_CRASH_MESSAGE);
}

/* The string at `key` of the status; NULL: it is null. */
static const char *told(const char *key)
{
	static char value[HVP_CRASH_MESSAGE_MAX + 1];
	json_t *json = vmm_crash_json(&crash);
	const char *text = json_string_value(json_object_get(json, key));

	snprintf(value, sizeof(value), "%s", text ? text : "");
	json_decref(json);
	return text ? value : NULL;
}

TAP_TEST(control_offers_notification_and_text)
{
	set_up();
	TAP_EQ(vmm_crash_read(&crash, HVP_MSR_CRASH_CTL), 3ull << 62);
	tear_down();
}

TAP_TEST(parameters_read_back_and_report_nothing)
{
	json_t *json;

	set_up();
	TAP_CHECK(!report(~0ull, 1, 2, 0));
	TAP_EQ(vmm_crash_read(&crash, HVP_MSR_CRASH_P0), ~0ull);
	TAP_EQ(vmm_crash_read(&crash, HVP_MSR_CRASH_P0 + 4), 2);
	TAP_EQ(vmm_crash_phase(&crash), VMM_CRASH_NONE);
	TAP_CHECK(!vmm_crash_write(&crash, mem, HVP_MSR_CRASH_CTL, HVP_CRASH_MESSAGE));
	TAP_CHECK(!vmm_crash_take_news(&crash, &news));
	json = vmm_crash_json(&crash);
	TAP_CHECK(json_is_null(json));
	json_decref(json);
	tear_down();
}

TAP_TEST(report_without_text_has_its_parameters)
{
	json_t *json;

	set_up();
	TAP_CHECK(report(0xabc, 1, 2, HVP_CRASH_NOTIFY));
	TAP_CHECK(vmm_crash_take_news(&crash, &news));
	TAP_CHECK(news.reported && !news.told);
	TAP_EQ(news.phase, VMM_CRASH_REPORTED);
	TAP_EQ(news.parameters[0], 0xabc);
	TAP_CHECK(!vmm_crash_take_news(&crash, &news));
	json = vmm_crash_json(&crash);
	TAP_STR_EQ(json_string_value(json_array_get(json_object_get(json, "parameters"), 0)),
		   "0xabc");
	TAP_CHECK(json_is_null(json_object_get(json, "message")));
	TAP_CHECK(json_is_null(json_object_get(json, "panic")));
	json_decref(json);
	tear_down();
}

TAP_TEST(second_report_adds_the_text)
{
	static const char text[] = "<6>[    1.5] before\n[    2.0] Kernel panic - not syncing: x\n";

	set_up();
	TAP_CHECK(report(7, 1, 2, HVP_CRASH_NOTIFY));
	TAP_CHECK(vmm_crash_take_news(&crash, &news));
	TAP_CHECK(report_text(text, sizeof(text) - 1));
	TAP_CHECK(vmm_crash_take_news(&crash, &news));
	TAP_CHECK(!news.reported && news.told);
	TAP_EQ(news.parameters[0], 7);
	TAP_STR_EQ(news.panic, "Kernel panic - not syncing: x");
	TAP_STR_EQ(news.cause, "");
	TAP_STR_EQ(told("message"), text);
	TAP_STR_EQ(told("panic"), "Kernel panic - not syncing: x");
	/* A third one is counted, and changes nothing. */
	TAP_CHECK(!report_text("another", 7));
	TAP_CHECK(!vmm_crash_take_news(&crash, &news));
	TAP_STR_EQ(told("message"), text);
	tear_down();
}

TAP_TEST(text_is_made_printable)
{
	set_up();
	TAP_CHECK(report_text("a\033[2J\r\tb\0c\xc3\xa4\x7f\nd\0\0", 16));
	TAP_STR_EQ(told("message"), "a?[2J?\tb?c???\nd");
	tear_down();
}

TAP_TEST(text_is_at_most_a_page)
{
	static char page[2 * HVP_PAGE_SIZE];

	set_up();
	memset(page, 'x', sizeof(page));
	if (hvh_mem_write(mem, 0, page, sizeof(page)))
		abort();
	TAP_CHECK(report(0, 0x123, ~0ull, HVP_CRASH_NOTIFY | HVP_CRASH_MESSAGE));
	TAP_EQ(strlen(told("message")), HVP_PAGE_SIZE);
	tear_down();
}

TAP_TEST(text_that_is_not_in_memory_is_none)
{
	static const uint64_t places[] = { RAM_BYTES, RAM_BYTES - 1, ~0ull, ~0ull - 1, 1ull << 63 };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		set_up();
		TAP_CHECK(report(0, places[i], 100, HVP_CRASH_NOTIFY | HVP_CRASH_MESSAGE));
		TAP_CHECK(vmm_crash_take_news(&crash, &news));
		TAP_CHECK(news.reported && !news.told);
		TAP_CHECK(!told("message"));
		tear_down();
	}
}

TAP_TEST(empty_text_is_none)
{
	set_up();
	TAP_CHECK(report_text("\0\0\0", 3));
	TAP_CHECK(vmm_crash_take_news(&crash, &news));
	TAP_CHECK(news.reported && !news.told);
	TAP_CHECK(report(0, TEXT_GPA, 0, HVP_CRASH_NOTIFY | HVP_CRASH_MESSAGE) == false);
	tear_down();
}

TAP_TEST(lines_for_people_are_found)
{
	static const struct {
		const char *text, *cause, *panic;
	} cases[] = {
		{ "", "", "" },
		{ "\n\n[", "", "" },
		{ "[  12.3][  T1] Kernel panic - not syncing: a", "",
		  "Kernel panic - not syncing: a" },
		{ "x\n<0>[ 1.0] BUG: kernel NULL pointer dereference\n[ 1.1] Oops: 0002\n"
		  "[ 2.0] Kernel panic - not syncing: Fatal exception\n"
		  "[ 2.1] ---[ end Kernel panic - not syncing: Fatal exception ]---\n",
		  "BUG: kernel NULL pointer dereference",
		  "Kernel panic - not syncing: Fatal exception" },
		{ "we had a Kernel panic - once\n[ 1", "", "" },
		{ "panic: FreeBSD has no such line\nKernel pani", "", "" },
	};
	char cause[VMM_CRASH_LINE_MAX], panic[VMM_CRASH_LINE_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		vmm_crash_find_lines(cases[i].text, cause, panic);
		TAP_STR_EQ(cause, cases[i].cause);
		TAP_STR_EQ(panic, cases[i].panic);
	}
}

TAP_TEST(long_line_is_cut)
{
	static char text[1000] = "Kernel panic";
	char cause[VMM_CRASH_LINE_MAX], panic[VMM_CRASH_LINE_MAX];

	memset(text + 12, 'x', sizeof(text) - 13);
	vmm_crash_find_lines(text, cause, panic);
	TAP_EQ(strlen(panic), VMM_CRASH_LINE_MAX - 1);
}

TAP_TEST(identity_without_a_crash_is_no_news)
{
	set_up();
	TAP_CHECK(!vmm_crash_identified(&crash, 5));
	TAP_CHECK(!vmm_crash_identified(&crash, 0));
	TAP_EQ(vmm_crash_phase(&crash), VMM_CRASH_NONE);
	tear_down();
}

TAP_TEST(crash_kernel_is_noticed)
{
	set_up();
	TAP_CHECK(report(1, 0, 0, HVP_CRASH_NOTIFY));
	TAP_CHECK(vmm_crash_identified(&crash, 0));
	TAP_CHECK(!vmm_crash_identified(&crash, 0));
	TAP_EQ(vmm_crash_phase(&crash), VMM_CRASH_HANDOVER);
	TAP_CHECK(vmm_crash_identified(&crash, 5));
	TAP_EQ(vmm_crash_phase(&crash), VMM_CRASH_KERNEL);
	TAP_CHECK(vmm_crash_take_news(&crash, &news));
	/* It crashes itself: its report begins the grace anew, and the first one's registers stay. */
	TAP_CHECK(report(2, 0, 0, HVP_CRASH_NOTIFY));
	TAP_CHECK(vmm_crash_take_news(&crash, &news));
	TAP_CHECK(news.reported);
	TAP_EQ(news.phase, VMM_CRASH_REPORTED);
	TAP_EQ(news.parameters[0], 1);
	tear_down();
}

TAP_MAIN()
