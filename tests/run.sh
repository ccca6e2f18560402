#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs what is needed, builds, tests. Ends with "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/.." || exit 1
. config/packages.sh
packages_install $PACKAGES_BUILD $PACKAGES_TEST || exit 1
cmake --preset release >/dev/null || exit 1
cmake --build --preset release || exit 1
out=build/release/ctest.txt
ctest --test-dir build/release --timeout 300 --output-on-failure >"$out" 2>&1
status=$?
cat "$out"
failed=$(grep -c '\*\*\*' "$out")
passed=$(grep -c ' Passed ' "$out")
echo "$passed passed, $failed failed, 0 skipped"
exit $status
