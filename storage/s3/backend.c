/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/backend.h"

#include <stdlib.h>

#include "base/compiler.h"
#include "base/err.h"
#include "storage/s3/backend_internal.h"
#include "storage/s3/url.h"

enum { IN_FLIGHT = 32 }; /* what a gate lets through when nothing is in the way */

static void s3_free(struct backend *backend)
{
	struct s3 *s3 = s3_of(backend);
	s3_client_free(s3->client);
	s3_version_cache_release(&s3->cache);
	free(s3);
}

/* Whoever only reads needs no rule; who writes is told when the first object is. */
static void use_rule(struct backend *backend, enum create_once rule)
{
	struct s3 *s3 = s3_of(backend);
	s3->rule = rule;
	if (rule == CREATE_ONCE_OLDEST)
		atomic_store(&s3->versions, true);
}

static enum create_once rule_of(const struct backend *backend)
{
	return ((const struct s3 *)backend)->rule;
}

static const struct backend_ops s3_ops = {
	.put_once = s3_put_once,
	.get = s3_get,
	.get_range = s3_get_range,
	.get_tail = s3_get_tail,
	.size = s3_size,
	.list = s3_list,
	.remove = s3_remove,
	.create_once = rule_of,
	.use_create_once = use_rule,
	.free = s3_free,
};

static struct s3 *s3_new(const char *url, const struct backend_options *options, struct err **errp)
{
	AUTO(s3_url_release) struct s3_url parsed = {0};
	const struct s3_client_options client = {.rate = options->limit_rate, .cancel = options->cancel};
	if (!s3_url_parse(url, &parsed, errp)) {
		AUTO(freep) char *shown = s3_url_shown(url);
		err_prefix(errp, "'%s'", shown ? shown : "");
		return NULL;
	}
	struct s3 *s3 = calloc(1, sizeof(*s3));
	if (!s3) {
		err_set_no_memory(errp);
		return NULL;
	}
	s3->backend = (struct backend){.ops = &s3_ops, .in_flight = IN_FLIGHT};
	s3_version_cache_init(&s3->cache);
	s3->client = s3_client_new(&parsed, &client, errp);
	return s3;
}

struct backend *backend_s3_open(const char *url, const struct backend_options *options, struct err **errp)
{
	struct s3 *s3 = s3_new(url, options, errp);
	if (!s3)
		return NULL;
	if (s3->client && s3_learn_versioning(s3, errp) &&
	    (!options->create || s3_probe(s3, options->single_writer, errp)))
		return &s3->backend;
	s3_free(&s3->backend);
	return NULL;
}

bool backend_s3_speaks(const char *url)
{
	return s3_url_is_one(url);
}
