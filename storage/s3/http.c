/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "storage/s3/pace.h"

enum {
	IDLE_MAX = 64, /* connections that are kept */
	CONNECT_SECONDS = 10,
	SILENT_SECONDS = 30,
	IMPATIENT_MS = 1000,
	IMPATIENT_CONNECT_MS = 500,
	UPLOAD_BUFFER = 2 << 20,
	DOWNLOAD_BUFFER = 512 << 10,
	PUT_GRACE_SECONDS = 5, /* to what is under way when the user has had enough: it can be used again */
	GET_GRACE_SECONDS = 1,
};

struct s3_http {
	CURLSH *share; /* names of hosts and TLS sessions; connections are not: curl cannot share them between threads
			*/
	pthread_mutex_t share_locks[CURL_LOCK_DATA_LAST];
	char *ca_bundle;
	const struct cancel *cancel;
	struct s3_pace pace;
	pthread_mutex_t lock; /* the idle handles */
	CURL *idle[IDLE_MAX];
	size_t n_idle;
};

/* One exchange under way. */
struct transfer {
	struct s3_http *http;
	const struct s3_exchange *exchange;
	struct s3_answer *answer;
	CURL *curl;
	size_t sent;
	uint64_t cancelled_ns; /* when the wish to stop was first seen; 0 */
	char reason[CURL_ERROR_SIZE];
};

static bool curl_is_ready;

static void prepare_curl(void)
{
	curl_is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static void lock_share(CURL *curl, curl_lock_data data, curl_lock_access access, void *arg)
{
	(void)curl;
	(void)access;
	struct s3_http *http = arg;
	pthread_mutex_lock(&http->share_locks[data]);
}

static void unlock_share(CURL *curl, curl_lock_data data, void *arg)
{
	(void)curl;
	struct s3_http *http = arg;
	pthread_mutex_unlock(&http->share_locks[data]);
}

static bool make_share(struct s3_http *http)
{
	http->share = curl_share_init();
	return http->share && curl_share_setopt(http->share, CURLSHOPT_USERDATA, http) == CURLSHE_OK &&
	       curl_share_setopt(http->share, CURLSHOPT_LOCKFUNC, lock_share) == CURLSHE_OK &&
	       curl_share_setopt(http->share, CURLSHOPT_UNLOCKFUNC, unlock_share) == CURLSHE_OK &&
	       curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) == CURLSHE_OK &&
	       curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK;
}

struct s3_http *s3_http_new(const struct s3_http_options *options, struct err **errp)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, prepare_curl);
	struct s3_http *http = curl_is_ready ? calloc(1, sizeof(*http)) : NULL;
	if (!http) {
		err_set_no_memory(errp);
		return NULL;
	}
	pthread_mutex_init(&http->lock, NULL);
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_init(&http->share_locks[i], NULL);
	s3_pace_init(&http->pace, options->rate);
	http->cancel = options->cancel;
	http->ca_bundle = options->ca_bundle ? strdup(options->ca_bundle) : NULL;
	if (!make_share(http) || (options->ca_bundle && !http->ca_bundle)) {
		s3_http_free(http);
		err_set_no_memory(errp);
		return NULL;
	}
	return http;
}

void s3_http_free(struct s3_http *http)
{
	if (!http)
		return;
	while (http->n_idle > 0)
		curl_easy_cleanup(http->idle[--http->n_idle]);
	curl_share_cleanup(http->share);
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_destroy(&http->share_locks[i]);
	pthread_mutex_destroy(&http->lock);
	s3_pace_release(&http->pace);
	free(http->ca_bundle);
	free(http);
}

/* The one used last, whose connection is the least likely to have been closed. */
static CURL *take_handle(struct s3_http *http)
{
	pthread_mutex_lock(&http->lock);
	CURL *curl = http->n_idle > 0 ? http->idle[--http->n_idle] : NULL;
	pthread_mutex_unlock(&http->lock);
	return curl ? curl : curl_easy_init();
}

