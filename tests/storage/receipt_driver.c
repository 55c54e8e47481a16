/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a receipt of a point into a repository as verify does, without booting anything, and prints its name.
 * usage: receipt_driver REPOSITORY KEY-FILE POINT passed|failed
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "storage/receipt.h"

#define LOG "\x1b[0;32m  OK  \x1b[0m Started sshd\r\n<b>web01</b> login: "
/* One white pixel. */
#define PNG                                                                                                           \
	"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\nIDAT\x08\xd7\x63\xf8\x0f\0" \
	"\1\1\1\0\x1b\xb6\xee\x56\0\0\0\0IEND\xae\x42\x60\x82"

static void judge(struct receipt *receipt, bool passed)
{
	uint64_t now = clock_now_ns();
	receipt->verdict = passed ? RECEIPT_PASSED : RECEIPT_FAILED;
	receipt->sign = passed ? RECEIPT_CONSOLE : RECEIPT_NOTHING;
	receipt->started_ns = now - 14000000000;
	receipt->ready_ns = passed ? now : 0;
	receipt->ended_ns = now;
	receipt->ready_ms = passed ? 14000 : 0;
	receipt_set_text(receipt->reason, sizeof(receipt->reason),
			 passed ? "the console showed 'login:'" : "nothing was seen in 300 s");
	receipt_set_text(receipt->host, sizeof(receipt->host), "lab3");
	receipt_set_text(receipt->salvor, sizeof(receipt->salvor), "salvor " SALVOR_VERSION);
	receipt_set_text(receipt->hypervisor, sizeof(receipt->hypervisor), "QEMU 7.2.22");
	receipt_set_text(receipt->accelerator, sizeof(receipt->accelerator), "tcg");
}

static bool write_receipt(char **words, struct err **errp)
{
	const struct repository_options options = {.url = words[1], .key = {.key_file = words[2]}};
	AUTO(point_release) struct point point = {0};
	AUTO(receipt_release) struct receipt receipt = {0};
	AUTO(bytes_release) struct bytes file = {0};
	char name[OBJECT_NAME_SIZE];
	AUTO(repository_freep) struct repository *repository = repository_open(&options, errp);
	if (!repository || !point_find(repository, words[3], &point, errp) ||
	    !receipt_begin(repository, &point, &receipt, errp))
		return false;
	judge(&receipt, strcmp(words[4], "passed") == 0);
	if (!receipt_keep_log(&receipt, SPAN_TEXT(LOG), sizeof(LOG) - 1, errp) ||
	    !receipt_keep_screen(&receipt, SPAN_TEXT(PNG), errp) || !receipt_sign(repository, &receipt, &file, errp) ||
	    !receipt_publish(repository, &receipt, bytes_span(&file), name, errp))
		return false;
	puts(name);
	return true;
}

int main(int argc, char **argv)
{
	AUTO(err_freep) struct err *err = NULL;
	if (argc != 5)
		return 2;
	if (write_receipt(argv, &err))
		return 0;
	fprintf(stderr, "receipt_driver: %s\n", err_message(err));
	return 1;
}
