// SPDX-License-Identifier: Apache-2.0
/*
 * A guest that wishes its host ill. By a row of random numbers that grows from the seed in its second sector it writes
 * nonsense to I/O ports, PCI registers, BARs and fw_cfg, and drives virtio devices nearly as it should: with rings that
 * lie where no memory is, descriptors that point outside it or in a circle, lengths that overflow, and all that changed
 * again while the device reads it.
 *
 * It runs on a bare processor in protected mode, without paging (hostile.S). It keeps its own first MEMORY_OWN_END
 * bytes out of what it lets devices write; if it goes mad all the same, or switches the machine off, whoever tests
 * starts it anew. On the serial line it says its seed, how often it was started, and how far it came.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_OWN_END 0x80000u
#define MEMORY_RINGS 0x100000u
#define MEMORY_RINGS_SIZE 0x100000u
#define MEMORY_END (64u << 20) /* what the machine is given */
#define FUNCTIONS_MAX 16
#define QUEUE_SIZE_MAX 256u
#define STEPS_A_SAYING 1024u
#define COM1 0x3f8

struct idt_gate {
	uint16_t offset_low, selector, flags, offset_high;
};

/* Where the structures of a virtio function are: Virtual I/O Device (VIRTIO) 1.2, section 4.1.4. */
struct function {
	uint32_t address; /* as mechanism #1 has it */
	uint32_t bars[6];
	uint32_t common, notify, notify_multiplier, isr, config;
	bool is_virtio;
};

struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags, next;
};

struct queue {
	uint16_t size;
	struct descriptor *descriptors;
	uint16_t *available; /* flags, index, ring */
	uint16_t *used;
	uint16_t notify_offset;
};

extern const uint64_t seed[2];
extern char again[], interrupted[];
void hostile(void);

struct idt_gate idt[256];
static struct function functions[FUNCTIONS_MAX];
static unsigned n_functions;
static uint64_t state;
static uint32_t steps;
static bool has_begun;

/* ---- the processor ---- */

