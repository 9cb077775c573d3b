"""A refreshed baseline, which a measured kernel may have written, before the judge."""

import json
import shutil
from dataclasses import replace

import pytest

from gate.documents import measurement_json
from gate.model import RUNTIME
from tests.factories import refreshed
from tests.workflows.recorded import CARD, TRUSTED, slower, stored_in
from tests.workflows.running import BASE, HEAD, step, workflow

KERNEL = "depthwise_conv_h"
VERIFY = step(workflow("refresh.yml"), "propose", "Verify them")
SAID = {"commit": HEAD, "reason": "bounds are checked now"}
KNOWN = {"CARD": CARD, "HEAD": HEAD, "KERNELS": KERNEL, "REASON": SAID["reason"]}


def anew(document=TRUSTED, **changes):
    """`document` as it would be refreshed, in place of what is stored."""
    return refreshed(document, TRUSTED, **{**SAID, **changes})


@pytest.fixture
def verify(bash):
    """The verification of one file, in the base's tree, with the real judge."""
    bash.checkout()
    bash.real_python()
    (bash.folder / "pyproject.toml").write_text("[tool.gate]\n")
    file = bash.folder / "baselines" / CARD / f"{KERNEL}.json"
    stored_in(bash.folder, TRUSTED)
    before = file.read_text()

    def run(text):
        given = bash.folder / "refreshed" / KERNEL / CARD / f"{KERNEL}.json"
        given.parent.mkdir(parents=True, exist_ok=True)
        given.write_text(text if isinstance(text, str) else measurement_json(text))
        ended = bash(VERIFY, **KNOWN)
        return ended, file.exists() and file.read_text() != before

    return run


def test_a_refreshed_baseline_is_taken_over_in_the_gate_s_own_words(bash, verify):
    ended, taken = verify(json.dumps(json.loads(measurement_json(anew())), indent=7))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert taken
    file = bash.folder / "baselines" / CARD / f"{KERNEL}.json"
    assert file.read_text() == measurement_json(anew())


def test_what_got_worse_stands_in_the_report_for_the_owners(bash, verify):
    ended, taken = verify(anew(slower(1.04, TRUSTED)))
    assert (ended.returncode, taken) == (0, True), ended.stdout
    report = (bash.folder / f"report-{KERNEL}.md").read_text()
    assert "Proposed baseline changes to approve by the owners of" in report
    assert SAID["reason"] in report
    assert "+4." in report


def test_a_workload_that_was_removed_stands_there_too(bash, verify):
    first, *others = TRUSTED.results
    ended, taken = verify(anew(replace(TRUSTED, results=tuple(others))))
    assert (ended.returncode, taken) == (0, True), ended.stdout
    report = (bash.folder / f"report-{KERNEL}.md").read_text()
    assert f"| `{KERNEL}` | `{first.workload}` | result |" in report
    assert "accepted: result missing" in report


def test_a_first_baseline_is_taken_over_where_there_is_none(bash, verify):
    shutil.rmtree(bash.folder / "baselines")
    ended, taken = verify(refreshed(TRUSTED, **SAID))
    assert (ended.returncode, taken) == (0, True), ended.stdout + ended.stderr
    report = (bash.folder / f"report-{KERNEL}.md").read_text()
    assert "Proposed baseline changes" in report


def test_figures_of_another_toolchain_are_for_the_owners_to_read(verify):
    tools = replace(TRUSTED.environment.toolchain, triton="9.9")
    other = anew(replace(TRUSTED, environment=replace(TRUSTED.environment, toolchain=tools)))
    ended, taken = verify(other)
    assert (ended.returncode, taken) == (0, True), ended.stdout


def forged_anchor():
    document = anew()
    worse = {
        workload: {RUNTIME: replace(anchor[RUNTIME], value=anchor[RUNTIME].value * 1.5)}
        for workload, anchor in document.baseline.anchors.items()
    }
    return replace(document, baseline=replace(document.baseline, anchors=worse))


def without_canary():
    return replace(anew(), environment=replace(TRUSTED.environment, canary=None))


def told(document, said, instead):
    text = measurement_json(document)
    assert said in text
    return text.replace(said, instead)


HOSTILE = {
    "no JSON": lambda: "{",
    "not a number": lambda: told(anew(), '"copy_ns": [', '"copy_ns": [NaN,'),
    "no schema": lambda: '{"schema_version": 1}',
    "no baseline": lambda: replace(anew(), baseline=None),
    "another commit": lambda: anew(commit=BASE),
    "another reason": lambda: anew(reason="because"),
    "no reason": lambda: anew(reason="  "),
    "another kernel": lambda: told(anew(), KERNEL, "other"),
    "an anchor that does not follow": forged_anchor,
    "beyond the cap": lambda: slower(1.2, anew()),
    "no canary": without_canary,
    "no workload": lambda: anew(replace(TRUSTED, results=())),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_baseline_is_not_taken_over(verify, make):
    ended, taken = verify(make())
    assert ended.returncode != 0
    assert not taken


def test_a_baseline_of_another_card_is_not_taken_over(bash, verify):
    ended, _ = verify(anew())
    assert ended.returncode == 0
    other = "nvidia-h100-80gb-hbm3"
    (bash.folder / "refreshed" / KERNEL / CARD).rename(bash.folder / "refreshed" / KERNEL / other)
    ended = bash(VERIFY, **{**KNOWN, "CARD": other})
    assert ended.returncode != 0
    assert not (bash.folder / "baselines" / other).exists()
