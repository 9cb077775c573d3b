"""Takes the one measurement out of a run's artifact, which a measured kernel may have written.

    measurement.py listed < artifacts.json      prints the artifact's number
    measurement.py unpack artifact.zip run.json

Whatever is not exactly one plain file of a bounded size ends with 1. Nothing is ever written under
a name that the archive chose.
"""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from zipfile import ZipFile

MEMBER = "run.json"
# A measurement of one kernel takes some 100 KB.
MAX_BYTES = 32 * 1024 * 1024


def listed(text: str) -> int:
    """The number of the only artifact in GitHub's answer."""
    artifacts = json.loads(text)["artifacts"]
    if len(artifacts) != 1:
        sys.exit(f"this attempt must have one measurement, not {len(artifacts)}: re-run all jobs")
    size = int(artifacts[0]["size_in_bytes"])
    if size > MAX_BYTES:
        sys.exit(f"the artifact has {size} bytes, more than {MAX_BYTES}")
    return int(artifacts[0]["id"])


def unpacked(file: Path) -> bytes:
    """What the only member holds."""
    with ZipFile(file) as archive:
        members = archive.infolist()
        if [member.filename for member in members] != [MEMBER]:
            sys.exit(f"the archive must hold {MEMBER} and nothing else")
        kind = stat.S_IFMT(members[0].external_attr >> 16)
        if kind not in (0, stat.S_IFREG):  # 0: the archive does not say
            sys.exit(f"{MEMBER} is no plain file")
        with archive.open(members[0]) as stream:
            content = stream.read(MAX_BYTES + 1)  # what the archive says of its size proves nothing
    if len(content) > MAX_BYTES:
        sys.exit(f"{MEMBER} has more than {MAX_BYTES} bytes")
    return content


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["listed"]:
            print(listed(sys.stdin.read()))  # noqa: T201 - the answer
        case ["unpack", archive, output]:
            Path(output).write_bytes(unpacked(Path(archive)))
        case _:
            sys.exit(__doc__)
