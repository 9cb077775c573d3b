"""The night: what it must have measured, the anchors, and the one issue that tells of it."""

import json
import shutil
from zipfile import ZipFile

import pytest

from gate.documents import load_binding
from gate.model import Binding
from tests.workflows.running import BASE, HEAD, ROOT, step, workflow

NIGHTLY = workflow("nightly.yml")
RECORDED = ROOT / "tests" / "data" / "h100" / "measurement.json"
CARD, KERNEL = "nvidia-h100-80gb-hbm3", "depthwise_conv_h"
MARKER = "<!-- gpu-regression-gate nightly -->"


@pytest.mark.parametrize("result", ["failure", "cancelled", "skipped", ""])
def test_a_night_without_figures_is_red(bash, result):
    script = step(NIGHTLY, "judge", "It was measured")
    assert bash(script, RESULT="success").returncode == 0
    assert bash(script, RESULT=result).returncode != 0


def test_both_sides_say_which_run_it_is_in_the_same_words(bash):
    bash.checkout()
    script = step(NIGHTLY, "measure", "Which run this is")
    assert script == step(NIGHTLY, "judge", "Which run this is")
    assert bash(script, BASE=BASE, HEAD=HEAD).returncode == 0
    known = load_binding(bash.folder / "binding.json")
    assert known == Binding(head_sha=HEAD, base_sha=BASE, nonce="7-2", run="7/2")


def test_the_measurement_of_this_attempt_is_fetched(bash):
    bash.checkout()
    with ZipFile(bash.folder / "sent.zip", "w") as archive:
        archive.writestr("run.json", "{}")
    listed = {"artifacts": [{"id": 5, "size_in_bytes": 100}]}
    bash.github(["artifacts?name=measurement-2", listed], ["artifacts/5/zip", "sent.zip"])
    assert bash(step(NIGHTLY, "judge", "Fetch the measurement")).returncode == 0
    assert (bash.folder / "run.json").read_text() == "{}"
    bash.github(["artifacts?name=measurement-2", {"artifacts": []}])
    assert bash(step(NIGHTLY, "judge", "Fetch the measurement")).returncode != 0


# --------------------------------------------------------------------------------- the anchors


@pytest.fixture
def night(bash):
    """The recorded measurement in a checkout, with the real baselines."""
    bash.checkout()
    bash.real_python()
    (bash.folder / "pyproject.toml").write_text("[tool.gate]\n")
    shutil.copytree(ROOT / "baselines", bash.folder / "baselines")
    shutil.copy(RECORDED, bash.folder / "run.json")
    return bash


def held(night):
    ended = night(step(NIGHTLY, "judge", "Against the best that there was"))
    return ended, (night.folder / "anchors.md").read_text()


def edited(file, change):
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def baseline(night):
    return night.folder / "baselines" / CARD / f"{KERNEL}.json"


def anchors_at(factor):
    def change(document):
        for anchor in document["baseline"]["anchors"].values():
            anchor["runtime"]["value"] *= factor

    return change


def test_what_is_near_its_best_is_a_table(night):
    ended, said = held(night)
    assert ended.returncode == 0, ended.stderr
    assert said.startswith("0 of 3 runtimes are more than 10% above their best.\n\n| workload |")
    anchors = json.loads(baseline(night).read_text())["baseline"]["anchors"]
    best = anchors["flagship"]["runtime"]
    shown = f"{best['value'] / 1000:.1f} us | `{best['commit'][:12]}`"
    assert f"| `{KERNEL}/flagship` | {shown} |" in said
    assert said in night.summary()


def test_what_crept_beyond_the_cap_is_red_though_its_baseline_crept_along(night):
    edited(baseline(night), anchors_at(0.85))
    ended, said = held(night)
    assert ended.returncode == 3
    assert said.startswith("3 of 3 runtimes are more than 10% above their best.\n\n")
    assert "| +1" in said


def test_the_cap_is_the_configured_one(night):
    (night.folder / "pyproject.toml").write_text("[tool.gate]\ncreep_cap = 0.5\n")
    edited(baseline(night), anchors_at(0.85))
    assert held(night)[0].returncode == 0


def test_nothing_to_compare_with_is_not_green(night):
    shutil.rmtree(night.folder / "baselines")
    ended, said = held(night)
    assert (ended.returncode, said) == (
        7,
        "No runtime could be held against the best that there was.\n",
    )


def test_a_hostile_measurement_is_not_quoted(night):
    (night.folder / "run.json").write_text('{"::error::x": NaN}')
    ended, said = held(night)
    assert (ended.returncode, said) == (7, "The anchors could not be read: the run says why.\n")
    assert "\n::" not in ended.stderr


# ----------------------------------------------------------------------------------- the issue


def tell(bash, issues, *, status="failure", measured="success", report="### FAILED", **env):
    bash.checkout()
    if report:
        (bash.folder / "found.md").write_text(report)
        (bash.folder / "anchors.md").write_text("the anchors")
    bash.github(
        ["issues?state=open&creator=github-actions%5Bbot%5D", issues],
        ["issues/41/comments", {}],
        ["issues/41", {}],
        ["issues", {}],
    )
    known = {"STATUS": status, "MEASURED": measured, "REPORT": "found.md" if report else ""}
    ended = bash(step(NIGHTLY, "judge", "Tell it"), **{**known, **env})
    assert ended.returncode == 0, ended.stderr
    return [" ".join(call) for call in bash.calls()][1:]


OURS = {"number": 41, "body": f"{MARKER}\nred"}
OTHERS = [{"number": 7, "body": f"see {MARKER}"}, {"number": 8, "body": None}]


def test_the_first_bad_night_opens_an_issue(bash):
    (call,) = tell(bash, OTHERS)
    assert "repos/o/r/issues --silent -f title=The nightly check of main is red" in call
    body = (bash.folder / "body.md").read_text()
    assert body.startswith(f"{MARKER}\n")
    assert f"`{HEAD}`: [the run](https://h/o/r/actions/runs/7)" in body
    assert body.index("### FAILED") < body.index("the anchors")
    assert "Nothing was measured" not in body


@pytest.mark.parametrize("status", ["failure", "cancelled", ""])
def test_each_that_follows_writes_over_it(bash, status):
    (call,) = tell(bash, [*OTHERS, OURS], status=status)
    assert call == "api repos/o/r/issues/41 --silent --method PATCH -F body=@body.md"


@pytest.mark.parametrize("measured", ["failure", "cancelled", "skipped", ""])
def test_a_night_without_figures_says_so(bash, measured):
    tell(bash, [OURS], measured=measured, report="")
    body = (bash.folder / "body.md").read_text()
    assert f"**Nothing was measured**: the job ended with {measured or 'nothing'}." in body
    assert "There is no report." in body


def test_the_first_good_night_closes_it(bash):
    said, closed = tell(bash, [OURS], status="success")
    assert "issues/41/comments" in said
    assert "body=Green again: [the run]" in said
    assert "issues/41 --silent --method PATCH -f state=closed" in closed


def test_a_good_night_is_quiet(bash):
    assert tell(bash, OTHERS, status="success") == []


def test_a_report_of_any_length_fits_into_the_issue(bash):
    tell(bash, [], report="x" * 65_000)
    body = (bash.folder / "body.md").read_text()
    assert len(body) < 65_536
    assert "The report is too long for this place" in body
    assert "the anchors" in body
