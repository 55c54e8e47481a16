/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine remembers of scrubs, as a bad disk may leave it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/findings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(void *arg, const struct finding *finding, enum scrub_level level, uint64_t found_ns)
{
	(void)finding;
	(void)level;
	*(uint64_t *)arg += found_ns;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(findings_release) struct findings findings = {0};
	struct findings_verdict verdict;
	uint64_t sum = 0;

	bool ok = findings_parse(SPAN(data, size), &findings, &err);
	assert(ok == (err == NULL));
	for (size_t i = 0; i < findings.n_covered; i++) {
		findings_judge(&findings, &findings.covered[i].session, &verdict);
		findings_each_object(&findings, &findings.covered[i].session, look_at, &sum);
	}
	return 0;
}
