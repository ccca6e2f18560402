#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Writes the manual page sinter(1) on standard output: sh package/manual.sh PATH/TO/sinter VERSION. Its text is what the
# commands say to --help, so page and commands cannot drift apart.
set -eu
SINTER=$1 VERSION=$2

# Help text as man macros: usage lines stay as they are; "  name   text" is an entry; deeper lines go on; the rest is prose.
as_man() {
    LC_ALL=C awk '
        function safe(s) { gsub(/\\/, "\\e", s); gsub(/-/, "\\-", s); if (s ~ /^[.\x27]/) s = "\\&" s; return s }
        function block(kind) {
            if (kind == now) return
            if (now == "usage") print ".fi\n.RE"
            if (kind == "usage") print ".PP\n.RS 2\n.nf"
            if (kind == "prose" && now != "") print ".PP"
            now = kind
        }
        function entry(tag, text) { block("entry"); print ".TP\n.B " safe(tag); if (text != "") print safe(text) }
        function cut(line,   at) { at = match(line, /   */); return at ? at : 0 }
        /^usage:/ { block("usage"); print safe($0); next }
        now == "usage" && /^ +[^ ]/ { print safe($0); next }
        /^$/ { if (now == "usage") block("prose"); else if (now == "prose") { print ".PP" } else now = now == "" ? "" : "gap"; next }
        /^          / && (now == "entry") { sub(/^ +/, ""); print safe($0); next }
        /^ / {
            line = $0; sub(/^ +/, "", line)
            if (at = cut(line)) { tag = substr(line, 1, at - 1); text = substr(line, at); sub(/^ +/, "", text)
                if (tag ~ /^--/ && match(text, /^[A-Z]+   */)) { value = text; sub(/ .*/, "", value); tag = tag " " value; text = substr(text, RLENGTH + 1) }
                entry(tag, text); next
            }
            # An option so long that one space parts it from its text.
            if (match(line, /^(-[a-z], )?--[a-z-]+( [A-Z][A-Z:.]*)?/)) {
                tag = substr(line, 1, RLENGTH); text = substr(line, RLENGTH + 1); sub(/^ +/, "", text); entry(tag, text); next
            }
            block("prose"); print safe(line); next
        }
        { block("prose"); print safe($0) }
        END { block("end") }'
}

# NAME of the commands, in the order of --help.
commands() { "$SINTER" --help | sed -n '/^commands:/,/^$/s/^  \([a-z][a-z-]*\)  *.*/\1/p'; }
summary() { "$SINTER" --help | sed -n "/^commands:/,/^\$/s/^  $1  *//p"; }
# Actions of a command that have help of their own: the command's help says so, "sinter plugin new --help", "sinter demo ACTION --help".
actions() {
    text=$("$SINTER" "$1" --help)
    case $text in
    *"sinter $1 ACTION --help"*) echo "$text" | sed -n "s/^.*sinter $1 \([a-z]*\) .*/\1/p" | grep -v '^ACTION$' | sort -u ;;
    *) echo "$text" | sed -n "s/^.*sinter $1 \([a-z]*\) --help.*/\1/p" ;;
    esac
}

cat <<TEXT
.\\" Made by package/manual.sh from what the commands say to \\-\\-help.
.TH SINTER 1 "" "Sinter $VERSION" "User commands"
.SH NAME
sinter \\- search and recommend server with plugin rankers that learn
.SH SYNOPSIS
.B sinter
.I COMMAND
.RI [ ARGUMENTS ]
.br
.B sinter
.I COMMAND
.B \\-\\-help
.br
.B sinter \\-\\-help
|
.B \\-\\-version
.SH DESCRIPTION
One program is the server
.RB ( "sinter serve" ),
its client on the command line, and the tools of its operator. The server answers over gRPC; a collection's items come in by
.B sinter import
or the API, and a pipeline of recall sources, rankers, fusion and rules, written in YAML, puts them in order.
.SH COMMANDS
TEXT
for command in $(commands); do
    printf '.SS "sinter %s"\n%s.\n' "$command" "$(summary "$command" | sed 's/-/\\-/g; s/^./\U&/')"
    [ "$command" = version ] && continue
    "$SINTER" "$command" --help | as_man
    for action in $(actions "$command"); do
        printf '.SS "sinter %s %s"\n' "$command" "$action"
        "$SINTER" "$command" "$action" --help | as_man
    done
done
cat <<TEXT
.SH EXIT STATUS
$("$SINTER" --help | sed -n 's/^exit codes: \(.*\)/\1./p' | sed 's/-/\\-/g')
.SH ENVIRONMENT
.TP
.B SINTER_SERVER
HOST:PORT of the server that commands speak to where no
.B \\-\\-server
is given; else 127.0.0.1:7700.
.TP
.B OPENBLAS_NUM_THREADS
.B sinter serve
sets it to 1 and starts itself anew where it is otherwise.
.TP
.B NOTIFY_SOCKET
Where systemd gives it, the server tells when it listens, and when it ends.
.SH FILES
.TP
.I /etc/sinter/sinter.yaml
The configuration of an installed server; collections, pipelines, rules and more lie beside it. Under another prefix:
.IR PREFIX/etc/sinter .
.TP
.I /var/lib/sinter
Journal, views and models of that server.
.SH SEE ALSO
The documentation in
.IR /usr/share/doc/sinter ;
.BR systemctl (1),
.BR journalctl (1)
TEXT