static void give_back(struct s3_http *http, CURL *curl)
{
	curl_easy_reset(curl); /* keeps the connection */
	pthread_mutex_lock(&http->lock);
	if (http->n_idle < IDLE_MAX)
		http->idle[http->n_idle++] = STEAL(&curl);
	pthread_mutex_unlock(&http->lock);
	curl_easy_cleanup(curl);
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct transfer *transfer = arg;
	s3_headers_line(&transfer->answer->headers, SPAN(line, size * n));
	return size * n;
}

static bool keep_part(struct transfer *transfer, const char *data, size_t len)
{
	const struct s3_exchange *exchange = transfer->exchange;
	struct s3_answer *answer = transfer->answer;
	if (len > exchange->room - answer->len)
		return false;
	memcpy((char *)exchange->data + answer->len, data, len);
	answer->len += len;
	return true;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct transfer *transfer = arg;
	struct s3_answer *answer = transfer->answer;
	const size_t len = size * n;
	long status = 0;
	curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 206 && transfer->exchange->data) {
		answer->too_long = !keep_part(transfer, data, len);
	} else {
		bytes_put(&answer->text, data, len);
		answer->too_long = !bytes_ok(&answer->text);
	}
	if (answer->too_long)
		return 0;
	s3_pace_wait(&transfer->http->pace, len);
	return len;
}

static size_t on_upload(char *to, size_t size, size_t n, void *arg)
{
	struct transfer *transfer = arg;
	const struct span body = transfer->exchange->body;
	const size_t left = body.len - transfer->sent, room = size * n;
	const size_t len = s3_pace_piece(&transfer->http->pace, left < room ? left : room);
	if (len > 0)
		memcpy(to, (const char *)body.data + transfer->sent, len);
	transfer->sent += len;
	s3_pace_wait(&transfer->http->pace, len);
	return len;
}

/* A kept connection that turns out to be dead is replaced, and the body sent again. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct transfer *transfer = arg;
	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > transfer->exchange->body.len)
		return CURL_SEEKFUNC_FAIL;
	transfer->sent = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	(void)down_total, (void)down, (void)up_total, (void)up;
	struct transfer *transfer = arg;
	const struct cancel *cancel = transfer->http->cancel;
	if (!cancel || !cancel_requested(cancel))
		return 0;
	const uint64_t now = clock_monotonic_ns();
	if (transfer->cancelled_ns == 0)
		transfer->cancelled_ns = now;
	const uint64_t grace = transfer->exchange->body.len > 0 ? PUT_GRACE_SECONDS : GET_GRACE_SECONDS;
	return now - transfer->cancelled_ns > grace * UINT64_C(1000000000);
}

static struct curl_slist *header_lines(const struct s3_exchange *exchange)
{
	/* Not asking whether a body is welcome saves a round trip. */
	struct curl_slist *lines = curl_slist_append(NULL, "Expect:");
	for (size_t i = 0; lines && i < exchange->n_headers; i++) {
		AUTO(freep) char *line = file_format("%s: %s", exchange->headers[i].name, exchange->headers[i].value);
		struct curl_slist *longer = line ? curl_slist_append(lines, line) : NULL;
		if (!longer)
			curl_slist_free_all(lines);
		lines = longer;
	}
	return lines;
}

static bool set_callbacks(CURL *curl, struct transfer *transfer)
{
	return curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->reason) == CURLE_OK;
}

static bool set_upload(CURL *curl, struct transfer *transfer)
{
	return curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)transfer->exchange->body.len) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_upload) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_READDATA, transfer) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SEEKDATA, transfer) == CURLE_OK;
}

static bool set_patience(CURL *curl, const struct s3_exchange *exchange)
{
	if (exchange->impatient)
		return curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)IMPATIENT_CONNECT_MS) == CURLE_OK &&
		       curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)IMPATIENT_MS) == CURLE_OK &&
		       curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK;
	return curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SILENT_SECONDS) == CURLE_OK;
}

static bool set_connection(CURL *curl, const struct s3_http *http)
{
	const size_t buffer = s3_pace_piece(&http->pace, DOWNLOAD_BUFFER);
	return curl_easy_setopt(curl, CURLOPT_SHARE, http->share) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)(buffer < 1024 ? 1024 : buffer)) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
	       (!http->ca_bundle || curl_easy_setopt(curl, CURLOPT_CAINFO, http->ca_bundle) == CURLE_OK);
}