static void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}
static void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static uint16_t in16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static uint32_t in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void in_string(uint16_t port, void *to, uint32_t count)
{
	__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static void out_string(uint16_t port, const void *from, uint32_t count)
{
	__asm__ volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

static void set_gate(unsigned vector, const char *target)
{
	const uint32_t offset = (uint32_t)(uintptr_t)target;

	idt[vector] = (struct idt_gate){(uint16_t)offset, 8, 0x8e00, (uint16_t)(offset >> 16)};
}

/* An exception ends what was being done; an interrupt that slips in (an NMI, say) does nothing. */
static void set_gates(void)
{
	for (unsigned i = 0; i < 256; i++)
		set_gate(i, i < 32 && i != 2 ? again : interrupted);
}

/* ---- numbers ---- */

static uint32_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static uint32_t below(uint32_t n)
{
	return any() % n;
}
static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

/* Numbers at which programs break. */
static uint32_t edge(void)
{
	static const uint32_t edges[] = {
		0,	    1,		2,	    0x7f,	0xff,	   0x100,	   0xfff,
		0x1000,	    0x7fff,	0x8000,	    0xffff,	0x10000,   MEMORY_END - 1, MEMORY_END,
		0x7fffffff, 0x80000000, 0xfffff000, 0xfffffffe, 0xffffffff};

	return edges[below(sizeof(edges) / sizeof(edges[0]))];
}

static uint32_t nasty(void)
{
	switch (below(4)) {
	case 0:
		return edge();
	case 1:
		return 1u << below(32);
	case 2:
		return below(256);
	default:
		return any();
	}
}

/* Mostly memory that is there and not ours; sometimes its end, a device, or nothing at all. */
static uint64_t place(void)
{
	if (one_in(8))
		return ((uint64_t)nasty() << 32) | nasty();
	if (one_in(8))
		return MEMORY_END - below(64);
	if (one_in(16) && n_functions > 0)
		return functions[below(n_functions)].bars[below(6)] + below(0x1000);
	return MEMORY_RINGS + below(MEMORY_END - MEMORY_RINGS);
}

/* ---- the serial line ---- */

static void say_char(char c)
{
	out8(COM1 + 3, 3); /* whatever nonsense it has been told: 8 bits, no loop back, no interrupts */
	out8(COM1 + 1, 0);
	out8(COM1 + 4, 3);
	for (unsigned i = 0; i < 1000 && (in8(COM1 + 5) & 0x20) == 0; i++)
		;
	out8(COM1, (uint8_t)c);
}

static void say(const char *text)
{
	while (*text != 0)
		say_char(*text++);
}

static void say_number(uint64_t n)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		say_char("0123456789abcdef"[(n >> shift) & 15]);
}

/* ---- PCI
 * ---------------------------------------------------------------------------------------------------------------------
 */

static uint32_t config_read(uint32_t address, uint32_t offset)
{
	out32(0xcf8, 0x80000000u | address | (offset & 0xfc));
	return in32(0xcfc);
}

static void config_write(uint32_t address, uint32_t offset, uint32_t value)
{
	out32(0xcf8, 0x80000000u | address | (offset & 0xfc));
	out32(0xcfc, value);
}

static void note_capability(struct function *f, uint32_t at)
{
	const uint32_t head = config_read(f->address, at), bar = config_read(f->address, at + 4) & 0xff;
	const uint32_t place_in_bar = bar < 6 ? f->bars[bar] + config_read(f->address, at + 8) : 0;

	if ((head & 0xff) != 9)
		return;
	switch (head >> 24) {
	case 1:
		f->common = place_in_bar;
		break;
	case 2:
		f->notify = place_in_bar;
		f->notify_multiplier = config_read(f->address, at + 16);
		break;
	case 3:
		f->isr = place_in_bar;
		break;
	case 4:
		f->config = place_in_bar;
		break;
	default:
		break;
	}
}

static void look_at(struct function *f)
{
	uint32_t at = config_read(f->address, 0x34) & 0xfc;

	for (unsigned i = 0; i < 6; i++)
		f->bars[i] = config_read(f->address, 0x10 + 4 * i) & ~15u;
	for (unsigned i = 0; i < 32 && at != 0; i++) {
		note_capability(f, at);
		at = (config_read(f->address, at) >> 8) & 0xfc;
	}
	f->is_virtio = f->common != 0 && f->notify != 0;
}

static void find_functions(void)
{
	n_functions = 0;
	for (uint32_t device = 0; device < 32 && n_functions < FUNCTIONS_MAX; device++) {
		struct function *f = &functions[n_functions];

		*f = (struct function){.address = device << 11};
		if (config_read(f->address, 0) == 0xffffffff)
			continue;
		config_write(f->address, 4, config_read(f->address, 4) | 6); /* memory, bus master */
		look_at(f);
		n_functions++;
	}
}

static struct function *any_function(void)
{
	return n_functions == 0 ? NULL : &functions[below(n_functions)];
}

static void nonsense_to_pci(void)
{
	struct function *f = any_function();
	uint32_t offset = below(256), was;

	if (f == NULL || one_in(16)) {
		config_write(any() & 0x00ffff00, offset, nasty());
		return;
	}
	was = config_read(f->address, offset);
	out32(0xcf8, 0x80000000u | f->address | (offset & 0xfc));
	switch (below(3)) {
	case 0:
		out8((uint16_t)(0xcfc + (offset & 3)), (uint8_t)nasty());
		break;
	case 1:
		out16((uint16_t)(0xcfc + below(4)), (uint16_t)nasty());
		break;
	default:
		out32(0xcfc, nasty());
		break;
	}
	/* So that something answers again before long. */
	if (!one_in(8))
		config_write(f->address, offset, was);
}

/* ---- ports, BARs, fw_cfg ---- */

static uint16_t any_port(void)
{
	static const uint16_t known[] = {0x20,	0x21,  0x40,  0x43,  0x60,  0x61,  0x64,  0x70,	 0x71,	0x80,
					 0x92,	0xa0,  0xa1,  0xb2,  0x3f8, 0x3fb, 0x402, 0x4d0, 0x505, 0x510,
					 0x511, 0x514, 0x518, 0x600, 0x604, 0x608, 0xcf8, 0xcf9, 0xcfc};

	if (one_in(2))
		return (uint16_t)any();
	return (uint16_t)(known[below(sizeof(known) / sizeof(known[0]))] + below(8));
}

static void nonsense_to_port(void)
{
	const uint16_t port = any_port();
	void *const memory = (void *)(uintptr_t)(MEMORY_RINGS + MEMORY_RINGS_SIZE + below(0x10000));

	switch (below(8)) {
	case 0:
		in8(port);
		break;
	case 1:
		in16(port);
		break;
	case 2:
		in32(port);
		break;
	case 3:
		out8(port, (uint8_t)nasty());
		break;
	case 4:
		out16(port, (uint16_t)nasty());
		break;
	case 5:
		out32(port, nasty());
		break;
	case 6:
		in_string(port, memory, below(5000));
		break;
	default:
		out_string(port, memory, below(1200));
		break;
	}
}

static void nonsense_to_memory(uint32_t address)
{
	volatile uint8_t *const at = (volatile uint8_t *)(uintptr_t)address;

	switch (below(6)) {
	case 0:
		(void)*at;
		break;
	case 1:
		(void)*(volatile uint16_t *)at;
		break;
	case 2:
		(void)*(volatile uint32_t *)at;
		break;
	case 3:
		*at = (uint8_t)nasty();
		break;
	case 4:
		*(volatile uint16_t *)at = (uint16_t)nasty();
		break;
	default:
		*(volatile uint32_t *)at = nasty();
		break;
	}
}

static void nonsense_to_bar(void)
{
	struct function *f = any_function();
	const uint32_t bar = f == NULL ? 0 : f->bars[below(6)];

	if (bar < MEMORY_END)
		return;
	nonsense_to_memory(bar + (one_in(2) ? below(0x80) : below(0x4000)));
}

/* Where no RAM is, and perhaps no device. */
static void nonsense_to_hole(void)
{
	nonsense_to_memory(MEMORY_END + below(0xfec00000u - MEMORY_END));
}

/* fw_cfg's DMA: QEMU's docs/specs/fw_cfg.rst. All of it is big-endian. */
static void nonsense_to_fw_cfg(void)
{
	uint32_t *const access = (uint32_t *)(uintptr_t)(MEMORY_RINGS + MEMORY_RINGS_SIZE + 8 * below(64));
	const uint64_t target = place();

	access[0] = __builtin_bswap32((below(64) << 16) | (one_in(4) ? nasty() : below(32)));
	access[1] = __builtin_bswap32(one_in(2) ? below(4096) : nasty());
	access[2] = __builtin_bswap32((uint32_t)(target >> 32));
	access[3] = __builtin_bswap32((uint32_t)target);
	out32(0x514, one_in(8) ? nasty() : 0);
	out32(0x518, __builtin_bswap32(one_in(8) ? nasty() : (uint32_t)(uintptr_t)access));
}

/* ---- virtio ---- */

static volatile uint8_t *common8(const struct function *f, uint32_t offset)
{
	return (volatile uint8_t *)(uintptr_t)(f->common + offset);
}

static volatile uint16_t *common16(const struct function *f, uint32_t offset)
{
	return (volatile uint16_t *)(uintptr_t)(f->common + offset);
}

static volatile uint32_t *common32(const struct function *f, uint32_t offset)
{
	return (volatile uint32_t *)(uintptr_t)(f->common + offset);
}

/* All features that it offers, or some that it does not. */
static void take_features(const struct function *f)
{
	for (uint32_t half = 0; half < 2; half++) {
		*common32(f, 0) = half;
		*common32(f, 8) = half;
		*common32(f, 12) = one_in(8) ? any() : *common32(f, 4);
	}
}

static void start_device(const struct function *f)
{
	*common8(f, 20) = 0;
	*common8(f, 20) = 1;
	*common8(f, 20) = 3;
	take_features(f);
	*common8(f, 20) = 11;
	*common16(f, 16) = (uint16_t)(one_in(2) ? below(4) : nasty());
}

static void write_descriptor(struct queue *q, unsigned i)
{
	static const uint32_t lengths[] = {1, 8, 12, 16, 512, 1514, 4096, 65536};
	struct descriptor *d = &q->descriptors[i];

	d->address = place();
	d->length = one_in(8) ? nasty() : lengths[below(sizeof(lengths) / sizeof(lengths[0]))];
	d->flags = (uint16_t)(one_in(16) ? nasty() : below(4) | (one_in(8) ? 4 : 0));
	d->next = (uint16_t)(one_in(16) ? nasty() : below(q->size));
	/* What a block request begins with: its type, and a sector that is there. */
	if (d->address < MEMORY_END - 16 && one_in(2)) {
		uint32_t *const head = (uint32_t *)(uintptr_t)d->address;

		head[0] = one_in(8) ? nasty() : below(15);
		head[2] = one_in(4) ? nasty() : below(2048);
		head[3] = one_in(8) ? nasty() : 0;
	}
}

static void place_queue(struct queue *q)
{
	const uint32_t at = MEMORY_RINGS + (below(MEMORY_RINGS_SIZE - 0x8000) & ~0xfffu);

	q->descriptors = (struct descriptor *)(uintptr_t)at;
	q->available = (uint16_t *)(uintptr_t)(at + 0x2000);
	q->used = (uint16_t *)(uintptr_t)(at + 0x4000);
}

static void tell_address(const struct function *f, uint32_t offset, const void *address)
{
	const uint64_t where = one_in(24) ? place() : (uint64_t)(uintptr_t)address;

	*common32(f, offset) = (uint32_t)where;
	*common32(f, offset + 4) = (uint32_t)(where >> 32);
}

static void start_queue(const struct function *f, struct queue *q, uint16_t index)
{
	*common16(f, 22) = index;
	q->size = *common16(f, 24);
	if (q->size == 0 || q->size > QUEUE_SIZE_MAX)
		q->size = QUEUE_SIZE_MAX;
	if (one_in(4))
		*common16(f, 24) = (uint16_t)(one_in(2) ? 1u << below(9) : nasty());
	q->notify_offset = *common16(f, 30);
	place_queue(q);
	for (unsigned i = 0; i < q->size; i++)
		write_descriptor(q, i);
	q->available[0] = (uint16_t)below(2);
	q->available[1] = 0;
	tell_address(f, 32, q->descriptors);
	tell_address(f, 40, q->available);
	tell_address(f, 48, q->used);
	*common16(f, 26) = (uint16_t)(one_in(2) ? below(4) : nasty());
	*common16(f, 28) = 1;
}

static void kick(const struct function *f, const struct queue *q, uint16_t index)
{
	*(volatile uint16_t *)(uintptr_t)(f->notify + q->notify_offset * f->notify_multiplier) = index;
}

/* Hands out chains, and goes on writing them while the device reads. */
static void feed_queue(const struct function *f, struct queue *q, uint16_t index)
{
	for (uint32_t round = below(32); round > 0; round--) {
		const uint32_t n = one_in(16) ? any() & 0xffff : below(8);

		for (uint32_t i = 0; i < n && i < q->size; i++)
			q->available[2 + (q->available[1] + i) % q->size] =
				(uint16_t)(one_in(32) ? nasty() : below(q->size));
		__asm__ volatile("" : : : "memory");
		q->available[1] = (uint16_t)(q->available[1] + n);
		kick(f, q, index);
		for (uint32_t i = below(64); i > 0; i--)
			write_descriptor(q, below(q->size));
	}
}

static void play_virtio(void)
{
	struct function *f = any_function();
	struct queue queues[4];
	uint16_t n;

	if (f == NULL || !f->is_virtio)
		return;
	start_device(f);
	n = *common16(f, 18);
	n = n > 4 ? 4 : n;
	for (uint16_t i = 0; i < n; i++)
		start_queue(f, &queues[i], i);
	if (!one_in(16))
		*common8(f, 20) = 15;
	for (uint32_t round = n == 0 ? 0 : below(16); round > 0; round--) {
		const uint16_t i = (uint16_t)below(n);

		if (one_in(16))
			nonsense_to_bar();
		feed_queue(f, &queues[i], i);
	}
}

/* ---- one step after the other ---- */

static void step(void)
{
	const uint32_t choice = below(100);

	if (choice < 30)
		nonsense_to_port();
	else if (choice < 45)
		nonsense_to_pci();
	else if (choice < 70)
		nonsense_to_bar();
	else if (choice < 75)
		nonsense_to_hole();
	else if (choice < 80)
		nonsense_to_fw_cfg();
	else
		play_virtio();
}

static void begin(void)
{
	set_gates();
	state = (seed[0] ^ (seed[1] * 0x9e3779b97f4a7c15u)) | 1;
	has_begun = true;
	say("\r\nhostile: seed ");
	say_number(seed[0]);
	say(", start ");
	say_number(seed[1]);
	say("\r\n");
}

void hostile(void)
{
	if (!has_begun)
		begin();
	for (;; steps++) {
		if (steps % 512 == 0)
			find_functions();
		if (steps % STEPS_A_SAYING == 0) {
			say("hostile: step ");
			say_number(steps);
			say("\r\n");
		}
		step();
	}
}
