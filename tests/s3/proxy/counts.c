/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/s3/proxy/counts.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { SUMS_MAX = KINDS * 20 };

struct sum {
	enum kind kind;
	char class[8];
	uint64_t requests, sent, received;
};

static struct sum sums[SUMS_MAX];
static size_t sum_count;
static FILE *log_file;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

bool counts_open_log(const char *path)
{
	log_file = fopen(path, "ae");
	return log_file && setvbuf(log_file, NULL, _IOLBF, 0) == 0;
}

static struct sum *find_sum(const struct request *request)
{
	struct sum *sum;

	for (size_t i = 0; i < sum_count; i++) {
		if (sums[i].kind == request->kind && strcmp(sums[i].class, request->class) == 0)
			return &sums[i];
	}
	sum = &sums[sum_count++];
	sum->kind = request->kind;
	memcpy(sum->class, request->class, sizeof(sum->class));
	return sum;
}

static void write_log(const struct request *request, const struct outcome *outcome)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	fprintf(log_file, "%jd.%03ld %s %d %s %s%s%s %" PRIu64 " %" PRIu64 "\n", (intmax_t)now.tv_sec,
		now.tv_nsec / 1000000, outcome->action, outcome->status, request->method, request->target,
		request->range[0] ? " " : "", request->range, outcome->sent, outcome->received);
}

void counts_add(const struct request *request, const struct outcome *outcome)
{
	struct sum *sum;

	pthread_mutex_lock(&lock);
	sum = find_sum(request);
	sum->requests++;
	sum->sent += outcome->sent;
	sum->received += outcome->received;
	if (log_file)
		write_log(request, outcome);
	pthread_mutex_unlock(&lock);
}

void counts_reset(void)
{
	pthread_mutex_lock(&lock);
	memset(sums, 0, sizeof(sums));
	sum_count = 0;
	pthread_mutex_unlock(&lock);
}

void counts_print(FILE *to)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < sum_count; i++)
		fprintf(to, "%s %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", kind_name(sums[i].kind), sums[i].class,
			sums[i].requests, sums[i].sent, sums[i].received);
	pthread_mutex_unlock(&lock);
}
