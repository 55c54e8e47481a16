/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

const char *const global_about =
	"salvor saves virtual machines. It knows which blocks of a machine's disks changed, stores only those, "
	"compressed and encrypted, in a repository, and brings any recovery point back: as files, over NBD, or as a "
	"machine that boots straight from the repository. A repository and one key are enough; no daemon is needed.\n\n"
	"A point is named WORKLOAD@latest, or WORKLOAD@TIME for the newest that is not after TIME (a date, or a date "
	"and a time as in 2026-11-22T07:00; without a zone it is local), or by the first 6 or more digits of its "
	"id.\n\n"
	"Options of all verbs stand before or behind the verb. What is said on the command line counts before the "
	"environment, and the environment before the configuration.";

const struct option_spec global_options[] = {
	{.name = "repo",
	 .kind = OPTION_TEXT,
	 .argument = "URL",
	 .fallback = "SALVOR_REPO, or repo in the configuration",
	 .text = "the repository: a folder, or a bucket as s3://BUCKET/PREFIX or s3+https://HOST[:PORT]/BUCKET/PREFIX; "
		 "behind it "
		 "may stand ?region=NAME and ?style=path or ?style=host, joined by '&'",
	 .completion = COMPLETE_FOLDER,
	 .offset = offsetof(struct options, repo)},
	{.name = "key",
	 .kind = OPTION_TEXT,
	 .argument = "FILE",
	 .fallback = "SALVOR_KEY_FILE; without a key file, the passphrase is asked for",
	 .text = "the file with a host's key or with the recovery key",
	 .completion = COMPLETE_FILE,
	 .offset = offsetof(struct options, key)},
	{.name = "limit-rate",
	 .kind = OPTION_TEXT,
	 .argument = "RATE",
	 .fallback = "limit_rate in the configuration, else as fast as it goes",
	 .text = "move at most so many bytes a second to and from a bucket, as 20M; each machine that is booted moves "
		 "as many of its own",
	 .offset = offsetof(struct options, limit_rate)},
	{.name = "json",
	 .kind = OPTION_FLAG,
	 .text = "print exactly one JSON object on standard output, also on failure",
	 .offset = offsetof(struct options, json)},
	{.name = "verbose",
	 .letter = 'v',
	 .kind = OPTION_FLAG,
	 .text = "say on standard error what is being done",
	 .offset = offsetof(struct options, verbose)},
	{.name = "quiet",
	 .letter = 'q',
	 .kind = OPTION_FLAG,
	 .text = "no progress and no notes; results, warnings and failures are still said",
	 .offset = offsetof(struct options, quiet)},
	{.name = "help",
	 .letter = 'h',
	 .kind = OPTION_QUESTION,
	 .text = "explain the verb, or salvor as a whole",
	 .offset = offsetof(struct options, help)},
	{.name = "version",
	 .kind = OPTION_QUESTION,
	 .text = "print the version",
	 .offset = offsetof(struct options, version)},
	{0},
};

const struct place_spec global_environment[] = {
	{"SALVOR_REPO", "the repository, as --repo"},
	{"SALVOR_KEY_FILE", "the key file, as --key"},
	{"SALVOR_PASSPHRASE_FILE", "a file that holds the passphrase; one line feed at its end does not belong to it"},
	{"SALVOR_PASSPHRASE", "the passphrase; who may look at the process may read it, so a file is better"},
	{"SALVOR_CONFIG", "the configuration file, which must exist then"},
	{"SALVOR_STATE_DIR",
	 "what is remembered of repositories; losing it is safe and makes the next backup slower. With "
	 "/dev/null nothing is remembered and nothing is compared with it, which is for reading"},
	{"SALVOR_CACHE_DIR",
	 "what was found out about this host's QEMU, and at most 1 GiB of what was fetched from repositories far away; "
	 "may be deleted at any time"},
	{"AWS_ACCESS_KEY_ID",
	 "the access key for a bucket, with AWS_SECRET_ACCESS_KEY and, where it expires, AWS_SESSION_TOKEN"},
	{"AWS_PROFILE",
	 "the section of ~/.aws/credentials and ~/.aws/config that counts, where the keys are not in the environment"},
	{"AWS_REGION", "the region of a bucket, where the URL names none; else AWS_DEFAULT_REGION, else the profile's"},
	{"AWS_ENDPOINT_URL_S3",
	 "the service that s3:// means, as https://HOST[:PORT]; else AWS_ENDPOINT_URL, else Amazon's"},
	{"AWS_CA_BUNDLE", "the certificates to trust instead of the system's, for a service with a private authority"},
	{0},
};

const struct place_spec global_files[] = {
	{"~/.config/salvor/salvor.conf", "the configuration; $XDG_CONFIG_HOME is heeded"},
	{"/etc/salvor/salvor.conf", "the configuration, where a user has none"},
	{"~/.aws/credentials", "keys for buckets; AWS_SHARED_CREDENTIALS_FILE names another file"},
	{"~/.aws/config", "keys, regions and endpoints; AWS_CONFIG_FILE names another file"},
	{"/var/lib/salvor", "SALVOR_STATE_DIR of root; of others $XDG_STATE_HOME/salvor or ~/.local/state/salvor"},
	{"/var/cache/salvor", "SALVOR_CACHE_DIR of root; of others $XDG_CACHE_HOME/salvor or ~/.cache/salvor"},
	{0},
};
