#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The tests, from nothing: as root on a bare Debian 12 it installs what is missing, builds and tests.
#
#   sh tests/run.sh           everything, within 25 minutes on 2 cores
#   sh tests/run.sh quick     release build, unit and integration tests, within 3 minutes
#   sh tests/run.sh breaks    each patch of tests/breaks makes the test fail that it names
#   sh tests/run.sh --help    the other parts, each by itself
#
# Ends with "N passed, N failed, N skipped"; exit code 0 only when nothing failed and something passed.
set -u
cd "$(dirname "$0")/.." || exit 1
. config/packages.sh
packages_install $PACKAGES_BUILD $PACKAGES_TEST || { echo "installing packages failed" >&2; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
exec /usr/bin/python3 -B tests/run/main.py "$@" </dev/null
