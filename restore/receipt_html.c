/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/receipt_html.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/progress.h"
#include "restore/console_text.h"

#define PAGE_BEGIN "<!DOCTYPE html>\n<html lang=\"en\">\n"
#define CARRIED_BEGIN "<template id=\"salvor-receipt\">\n"
#define CARRIED_END "</template>\n"

static const char head[] =
	"<head>\n<meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
	"'unsafe-inline'\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<style>\n"
	":root{color-scheme:light}\n"
	"body{margin:0 auto;max-width:60rem;padding:3rem 1.5rem;background:#fff;color:#1c2430;"
	"font:16px/1.5 system-ui,sans-serif}\n"
	"header{border-bottom:1px solid #d8dde5;margin-bottom:2rem;padding-bottom:1.5rem}\n"
	"h1{font-size:1.9rem;line-height:1.2;margin:.4rem 0 .6rem;overflow-wrap:anywhere}\n"
	"h2{font-size:1.1rem;margin:2.4rem 0 .8rem}\n"
	"p{margin:.4rem 0;overflow-wrap:anywhere}\n"
	".verdict{border-radius:1rem;color:#fff;display:inline-block;font-size:.85rem;font-weight:600;"
	"letter-spacing:.06em;padding:.15rem .9rem;text-transform:uppercase}\n"
	".passed{background:#1a7f4b}.failed{background:#b3261e}\n"
	".quiet{color:#5b6675}\n"
	"dl{display:grid;gap:.35rem 1.5rem;grid-template-columns:max-content 1fr;margin:0}\n"
	"dt{color:#5b6675}dd{margin:0;overflow-wrap:anywhere}\n"
	"code,pre{font-family:ui-monospace,Consolas,monospace;font-size:.85em}code{overflow-wrap:anywhere}\n"
	"table{border-collapse:collapse;font-size:.9rem;width:100%}\n"
	"th,td{border-bottom:1px solid #e6e9ee;padding:.35rem .8rem .35rem 0;text-align:left;vertical-align:top}\n"
	"th{color:#5b6675;font-weight:500}.number{text-align:right}\n"
	"img{background:#000;border-radius:4px;display:block;height:auto;max-width:100%}\n"
	"pre{background:#f5f6f8;border-radius:4px;margin:0;overflow-x:auto;padding:1rem;white-space:pre-wrap;"
	"word-break:break-word}\n"
	"@media print{body{font-size:11pt;max-width:none;padding:0}h2{break-after:avoid}"
	"img,table{break-inside:avoid}pre{background:none;border:1px solid #d8dde5}"
	".verdict{border:1px solid currentColor;background:none;color:#1c2430}}\n"
	"</style>\n";

static void put(struct bytes *out, const char *markup)
{
	bytes_put(out, markup, strlen(markup));
}

static void put_format(struct bytes *out, const char *format, ...) PRINTF_LIKE(2, 3);

/* Of markup with numbers and words of ours; short. */
static void put_format(struct bytes *out, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(text))
		out->failed = true;
	else
		bytes_put(out, text, (size_t)len);
}

static const char *entity_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

/* Text of any origin, UTF-8 already. */
static void put_escaped(struct bytes *out, struct span text)
{
	const char *at = text.data;

	for (size_t i = 0; i < text.len; i++) {
		const char *entity = entity_of(at[i]);
		if (entity)
			put(out, entity);
		else
			bytes_u8(out, (uint8_t)at[i]);
	}
}

/* Text of any origin, as it came. */
static void put_foreign(struct bytes *out, struct span raw)
{
	AUTO(bytes_release) struct bytes text;

	bytes_init(&text, 3 * raw.len + 1);
	console_text_append(raw, &text);
	if (!bytes_ok(&text))
		out->failed = true;
	put_escaped(out, bytes_span(&text));
}

static void put_text(struct bytes *out, const char *text)
{
	put_foreign(out, SPAN(text, strlen(text)));
}

static void put_row(struct bytes *out, const char *name, const char *text)
{
	put_format(out, "<dt>%s</dt><dd>", name);
	put_text(out, text);
	put(out, "</dd>\n");
}

static void put_code_row(struct bytes *out, const char *name, const void *bytes, size_t len)
{
	char text[2 * HASH_SIZE + 1];
	put_format(out, "<dt>%s</dt><dd><code>%s</code></dd>\n", name, hex_encode(bytes, len, text));
}

static void put_time_row(struct bytes *out, const char *name, uint64_t ns)
{
	char time[CLOCK_TEXT_SIZE];
	put_row(out, name, clock_format(ns, time));
}

static const char *sign_phrase(enum receipt_sign sign)
{
	static const char *const phrases[] = {
		[RECEIPT_NOTHING] = "none was seen",
		[RECEIPT_AGENT] = "its guest agent answered",
		[RECEIPT_CONSOLE] = "its serial console said what was expected",
		[RECEIPT_SCREEN] = "its screen showed a picture that stayed",
	};
	return phrases[sign];
}

