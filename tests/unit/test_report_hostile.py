"""What a kernel's author can put into a verdict, through every renderer."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report_samples import SAMPLES, comparison, finding, proposal, verdict
from rich.console import Console

from gate.errors import ExitCode
from gate.model import RUNTIME
from gate.report import junit, markdown, terminal
from gate.verdict import Status

HOSTILE = {
    "workflow command": "::error::owned",
    "workflow command on a later line": "sorry\n::set-output name=x::owned",
    "indented workflow command": "sorry\n \t ::stop-commands::owned",
    "workflow command after a carriage return": "sorry\r::add-mask::a",
    "workflow command after odd line ends": "a\u2028::error::b\x85::error::c\x0b::error::d",
    "workflow command where a line is folded": "x" * 115 + " ::error::owned",
    "workflow command where a word is folded": "x" * 116 + "::error::owned",
    "old workflow command": "sorry ##[error]owned ##[group]",
    "azure command": "##vso[task.setvariable variable=x]owned",
    "terminal colour": "\x1b[2J\x1b[1;32mPASSED\x1b[0m",
    "terminal title and link": "\x1b]0;owned\x07\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "C1 control": "\x9b31mred",
    "backspaces": "FAILED\b\b\b\b\b\bPASSED",
    "rich markup": "[red]owned[/red] [link=http://evil.example]x[/link] [/]",
    "rich emoji": ":fire: :warning:",
    "table cell": "a | b || c \\| d |\n| --- |",
    "backticks": "`x` ``y`` ```\nz\n```` ` `",
    "fence": "```\n# PASSED\n~~~\n```text",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)><details><summary>",
    "html comment": "--> <!-- gpu-regression-gate --> <!--",
    "image": "![x](http://evil.example/x.png) [here](javascript:alert(1))",
    "reference": "[x][y]\n\n[y]: http://evil.example",
    "bare address": "http://evil.example www.evil.example me@evil.example",
    "mention": "@torvalds @github/security #1 GH-1 octocat/hello#1",
    "heading": "\n\n# PASSED\n\nSetext\n====\n",
    "list and quote": "\n- x\n> y\n1. z\n\n    code",
    "front matter": "---\nx: y\n---",
    "entity": "&lt;b&gt; &#64;you &colon;&colon;",
    "cdata": "]]> <![CDATA[ <!DOCTYPE x [<!ENTITY y 'z'>]> &y;",
    "xml control characters": "".join(map(chr, range(32))) + "\x7f\x80\ufffe\uffff",
    "bidi override": "\u202egnp.exe\u202c \u2066x\u2069 \u200f",
    "invisible": "pa\u200bss\u00ad\ufeff\u2060 \U000e0041",
    "lone surrogates": "\ud800 \udfff x",
    "blank": " \n \t ",
    "empty": "",
    "megabytes": "\x1b@::error::`|<" * 200_000,
    "megabytes of lines": "::error::x\n" * 200_000,
}
TEXTS = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())


def in_messages(text):
    """`text` wherever free text can be in a verdict that has passed its schema."""
    findings = (
        finding("correctness", Status.FAILED, "crashed", text, next_step=text, workload="w1"),
        finding(
            RUNTIME,
            Status.REGRESSED,
            "slower",
            text,
            comparison=comparison("ns", 1.0, 2.0),
            exit_code=ExitCode.REGRESSED,
            next_step=f"{text}2",
        ),
        finding("correctness", Status.NOT_CHECKED, "unsupported", text, workload="w2"),
        finding("correctness", Status.ACCEPTED, "trade_off", text, workload="w3"),
        finding("correctness", Status.PASSED, "agrees", text, workload="w4"),
    )
    return verdict(
        ExitCode.INCORRECT,
        *findings,
        gpu=text,
        folder=text,
        not_checked=(text, f"{text} too"),
        proposals=(proposal(text, new_anchors=("flagship",)),),
    )


def everywhere(text):
    """`text` also in the names, where a schema would have refused most of it."""

    def renamed(one):
        compared = one.comparison and replace(one.comparison, unit=text)
        reason = replace(one.reason, code=text)
        named = {"kernel": text, "workload": text, "subject": text, "function": text}
        return replace(one, comparison=compared, reason=reason, **named)

    given = in_messages(text)
    (proposed,) = given.proposals
    names = {"workload": text, "metric": text, "function": text, "unit": text}
    figures = tuple(replace(figure, **names) for figure in proposed.figures)
    changed = replace(proposed, kernel=text, new_anchors=(text,), figures=figures)
    findings = tuple(map(renamed, given.findings))
    return replace(given, findings=findings, proposals=(changed,))


# ----------------------------------------------------------------------------------- terminal


def assert_harmless_in_a_terminal(rendered):
    # Readers of a log may break its lines where Python's splitlines does.
    for line in rendered.splitlines():
        assert not line.lstrip().startswith("::")
        assert not re.search(r"##\w*\[", line)
    assert all(c == "\n" or c.isprintable() for c in rendered)
    rendered.encode()


def in_terminal(given, width=120, **options):
    console = Console(file=StringIO(), width=width, **options)
    terminal.render(given, console)
    return console.file.getvalue()


@TEXTS
@pytest.mark.parametrize("build", [in_messages, everywhere])
@pytest.mark.parametrize("width", [20, 80, 120])
def test_terminal(text, build, width):
    rendered = in_terminal(build(text), width)
    assert_harmless_in_a_terminal(rendered)
    assert rendered.startswith("FAILED incorrect (exit 4): ")
    assert len(rendered) < 40_000


@TEXTS
def test_a_terminal_gets_no_escape_but_the_gates_own(text):
    coloured = in_terminal(in_messages(text), force_terminal=True, color_system="standard")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert plain == in_terminal(in_messages(text))


def test_markup_is_shown_as_it_is():
    rendered = in_terminal(in_messages(HOSTILE["rich markup"]))
    assert "  | [red]owned[/red] [link=http://evil.example]x[/link] [/]\n" in rendered
    assert "  | :fire: :warning:\n" in in_terminal(in_messages(HOSTILE["rich emoji"]))


# ----------------------------------------------------------------------------------- markdown


class Html(HTMLParser):
    """Which elements there are, and the text outside of code, where GitHub makes links."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.prose, self.comments, self._in_code = [], [], [], 0

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._in_code += tag == "code"
        assert {name for name, _ in attrs} <= {"style", "class"}

    def handle_endtag(self, tag):
        self._in_code -= tag == "code"

    def handle_comment(self, data):
        self.comments.append(data)

    def handle_data(self, data):
        if not self._in_code:
            self.prose.append(data)


