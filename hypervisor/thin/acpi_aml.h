/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes AML, the byte code of ACPI (ACPI Specification 6.4, chapter 20), as far as a DSDT without methods needs it.
 * What is written goes behind what is there; where memory is short bytes_ok() tells at the end.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Scope and device enclose what is written until aml_end(), which gets what they returned. A name has four letters; a
 * scope's may begin with a backslash. */
size_t aml_scope(struct bytes *aml, const char *name);
size_t aml_device(struct bytes *aml, const char *name);
void aml_end(struct bytes *aml, size_t begin);

/* Name (name, …): the value is what is written next. */
void aml_name(struct bytes *aml, const char *name);
void aml_integer(struct bytes *aml, uint64_t value);
void aml_string(struct bytes *aml, const char *text);
/* "PNP0A03" as the integer by which ACPI knows it. */
void aml_eisa_id(struct bytes *aml, const char *id);
void aml_integers(struct bytes *aml, const uint64_t *values, uint8_t n); /* a package of integers */

/* A resource template, as the value of _CRS (sections 6.4.2 and 6.4.3): what is written until aml_resources_end(). */
struct aml_resources {
	size_t begin, size_at;
};
struct aml_resources aml_resources(struct bytes *aml);
void aml_resources_end(struct bytes *aml, struct aml_resources resources);
void aml_ports(struct bytes *aml, uint16_t base, uint8_t size);
void aml_line(struct bytes *aml, unsigned line);
/* What a bridge passes on to what is behind it: bus numbers, ports and memory, from first to last. */
void aml_window_buses(struct bytes *aml, uint16_t first, uint16_t last);
void aml_window_ports(struct bytes *aml, uint16_t first, uint16_t last);
void aml_window_memory(struct bytes *aml, uint32_t first, uint32_t last);
