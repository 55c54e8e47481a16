/* SPDX-License-Identifier: Apache-2.0 */
/* Where receipts and evidence go. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "restore/verify_internal.h"

#define MS_NS UINT64_C(1000000)

enum { POINT_DIGITS = 12 };

/* ---- names ---- */

/* WORKLOAD-POINT.ending in the folder. The workload's name is foreign: only what harms no file system stays of it. */
static char *file_of(const char *folder, const struct point *point, const char *ending)
{
	char id[2 * POINT_ID_SIZE + 1], workload[WORKLOAD_NAME_MAX + 1];
	size_t n = 0;
	for (const char *c = point->workload; *c; c++)
		workload[n++] = isalnum((unsigned char)*c) || strchr("-_.", *c) ? *c : '_';
	workload[n] = '\0';
	if (workload[0] == '.')
		workload[0] = '_';
	return file_format("%s/%s-%.*s.%s", folder, workload, POINT_DIGITS, hex_encode(point->id, POINT_ID_SIZE, id),
			   ending);
}

static char *receipt_file_of(const struct verifier *verifier, const struct point *point)
{
	const char *path = verifier->options->receipt_path;
	return verifier->receipts_are_many ? file_of(path, point, "receipt") : strdup(path);
}

/* ---- before ---- */

/* `what` goes to the folder. */
static bool check_folder(const char *folder, const char *what, struct err **errp)
{
	return access(folder, W_OK | X_OK) == 0 ||
	       err_set(errp, ERR_DENIED, "%s cannot be written to (%s), and %s", folder, strerror(errno), what);
}

static bool check_repository(const struct repository *repository, struct err **errp)
{
	const char *url = repository_url(repository);
	return repository_check_writable(repository, errp) &&
	       (url[0] != '/' ||
		check_folder(url, "the receipt goes there: say --receipt FILE to keep it elsewhere", errp));
}

static bool check_receipt_folder(const char *file, struct err **errp)
{
	const char *slash = strrchr(file, '/');
	AUTO(freep) char *folder = slash ? strndup(file, (size_t)(slash - file) + 1) : strdup(".");
	if (!folder)
		return err_set_no_memory(errp);
	return check_folder(folder, "the receipt goes there: say another place with --receipt", errp);
}

static bool check_receipt_file(const struct verifier *verifier, const struct point *point, struct err **errp)
{
	AUTO(freep) char *path = receipt_file_of(verifier, point);
	if (!path)
		return err_set_no_memory(errp);
	if (access(path, F_OK) == 0)
		return err_set(errp, ERR_EXISTS, "%s is there already, and a receipt does not replace anything", path);
	return check_receipt_folder(path, errp);
}

static bool check_evidence_folder(const char *folder, struct err **errp)
{
	return !folder || (file_make_folders(folder, 0700, errp) &&
			   check_folder(folder, "the evidence goes there: say another place with --evidence", errp));
}

bool verify_check_places(const struct verifier *verifier, const struct point *const *points, size_t n,
			 struct err **errp)
{
	const struct verify_options *options = verifier->options;
	if (!check_evidence_folder(options->evidence_dir, errp))
		return false;
	if (!options->receipt_path)
		return check_repository(verifier->repository, errp);
	if (verifier->receipts_are_many && !file_make_folders(options->receipt_path, 0700, errp))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!check_receipt_file(verifier, points[i], errp))
			return false;
	}
	return true;
}

/* ---- evidence ---- */

static bool write_part(const struct verifier *verifier, const struct point *point, const struct bytes *part,
		       const char *ending, char **ret_path, struct err **errp)
{
	if (part->len == 0)
		return true;
	AUTO(freep) char *path = file_of(verifier->options->evidence_dir, point, ending);
	if (!path)
		return err_set_no_memory(errp);
	if (!file_replace(path, bytes_span(part), 0600, errp))
		return false;
	*ret_path = STEAL(&path);
	return true;
}

bool verify_write_evidence(const struct verifier *verifier, const struct verify_evidence *evidence,
			   struct verify_result *result, struct err **errp)
{
	if (!verifier->options->evidence_dir)
		return true;
	return write_part(verifier, result->point, &evidence->log, "log", &result->log_path, errp) &&
	       write_part(verifier, result->point, &evidence->screen, "png", &result->screen_path, errp);
}