static void put_header(struct bytes *out, const struct receipt *receipt)
{
	char time[CLOCK_TEXT_SIZE];
	const char *verdict = receipt_verdict_text(receipt->verdict);

	put_format(out, "<body>\n<header>\n<span class=\"verdict %s\">%s</span>\n<h1>", verdict, verdict);
	put_text(out, receipt->workload);
	put_format(out, "</h1>\n<p>The backup of %s was booted in an isolated network. ",
		   clock_format(receipt->cut_ns, time));
	if (receipt->sign != RECEIPT_NOTHING)
		put_format(out, "After %.1f s %s.", (double)receipt->ready_ms / 1000, sign_phrase(receipt->sign));
	else
		put(out, "It gave no sign of life.");
	put(out, "</p>\n<p class=\"quiet\">");
	put_text(out, receipt->reason);
	put(out, "</p>\n</header>\n");
}

static void put_facts(struct bytes *out, const struct receipt *receipt)
{
	put(out, "<h2>What was done</h2>\n<dl>\n");
	put_time_row(out, "Point as of", receipt->cut_ns);
	put_code_row(out, "Point", receipt->point, POINT_ID_SIZE);
	put_time_row(out, "Started", receipt->started_ns);
	if (receipt->ready_ns)
		put_time_row(out, "Ready", receipt->ready_ns);
	put_time_row(out, "Judged", receipt->ended_ns);
	put_row(out, "Sign of life", sign_phrase(receipt->sign));
	if (receipt->expected[0])
		put_row(out, "Expected on the console", receipt->expected);
	put_row(out, "On the machine", receipt->host);
	put_row(out, "With", receipt->hypervisor);
	put_row(out, "Accelerator", receipt->accelerator);
	put_row(out, "Software", receipt->salvor);
	put(out, "</dl>\n");
}

static void put_screen(struct bytes *out, const struct receipt *receipt)
{
	if (receipt->screen.size == 0)
		return;
	put(out, "<h2>What the screen showed</h2>\n<img alt=\"The screen of the machine\" "
		 "src=\"data:image/png;base64,\n");
	base64_encode(bytes_span(&receipt->screen.bytes), out);
	put(out, "\">\n");
}

static void put_log(struct bytes *out, const struct receipt *receipt)
{
	char kept[PROGRESS_SIZE_TEXT], total[PROGRESS_SIZE_TEXT];

	put(out, "<h2>What the machine said</h2>\n");
	if (receipt->log.size == 0) {
		put(out, "<p class=\"quiet\">Nothing.</p>\n");
		return;
	}
	put(out, "<p class=\"quiet\">On its serial console, and by its firmware");
	if (receipt->log.size < receipt->log_total)
		put_format(out, ": the last %s of %s", progress_size_text(receipt->log.size, kept),
			   progress_size_text(receipt->log_total, total));
	put(out, ".</p>\n<pre>\n");
	put_foreign(out, bytes_span(&receipt->log.bytes));
	put(out, "</pre>\n");
}

static void put_streams(struct bytes *out, const struct receipt *receipt)
{
	put(out,
	    "<h2>What the point holds</h2>\n<p class=\"quiet\">The root of a stream stands for all its bytes.</p>\n"
	    "<table>\n<tr><th>Stream</th><th>Kind</th><th class=\"number\">Size</th><th>Root</th></tr>\n");
	for (size_t i = 0; i < receipt->n_streams; i++) {
		const struct receipt_stream *stream = &receipt->streams[i];
		char size[PROGRESS_SIZE_TEXT], root[2 * ID_SIZE + 1];
		put(out, "<tr><td>");
		put_text(out, stream->name);
		put_format(out, "</td><td>%s</td><td class=\"number\">%s</td><td><code>%s</code></td></tr>\n",
			   stream_kind_text(stream->kind), progress_size_text(stream->size, size),
			   hex_encode(stream->root, ID_SIZE, root));
	}
	put(out, "</table>\n");
}

static void put_heads(struct bytes *out, const struct receipt *receipt)
{
	if (receipt->n_heads == 0)
		return;
	put(out, "<h2>The newest points that were seen then</h2>\n<p class=\"quiet\">To compare with what "
		 "<code>salvor status</code> shows.</p>\n<table>\n"
		 "<tr><th>Writer</th><th class=\"number\">Session</th><th>Point</th></tr>\n");
	for (size_t i = 0; i < receipt->n_heads; i++) {
		const struct head *seen = &receipt->heads[i];
		char writer[2 * WRITER_SIZE + 1], point[2 * POINT_ID_SIZE + 1];
		put_format(out,
			   "<tr><td><code>%s</code></td><td class=\"number\">%" PRIu64
			   "</td><td><code>%s</code></td></tr>\n",
			   hex_encode(seen->session.writer, WRITER_SIZE, writer), seen->session.number,
			   hex_encode(seen->point, POINT_ID_SIZE, point));
	}
	put(out, "</table>\n");
}

