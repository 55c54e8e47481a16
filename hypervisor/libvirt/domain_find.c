/* SPDX-License-Identifier: Apache-2.0 */
#include <libvirt/virterror.h>
#include <stdio.h>
#include <string.h>

#include "base/edit_distance.h"
#include "base/err.h"
#include "hypervisor/libvirt/connect.h"
#include "hypervisor/libvirt/domain.h"
#include "hypervisor/libvirt/error.h"

enum { NEAREST = 3, NAME_SHOWN = 64 };

struct nearest {
	const char *wanted;
	char names[NEAREST][NAME_SHOWN + 1];
	size_t distances[NEAREST];
	size_t n;
};

static bool consider(void *arg, const char *name, const char *state, struct err **errp)
{
	(void)state;
	(void)errp;
	struct nearest *nearest = arg;
	size_t far = edit_distance(nearest->wanted, name), place = nearest->n;
	while (place > 0 && nearest->distances[place - 1] > far)
		place--;
	if (place == NEAREST)
		return true;
	if (nearest->n < NEAREST)
		nearest->n++;
	for (size_t i = nearest->n - 1; i > place; i--) {
		memcpy(nearest->names[i], nearest->names[i - 1], sizeof(nearest->names[i]));
		nearest->distances[i] = nearest->distances[i - 1];
	}
	snprintf(nearest->names[place], sizeof(nearest->names[place]), "%s", name);
	nearest->distances[place] = far;
	return true;
}

static bool say_nearest(virConnectPtr connection, const char *name, struct err **errp)
{
	struct nearest nearest = {.wanted = name};
	if (!domain_list(connection, consider, &nearest, errp))
		return false;
	if (nearest.n == 0)
		return err_set(errp, ERR_NOT_FOUND, "libvirt has no domain of this name, and no other");
	char names[NEAREST * (NAME_SHOWN + 4)] = "";
	for (size_t i = 0; i < nearest.n; i++) {
		size_t length = strlen(names);
		snprintf(names + length, sizeof(names) - length, "%s'%s'", i > 0 ? ", " : "", nearest.names[i]);
	}
	return err_set(errp, ERR_NOT_FOUND, "libvirt has no domain of this name; the nearest are %s", names);
}

virDomainPtr domain_find(virConnectPtr connection, const char *name, struct err **errp)
{
	virDomainPtr domain = virDomainLookupByName(connection, name);
	if (domain)
		return domain;
	const virError *error = virGetLastError();
	if (error && error->code == VIR_ERR_NO_DOMAIN)
		say_nearest(connection, name, errp);
	else
		err_from_virt(errp, "look it up");
	return NULL;
}
