"""Takes what was measured out of a run's artifact, which a measured kernel may have written.

    measurement.py listed < artifacts.json           prints the artifact's number
    measurement.py unpack artifact.zip run.json ...

Whatever is not exactly these plain files, each of a bounded size, ends with 1. A member is known by
the last part of its file's path, and nothing is ever written under a name that the archive chose.
"""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zipfile import ZipInfo

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


def unpacked(file: Path, names: Sequence[str]) -> list[bytes]:
    """What the members of these names hold, in their order."""
    with ZipFile(file) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if len(archive.infolist()) != len(names) or set(members) != set(names):
            sys.exit(f"the archive must hold {', '.join(names)} and nothing else")
        return [_content(archive, members[name]) for name in names]


def _content(archive: ZipFile, member: ZipInfo) -> bytes:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):  # 0: the archive does not say
        sys.exit(f"{member.filename} is no plain file")
    with archive.open(member) as stream:
        content = stream.read(MAX_BYTES + 1)  # what the archive says of its size proves nothing
    if len(content) > MAX_BYTES:
        sys.exit(f"{member.filename} has more than {MAX_BYTES} bytes")
    return content


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["listed"]:
            print(listed(sys.stdin.read()))  # noqa: T201 - the answer
        case ["unpack", given, _, *_]:
            files = [Path(name) for name in sys.argv[3:]]
            contents = unpacked(Path(given), [file.name for file in files])
            for file, content in zip(files, contents, strict=True):
                file.write_bytes(content)
        case _:
            sys.exit(__doc__)