/* ---- receipt ---- */

static void describe_host(const struct verifier *verifier, struct receipt *receipt)
{
	char host[RECEIPT_WORD_MAX + 1] = "";
	AUTO(freep) char *hypervisor = verifier->runner->ops->hypervisor(verifier->runner);
	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	receipt_set_text(receipt->host, sizeof(receipt->host), host);
	receipt_set_text(receipt->salvor, sizeof(receipt->salvor), "salvor " SALVOR_VERSION);
	receipt_set_text(receipt->hypervisor, sizeof(receipt->hypervisor), hypervisor ? hypervisor : "");
	receipt_set_text(receipt->accelerator, sizeof(receipt->accelerator), verifier->accelerator);
}

static void describe_run(const struct verifier *verifier, const struct judge *judge,
			 const struct verify_evidence *evidence, struct receipt *receipt)
{
	bool ready = judge->judgement == JUDGE_READY;
	receipt->verdict = ready ? RECEIPT_PASSED : RECEIPT_FAILED;
	receipt->sign = judge->sign;
	receipt->started_ns = evidence->started_ns;
	receipt->ready_ns = ready ? evidence->started_ns + judge->at_ns : 0;
	receipt->ready_ms = ready ? judge->at_ns / MS_NS : 0;
	receipt->ended_ns = evidence->ended_ns;
	if (ready && receipt->ready_ms == 0)
		receipt->ready_ms = 1;
	receipt_set_text(receipt->reason, sizeof(receipt->reason), judge->reason);
	if (judge->rules.console_counts)
		receipt_set_text(receipt->expected, sizeof(receipt->expected), verifier->rules.expect_text);
}

static bool fill_receipt(const struct verifier *verifier, const struct judge *judge,
			 const struct verify_evidence *evidence, const struct point *point, struct receipt *receipt,
			 struct err **errp)
{
	if (!receipt_begin(verifier->repository, point, receipt, errp))
		return false;
	describe_host(verifier, receipt);
	describe_run(verifier, judge, evidence, receipt);
	if (evidence->log.len > 0 && !receipt_keep_log(receipt, bytes_span(&evidence->log), evidence->log_total, errp))
		return false;
	return evidence->screen.len == 0 || receipt_keep_screen(receipt, bytes_span(&evidence->screen), errp);
}

static bool publish(const struct verifier *verifier, const struct receipt *receipt, struct span file,
		    struct verify_result *result, struct err **errp)
{
	bool to_file = verifier->options->receipt_path;
	AUTO(freep) char *name = to_file ? receipt_file_of(verifier, result->point) : calloc(1, OBJECT_NAME_SIZE);
	if (!name)
		return err_set_no_memory(errp);
	bool ok = to_file ? receipt_write_file(name, file, errp)
			  : receipt_publish(verifier->repository, receipt, file, name, errp);
	if (ok)
		result->receipt = STEAL(&name);
	return ok;
}

bool verify_write_receipt(const struct verifier *verifier, const struct judge *judge,
			  const struct verify_evidence *evidence, struct verify_result *result, struct err **errp)
{
	AUTO(receipt_release) struct receipt receipt = {0};
	AUTO(bytes_release) struct bytes file = {0};
	return (fill_receipt(verifier, judge, evidence, result->point, &receipt, errp) &&
		receipt_sign(verifier->repository, &receipt, &file, errp) &&
		publish(verifier, &receipt, bytes_span(&file), result, errp)) ||
	       err_prefix(errp, "the receipt");
}

/* ---- boot trace ---- */

void verify_keep_trace(const struct verifier *verifier, const struct trace *trace, const struct verify_result *result)
{
	const struct verify_options *options = verifier->options;
	AUTO(err_freep) struct err *err = NULL;
	if (trace->n == 0 || options->receipt_path || !result->receipt ||
	    trace_publish(verifier->repository, trace, result->receipt, &err))
		return;
	AUTO(freep)
	char *text = file_format("%s: the boot trace could not be kept, which only costs time when it boots from far "
				 "away: %s",
				 result->point->workload, err_message(err));
	if (options->note && text)
		options->note(options->arg, text);
}
