# SPDX-License-Identifier: GPL-3.0-or-later
"""The promise that protos only grow, as a list: one line a field, enum value, oneof member and method that was ever published.

    python3 tests/proto/frozen.py build/release/gen/sinter.protoset            says what a change would break
    python3 tests/proto/frozen.py build/release/gen/sinter.protoset --append   adds what is new: done with each release

A method that has only ever answered UNIMPLEMENTED was not published, nor what only it speaks of: it is appended when it is built.
What stands in frozen.txt must stay as it is: name, number, type, whether repeated, which oneof, who asks what and streams.
"""
import pathlib
import sys

from google.protobuf import descriptor_pb2

LIST = pathlib.Path(__file__).with_name("frozen.txt")
OURS = "sinter."
UNBUILT = ("sinter.v1.Recommend", "sinter.v1.EraseUser", "sinter.v1.EventService.EraseUser")  # answer UNIMPLEMENTED; taken out when built
FIELD = descriptor_pb2.FieldDescriptorProto


def field_line(message, path, field):
    kind = field.type_name.lstrip(".") or FIELD.Type.Name(field.type)[5:].lower()
    oneof = f" in {message.oneof_decl[field.oneof_index].name}" if field.HasField("oneof_index") else ""
    repeated = "repeated " if field.label == FIELD.LABEL_REPEATED else ""
    return f"field {path} {field.number} {field.name} {repeated}{kind}{oneof}"


def message_lines(message, parent):
    path = f"{parent}.{message.name}"
    yield f"message {path}"
    for field in message.field:
        yield field_line(message, path, field)
    for nested in message.nested_type:
        yield from message_lines(nested, path)
    for enum in message.enum_type:
        yield from enum_lines(enum, path)


def enum_lines(enum, parent):
    for value in enum.value:
        yield f"enum {parent}.{enum.name} {value.number} {value.name}"


def lines(protoset):
    """Of all of the project's own packages in a FileDescriptorSet."""
    out = []
    for file in descriptor_pb2.FileDescriptorSet.FromString(protoset).file:
        if not file.package.startswith(OURS):
            continue
        for message in file.message_type:
            out += message_lines(message, file.package)
        for enum in file.enum_type:
            out += enum_lines(enum, file.package)
        for service in file.service:
            for m in service.method:
                asks, answers = (("stream " if s else "") + t.lstrip(".") for s, t in
                                 ((m.client_streaming, m.input_type), (m.server_streaming, m.output_type)))
                out.append(f"method {file.package}.{service.name}.{m.name} ({asks}) ({answers})")
    return out


def frozen():
    return [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]


def key(line):
    """What a line is about: a field by its message and number, an enum value by its number, a method by its name."""
    words = line.split()
    return tuple(words[:3] if words[0] in ("field", "enum") else words[:2])


def broken(protoset):
    """What of the list does not hold, a sentence each."""
    now = lines(protoset)
    there, by_key = set(now), {key(line): line for line in now}
    return [f"{line!r} is now {by_key[key(line)]!r}" if key(line) in by_key else f"{line!r} is gone"
            for line in frozen() if line not in there]


def main(path, *options):
    protoset = pathlib.Path(path).read_bytes()
    problems = broken(protoset)
    for problem in problems:
        print(problem)
    if "--append" in options and not problems:
        known = set(frozen())
        new = [line for line in lines(protoset) if line not in known and not line.split()[1].startswith(UNBUILT)]
        with LIST.open("a") as f:
            f.writelines(line + "\n" for line in new)
        print(f"{len(new)} lines added")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
