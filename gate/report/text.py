"""Free text that nobody trusts, made visible and bounded before a renderer escapes it. Pure."""

from __future__ import annotations

import re

MAX_NAME = 300
# Nothing else occurs in a name that has passed its schema. Two colons at the start of a line are
# a command to GitHub's runner, so no name keeps a pair.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.:*/-]|:(?=:)")
_NOT_IN_UNITS = re.compile(r"[^A-Za-z%]")
_MAX_UNIT = 12
# GitHub's runner obeys `##[command]` anywhere in a line, and Azure's `##vso[command]`.
_COMMAND = re.compile(r"##(?=\w*\[)")


def name(text: str) -> str:
    """A kernel, workload, metric, function or reason code; what no schema lets through is `?`."""
    return _NOT_IN_NAMES.sub("?", text[:MAX_NAME])


def unit(text: str) -> str:
    return _NOT_IN_UNITS.sub("", text[:_MAX_UNIT])


def harmless(text: str) -> str:
    """`text` without a command to a CI runner but at a line's start, which its place must bar."""
    return _COMMAND.sub("## ", text)


def paragraph(text: str, limit: int) -> str:
    """At most about `limit` characters; newlines stay, all else that does not print is spelt out.

    That covers terminal escapes, direction overrides, lone surrogates and what XML forbids.
    """
    shown = "".join(map(_visible, text[:limit].replace("\r\n", "\n"))).strip("\n")
    if max(len(text), len(shown)) <= limit:
        return shown
    return f"{shown[:limit]} [... cut, {len(text):,} characters in all]"


def one_line(text: str, limit: int) -> str:
    """The same with every run of blanks and newlines as one space."""
    return " ".join(paragraph(text, limit).split())


def first_line(text: str, limit: int) -> str:
    """The first line with something on it, without its indentation."""
    return one_line(text.strip().partition("\n")[0], limit)


def _visible(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    if character.isspace() and character not in "\r\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029":
        return " "
    return character.encode("unicode_escape").decode("ascii")


def count(number: int, noun: str) -> str:
    """`1 workload`, `1,000 workloads`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
