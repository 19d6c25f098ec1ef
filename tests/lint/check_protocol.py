#!/usr/bin/env python3
"""Every message of the tree protocol has a struct, encode, decode, a golden file, a fuzz seed and a row in the docs."""

import os
import re
import sys

root = os.environ.get("BK_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))


def read(path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


frames = read("proto/pull/frame.h")
enum = frames[frames.index("enum class FrameType"):]
names = re.findall(r"^  (\w+) = 0x[0-9a-f]{2},", enum[:enum.index("};")], re.M)
messages = read("proto/pull/messages.h")
table = read("docs/protocol/pull.md")
faults = []
for name in names:
    checks = {
        "struct in messages.h": re.search(rf"^struct {name} {{", messages, re.M),
        "encode in messages.h": f"std::string encode(const {name}& message);" in messages,
        "decode in messages.h": f"{name} decode_{snake(name)}(std::string_view payload);" in messages,
        "row in docs/protocol/pull.md": re.search(rf"^\| `{name}` \|", table, re.M),
        "golden file": os.path.exists(os.path.join(root, "tests/golden/pull", name + ".hex")),
        "fuzz seed": os.path.exists(os.path.join(root, "tests/fuzz/corpus/pull_message_fuzz", name)),
    }
    faults += [f"{name}: no {what}" for what, there in checks.items() if not there]
if len(names) < 17:
    faults.append(f"only {len(names)} messages found in proto/pull/frame.h: has its layout changed?")
print("\n".join(faults) or f"{len(names)} messages complete")
sys.exit(1 if faults else 0)
