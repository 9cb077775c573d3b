"""What a change proposes to store, in front of those who have to approve it."""

import json
from io import StringIO

from report_samples import agrees, figures, proposal, verdict
from rich.console import Console

from gate.documents import verdict_json
from gate.errors import ExitCode
from gate.report import markdown, terminal
from gate.schemas import schema_errors

PROPOSED = verdict(
    ExitCode.PASSED, *agrees(), *figures(), proposals=(proposal(new_anchors=("flagship",)),)
)
NONE = verdict(ExitCode.PASSED, *agrees(), *figures())


def in_terminal(given, width=120):
    console = Console(file=StringIO(), width=width)
    terminal.render(given, console)
    return console.file.getvalue()


def test_the_terminal_has_a_table_of_its_own():
    said = in_terminal(PROPOSED)
    assert (
        """
  depthwise_conv_h/flagship  runtime        343.1 us  412.0 us  412.1 us  1.0 %
  depthwise_conv_h/flagship  SM throughput  -         25.8 %    25.9 %    2.0 %
depthwise_conv_h (a new anchor, beyond the cap from the best: flagship):
  | bounds are checked now
"""
        in said
    )
    assert "Proposed baseline changes to approve by the owners of baselines/:\n" in said
    assert "approve" not in in_terminal(NONE)


def test_the_comment_has_a_table_of_its_own():
    text = markdown.render(PROPOSED)
    assert "**Proposed baseline changes to approve by the owners of `baselines/`**" in text
    cells = "`depthwise_conv_h/flagship` | runtime | 343.1 us | 412.0 us | 412.1 us | 1.0 %"
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    assert f"| {cells} |" in text
    assert "| SM throughput of `depthwise_conv_h_kernel` | - | 25.8 % | 25.9 % | 2.0 % |" in text
    assert "bounds are checked now" in text
    assert "a new anchor, beyond the cap" in text
    assert "approve" not in markdown.render(NONE)


def test_the_json_has_every_figure():
    plain = json.loads(verdict_json(PROPOSED))
    assert not list(schema_errors("verdict", plain))
    (told,) = plain["proposals"]
    assert told["new_anchors"] == ["flagship"]
    assert [figure["stored"] for figure in told["figures"]] == [343_100.0, None]


def test_a_thousand_proposals_leave_a_comment_that_github_takes():
    many = tuple(proposal("x" * 2000) for _ in range(1000))
    text = markdown.render(verdict(ExitCode.PASSED, *agrees(), proposals=many))
    assert len(text) < markdown.MAX_CHARACTERS
    assert "and 1" in text
    assert "more, left out here" in text
    assert "... and 1,980 more, all in --json" in in_terminal(
        verdict(ExitCode.PASSED, *agrees(), proposals=many)
    )
