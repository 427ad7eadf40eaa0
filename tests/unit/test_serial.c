/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "tap.h"
#include "vmm/serial.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR };

static struct vmm_serial *serial;
static char sent[1024];
static unsigned outputs, waits, rooms;
static int irq;

static void on_irq(void *ctx, int level)
{
	(void)ctx;
	TAP_CHECK(irq != level);
	irq = level;
}

static void on_output(void *ctx, const uint8_t *bytes, size_t len)
{
	size_t used = strlen(sent);

	(void)ctx;
	outputs++;
	if (len >= sizeof(sent) - used)
		len = sizeof(sent) - used - 1;
	memcpy(sent + used, bytes, len);
	sent[used + len] = '\0';
}

static void on_output_waits(void *ctx)
{
	(void)ctx;
	waits++;
}

static void on_input_room(void *ctx)
{
	(void)ctx;
	rooms++;
}

static const struct vmm_serial_ops ops = {
	.set_irq = on_irq,
	.output = on_output,
	.output_waits = on_output_waits,
	.input_room = on_input_room,
};

static unsigned in(unsigned offset)
{
	return vmm_serial_read(serial, offset, 1);
}

static void out(unsigned offset, unsigned value)
{
	vmm_serial_write(serial, offset, 1, value);
}

static bool set_up(void)
{
	sent[0] = '\0';
	outputs = waits = rooms = 0;
	irq = 0;
	return vmm_serial_create(&ops, NULL, &serial) == 0;
}

static void tear_down(void)
{
	vmm_serial_destroy(serial);
}

static size_t input(const char *text)
{
	return vmm_serial_input(serial, (const uint8_t *)text, strlen(text));
}

static void write_text(const char *text)
{
	while (*text)
		out(DATA, (unsigned char)*text++);
}

TAP_TEST(power_on_state)
{
	TAP_REQUIRE(set_up());
	TAP_EQ(in(LSR), 0x60);
	TAP_EQ(in(IIR), 0x01);
	TAP_EQ(in(MSR), 0xb0);
	TAP_EQ(in(IER), 0);
	out(SCR, 0x5a);
	TAP_EQ(in(SCR), 0x5a);
	out(LCR, 0x80);
	TAP_EQ(in(DATA), 12);
	out(DATA, 1);
	out(IER, 0xff);
	TAP_EQ(in(DATA), 1);
	TAP_EQ(in(IER), 0xff);
	out(LCR, 3);
	TAP_EQ(in(IER), 0);
	TAP_STR_EQ(sent, "");
	tear_down();
}

/* What drivers do to find out whether there is a port. */
TAP_TEST(loopback_connects_modem_lines_and_data)
{
	TAP_REQUIRE(set_up());
	out(MCR, 0x10 | 0x0a);
	TAP_EQ(in(MSR)&0xf0, 0x90);
	out(MCR, 0x10 | 0x05);
	TAP_EQ(in(MSR)&0xf0, 0x60);
	out(DATA, 'x');
	TAP_EQ(in(LSR)&1, 1);
	TAP_EQ(in(DATA), 'x');
	TAP_EQ(in(LSR)&1, 0);
	TAP_STR_EQ(sent, "");
	TAP_EQ(irq, 0);
	/* Input waits for the end of the test. */
	TAP_EQ(input("a"), 0);
	out(MCR, 0x0b);
	TAP_EQ(rooms, 1);
	TAP_EQ(input("a"), 1);
	tear_down();
}

TAP_TEST(lines_are_sent_as_one_piece)
{
	TAP_REQUIRE(set_up());
	for (const char *at = "hello\n"; *at; at++) {
		TAP_EQ(in(LSR)&0x60, 0x60);
		out(DATA, (unsigned char)*at);
	}
	TAP_STR_EQ(sent, "hello\n");
	TAP_EQ(outputs, 1);
	TAP_EQ(waits, 1);
	TAP_CHECK(!vmm_serial_output_waits(serial));
	tear_down();
}

TAP_TEST(partial_lines_go_out_with_any_other_register_or_a_flush)
{
	TAP_REQUIRE(set_up());
	write_text("login: ");
	TAP_STR_EQ(sent, "");
	TAP_CHECK(vmm_serial_output_waits(serial));
	in(LSR);
	TAP_STR_EQ(sent, "");
	in(IIR);
	TAP_STR_EQ(sent, "login: ");
	write_text("x");
	vmm_serial_flush(serial);
	TAP_STR_EQ(sent, "login: x");
	vmm_serial_flush(serial);
	TAP_EQ(outputs, 2);
	tear_down();
}

TAP_TEST(long_lines_are_cut_not_lost)
{
	TAP_REQUIRE(set_up());
	for (unsigned i = 0; i < 600; i++)
		out(DATA, 'a' + i % 26);
	vmm_serial_flush(serial);
	TAP_EQ(strlen(sent), 600);
	for (unsigned i = 0; i < 600; i++)
		TAP_REQUIRE(sent[i] == (char)('a' + i % 26));
	tear_down();
}

