"""Lists the baselines of one card in the head's tree, which a stranger may have made.

    proposed.py baselines/nvidia-geforce-rtx-4090 < tree.json      prints a blob and a name a line

Whatever is not a plain file of a bounded size under a kernel's name ends with 1: the names are
written to, and what the blobs hold is verified by the gate.
"""

from __future__ import annotations

import json
import re
import sys

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.json")
BLOB = re.compile(r"[0-9a-f]{40}")
PLAIN = "100644"
# A baseline of one kernel takes some 100 KB.
MAX_BYTES = 32 * 1024 * 1024
MAX_FILES = 1000


def listed(text: str, folder: str) -> list[tuple[str, str]]:
    """Blob and name of each file in `folder`, out of GitHub's answer for the whole tree."""
    answer = json.loads(text)
    if answer["truncated"]:
        sys.exit("GitHub told a part of the head's tree only")
    found: list[tuple[str, str]] = []
    for entry in answer["tree"]:
        parent, _, name = entry["path"].rpartition("/")
        if parent != folder:
            continue
        if entry["mode"] != PLAIN or not NAME.fullmatch(name) or not BLOB.fullmatch(entry["sha"]):
            sys.exit(f"{folder} holds what is no baseline's file")
        if int(entry["size"]) > MAX_BYTES or len(found) == MAX_FILES:
            sys.exit(f"{folder} holds more than {MAX_FILES} files or {MAX_BYTES} bytes in one")
        found.append((entry["sha"], name))
    return found


if __name__ == "__main__":
    for sha, name in listed(sys.stdin.read(), sys.argv[1]):
        print(sha, name)  # noqa: T201 - the answer
