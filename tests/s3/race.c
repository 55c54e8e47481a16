/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writers race for the same object, again and again: each round one of them creates it, all others are told that it is
 * there, and all read the winner's bytes.
 *
 *	s3_race URL WRITERS ROUNDS [unsure]
 *
 * With "unsure" a writer may also fail otherwise, as on a bad network; then nobody needs to win, but never do two, and
 * a writer that does not know reads the same as all others.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "storage/backend.h"
#include "storage/config.h"

enum { WRITERS_MAX = 64, BODY_SIZE = 64 };

enum outcome { WON, LOST, UNSURE };

struct race {
	const char *url;
	unsigned writers, rounds;
	uint64_t salt; /* so that a second race in the same bucket has names of its own */
	pthread_barrier_t barrier;
};

struct writer {
	struct race *race;
	unsigned number, round;
	struct backend *backend;
	enum outcome outcome;
	char read[BODY_SIZE]; /* what it found there afterwards; empty: nothing */
	char message[512];
	pthread_t thread;
};

static void keep_message(struct writer *writer, struct err **errp)
{
	snprintf(writer->message, sizeof(writer->message), "%s", err_message(*errp));
	err_clear(errp);
}

static void try_to_create(struct writer *writer, const char *name)
{
	AUTO(err_freep) struct err *err = NULL;
	char body[BODY_SIZE];
	int len = snprintf(body, sizeof(body), "writer %u in round %u", writer->number, writer->round);

	if (backend_put_once(writer->backend, name, SPAN(body, (size_t)len), &err)) {
		writer->outcome = WON;
		return;
	}
	writer->outcome = err_code(err) == ERR_EXISTS ? LOST : UNSURE;
	keep_message(writer, &err);
}

static void look(struct writer *writer, const char *name)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes body = {0};

	writer->read[0] = '\0';
	if (backend_get(writer->backend, name, BODY_SIZE - 1, &body, &err))
		snprintf(writer->read, sizeof(writer->read), "%.*s", (int)body.len, (const char *)body.data);
	else
		keep_message(writer, &err);
}

/* Two barriers a round: one to begin together, one behind which everything is decided; a third lets the judge look. */
static void *run_writer(void *arg)
{
	struct writer *writer = arg;
	struct race *race = writer->race;

	for (writer->round = 0; writer->round < race->rounds; writer->round++) {
		char name[64];
		snprintf(name, sizeof(name), "c/%016" PRIx64 "%016x", race->salt, writer->round + 1);
		pthread_barrier_wait(&race->barrier);
		try_to_create(writer, name);
		pthread_barrier_wait(&race->barrier);
		look(writer, name);
		pthread_barrier_wait(&race->barrier);
		pthread_barrier_wait(&race->barrier);
	}
	return NULL;
}

static bool complain(unsigned round, const char *what, const struct writer *writer)
{
	fprintf(stderr, "round %u: %s (writer %u read '%s', was told '%s')\n", round, what, writer->number,
		writer->read, writer->message);
	return false;
}

static bool judge_creation(const struct race *race, const struct writer *writers, unsigned round, bool may_be_unsure,
			   const struct writer **ret_winner)
{
	*ret_winner = NULL;
	for (unsigned i = 0; i < race->writers; i++) {
		if (writers[i].outcome == UNSURE && !may_be_unsure)
			return complain(round, "failed", &writers[i]);
		if (writers[i].outcome == WON && *ret_winner)
			return complain(round, "there is a second winner", &writers[i]);
		if (writers[i].outcome == WON)
			*ret_winner = &writers[i];
	}
	return *ret_winner || may_be_unsure || complain(round, "nobody won", &writers[0]);
}

static bool judge(const struct race *race, const struct writer *writers, unsigned round, bool may_be_unsure)
{
	const struct writer *winner;
	char expected[BODY_SIZE] = "";

	if (!judge_creation(race, writers, round, may_be_unsure, &winner))
		return false;
	if (winner)
		snprintf(expected, sizeof(expected), "writer %u in round %u", winner->number, round);
	for (unsigned i = 0; i < race->writers; i++) {
		const char *read = writers[i].read;
		if (read[0] == '\0' && may_be_unsure)
			continue;
		if (expected[0] == '\0')
			snprintf(expected, sizeof(expected), "%s", read);
		if (strcmp(read, expected) != 0)
			return complain(round, "the bytes of another were read", &writers[i]);
	}
	return true;
}

/* Opened as a repository is: its config says by what rule a name is decided. */
static struct backend *open_repository(const char *url, struct err **errp)
{
	AUTO(backend_freep) struct backend *backend = backend_open(url, &(struct backend_options){0}, errp);
	AUTO(bytes_release) struct bytes object = {0};
	struct config config;

	if (!backend || !backend_get(backend, CONFIG_NAME, CONFIG_SIZE, &object, errp) ||
	    !config_parse(bytes_span(&object), &config, errp))
		return NULL;
	backend_use_create_once(backend, config.create_once);
	return STEAL(&backend);
}

static bool start(struct race *race, struct writer *writers)
{
	for (unsigned i = 0; i < race->writers; i++) {
		AUTO(err_freep) struct err *err = NULL;
		writers[i] = (struct writer){.race = race, .number = i};
		writers[i].backend = open_repository(race->url, &err);
		if (!writers[i].backend) {
			fprintf(stderr, "%s\n", err_message(err));
			return false;
		}
	}
	for (unsigned i = 0; i < race->writers; i++) {
		if (pthread_create(&writers[i].thread, NULL, run_writer, &writers[i]) != 0)
			return false;
	}
	return true;
}

static bool run(struct race *race, struct writer *writers, bool may_be_unsure)
{
	bool ok = true;

	if (pthread_barrier_init(&race->barrier, NULL, race->writers + 1) != 0 || !start(race, writers))
		return false;
	for (unsigned round = 0; round < race->rounds; round++) {
		for (int i = 0; i < 3; i++)
			pthread_barrier_wait(&race->barrier);
		ok = judge(race, writers, round, may_be_unsure) && ok;
		pthread_barrier_wait(&race->barrier);
	}
	for (unsigned i = 0; i < race->writers; i++)
		pthread_join(writers[i].thread, NULL);
	return ok;
}

int main(int argc, char **argv)
{
	static struct writer writers[WRITERS_MAX];
	struct race race = {0};
	bool ok;

	if (argc < 4 || argc > 5)
		return 2;
	race.url = argv[1];
	race.writers = (unsigned)strtoul(argv[2], NULL, 10);
	race.rounds = (unsigned)strtoul(argv[3], NULL, 10);
	race.salt = (uint64_t)getpid() << 32 | (uint32_t)time(NULL);
	if (race.writers == 0 || race.writers > WRITERS_MAX)
		return 2;
	ok = run(&race, writers, argc == 5);
	for (unsigned i = 0; i < race.writers; i++)
		backend_free(writers[i].backend);
	return ok ? 0 : 1;
}
