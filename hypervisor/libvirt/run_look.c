/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a machine that nobody sits at: its agent, and its screen. */
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <stdlib.h>

#include "base/err.h"
#include "hypervisor/libvirt/error.h"
#include "hypervisor/libvirt/run_internal.h"
#include "hypervisor/picture.h"

#define PICTURE_FILE_MAX ((size_t)PICTURE_PIXELS_MAX * 3 + 64)

enum {
	PART = 64 << 10,
	TEXT_AT = 0xb8000, /* where VGA keeps its text: a letter and its colour in turn */
	TEXT_COLUMNS = 80,
	TEXT_ROWS = 204, /* all of its window: Linux scrolls by showing another part */
};

bool run_ping(struct run *run, int seconds)
{
	char *answer = virDomainQemuAgentCommand(run->domain, "{\"execute\":\"guest-ping\"}", seconds, 0);
	bool answered = answer;
	free(answer);
	return answered;
}

/* ---- picture ---- */

static bool receive(virStreamPtr stream, struct bytes *ret, struct err **errp)
{
	char part[PART];
	int got;
	while ((got = virStreamRecv(stream, part, sizeof(part))) > 0)
		bytes_put(ret, part, (size_t)got);
	if (got < 0 || virStreamFinish(stream) < 0)
		return err_from_virt(errp, "take a picture of the screen");
	return bytes_ok(ret) || err_set(errp, ERR_FAILED, "the picture of the screen is too large");
}

static bool take_screenshot(struct run *run, virStreamPtr stream, struct bytes *ret, struct err **errp)
{
	char *type = virDomainScreenshot(run->domain, stream, 0, 0);
	if (!type)
		return err_from_virt(errp, "take a picture of the screen");
	free(type); /* the bytes tell it, too */
	if (receive(stream, ret, errp))
		return true;
	virStreamAbort(stream);
	return false;
}

bool run_take_picture(struct run *run, struct picture *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes file;
	bytes_init(&file, PICTURE_FILE_MAX);
	virStreamPtr stream = virStreamNew(run->runner->connection, 0);
	if (!stream)
		return err_from_virt(errp, "take a picture of the screen");
	bool ok = take_screenshot(run, stream, &file, errp);
	virStreamFree(stream);
	return ok && picture_decode(bytes_span(&file), ret, errp);
}

/* ---- text ---- */

static char letter(char c)
{
	return c >= ' ' && c <= '~' ? c : ' ';
}

static void put_row(struct bytes *ret, const char *row)
{
	char text[TEXT_COLUMNS];
	size_t len = 0;
	for (size_t i = 0; i < TEXT_COLUMNS; i++) {
		text[i] = letter(row[2 * i]);
		if (text[i] != ' ')
			len = i + 1;
	}
	bytes_put(ret, text, len);
	bytes_u8(ret, '\n');
}

bool run_read_screen(struct run *run, struct bytes *ret, struct err **errp)
{
	char memory[2 * TEXT_COLUMNS * TEXT_ROWS];
	if (virDomainMemoryPeek(run->domain, TEXT_AT, sizeof(memory), memory, VIR_MEMORY_PHYSICAL) < 0)
		return err_from_virt(errp, "read the text of the screen");
	for (size_t i = 0; i < TEXT_ROWS; i++)
		put_row(ret, memory + 2 * TEXT_COLUMNS * i);
	return bytes_ok(ret) || err_set_no_memory(errp);
}
