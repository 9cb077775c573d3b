"""Joins pieces of Markdown to what GitHub takes as one body: below 65,536 characters.

joined.py FILE...

A piece that is missing, or does not fit as a whole, is a sentence in its place: half of one could
leave a code block open.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_CHARACTERS = 65_000


def pieces(files: Sequence[Path]) -> Iterator[str]:
    left = MAX_CHARACTERS
    for file in files:
        text = file.read_text().strip() if file.exists() else f"There is no {file.stem}."
        if len(text) > left:
            text = f"The {file.stem} is too long for this place; the run's summary has it."
        left -= len(text) + 2
        yield text


if __name__ == "__main__":
    print("\n\n".join(pieces([Path(name) for name in sys.argv[1:]])))  # noqa: T201 - the answer
