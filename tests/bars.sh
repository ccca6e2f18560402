# SPDX-License-Identifier: GPL-3.0-or-later
# What runs of bars share, sourced from the project's root with $kind (speed, reliability, quality) and $prefixes set, and $build, the
# folder of a build. The bars themselves: tests/bars.py.

wanted() { # NAME: whether some prefix asks for it, with or without the kind
    [ -n "$prefixes" ] || return 0
    for p in $prefixes; do
        case ${1#"$kind/"} in "${p#"$kind/"}"*) return 0 ;; esac
    done
    return 1
}

# none ROW…: no row was asked for. Ends the run.
none() {
    echo "no row begins with: $prefixes" >&2
    echo "rows: $*" >&2
    exit 2
}

# built LOG TARGET…: in $build, with the tests' programs; else the log is shown.
built() {
    log=$1
    shift
    grep -qs "SINTER_TESTS:BOOL=ON" "$build/CMakeCache.txt" || cmake --preset release -B "$build" -DSINTER_TESTS=ON >"$log" 2>&1 || { cat "$log" >&2; return 1; }
    cmake --build "$build" --target "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
}

# keep SECONDS < LINES: the bars among them.
keep() {
    /usr/bin/python3 -B tests/bars.py --printed "$1"
}

machine() {
    printf '     machine: %s\n' "$(/usr/bin/python3 -B tests/bars.py --machine)"
}