static bool set_up(CURL *curl, struct transfer *transfer, struct curl_slist *lines)
{
	const struct s3_exchange *exchange = transfer->exchange;
	const bool upload = strcmp(exchange->method, "PUT") == 0;
	return set_connection(curl, transfer->http) && set_callbacks(curl, transfer) && set_patience(curl, exchange) &&
	       (!upload || set_upload(curl, transfer)) &&
	       curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, exchange->method) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_URL, exchange->url) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines) == CURLE_OK;
}

/* What no second try mends. */
static bool is_hopeless(CURLcode code)
{
	switch (code) {
	case CURLE_OUT_OF_MEMORY:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_ABORTED_BY_CALLBACK:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		return true;
	default:
		return false;
	}
}

static enum s3_outcome failed(const struct transfer *transfer, CURLcode code, struct err **errp)
{
	const char *reason = transfer->reason[0] ? transfer->reason : curl_easy_strerror(code);
	if (code == CURLE_OUT_OF_MEMORY)
		err_set_no_memory(errp);
	else if (code == CURLE_ABORTED_BY_CALLBACK)
		err_set(errp, ERR_CANCELLED, "interrupted");
	else if (code == CURLE_PEER_FAILED_VERIFICATION)
		err_set(errp, ERR_DENIED,
			"its certificate is not trusted (%s); a private authority's certificate is named by "
			"AWS_CA_BUNDLE",
			reason);
	else if (code == CURLE_SSL_CONNECT_ERROR)
		err_set(errp, ERR_GONE, "no TLS connection comes about (%s): does it speak TLS at that port?", reason);
	else if (code == CURLE_SSL_CACERT_BADFILE)
		err_set(errp, ERR_FAILED, "the file of trusted certificates cannot be used (%s): AWS_CA_BUNDLE",
			reason);
	else
		err_set(errp, ERR_GONE, "%s", reason);
	return is_hopeless(code) ? S3_HOPELESS : S3_LOST;
}

/* A part that is shorter than its own header says was cut off where nobody noticed. */
static bool is_cut_off(const struct s3_exchange *exchange, const struct s3_answer *answer)
{
	const struct s3_headers *headers = &answer->headers;
	return answer->status == 206 && exchange->data && !answer->too_long && headers->has_range &&
	       answer->len != headers->last - headers->first + 1;
}

static enum s3_outcome perform(struct transfer *transfer, struct err **errp)
{
	struct s3_answer *answer = transfer->answer;
	struct curl_slist *lines = header_lines(transfer->exchange);
	if (!lines || !set_up(transfer->curl, transfer, lines)) {
		curl_slist_free_all(lines);
		err_set_no_memory(errp);
		return S3_HOPELESS;
	}
	CURLcode code = curl_easy_perform(transfer->curl);
	curl_slist_free_all(lines);
	curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	if (code != CURLE_OK && !answer->too_long)
		return failed(transfer, code, errp);
	if (!is_cut_off(transfer->exchange, answer))
		return S3_ANSWERED;
	err_set(errp, ERR_GONE, "the answer was cut off");
	return S3_LOST;
}

enum s3_outcome s3_http_exchange(struct s3_http *http, const struct s3_exchange *exchange, struct s3_answer *ret,
				 struct err **errp)
{
	*ret = (struct s3_answer){0};
	bytes_init(&ret->text, exchange->text_max);
	struct transfer transfer = {.http = http, .exchange = exchange, .answer = ret, .curl = take_handle(http)};
	if (!transfer.curl) {
		err_set_no_memory(errp);
		return S3_HOPELESS;
	}
	enum s3_outcome outcome = perform(&transfer, errp);
	if (outcome == S3_ANSWERED)
		give_back(http, transfer.curl);
	else
		/* curl 7.88 keeps buffers of some failures, and then takes no new settings for them. */
		curl_easy_cleanup(transfer.curl);
	return outcome;
}

void s3_answer_release(struct s3_answer *answer)
{
	bytes_release(&answer->text);
}
