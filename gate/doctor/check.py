"""One answer of the doctor, and the four that there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# What is quoted of a program's last words.
QUOTED = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """`failed` stops a measurement, `warning` makes it worse, `unknown` could not be looked at.

    `mend` is the exact command or line that helps.
    """

    name: str
    status: Literal["ok", "failed", "warning", "unknown"]
    detail: str
    mend: str = ""


def ok(name: str, detail: str) -> Check:
    return Check(name=name, status="ok", detail=detail)


def failed(name: str, detail: str, mend: str) -> Check:
    return Check(name=name, status="failed", detail=detail, mend=mend)


def warning(name: str, detail: str, mend: str) -> Check:
    return Check(name=name, status="warning", detail=detail, mend=mend)


def unknown(name: str, why: str) -> Check:
    return Check(name=name, status="unknown", detail=why)


def first_trouble(*checks: Check) -> str:
    """What of these stands in the way of what depends on them; empty where nothing does."""
    words = {"failed": "failed", "unknown": "is unknown"}
    return next((f"`{c.name}` {words[c.status]}" for c in checks if c.status in words), "")


def quoted(text: str) -> str:
    return text.strip()[-QUOTED:] or "it said nothing"
