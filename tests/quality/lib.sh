# SPDX-License-Identifier: GPL-3.0-or-later
# Shell functions of the quality runs: data, a server of their own, bars. Sourced from the project's root.
: "${SINTER_DATA:=../shared/data}"
: "${SINTER_BUILD:=build/release}"
build=$SINTER_BUILD sinter=$SINTER_BUILD/bin/sinter
scratch= server_pid= passed=0 failed=0 skipped=0

# Everything this run made and started; nothing else.
quality_clean() {
    server_stop
    [ -z "$scratch" ] || rm -rf "$scratch"
}
quality_begin() {
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/sinter-quality.XXXXXX") || exit 1
    trap quality_clean EXIT
    trap 'exit 130' INT TERM
}

# A goal printed and counted; arguments as of bars.py.
bar() {
    line=$(/usr/bin/python3 tests/bars.py "$@")
    status=$?
    [ -z "$line" ] || echo "$line"
    case $line in
    *" skip"*) skipped=$((skipped + 1)) ;;
    *) if [ $status -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi ;;
    esac
}

# A part's figures in a JSON file of parts, as words for bar; nothing: it is not there.
part_figures() {
    [ ! -s "$1" ] || /usr/bin/python3 -c '
import json, sys
x = json.load(open(sys.argv[1])).get(sys.argv[2], {})
print(*(x[k] for k in ("value", "low", "high") if k in x))' "$1" "$2"
}

# bar_parts ROWS FILE WHY: a bar for each row that is wanted, of its part of the file; WHY: what is said where that is not there.
# A row: name | part | metric | goal | how the interval meets it. Seconds from $begun on.
bar_parts() {
    while IFS='|' read -r name part metric goal how <&3; do
        wanted "$name" || continue
        figures=$(part_figures "$2" "$part")
        # shellcheck disable=SC2086
        if [ -n "$figures" ]; then
            bar "$name" "$metric" $goal $figures $how --seconds $(($(seconds) - begun))
        else
            bar "$name" "$metric" $goal --failed "$3"
        fi
    done 3<"$1"
}

# server_start CONFIG_FOLDER: a server with this folder's configuration and fresh data in $scratch/server. Sets $SINTER_SERVER.
server_start() {
    dir=$scratch/server
    rm -rf "$dir" && mkdir -p "$dir" || return 1
    cp -r "$1/sinter.yaml" "$1/collections" "$1/pipelines" "$dir" || return 1
    echo "plugin_dirs: [\"$(cd "$SINTER_BUILD" && pwd)/plugins\"]" >>"$dir/sinter.yaml"
    OPENBLAS_NUM_THREADS=1 "$sinter" serve -c "$dir/sinter.yaml" --port-file "$dir/port" >"$dir/log" 2>&1 &
    server_pid=$!
    for _ in $(seq 300); do
        if [ -s "$dir/port" ]; then
            SINTER_SERVER=$(cat "$dir/port")
            export SINTER_SERVER
            return 0
        fi
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server did not start:" >&2
    cat "$dir/log" >&2
    return 1
}
server_stop() {
    [ -n "$server_pid" ] || return 0
    kill "$server_pid" 2>/dev/null
    for _ in $(seq 300); do
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$server_pid" 2>/dev/null
    wait "$server_pid" 2>/dev/null
    server_pid=
}

seconds() {
    date +%s
}