TAP_TEST(transmitter_interrupts_when_enabled_and_again_after_each_byte)
{
	TAP_REQUIRE(set_up());
	out(MCR, 0x08);
	out(IER, 0x02);
	TAP_EQ(irq, 1);
	TAP_EQ(in(IIR)&0x0f, 0x02);
	/* Reading its cause is the acknowledgement. */
	TAP_EQ(irq, 0);
	TAP_EQ(in(IIR)&0x0f, 0x01);
	out(DATA, 'a');
	TAP_EQ(irq, 1);
	out(IER, 0);
	TAP_EQ(irq, 0);
	/* Enabled while enabled is no news. */
	out(IER, 0x02);
	in(IIR);
	out(IER, 0x02);
	TAP_EQ(irq, 0);
	tear_down();
}

TAP_TEST(no_interrupt_without_out2)
{
	TAP_REQUIRE(set_up());
	out(IER, 0x03);
	TAP_EQ(irq, 0);
	out(MCR, 0x08);
	TAP_EQ(irq, 1);
	out(MCR, 0);
	TAP_EQ(irq, 0);
	tear_down();
}

TAP_TEST(input_without_fifo_comes_byte_by_byte)
{
	TAP_REQUIRE(set_up());
	TAP_EQ(input("abc"), 1);
	TAP_EQ(in(DATA), 'a');
	TAP_EQ(rooms, 1);
	TAP_EQ(input("bc"), 1);
	TAP_EQ(in(DATA), 'b');
	TAP_EQ(rooms, 2);
	TAP_EQ(in(DATA), 0);
	TAP_EQ(rooms, 2);
	tear_down();
}

TAP_TEST(fifo_takes_sixteen_and_asks_for_more_when_empty)
{
	TAP_REQUIRE(set_up());
	out(MCR, 0x08);
	out(FCR, 0x81);
	out(IER, 0x01);
	TAP_EQ(input("0123456789abcdefghij"), 16);
	TAP_EQ(irq, 1);
	TAP_EQ(in(IIR), 0xc4);
	for (unsigned i = 0; i < 15; i++) {
		TAP_EQ(in(DATA), "0123456789abcdef"[i]);
		TAP_EQ(rooms, 0);
	}
	/* Below the trigger: the time-out. */
	TAP_EQ(in(IIR), 0xcc);
	TAP_EQ(irq, 1);
	TAP_EQ(in(DATA), 'f');
	TAP_EQ(irq, 0);
	TAP_EQ(rooms, 1);
	TAP_EQ(in(IIR), 0xc1);
	tear_down();
}

TAP_TEST(input_comes_before_output_in_the_interrupt_cause)
{
	TAP_REQUIRE(set_up());
	out(MCR, 0x08);
	out(IER, 0x03);
	TAP_EQ(input("a"), 1);
	TAP_EQ(in(IIR)&0x0f, 0x04);
	in(DATA);
	TAP_EQ(in(IIR)&0x0f, 0x02);
	TAP_EQ(in(IIR)&0x0f, 0x01);
	tear_down();
}

TAP_TEST(clearing_the_fifo_makes_room)
{
	TAP_REQUIRE(set_up());
	out(FCR, 0x01);
	TAP_EQ(input("0123456789abcdefg"), 16);
	out(FCR, 0x03);
	TAP_EQ(rooms, 1);
	TAP_EQ(in(LSR)&1, 0);
	TAP_EQ(input("g"), 1);
	out(FCR, 0);
	TAP_EQ(in(LSR)&1, 0);
	TAP_EQ(in(IIR), 0x01);
	tear_down();
}

TAP_TEST(reset_lowers_the_interrupt_and_keeps_output)
{
	TAP_REQUIRE(set_up());
	out(MCR, 0x08);
	out(IER, 0x02);
	write_text("last words");
	TAP_EQ(irq, 1);
	TAP_EQ(input("abc"), 1);
	vmm_serial_reset(serial);
	TAP_EQ(irq, 0);
	TAP_EQ(rooms, 1);
	TAP_EQ(in(IER), 0);
	vmm_serial_flush(serial);
	TAP_STR_EQ(sent, "last words");
	tear_down();
}

TAP_TEST(any_sequence_of_accesses_is_harmless)
{
	TAP_REQUIRE(set_up());
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t random = tap_random();
		unsigned offset = random >> 8 & 7;

		if (random & 1)
			out(offset, random >> 16 & 0xff);
		else
			TAP_REQUIRE(in(offset) <= 0xff);
		if ((random >> 32 & 0xf) == 0)
			TAP_REQUIRE(input("0123456789abcdefghij") <= 16);
		sent[0] = '\0';
	}
	tear_down();
}

TAP_MAIN()
