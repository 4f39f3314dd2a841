"""Does our safetensors reader accept what the reference accepts?

    build/fuzz/safetensors_fuzz --emit SEED COUNT | python scripts/python/safetensors_differential.py

Reads mutated files with our verdicts and asks the reference (pip install safetensors) about each.
They may disagree only where we declare it: a name twice, NUL in a name, rank over 64, the caps on
name, depth and count, and sizes of 2^63 and more.
"""

import re
import struct
import sys

from safetensors import SafetensorError, deserialize

DECLARED = re.compile(
    r"each name once|no NUL|at most 64 dimensions|at most 1024 bytes|nesting of at most"
    r"|at most 100000 tensors|expected a 64-bit integer"
)


def read(count: int) -> bytes | None:
    data = sys.stdin.buffer.read(count)
    return data if len(data) == count else None


def reference(data: bytes) -> str:
    try:
        deserialize(data)
        return ""
    except SafetensorError as error:
        return str(error) or "refused"


total = agreed = declared = accepted = 0
wrong = []
while (head := read(4)) is not None:
    data = read(struct.unpack("<I", head)[0])
    refusal = read(struct.unpack("<I", read(4))[0]).decode("utf8", "replace")
    total += 1
    theirs = reference(data)
    accepted += refusal == ""
    if (refusal == "") == (theirs == ""):
        agreed += 1
    elif theirs == "" and DECLARED.search(refusal):
        declared += 1
    else:
        wrong.append((data, refusal, theirs))
print(f"{total} files, {accepted} accepted, {agreed} agreed, {declared} declared, {len(wrong)} not")
for data, refusal, theirs in wrong[:20]:
    print(f"ours: {refusal or 'accepted'} | reference: {theirs or 'accepted'} | {data!r}")
sys.exit(1 if wrong or total == 0 else 0)
