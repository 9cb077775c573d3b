"""The JSON Schemas (draft 2020-12) that every document is held against, and their validators."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema_rs

if TYPE_CHECKING:
    from collections.abc import Iterator

# A message may quote the offending value; a hostile one would be endless.
MAX_MESSAGE = 200


def schema(name: str) -> Any:
    """The schema `name` (such as `measurement`) as parsed JSON."""
    return json.loads(files(__package__).joinpath(f"{name}.schema.json").read_text())


@cache
def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    def retrieve(uri: str) -> Any:
        return schema(uri.rsplit("/", 1)[-1].removesuffix(".schema.json"))

    return jsonschema_rs.Draft202012Validator(schema(name), retriever=retrieve)


def schema_errors(name: str, plain: Any) -> Iterator[tuple[str, str]]:
    """Each place where `plain` breaks the schema, as (JSON path such as `$.results[0]`, why)."""
    try:
        errors = validator(name).iter_errors(plain)
    except ValueError:  # the validator's own bound on depth, well past any document of ours
        yield "$", "nested too deeply"
        return
    for error in errors:
        told = _most_telling(error)
        yield json_path(told.instance_path), _message(told)


def json_path(parts: list[str | int]) -> str:
    return "$" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts)


def _most_telling(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    """Of alternatives that all failed, the fault in the one that got furthest."""
    if not isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AnyOf):
        return error
    branches = [errors for errors in error.kind.context if errors]
    if not branches:
        return error
    # Fewest faults, and the first of the deepest: the alternative that the writer meant.
    meant = min(branches, key=lambda e: (len(e), -max(len(x.instance_path) for x in e)))
    return _most_telling(max(meant, key=lambda e: len(e.instance_path)))


def _message(error: jsonschema_rs.ValidationError) -> str:
    """The validator's own words, but for a list of known ones, of which it tells the first two."""
    if not isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Enum):
        return _shortened(error.message)
    known = ", ".join(map(json.dumps, error.kind.options))
    return f"{_shortened(json.dumps(error.instance))} is not one of {known}"


def _shortened(message: str) -> str:
    if len(message) <= MAX_MESSAGE:
        return message
    return f"{message[: MAX_MESSAGE // 2]} … {message[-MAX_MESSAGE // 2 :]}"
