/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/serial.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Registers; 0 and 1 are the divisor while LCR.DLAB is set. */
enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

#define IER_RX	       0x01
#define IER_TX	       0x02
#define IER_LINE       0x04
#define IER_MODEM      0x08
#define IER_MASK       0x0f
#define IIR_NONE       0x01
#define IIR_MODEM      0x00
#define IIR_TX	       0x02
#define IIR_RX	       0x04
#define IIR_RX_TIMEOUT 0x0c
#define IIR_FIFO       0xc0
#define FCR_ENABLE     0x01
#define FCR_CLEAR_RX   0x02
#define LCR_DLAB       0x80
#define MCR_DTR	       0x01
#define MCR_RTS	       0x02
#define MCR_OUT1       0x04
#define MCR_OUT2       0x08 /* on a PC: lets the interrupt through */
#define MCR_LOOP       0x10
#define MCR_MASK       0x1f
#define LSR_RX	       0x01
#define LSR_TX_EMPTY   0x60 /* holding register and shifter */
#define MSR_DELTA      0x0f
#define MSR_RI_FELL    0x04
#define MSR_CTS	       0x10
#define MSR_DSR	       0x20
#define MSR_RI	       0x40
#define MSR_DCD	       0x80

#define RX_FIFO	 16
#define TX_BATCH 256

static const uint8_t rx_triggers[4] = { 1, 4, 8, 14 };

/*
 * All under `lock` but ops and ctx. Output may block for as long as the user's terminal does, so it is
 * done without that lock; `output_lock`, taken first, keeps its order.
 */
struct vmm_serial {
	const struct vmm_serial_ops *ops;
	void *ctx;
	pthread_mutex_t output_lock;
	pthread_mutex_t lock;
	uint8_t ier, fcr, lcr, mcr, msr, scr;
	uint8_t divisor[2];
	bool tx_interrupt; /* the transmitter ran empty and the guest has not been told yet */
	bool irq;
	bool input_refused; /* the last input did not fit */
	uint8_t rx[RX_FIFO];
	unsigned rx_first, rx_count;
	uint8_t tx[TX_BATCH];
	size_t tx_count;
};

static void reset_locked(struct vmm_serial *s)
{
	s->ier = s->fcr = s->lcr = s->mcr = s->scr = 0;
	s->msr = MSR_DCD | MSR_DSR | MSR_CTS;
	s->divisor[0] = 12; /* 9600 baud */
	s->divisor[1] = 0;
	s->tx_interrupt = false;
	s->rx_first = s->rx_count = 0;
}

int vmm_serial_create(const struct vmm_serial_ops *ops, void *ctx, struct vmm_serial **serial)
{
	struct vmm_serial *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->ops = ops;
	s->ctx = ctx;
	pthread_mutex_init(&s->output_lock, NULL);
	pthread_mutex_init(&s->lock, NULL);
	reset_locked(s);
	*serial = s;
	return 0;
}

void vmm_serial_destroy(struct vmm_serial *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->output_lock);
	free(s);
}

/* The source of highest priority that is enabled and pending. */
static uint8_t interrupt_id(const struct vmm_serial *s)
{
	if ((s->ier & IER_RX) && s->rx_count) {
		/* On an infinitely fast line the time-out for a FIFO below its trigger is over at once. */
		if ((s->fcr & FCR_ENABLE) && s->rx_count < rx_triggers[s->fcr >> 6])
			return IIR_RX_TIMEOUT;
		return IIR_RX;
	}
	if ((s->ier & IER_TX) && s->tx_interrupt)
		return IIR_TX;
	if ((s->ier & IER_MODEM) && (s->msr & MSR_DELTA))
		return IIR_MODEM;
	return IIR_NONE;
}

static void update_irq(struct vmm_serial *s)
{
	bool irq = interrupt_id(s) != IIR_NONE && (s->mcr & MCR_OUT2) && !(s->mcr & MCR_LOOP);

	if (irq != s->irq) {
		s->irq = irq;
		s->ops->set_irq(s->ctx, irq);
	}
}

static unsigned rx_size(const struct vmm_serial *s)
{
	return s->fcr & FCR_ENABLE ? RX_FIFO : 1;
}

static void rx_put(struct vmm_serial *s, uint8_t byte)
{
	s->rx[(s->rx_first + s->rx_count) % RX_FIFO] = byte;
	s->rx_count++;
}

static void tell_room(struct vmm_serial *s)
{
	if (s->input_refused) {
		s->input_refused = false;
		s->ops->input_room(s->ctx);
	}
}

static uint8_t rx_get(struct vmm_serial *s)
{
	uint8_t byte;

	if (!s->rx_count)
		return 0;
	byte = s->rx[s->rx_first];
	s->rx_first = (s->rx_first + 1) % RX_FIFO;
	s->rx_count--;
	/* Ask for more only when all is read: one round through the loop for a whole FIFO. */
	if (!s->rx_count)
		tell_room(s);
	return byte;
}

static void rx_clear(struct vmm_serial *s)
{
	s->rx_first = s->rx_count = 0;
	tell_room(s);
}

static void transmit(struct vmm_serial *s, uint8_t byte)
{
	s->tx_interrupt = true;
	if (s->mcr & MCR_LOOP) {
		if (s->rx_count < rx_size(s))
			rx_put(s, byte);
		return;
	}
	s->tx[s->tx_count++] = byte;
	if (s->tx_count == 1 && byte != '\n')
		s->ops->output_waits(s->ctx);
}

