/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials that a neighbour hands out: the agent of a container, or the metadata service of an instance. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "storage/crypto.h"
#include "storage/s3/credentials_internal.h"
#include "storage/s3/http.h"

enum { DOCUMENT_MAX = 64 << 10, ROLE_MAX = 128 };

#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST "http://169.254.169.254"
#define TOKEN_SECONDS "300"

static const char *environment(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

static char *copy_text(const struct json *json, const char *name)
{
	const char *text = json_get_text(json, name);
	return text && *text ? strdup(text) : NULL;
}

bool s3_credentials_parse(struct span document, struct s3_credentials *ret, struct err **errp)
{
	AUTO(freep) char *text = strndup(document.len > 0 ? document.data : "", document.len);
	AUTO(json_freep) struct json *json = text ? json_parse(text, "credentials", errp) : NULL;
	if (!text)
		return err_set_no_memory(errp);
	if (!json)
		return false;
	const char *expires = json_get_text(json, "Expiration");
	struct s3_credentials found = {.access_key = copy_text(json, "AccessKeyId"),
				       .secret = copy_text(json, "SecretAccessKey"),
				       .token = copy_text(json, "Token")};
	crypto_wipe(text, strlen(text));
	if (!found.access_key || !found.secret || (expires && !clock_parse(expires, &found.expires_ns))) {
		s3_credentials_release(&found);
		return err_set(errp, ERR_FAILED, "the answer has no credentials in it");
	}
	*ret = found;
	return true;
}

/* The body of an answer that must be 200. */
static enum s3_outcome ask(struct s3_http *http, const char *method, const char *url, const struct s3_header *header,
			   struct s3_answer *ret, struct err **errp)
{
	const struct s3_exchange exchange = {.method = method,
					     .url = url,
					     .headers = header,
					     .n_headers = header && header->value ? 1 : 0,
					     .text_max = DOCUMENT_MAX,
					     .impatient = true};
	enum s3_outcome outcome = s3_http_exchange(http, &exchange, ret, errp);
	if (outcome != S3_ANSWERED || (ret->status == 200 && !ret->too_long))
		return outcome;
	err_set(errp, ERR_FAILED, "it answers with status %ld", ret->status);
	return S3_HOPELESS;
}

bool s3_container_address_is_safe(const char *url)
{
	static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23"};
	if (strncmp(url, "https://", 8) == 0)
		return true;
	if (strncmp(url, "http://", 7) != 0)
		return false;
	const char *host = url + 7;
	const size_t len = *host == '[' ? strcspn(host, "]/?#@") + 1 : strcspn(host, ":/?#@");
	for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++)
		if (strlen(hosts[i]) == len && memcmp(host, hosts[i], len) == 0)
			return !memchr(host, '@', strcspn(host, "/?#"));
	return false;
}

/* The text of a token, from the variable or from the file that another one names. */
static bool container_token(char **ret, struct err **errp)
{
	const char *path = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *said = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	AUTO(bytes_release) struct bytes text = {0};
	*ret = NULL;
	if (!path && !said)
		return true;
	if (path && !file_read_all(path, DOCUMENT_MAX, &text, errp))
		return false;
	*ret = path ? strndup((const char *)text.data, text.len) : strdup(said);
	if (!*ret)
		return err_set_no_memory(errp);
	(*ret)[strcspn(*ret, "\r\n")] = '\0';
	return true;
}

static char *container_address(void)
{
	const char *relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	return relative ? file_format(CONTAINER_HOST "%s", relative) : strdup(full ? full : "");
}

bool s3_credentials_of_container(struct s3_http *http, struct s3_credentials *ret, struct err **errp)
{
	AUTO(s3_answer_release) struct s3_answer answer = {0};
	AUTO(freep) char *token = NULL;
	AUTO(freep) char *url = container_address();
	if (!url)
		return err_set_no_memory(errp);
	if (!*url)
		return true;
	if (!s3_container_address_is_safe(url))
		return err_set(errp, ERR_DENIED,
			       "AWS_CONTAINER_CREDENTIALS_FULL_URI leads away from this machine without TLS: %s", url);
	if (!container_token(&token, errp))
		return false;
	const struct s3_header header = {"Authorization", token};
	if (ask(http, "GET", url, &header, &answer, errp) != S3_ANSWERED)
		return err_prefix(errp, "credentials of the container, from %s", url);
	return s3_credentials_parse(bytes_span(&answer.text), ret, errp) ||
	       err_prefix(errp, "credentials of the container, from %s", url);
}

/* A line of text, as a new string. */
static char *line_of(const struct s3_answer *answer)
{
	const char *text = (const char *)answer->text.data;
	char *line = strndup(text ? text : "", text ? answer->text.len : 0);
	if (line)
		line[strcspn(line, "\r\n")] = '\0';
	return line;
}

static const char *instance_host(void)
{
	const char *said = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	return said ? said : INSTANCE_HOST;
}

static enum s3_outcome ask_instance(struct s3_http *http, const char *path, const char *token, struct s3_answer *ret,
				    struct err **errp)
{
	AUTO(freep) char *url = file_format("%s/latest/%s", instance_host(), path);
	const struct s3_header renew = {"X-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS};
	const struct s3_header with = {"X-aws-ec2-metadata-token", token};
	if (!url) {
		err_set_no_memory(errp);
		return S3_HOPELESS;
	}
	return ask(http, token ? "GET" : "PUT", url, token ? &with : &renew, ret, errp);
}

#define ROLES "meta-data/iam/security-credentials/"

static bool of_role(struct s3_http *http, const char *token, const char *role, struct s3_credentials *ret,
		    struct err **errp)
{
	AUTO(s3_answer_release) struct s3_answer answer = {0};
	AUTO(freep) char *path = file_format(ROLES "%s", role);
	if (!path)
		return err_set_no_memory(errp);
	return ask_instance(http, path, token, &answer, errp) == S3_ANSWERED &&
	       s3_credentials_parse(bytes_span(&answer.text), ret, errp);
}

/* Where nobody answers, or no role is given to the instance, there is no such source. */
bool s3_credentials_of_instance(struct s3_http *http, struct s3_credentials *ret, struct err **errp)
{
	AUTO(s3_answer_release) struct s3_answer answer = {0};
	AUTO(s3_answer_release) struct s3_answer roles = {0};
	AUTO(err_freep) struct err *absent = NULL;
	const char *disabled = environment("AWS_EC2_METADATA_DISABLED");
	if ((disabled && strcasecmp(disabled, "true") == 0) ||
	    ask_instance(http, "api/token", NULL, &answer, &absent) != S3_ANSWERED)
		return true;
	AUTO(freep) char *token = line_of(&answer);
	if (!token)
		return err_set_no_memory(errp);
	if (ask_instance(http, ROLES, token, &roles, &absent) != S3_ANSWERED)
		return true;
	AUTO(freep) char *role = line_of(&roles);
	if (!role)
		return err_set_no_memory(errp);
	if (!*role || strlen(role) > ROLE_MAX || strpbrk(role, "/?# "))
		return true;
	return of_role(http, token, role, ret, errp) ||
	       err_prefix(errp, "credentials of the instance's role '%s'", role);
}
