"""Measurements and verdicts as files: strict in, stable out.

A measurement may have been written by an attacker. It is read in one fixed order: size, encoding,
JSON without NaN, infinities or duplicate keys, schema, then one conversion into dataclasses.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import NoneType, UnionType
from typing import IO, TYPE_CHECKING, Any, Literal, get_args, get_origin

import cattrs

from gate.errors import CannotWrite, InvalidDocument
from gate.model import SCHEMA_VERSION, Binding, Measurement, NcuBlock, NotMeasured
from gate.schemas import schema_errors

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gate.verdict import Verdict

# 1,000 kernels of 5 workloads with every metric are about a fifth of this.
MAX_DOCUMENT_BYTES = 128 * 1024 * 1024
STDIN = Path("-")


def _is_not_measured(value: Any) -> bool:
    # A JIT function may be called `status`; its value is then an object, not a string.
    return isinstance(value, dict) and isinstance(value.get("status"), str) and "reason" in value


def _converter() -> cattrs.Converter:
    """Made for values that have passed their schema; a hook is looked up once for all values."""
    converter = cattrs.Converter(detailed_validation=False)
    converter.register_structure_hook_func(_is_plain, lambda value, _type: value)

    @converter.register_structure_hook_factory(_is_measured_union)
    def _(union: Any) -> Any:
        (kind,) = (arm for arm in union.__args__ if arm is not NotMeasured)
        measured, gap = map(converter.get_structure_hook, (kind, NotMeasured))
        return lambda value, _type: (
            gap(value, NotMeasured) if _is_not_measured(value) else measured(value, kind)
        )

    @converter.register_structure_hook_factory(_is_tuple)
    def _(kind: Any) -> Any:
        element = get_args(kind)[0]  # no tuple of the model mixes types
        if _is_plain(element):
            return lambda value, _type: tuple(value)
        structure = converter.get_structure_hook(element)
        return lambda value, _type: tuple([structure(each, element) for each in value])

    return converter


def _is_measured_union(kind: Any) -> bool:
    return NotMeasured in get_args(kind)


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _is_plain(kind: Any) -> bool:
    """Nothing is to be converted; but `20.0` passes as an integer, which is then made one.

    A whole number in a float's place stays whole.
    """
    if isinstance(kind, UnionType):
        return all(map(_is_plain, get_args(kind)))
    return kind in (str, float, bool, NoneType, NcuBlock) or get_origin(kind) is Literal


_CONVERTER = _converter()


def load_measurement(path: Path) -> Measurement:
    """Read a measurement or a baseline, STDIN for what is piped in.

    Raises InvalidDocument with the JSON path of the fault.
    """
    source, plain = _source(path), load_json(path)
    if isinstance(plain, dict) and plain.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        raise InvalidDocument(
            f"{source}: $.schema_version: this gate reads version {SCHEMA_VERSION} only",
            hint="measure again with this version of the gate",
        )
    _hold_against_schema(source, plain)
    measurement = _CONVERTER.structure(plain, Measurement)
    _refuse_duplicates(source, measurement)
    return measurement


def load_binding(path: Path) -> Binding:
    """Read which run this is. Raises InvalidDocument."""
    plain = load_json(path)
    for place, message in schema_errors("binding", plain):
        raise InvalidDocument(f"{path}: {place}: {message}")
    return _CONVERTER.structure(plain, Binding)


def validate(measurement: Measurement) -> Measurement:
    """The same measurement, held against its schema before anything is judged.

    What a kernel made its own process say can be out of every range. Raises InvalidDocument.
    """
    _hold_against_schema("the measurement", json.loads(measurement_json(measurement)))
    return measurement


def _hold_against_schema(source: str, plain: Any) -> None:
    for place, message in schema_errors("measurement", plain):
        raise InvalidDocument(f"{source}: {place}: {message}")


def load_json(path: Path) -> Any:
    """Parse one JSON file that nobody trusts. Raises InvalidDocument."""
    try:
        text = _read_bounded(path).decode()
        plain = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        if "\\" in text:  # only an escape can smuggle in half of a surrogate pair, and few have one
            json.dumps(plain, ensure_ascii=False).encode()
    except RecursionError as error:
        raise InvalidDocument(f"{_source(path)}: nested too deeply") from error
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError and our own refusals
        raise InvalidDocument(f"{_source(path)}: not strict JSON: {error}") from error
    return plain


def measurement_json(measurement: Measurement) -> str:
    return _stable(_CONVERTER.unstructure(measurement))


def verdict_json(verdict: Verdict) -> str:
    plain = _CONVERTER.unstructure(verdict)
    name = verdict.exit_code.name.lower()
    return _stable({"schema_version": SCHEMA_VERSION, "verdict": name, **plain})


def write_atomically(path: Path, text: str) -> None:
    """Replace the file as a whole or not at all, also when the disk is full.

    A link is followed, and what is no regular file (a pipe, a device) is written to as it is.
    Raises CannotWrite.
    """
    path = path.resolve()
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
        else:
            _replace(path, text)
    except OSError as error:
        raise CannotWrite(f"{path}: cannot be written: {error.strerror}") from error


def refuse_unwritable(path: Path) -> None:
    """Find out, and leave nothing but the folder behind. Raises CannotWrite."""
    path = path.resolve()
    try:
        if not path.exists() or path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
                return
    except OSError as error:
        raise CannotWrite(f"{path}: cannot be written: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise CannotWrite(f"{path}: cannot be written: {os.strerror(errno.EACCES)}")


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def sorted_by_workload(measurement: Measurement) -> Measurement:
    """The same results in an order that does not depend on how they were asked for."""
    ordered = sorted(measurement.results, key=lambda result: (result.kernel, result.workload))
    return replace(measurement, results=tuple(ordered))


def _stable(plain: Any) -> str:
    try:
        return json.dumps(plain, indent=2, sort_keys=True, allow_nan=False) + "\n"
    except ValueError as error:
        raise InvalidDocument(f"a figure is not a number: {error}") from error


def _source(path: Path) -> str:
    return "stdin" if path == STDIN else str(path)


def _read_bounded(path: Path) -> bytes:
    try:
        with _opened(path) as stream:
            data = stream.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise InvalidDocument(f"{_source(path)}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_DOCUMENT_BYTES:
        raise InvalidDocument(f"{_source(path)}: larger than {MAX_DOCUMENT_BYTES} bytes")
    return data


def _opened(path: Path) -> AbstractContextManager[IO[bytes]]:
    if path == STDIN:
        if not sys.stdin:  # it was closed before Python started
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return nullcontext(sys.stdin.buffer)
    # Without O_NONBLOCK a FIFO put in a file's place would hang the judge.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise InvalidDocument(f"{path}: not a regular file")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:100]!r} stands twice in one object")
    return plain


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is beyond every number")
    return value


def _refuse_duplicates(source: str, measurement: Measurement) -> None:
    seen: set[tuple[str, str]] = set()
    for index, result in enumerate(measurement.results):
        key = (result.kernel, result.workload)
        if key in seen:
            raise InvalidDocument(
                f"{source}: $.results[{index}]: {result.kernel}/{result.workload} is there twice"
            )
        seen.add(key)
