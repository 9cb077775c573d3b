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
    for error in validator(name).iter_errors(plain):
        message = error.message
        if len(message) > MAX_MESSAGE:
            message = f"{message[: MAX_MESSAGE // 2]} … {message[-MAX_MESSAGE // 2 :]}"
        yield json_path(error.instance_path), message


def json_path(parts: list[str | int]) -> str:
    return "$" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts)
