"""Git's pre-push hook: a small script that calls the gate, and the hook that was there before."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from gate.documents import refuse_unwritable, write_atomically
from gate.errors import PUSH_ANYWAY, GateError
from gate.git import git

NAME = "pre-push"
KEPT = "pre-push.before-gate"
MARK = "# Installed by `gate hook install`; `gate hook uninstall` takes it away."
OWN_NAME = re.compile(rb"\$\{?0|BASH_SOURCE|basename")
# For whoever has a hook that cannot be chained.
BY_HAND = 'call the gate from that hook yourself: gate hook run "$@"'

# What git says on stdin goes to both hooks as it is: the dot keeps the shell from trimming it.
_SCRIPT = """\
#!/bin/sh
{mark}
# It checks the kernels that a push changes; {anyway} pushes without it.
refs=$(cat; echo .)
refs=${{refs%.}}
kept=$(dirname "$0")/{kept}
if [ -x "$kept" ]; then
    printf %s "$refs" | "$kept" "$@" || exit
fi
project={project}
python={python}
if "$python" -P -c 'import gate' 2>/dev/null; then
    set -- "$python" -P -m gate hook run --project "$project" "$@"
elif command -v gate >/dev/null; then
    set -- gate hook run --project "$project" "$@"
else
    echo "error: the gate is neither in $python nor on PATH, so this push was not checked" >&2
    echo "  next: install it and run: gate hook install; or push anyway: {anyway}" >&2
    exit 6
fi
printf %s "$refs" | "$@" >&2
"""


class HookInTheWay(GateError):
    """A hook that must not be replaced, and cannot be called from another."""


def find(start: Path) -> tuple[Path, Path]:
    """The top of the working tree around `start`, and where git looks for its pre-push hook."""
    top = Path(git("rev-parse", "--show-toplevel", cwd=start).strip())
    hooks = git("rev-parse", "--git-path", "hooks", cwd=top).strip()
    return top, top / hooks / NAME


def install(file: Path, *, project: str) -> Path | None:
    """Write the hook; returns where the one went that was there before.

    `project` is the folder of the configuration, from the top of the repository.
    Raises HookInTheWay and CannotWrite.
    """
    kept, text = file.with_name(KEPT), script(project)
    foreign = file.exists() and not _is_ours(file)
    if foreign:
        _refuse_unchainable(file, kept)
    elif file.exists() and _project(file.read_text()) != _project(text):
        raise HookInTheWay(f"{file} checks another project of this repository", hint=BY_HAND)
    new = file.with_name(f"{NAME}.new")
    refuse_unwritable(new)
    write_atomically(new, text)
    new.chmod(0o755)
    if foreign:
        file.rename(kept)
    new.replace(file)
    return kept if kept.exists() else None


def uninstall(file: Path) -> bool:
    """Whether it was the gate's; what was there before it is there again."""
    if not _is_ours(file):
        return False
    kept = file.with_name(KEPT)
    if kept.exists():
        kept.replace(file)
    else:
        file.unlink()
    return True


def script(project: str) -> str:
    return _SCRIPT.format(
        mark=MARK,
        anyway=PUSH_ANYWAY,
        kept=KEPT,
        project=shlex.quote(project),
        python=shlex.quote(sys.executable),
    )


def _is_ours(file: Path) -> bool:
    return file.is_file() and MARK.encode() in file.read_bytes().splitlines()[:2]


def _project(text: str) -> str | None:
    return next((line for line in text.splitlines() if line.startswith("project=")), None)


def _refuse_unchainable(file: Path, kept: Path) -> None:
    if kept.exists():
        raise HookInTheWay(f"{file} and {kept} are both there, and neither is the gate's")
    if OWN_NAME.search(file.read_bytes()):
        # Under another name such a hook (husky's) finds nothing to do, and says so to nobody.
        raise HookInTheWay(f"{file} may go by its own name, so it is not moved", hint=BY_HAND)
