"""Reads a comment's command, which anybody may have written, and makes a dispatch of it.

    COMMENT=... comment_command.py BRANCH NUMBER > dispatch.json

The first line is the command; what follows it is talk:

    /gate refresh [--accept-regression] [--new-anchor] KERNEL REASON...

Prints what dispatches refresh.yml for the pull request NUMBER at BRANCH. Whatever is no such
command ends with 1, and says how one looks.
"""

from __future__ import annotations

import json
import os
import re
import sys

USAGE = "/gate refresh [--accept-regression] [--new-anchor] KERNEL REASON..."
COMMAND = ["/gate", "refresh"]
FLAGS = {"--accept-regression": "accept_regression", "--new-anchor": "new_anchor"}
KERNEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# The gate stores reasons of 2000 characters at most.
MAX_REASON = 2000


def inputs(comment: str) -> dict[str, str]:
    """The inputs of the dispatch; ends the program where the comment is no command."""
    words = comment.partition("\n")[0].split()
    if words[:2] != COMMAND:
        sys.exit(f"the first line must be: {USAGE}")
    rest = words[2:]
    flags = dict.fromkeys(FLAGS.values(), "false")
    while rest and rest[0] in FLAGS:
        flags[FLAGS[rest.pop(0)]] = "true"
    kernel, reason = " ".join(rest[:1]), " ".join(rest[1:])
    if not KERNEL.fullmatch(kernel):
        sys.exit(f"no kernel is named; the command is: {USAGE}")
    if not 0 < len(reason) <= MAX_REASON or not reason.isprintable():
        sys.exit(f"a reason of 1 to {MAX_REASON} printable characters is needed; it is: {USAGE}")
    return {"kernels": kernel, "reason": reason, **flags}


if __name__ == "__main__":
    branch, number = sys.argv[1:]
    asked = inputs(os.environ["COMMENT"])
    given = {**asked, "branch": branch, "pull_request": str(int(number))}
    print(json.dumps({"ref": os.environ["DEFAULT_BRANCH"], "inputs": given}))  # noqa: T201 - the answer
