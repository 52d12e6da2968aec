#!/usr/bin/python3
"""One call of the Container Runtime Interface, as kubelet makes it: cri.py METHOD REQUEST [FIELD...].

REQUEST is a Python dictionary from field numbers to values (numbers, texts, dictionaries, and lists of those), as
kubernetes/cri-api's runtime/v1/api.proto numbers them. Of the answer, FIELD is printed; more of them lead into messages.
Run by engines/cri.sh, for no program that speaks CRI is in Debian.
"""

import ast, sys

import grpc


def number(value):
    """A varint (protobuf.dev/programming-guides/encoding)."""
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def message(fields):
    """The wire form of a dictionary."""
    out = b""
    for field, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, int):
                out += number(field << 3) + number(one)
            else:
                data = message(one) if isinstance(one, dict) else one.encode()
                out += number(field << 3 | 2) + number(len(data)) + data
    return out


def fields_of(data):
    """What a message holds, one level deep: numbers as they are, all else as bytes; of repeated fields the last."""
    fields, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte, at = data[at], at + 1
            value, shift = value | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            fields[key >> 3] = varint()
        elif key & 7 == 2:
            size = varint()
            fields[key >> 3], at = data[at:at + size], at + size
        else:
            raise ValueError(f"wire type {key & 7}")
    return fields


def main(method, request, *path):
    with grpc.insecure_channel("unix:///run/containerd/containerd.sock") as channel:
        call = channel.unary_unary(f"/runtime.v1.RuntimeService/{method}")
        try:
            answer = call(message(ast.literal_eval(request)), timeout=30)
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)
            return 1
    for field in path:
        # A field with its default value is not sent (proto3).
        answer = fields_of(answer).get(int(field), 0)
    if path:
        print(answer.decode() if isinstance(answer, bytes) else answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