/* In loop-back the modem's outputs are its inputs. */
static void write_mcr(struct vmm_serial *s, uint8_t value)
{
	uint8_t old = s->msr & ~MSR_DELTA, lines = MSR_DCD | MSR_DSR | MSR_CTS;

	if ((s->mcr & MCR_LOOP) && !(value & MCR_LOOP))
		tell_room(s);
	s->mcr = value & MCR_MASK;
	if (s->mcr & MCR_LOOP)
		lines = (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
			(s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
	/* Each delta bit stands four below its line; that of RI tells only of its end. */
	s->msr = lines | (s->msr & MSR_DELTA) | ((old ^ lines) >> 4 & ~MSR_RI_FELL) |
		 ((old & ~lines) >> 4 & MSR_RI_FELL);
}

static void write_fcr(struct vmm_serial *s, uint8_t value)
{
	/* Switching the FIFOs on or off empties them; other bits count only while they are on. */
	if ((value & FCR_CLEAR_RX) || ((value ^ s->fcr) & FCR_ENABLE))
		rx_clear(s);
	s->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | 0xc0) : 0;
}

static uint8_t read_register(struct vmm_serial *s, unsigned offset)
{
	uint8_t value;

	switch (offset) {
	case REG_DATA:
		return s->lcr & LCR_DLAB ? s->divisor[0] : rx_get(s);
	case REG_IER:
		return s->lcr & LCR_DLAB ? s->divisor[1] : s->ier;
	case REG_IIR_FCR:
		value = interrupt_id(s);
		if (value == IIR_TX)
			s->tx_interrupt = false;
		return value | (s->fcr & FCR_ENABLE ? IIR_FIFO : 0);
	case REG_LCR:
		return s->lcr;
	case REG_MCR:
		return s->mcr;
	case REG_LSR:
		return LSR_TX_EMPTY | (s->rx_count ? LSR_RX : 0);
	case REG_MSR:
		value = s->msr;
		s->msr &= ~MSR_DELTA;
		return value;
	default:
		return s->scr;
	}
}

static void write_register(struct vmm_serial *s, unsigned offset, uint8_t value)
{
	switch (offset) {
	case REG_DATA:
		if (s->lcr & LCR_DLAB)
			s->divisor[0] = value;
		else
			transmit(s, value);
		break;
	case REG_IER:
		if (s->lcr & LCR_DLAB) {
			s->divisor[1] = value;
			break;
		}
		/* The transmitter is always empty, so a guest that begins to care is told. */
		if (value & ~s->ier & IER_TX)
			s->tx_interrupt = true;
		s->ier = value & IER_MASK;
		break;
	case REG_IIR_FCR:
		write_fcr(s, value);
		break;
	case REG_LCR:
		s->lcr = value;
		break;
	case REG_MCR:
		write_mcr(s, value);
		break;
	case REG_SCR:
		s->scr = value;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
}

/* A guest that writes a line looks at LSR before each byte; a line feed, or any other register, ends the line. */
static bool flush_due(const struct vmm_serial *s, unsigned offset)
{
	if (!s->tx_count || offset == REG_LSR)
		return false;
	return offset != REG_DATA || s->tx_count == TX_BATCH || s->tx[s->tx_count - 1] == '\n';
}

uint32_t vmm_serial_read(void *serial, unsigned offset, unsigned size)
{
	struct vmm_serial *s = serial;
	uint8_t value;
	bool flush;

	(void)size;
	pthread_mutex_lock(&s->lock);
	value = read_register(s, offset);
	if (offset != REG_LSR)
		update_irq(s);
	flush = flush_due(s, offset);
	pthread_mutex_unlock(&s->lock);
	if (flush)
		vmm_serial_flush(s);
	return value;
}

void vmm_serial_write(void *serial, unsigned offset, unsigned size, uint32_t value)
{
	struct vmm_serial *s = serial;
	bool flush;

	(void)size;
	pthread_mutex_lock(&s->lock);
	/* Full only while another processor's output is blocked: wait behind it. */
	while (s->tx_count == TX_BATCH) {
		pthread_mutex_unlock(&s->lock);
		vmm_serial_flush(s);
		pthread_mutex_lock(&s->lock);
	}
	write_register(s, offset, (uint8_t)value);
	update_irq(s);
	flush = flush_due(s, offset);
	pthread_mutex_unlock(&s->lock);
	if (flush)
		vmm_serial_flush(s);
}

size_t vmm_serial_input(struct vmm_serial *s, const uint8_t *bytes, size_t len)
{
	size_t taken = 0;

	pthread_mutex_lock(&s->lock);
	/* In loop-back the line is not connected to the receiver. */
	while (taken < len && s->rx_count < rx_size(s) && !(s->mcr & MCR_LOOP))
		rx_put(s, bytes[taken++]);
	if (taken < len)
		s->input_refused = true;
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
	return taken;
}

bool vmm_serial_output_waits(struct vmm_serial *s)
{
	bool waits;

	pthread_mutex_lock(&s->lock);
	waits = s->tx_count != 0;
	pthread_mutex_unlock(&s->lock);
	return waits;
}

void vmm_serial_flush(struct vmm_serial *s)
{
	uint8_t bytes[TX_BATCH];
	size_t len;

	pthread_mutex_lock(&s->output_lock);
	pthread_mutex_lock(&s->lock);
	len = s->tx_count;
	memcpy(bytes, s->tx, len);
	s->tx_count = 0;
	pthread_mutex_unlock(&s->lock);
	if (len)
		s->ops->output(s->ctx, bytes, len);
	pthread_mutex_unlock(&s->output_lock);
}

void vmm_serial_reset(struct vmm_serial *s)
{
	pthread_mutex_lock(&s->lock);
	rx_clear(s);
	reset_locked(s);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}
