/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/err.h"
#include "cli/passphrase.h"
#include "cli/report.h"
#include "cli/run.h"

static bool check_recovery_key(const struct options *options, struct err **errp)
{
	if (options->recovery_key && options->no_recovery_key)
		return err_set(errp, ERR_USAGE, "--recovery-key and --no-recovery-key contradict each other");
	if (options->recovery_key || options->no_recovery_key)
		return true;
	return err_set(errp, ERR_USAGE,
		       "where is the recovery key to go? Say --recovery-key FILE; without one, whoever loses the "
		       "passphrase loses everything (--no-recovery-key accepts that)");
}

static bool report(struct context *context, const struct repository_init *init, struct err **errp)
{
	if (context->options.json) {
		struct json *json = json_new_object();
		json_set(json, "repository", json_new_text(init->url));
		json_set(json, "owner", json_new_text(init->owner_name));
		json_set(json, "recovery_key", json_new_text(init->recovery_key_file));
		return report_json(context, json, errp);
	}
	printf("Made the repository %s, which the passphrase opens.\n", init->url);
	if (init->recovery_key_file)
		printf("The recovery key is in %s. Whoever has it can read everything, and without it a forgotten\n"
		       "passphrase is the end of all backups: move it to a safe place away from this machine, and "
		       "leave no copy here.\n",
		       init->recovery_key_file);
	else
		printf("There is no recovery key: a forgotten passphrase is the end of all backups.\n");
	return true;
}

bool run_init(struct context *context, struct err **errp)
{
	AUTO(passphrase_wipe) struct passphrase passphrase = {0};
	const struct options *options = &context->options;
	struct repository_init init = {
		.url = context_repository_url(context, errp),
		.owner_name = options->owner ? options->owner : "owner",
		.recovery_key_file = options->recovery_key,
		.single_writer = options->single_writer,
		.cancel = &context->cancel,
	};
	if (!init.url || !check_recovery_key(options, errp))
		return false;
	if (!passphrase_get_new(context->conf.passphrase_file, &context->cancel, &passphrase, errp))
		return context_explain_interruption(errp, "nothing was made");
	init.passphrase = passphrase_span(&passphrase);
	return repository_init(&init, errp) && report(context, &init, errp);
}
