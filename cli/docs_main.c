/* SPDX-License-Identifier: Apache-2.0 */
/* Of the build: writes a manual page or the completion to standard output. salvor-docs man [VERB] | completion */
#include <stdio.h>
#include <string.h>

#include "cli/help.h"
#include "cli/verb.h"

static bool print(int argc, char **argv)
{
	const struct verb *verb = argc == 3 ? verb_find(argv[2]) : NULL;
	if (argc == 2 && strcmp(argv[1], "completion") == 0)
		completion_print(stdout);
	else if (argc >= 2 && strcmp(argv[1], "man") == 0 && (argc == 2 || verb))
		man_print(verb, stdout);
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	if (print(argc, argv) && fflush(stdout) == 0)
		return 0;
	fputs("usage: salvor-docs man [VERB] | completion\n", stderr);
	return 2;
}
