/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "cli/terminal.h"

#define FILE_VARIABLE "SALVOR_PASSPHRASE_FILE"
#define VARIABLE "SALVOR_PASSPHRASE"

bool passphrase_in_environment(void)
{
	return getenv(FILE_VARIABLE) || getenv(VARIABLE);
}

static bool check(const struct passphrase *passphrase, const char *source, struct err **errp)
{
	if (passphrase->len == 0)
		return err_set(errp, ERR_DENIED, "the passphrase %s is empty", source);
	if (passphrase->len > PASSPHRASE_MAX)
		return err_set(errp, ERR_DENIED, "the passphrase %s is longer than %d bytes", source, PASSPHRASE_MAX);
	return true;
}

static bool ends_with(const struct passphrase *passphrase, char byte)
{
	return passphrase->len > 0 && passphrase->bytes[passphrase->len - 1] == byte;
}

static void strip_line_end(struct passphrase *passphrase)
{
	if (!ends_with(passphrase, '\n'))
		return;
	passphrase->len--;
	if (ends_with(passphrase, '\r'))
		passphrase->len--;
}

/* Of any kind, also a pipe from a password manager. */
static bool read_file(const char *path, struct passphrase *ret, struct err **errp)
{
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(errp, errno, "passphrase file '%s'", path);
	ret->len = 0;
	while (ret->len < sizeof(ret->bytes)) {
		ssize_t n = read(fd, ret->bytes + ret->len, sizeof(ret->bytes) - ret->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(errp, errno, "passphrase file '%s'", path);
		if (n == 0)
			break;
		ret->len += (size_t)n;
	}
	strip_line_end(ret);
	AUTO(freep) char *source = file_format("in '%s'", path);
	return source ? check(ret, source, errp) : err_set_no_memory(errp);
}

/* Taken out of the environment, so that no program that is started later, QEMU among them, inherits it. */
static bool take_variable(char *value, struct passphrase *ret, struct err **errp)
{
	size_t len = strlen(value);
	ret->len = len < sizeof(ret->bytes) ? len : sizeof(ret->bytes);
	memcpy(ret->bytes, value, ret->len);
	explicit_bzero(value, len);
	unsetenv(VARIABLE);
	strip_line_end(ret);
	return check(ret, "in " VARIABLE, errp);
}

static bool ask(const char *question, const struct cancel *cancel, struct passphrase *ret, struct err **errp)
{
	if (terminal_ask_secret(question, cancel, ret->bytes, sizeof(ret->bytes), &ret->len, errp))
		return check(ret, "that was typed", errp);
	if (err_code(*errp) != ERR_NOT_FOUND)
		return false;
	err_clear(errp);
	return err_set(errp, ERR_DENIED,
		       "no key was given, and there is no terminal to ask for the passphrase: say --key FILE, or "
		       "set " FILE_VARIABLE);
}

static bool ask_twice(const struct cancel *cancel, struct passphrase *ret, struct err **errp)
{
	AUTO(passphrase_wipe) struct passphrase again = {0};
	if (!ask("New passphrase: ", cancel, ret, errp) || !ask("The same again: ", cancel, &again, errp))
		return false;
	if (ret->len == again.len && bytes_equal_secret(ret->bytes, again.bytes, ret->len))
		return true;
	return err_set(errp, ERR_DENIED, "the two passphrases differ; nothing was made");
}

static bool get(const char *conf_file, bool is_new, const struct cancel *cancel, struct passphrase *ret,
		struct err **errp)
{
	const char *file = getenv(FILE_VARIABLE);
	char *value = getenv(VARIABLE);
	if (file)
		return read_file(file, ret, errp);
	if (value)
		return take_variable(value, ret, errp);
	if (conf_file)
		return read_file(conf_file, ret, errp);
	return is_new ? ask_twice(cancel, ret, errp) : ask("Passphrase: ", cancel, ret, errp);
}

bool passphrase_get(const char *conf_file, const struct cancel *cancel, struct passphrase *ret, struct err **errp)
{
	return get(conf_file, false, cancel, ret, errp);
}

bool passphrase_get_new(const char *conf_file, const struct cancel *cancel, struct passphrase *ret, struct err **errp)
{
	return get(conf_file, true, cancel, ret, errp);
}

struct span passphrase_span(const struct passphrase *passphrase)
{
	return SPAN(passphrase->bytes, passphrase->len);
}

void passphrase_wipe(struct passphrase *passphrase)
{
	explicit_bzero(passphrase, sizeof(*passphrase));
}