EXPECTED_TAGS = {
    *("h3", "p", "code", "pre", "strong", "ul", "li", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
OWN_PROSE = re.compile(r"[A-Za-z0-9 \xa0\n%(),.;:?*/_+'\[\]-]*")


def assert_harmless_in_markdown(rendered, folds=1):
    assert len(rendered) < markdown.MAX_CHARACTERS
    rendered.encode()
    html = Html()
    html.feed(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(rendered))
    assert set(html.tags) <= EXPECTED_TAGS
    assert html.tags.count("h3") == 1
    assert html.tags.count("details") == html.tags.count("summary") == folds
    assert html.comments == [" gpu-regression-gate "]
    prose = "".join(html.prose)
    assert OWN_PROSE.fullmatch(prose)
    assert not re.search(r"://|www\.|evil\.", prose)
    assert rendered.splitlines()[1].startswith("### FAILED incorrect (exit 4): ")
    assert rendered.rstrip().endswith("</details>")


@TEXTS
@pytest.mark.parametrize("build", [in_messages, everywhere])
def test_markdown(text, build):
    assert_harmless_in_markdown(markdown.render(build(text)))


# -------------------------------------------------------------------------------------- junit


def assert_sound_xml(rendered, given):
    root = ET.fromstring(rendered.encode())
    assert int(root.get("tests")) == len(given.findings) + len(given.not_checked)
    assert {e.tag for e in root.iter()} <= {
        *("testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out")
    }
    assert int(root.get("failures")) == 2
    for element in root.iter():
        for value in (element.text or "", *element.attrib.values()):
            assert all(c == "\n" or c.isprintable() for c in value)


@TEXTS
@pytest.mark.parametrize("build", [in_messages, everywhere])
def test_junit(text, build):
    given = build(text)
    assert_sound_xml(junit.render(given), given)


# ------------------------------------------------------------------------------------- fuzzed

_ALPHABET = st.one_of(
    st.characters(),
    st.characters(codec=None, categories=["Cs", "Cc", "Cf"]),
    st.sampled_from(":#[`|<>@\n"),
)


@settings(deadline=None, max_examples=200)
@given(st.text(_ALPHABET, max_size=300), st.sampled_from([in_messages, everywhere]))
def test_any_text_is_harmless_in_every_renderer(text, build):
    given_verdict = build(text)
    assert_harmless_in_a_terminal(in_terminal(given_verdict, 40))
    assert_harmless_in_markdown(markdown.render(given_verdict))
    assert_sound_xml(junit.render(given_verdict), given_verdict)


@settings(deadline=None)
@given(st.data())
def test_any_number_is_rendered(data):
    number = st.floats(allow_nan=True, allow_infinity=True)
    values = {key: data.draw(number) for key in ("baseline", "candidate", "change", "low", "high")}
    compared = replace(comparison("ns", 1.0, 2.0), tolerance=data.draw(number), **values)
    compared = replace(compared, unit=data.draw(st.sampled_from(["ns", "%", "B"])))
    one = finding(RUNTIME, Status.REGRESSED, "slower", "x", comparison=compared)
    given_verdict = verdict(ExitCode.REGRESSED, one)
    assert in_terminal(given_verdict)
    assert markdown.render(given_verdict)
    assert junit.render(given_verdict)


@pytest.mark.parametrize("sample", SAMPLES)
def test_renderers_are_pure(sample):
    for render in (markdown.render, junit.render, in_terminal):
        assert render(SAMPLES[sample]()) == render(SAMPLES[sample]())
