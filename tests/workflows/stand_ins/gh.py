"""Stands in for `gh api`: asks the API at $LOOPBACK_API what the real one would ask GitHub's."""

import argparse
import json
import os
import re
import sys
from http.client import HTTPConnection
from pathlib import Path

BAD_REQUEST = 400


def arguments():
    parser = argparse.ArgumentParser(prog="gh")
    parser.add_argument("command", choices=["api"])
    parser.add_argument("path")
    parser.add_argument("--paginate", action="store_true")
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--method")
    parser.add_argument("--input")
    parser.add_argument("--jq")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-f", dest="texts", action="append", default=[])
    parser.add_argument("-F", dest="values", action="append", default=[])
    return parser.parse_args()


def value_of(text):
    if text.startswith("@"):
        return Path(text[1:]).read_text()
    return json.loads(text) if re.fullmatch(r"true|false|null|-?\d+", text) else text


def body_of(asked):
    """`a[b]=c` is an object in an object, `a[]=c` an item of a list; every -f is before any -F."""
    if asked.input:
        return json.loads(Path(asked.input).read_text())
    body = {}
    fields = [(field, str) for field in asked.texts] + [(field, value_of) for field in asked.values]
    for field, convert in fields:
        key, _, text = field.partition("=")
        put(body, key.replace("]", "").split("["), convert(text))
    return body


def put(inner, names, value):
    name, *rest = names
    if not rest:
        inner[name] = value
    elif rest == [""]:
        inner.setdefault(name, []).append(value)
    elif rest[0]:
        put(inner.setdefault(name, {}), rest, value)
    else:  # an item's key that is there already begins the next item
        items = inner.setdefault(name, [])
        if not items or rest[1] in items[-1]:
            items.append({})
        put(items[-1], rest[1:], value)


def call(asked, target):
    """The answer, and where the next page is."""
    body = body_of(asked)
    github = HTTPConnection(os.environ["LOOPBACK_API"])
    github.request(
        asked.method or ("POST" if body else "GET"),
        target,
        json.dumps(body) if body else None,
        {"Authorization": f"Bearer {os.environ['GH_TOKEN']}"}
        | dict(header.split(": ", 1) for header in asked.headers),
    )
    answer = github.getresponse()
    text = answer.read()
    if answer.status >= BAD_REQUEST:
        sys.stdout.buffer.write(text)
        sys.exit(f"gh: {answer.reason} (HTTP {answer.status}): {target}")
    following = re.search('<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
    return text, following and following[1]


def show(asked, answer):
    if asked.silent:
        return
    if not asked.jq:
        sys.stdout.buffer.write(answer)
        return
    import jq

    for found in jq.compile(asked.jq).input_text(answer.decode()):
        text = found if isinstance(found, str) else json.dumps(found)
        sys.stdout.write(f"{text}\n")


def main():
    asked = arguments()
    target = f"/{asked.path}"
    while target:
        answer, following = call(asked, target)
        show(asked, answer)
        target = following if asked.paginate else None


main()
