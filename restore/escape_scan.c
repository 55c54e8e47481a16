/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   OUTSIDE ──ESC──► BEGUN ──'['──► PARAMETERS ──► INTERMEDIATES ──final byte──► OUTSIDE
 *      ▲               ├──intermediate byte──► DESIGNATION ──final byte──► OUTSIDE
 *      │               ├──']' 'P' '^' '_' 'X'──► STRING ──BEL──► OUTSIDE
 *      └──final byte───┘                           └──ESC──► STRING_LEAVING ──'\'──► OUTSIDE
 *
 * Any other byte is looked at anew, as one outside. (ECMA-48)
 */
#include "restore/escape_scan.h"

#include <stdbool.h>

enum { BELL = 0x07, ESCAPE = 0x1b };

static bool is_between(unsigned char byte, unsigned char first, unsigned char last)
{
	return byte >= first && byte <= last;
}

static enum escape_part go(struct escape_scan *scan, enum escape_state state)
{
	scan->state = state;
	return ESCAPE_PART;
}

static enum escape_part outside(struct escape_scan *scan, unsigned char byte)
{
	if (byte == ESCAPE)
		return go(scan, ESCAPE_BEGUN);
	scan->state = ESCAPE_OUTSIDE;
	return ESCAPE_NO_PART;
}

static enum escape_part begun(struct escape_scan *scan, unsigned char byte)
{
	if (byte == '[')
		return go(scan, ESCAPE_PARAMETERS);
	if (byte == ']' || byte == 'P' || byte == '^' || byte == '_' || byte == 'X')
		return go(scan, ESCAPE_STRING);
	if (is_between(byte, 0x20, 0x2f))
		return go(scan, ESCAPE_DESIGNATION);
	return is_between(byte, 0x30, 0x7e) ? go(scan, ESCAPE_OUTSIDE) : outside(scan, byte);
}

static enum escape_part designation(struct escape_scan *scan, unsigned char byte)
{
	if (is_between(byte, 0x20, 0x2f))
		return ESCAPE_PART;
	return is_between(byte, 0x30, 0x7e) ? go(scan, ESCAPE_OUTSIDE) : outside(scan, byte);
}

static enum escape_part sequence(struct escape_scan *scan, unsigned char byte)
{
	if (scan->state == ESCAPE_PARAMETERS && is_between(byte, 0x30, 0x3f))
		return ESCAPE_PART;
	if (is_between(byte, 0x20, 0x2f))
		return go(scan, ESCAPE_INTERMEDIATES);
	if (!is_between(byte, 0x40, 0x7e))
		return outside(scan, byte);
	scan->state = ESCAPE_OUTSIDE;
	return byte == 'H' || byte == 'f' ? ESCAPE_PART_MOVES : ESCAPE_PART;
}

static enum escape_part string(struct escape_scan *scan, unsigned char byte)
{
	if (byte == BELL)
		return go(scan, ESCAPE_OUTSIDE);
	if (byte == ESCAPE)
		return go(scan, ESCAPE_STRING_LEAVING);
	return byte >= ' ' ? ESCAPE_PART : outside(scan, byte);
}

enum escape_part escape_scan_next(struct escape_scan *scan, unsigned char byte)
{
	switch (scan->state) {
	case ESCAPE_OUTSIDE:
		break;
	case ESCAPE_BEGUN:
		return begun(scan, byte);
	case ESCAPE_DESIGNATION:
		return designation(scan, byte);
	case ESCAPE_PARAMETERS:
	case ESCAPE_INTERMEDIATES:
		return sequence(scan, byte);
	case ESCAPE_STRING:
		return string(scan, byte);
	case ESCAPE_STRING_LEAVING:
		return byte == '\\' ? go(scan, ESCAPE_OUTSIDE) : begun(scan, byte);
	}
	return outside(scan, byte);
}
