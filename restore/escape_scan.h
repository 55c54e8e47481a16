/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells what a terminal takes for itself from what it shows, byte by byte. What is no sequence after all, or is cut off
 * by a control character, ends there: so it hides no more than the rest of its line.
 */
#pragma once

enum escape_state {
	ESCAPE_OUTSIDE,
	ESCAPE_BEGUN,	       /* ESC */
	ESCAPE_DESIGNATION,    /* ESC, and intermediate bytes */
	ESCAPE_PARAMETERS,     /* ESC [ */
	ESCAPE_INTERMEDIATES,  /* ESC [, parameters, and intermediate bytes */
	ESCAPE_STRING,	       /* ESC ], and those that are as long: up to BEL or ESC \ */
	ESCAPE_STRING_LEAVING, /* ESC in it */
};

/* All zero: outside. */
struct escape_scan {
	enum escape_state state;
};

enum escape_part {
	ESCAPE_NO_PART,	   /* the byte is to be shown, or a control character of its own */
	ESCAPE_PART,	   /* it goes */
	ESCAPE_PART_MOVES, /* it goes, and with it the cursor to another line */
};

enum escape_part escape_scan_next(struct escape_scan *scan, unsigned char byte);
