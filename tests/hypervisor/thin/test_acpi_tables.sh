#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ACPI's own compiler reads each table without a complaint, and compiles the DSDT again from what it has read.
set -eu
command -v iasl >/dev/null || { echo "iasl is not installed (Debian's acpica-tools)"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$SALVOR_BUILD/tests/acpi_dump" "$folder"
cd "$folder"
for table in DSDT FACP APIC XSDT; do
	iasl -d "$table.dat" >"$table.log" 2>&1 || { cat "$table.log"; exit 1; }
	if grep -Ei 'warning|error|invalid|incorrect' "$table.log" "$table.dsl"; then
		cat "$table.log" "$table.dsl"
		exit 1
	fi
done
iasl DSDT.dsl >again.log 2>&1 || { cat again.log DSDT.dsl; exit 1; }
grep -q '0 Errors, 0 Warnings' again.log || { cat again.log DSDT.dsl; exit 1; }
grep -q 'Device (PCI0)' DSDT.dsl
grep -q 'Device (CP01)' DSDT.dsl
echo "iasl reads DSDT, FADT, MADT and XSDT"
