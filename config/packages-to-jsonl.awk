# SPDX-License-Identifier: GPL-3.0-or-later
# Turns `apt-cache dumpavail` into JSON lines, an item a package, for the collection in collections/packages.yaml:
#
#   apt-cache dumpavail | LC_ALL=C awk -f config/packages-to-jsonl.awk >packages.jsonl
#
# Works in mawk and gawk. A package that is offered more than once is written once, as first met.
BEGIN {
    FS = "\n"
    for (i = 1; i < 32; i++) control[sprintf("%c", i)] = sprintf("\\u%04x", i)
    control["\177"] = "\\u007f"
    n = split("Package package Section section Maintainer maintainer Version version Priority priority " \
              "Architecture architecture Homepage homepage", pair, " ")
    for (i = 1; i < n; i += 2) { name[pair[i]] = pair[i + 1]; order[++keys] = pair[i] }
}

# A stanza's lines, one at a time; a line that starts with a space continues the one before.
/^$/ { write_item(); next }
/^[ \t]/ {
    line = substr($0, 2)
    if (line == ".") line = ""
    if (key == "Tag") value[key] = value[key] " " line
    else if (key == "Description") long = long (long == "" ? "" : " ") line
    next
}
{
    at = index($0, ":")
    key = substr($0, 1, at - 1)
    if (key == "Description-en") key = "Description"
    value[key] = substr($0, at + 1)
    sub(/^[ \t]+/, "", value[key])
}
END { write_item() }

function quoted(s,    out, c, i) {
    gsub(/["\\]/, "\\\\&", s)
    if (s !~ /[\001-\037\177]/) return "\"" s "\""
    out = ""
    for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        out = out (c in control ? control[c] : c)
    }
    return "\"" out "\""
}

function tags(s,    part, n, i, out) {
    n = split(s, part, /,[ \t]*/)
    out = ""
    for (i = 1; i <= n; i++) if (part[i] != "") out = out (out == "" ? "" : ",") quoted(part[i])
    return "[" out "]"
}

function write_item(    id, out, i) {
    id = value["Package"]
    if (id != "" && !(id in seen)) {
        seen[id] = 1
        out = "{\"id\":" quoted(id)
        for (i = 1; i <= keys; i++)
            if (order[i] in value) out = out ",\"" name[order[i]] "\":" quoted(value[order[i]])
        if ("Description" in value) out = out ",\"title\":" quoted(value["Description"])
        if (long != "") out = out ",\"description\":" quoted(long)
        if ("Tag" in value) out = out ",\"tags\":" tags(value["Tag"])
        if (value["Installed-Size"] ~ /^[0-9]+$/) out = out ",\"installed_size\":" value["Installed-Size"]
        if (value["Size"] ~ /^[0-9]+$/) out = out ",\"size\":" value["Size"]
        print out "}"
    }
    for (i in value) delete value[i]
    key = long = ""
}