static bool put_signer(struct bytes *out, const struct receipt *receipt, struct err **errp)
{
	uint8_t fingerprint[HASH_SIZE];

	if (!receipt_fingerprint(receipt, fingerprint, errp))
		return false;
	put(out, "<h2>Who says so</h2>\n<dl>\n");
	put_row(out, "Signed by", receipt->signer_name);
	put_code_row(out, "Fingerprint of the key", fingerprint, HASH_SIZE);
	put_code_row(out, "Receipt", receipt->id, RECEIPT_ID_SIZE);
	put_code_row(out, "Repository", receipt->domain, DOMAIN_SIZE);
	put(out,
	    "</dl>\n<p class=\"quiet\">Nothing on this page proves itself. It carries the signed receipt: "
	    "<code>salvor receipt show THIS-PAGE.html</code> checks the signature, and that this page says what "
	    "was signed. Whose key it is, whoever keeps the repository can say: <code>salvor key list</code> shows "
	    "the first 16 digits of the fingerprint as the key's ID.</p>\n");
	return true;
}

static void put_head(struct bytes *out, const struct receipt *receipt)
{
	char time[CLOCK_TEXT_SIZE];

	put(out, PAGE_BEGIN);
	put(out, head);
	put(out, "<title>");
	put_text(out, receipt->workload);
	put_format(out, ", %s: %s</title>\n</head>\n", clock_format(receipt->cut_ns, time),
		   receipt_verdict_text(receipt->verdict));
}

bool receipt_html_make(const struct receipt *receipt, struct span file, struct bytes *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes out;

	bytes_init(&out, RECEIPT_HTML_MAX);
	put_head(&out, receipt);
	put_header(&out, receipt);
	put_screen(&out, receipt);
	put_facts(&out, receipt);
	if (!put_signer(&out, receipt, errp))
		return false;
	put_streams(&out, receipt);
	put_heads(&out, receipt);
	put_log(&out, receipt);
	put(&out, CARRIED_BEGIN);
	base64_encode(file, &out);
	put(&out, CARRIED_END "</body>\n</html>\n");
	if (!bytes_ok(&out))
		return err_set_no_memory(errp);
	*ret = out;
	out = (struct bytes){0};
	return true;
}

bool receipt_html_is_page(struct span bytes)
{
	static const char begin[] = "<!DOCTYPE";
	return bytes.len >= sizeof(begin) - 1 && memcmp(bytes.data, begin, sizeof(begin) - 1) == 0;
}

/* The escaped texts before it have no '<', so the first is the one. */
static bool find_carried(struct span page, struct span *ret)
{
	const char *begin = memmem(page.data, page.len, CARRIED_BEGIN, strlen(CARRIED_BEGIN));
	if (!begin)
		return false;
	begin += strlen(CARRIED_BEGIN);
	size_t left = page.len - (size_t)(begin - (const char *)page.data);
	const char *end = memmem(begin, left, CARRIED_END, strlen(CARRIED_END));
	if (end)
		*ret = SPAN(begin, (size_t)(end - begin));
	return end != NULL;
}

static bool read_carried(struct span page, struct bytes *ret_file, struct err **errp)
{
	struct span carried;

	if (!find_carried(page, &carried))
		return err_set(errp, ERR_CORRUPT, "the page carries no receipt");
	return base64_decode(carried, ret_file) ||
	       err_set(errp, ERR_CORRUPT, "the receipt that the page carries was changed: it is not base64");
}

static bool check_page(struct span page, const struct receipt *receipt, struct span file, struct err **errp)
{
	AUTO(bytes_release) struct bytes again = {0};

	if (!receipt_html_make(receipt, file, &again, errp))
		return false;
	return (again.len == page.len && memcmp(again.data, page.data, page.len) == 0) ||
	       err_set(errp, ERR_CORRUPT,
		       "the page does not say what its receipt says: it was changed, or another version of salvor made "
		       "it");
}

bool receipt_html_read(struct span page, struct receipt *ret, struct bytes *ret_file, struct err **errp)
{
	AUTO(bytes_release) struct bytes file;
	AUTO(receipt_release) struct receipt receipt = {0};

	bytes_init(&file, RECEIPT_FILE_MAX);
	if (!read_carried(page, &file, errp) || !receipt_parse(bytes_span(&file), &receipt, errp) ||
	    !check_page(page, &receipt, bytes_span(&file), errp))
		return false;
	*ret = receipt;
	receipt = (struct receipt){0};
	*ret_file = file;
	file = (struct bytes){0};
	return true;
}
