import time
from dataclasses import replace
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt
from report_samples import (
    FUNCTION,
    KERNEL,
    SAMPLES,
    agrees,
    figures,
    finding,
    regressed,
    verdict,
)

from gate.errors import ExitCode
from gate.model import SM_THROUGHPUT
from gate.report.markdown import MARKER, MAX_CHARACTERS, MAX_OPEN_ROWS, render
from gate.verdict import Status

INCORRECT = """\
<!-- gpu-regression-gate -->
### FAILED incorrect (exit 4): `depthwise_conv_h/flagship`: `correctness`: \
`4 of 131,072 elements differ from the reference (seed 20240607)`

On `NVIDIA H100 80GB HBM3`, against `baselines/nvidia-h100-80gb-hbm3`

| kernel | workload | metric | baseline | candidate | change | tolerance | reason |
| --- | --- | --- | ---: | ---: | ---: | --- | --- |
| `depthwise_conv_h` | `flagship` | correctness | - | - | - | - | failed: wrong result |

`depthwise_conv_h/flagship`: correctness failed (`wrong_result`)
```text
4 of 131,072 elements differ from the reference (seed 20240607)
  at (0, 3, 17, 128): 0.0 instead of 1.25
  largest absolute error 1.25, allowed 1e-05
```

**What to do next**

```text
gate check depthwise_conv_h --seed 20240607
```

<details>
<summary>3 findings passed, unchanged or improved</summary>

| kernel | workload | metric | baseline | candidate | change | tolerance | reason |
| --- | --- | --- | ---: | ---: | ---: | --- | --- |
| `depthwise_conv_h` | `flagship` and 1 more | contract | - | - | - | - | passed: \
contract kept |
| `depthwise_conv_h` | `k31` | correctness | - | - | - | - | passed: agrees |

</details>
"""

NOT_CHECKED_HEAD = """\
<!-- gpu-regression-gate -->
### PASSED: 14 workloads correct, 1 gated metric of compiled code unchanged \
against `baselines/sm_89`; \
not everything was checked, see below

Without a GPU, tested in Triton's interpreter

**Not checked**

- `performance (runtime, SM throughput, DRAM throughput): this machine has no GPU`
- `correctness of depthwise_conv_h/k31: Triton's interpreter cannot run libdevice functions`

<details>
"""

REGRESSED_ROWS = [
    [
        "depthwise_conv_h",
        "flagship",
        "runtime",
        "343.1\N{NO-BREAK SPACE}us",
        "412.1\N{NO-BREAK SPACE}us",
        "+20.1\N{NO-BREAK SPACE}% [+19.6\N{NO-BREAK SPACE}%, +20.6\N{NO-BREAK SPACE}%]",
        "1.0\N{NO-BREAK SPACE}% (configured floor)",
        "regressed: slower",
    ],
    [
        "depthwise_conv_h",
        "flagship",
        "SM throughput",
        "31.1\N{NO-BREAK SPACE}%",
        "25.9\N{NO-BREAK SPACE}%",
        "-16.7\N{NO-BREAK SPACE}% [-17.2\N{NO-BREAK SPACE}%, -16.2\N{NO-BREAK SPACE}%]",
        "2.0\N{NO-BREAK SPACE}% (configured floor)",
        "regressed: lower",
    ],
    [
        "depthwise_conv_h",
        "flagship",
        "DRAM throughput",
        "89.8\N{NO-BREAK SPACE}%",
        "74.8\N{NO-BREAK SPACE}%",
        "-16.7\N{NO-BREAK SPACE}% [-17.2\N{NO-BREAK SPACE}%, -16.2\N{NO-BREAK SPACE}%]",
        "2.15\N{NO-BREAK SPACE}% (baseline's noise)",
        "regressed: lower",
    ],
]


def parsed(text):
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(text)


def tables(text):
    """Each table as rows of cells of plain text, as a GFM reader sees it."""
    found = []
    for before, token in pairwise(parsed(text)):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif before.type in ("th_open", "td_open"):
            found[-1][-1].append("".join(child.content for child in token.children))
    return found


def test_a_failure_as_a_comment():
    assert render(SAMPLES["incorrect"]()) == INCORRECT


def test_what_was_not_checked_stands_outside_of_the_fold():
    assert render(SAMPLES["not_checked"]()).startswith(NOT_CHECKED_HEAD)


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_verdict_is_the_first_visible_line(sample):
    marker, heading, *_ = render(SAMPLES[sample]()).splitlines()
    assert marker == MARKER
    assert heading.startswith(("### PASSED: ", "### FAILED "))
    first, second = parsed(render(SAMPLES[sample]()))[:2]
    assert (first.type, second.type) == ("html_block", "heading_open")


def test_the_table_is_a_table_with_the_worst_first():
    red, green = tables(render(regressed()))
    assert red[1:] == REGRESSED_ROWS
    assert {len(row) for row in (*red, *green)} == {8}
    assert green[1][:3] == ["depthwise_conv_h", "flagship and 14 more", "correctness"]


def test_a_row_is_narrow_and_the_reason_below_it_names_the_metric_in_full():
    (runtime, sm, _), text = tables(render(regressed()))[0][1:], render(regressed())
    assert max(map(len, runtime)) < 30
    assert "`depthwise_conv_h/flagship`: SM throughput regressed (`lower`), " in text
    assert f"`{SM_THROUGHPUT}` of `{FUNCTION}`\n```text" in text
    assert "depthwise_conv_h_kernel" not in " ".join(sm)


def test_where_a_kernel_launches_several_functions_each_row_names_its_own():
    one = next(f for f in regressed().findings if f.subject == SM_THROUGHPUT)
    given = verdict(ExitCode.REGRESSED, one, replace(one, function="reduce_kernel"))
    assert [row[2] for row in tables(render(given))[0][1:]] == [
        "SM throughput of depthwise_conv_h_kernel",
        "SM throughput of reduce_kernel",
    ]


def test_commands_stand_in_a_block_of_their_own():
    fences = [t.content for t in parsed(render(regressed())) if t.type == "fence"]
    assert fences[-1] == f'gate baseline refresh {KERNEL} --accept-regression --reason "why"\n'
    assert "\n\nif it is meant:\n\n```text\ngate baseline" in render(regressed())


def test_steps_that_are_no_command_stand_outside_of_the_blocks():
    steps = (
        "gate doctor",
        f"mend kernels/{KERNEL}/kernel.py, then: gate check {KERNEL}",
        "gate check softmax",
        "ask @owner about #1",
        "gate doctor; if the machine is meant to be so: gate baseline refresh softmax",
    )
    broken = [replace(agrees(str(i))[0], next_step=step) for i, step in enumerate(steps)]
    broken = [replace(f, exit_code=ExitCode.INCORRECT) for f in broken]
    text = render(verdict(ExitCode.INCORRECT, *broken))
    fences = [t.content for t in parsed(text) if t.type == "fence"]
    assert fences[-3:] == [
        "gate doctor\ngate check softmax\n",
        f"gate check {KERNEL}\n",
        "gate baseline refresh softmax\n",
    ]
    assert f"\n\n`mend kernels/{KERNEL}/kernel.py, then`:\n\n```text" in text
    assert "\n\n`ask @owner about #1`\n\nif the machine is meant to be so:\n\n" in text


def test_a_green_comment_says_how_much_was_tolerated():
    said = "tolerances: runtime 1.0 % (configured floor), SM throughput"
    assert said in render(SAMPLES["passed"]())
    assert "tolerances:" not in render(regressed())


def test_accepted_changes_have_a_table_of_their_own():
    text = render(SAMPLES["accepted"]())
    assert text.index("**Accepted changes**") < text.index("while runtime did not rise")
    assert text.index("while runtime did not rise") < text.index("<details>")


def test_kernels_that_share_a_workload_name_are_not_lumped_together():
    text = render(verdict(ExitCode.PASSED, *agrees("default"), *agrees("default", "softmax")))
    (green,) = tables(text)
    assert [row[:2] for row in green[1:]] == [
        ["depthwise_conv_h", "default"],
        ["depthwise_conv_h", "default"],
        ["softmax", "default"],
        ["softmax", "default"],
    ]


def flood(message="beyond its tolerance"):
    """3,000 workloads, of which every second is slower than the one before it."""
    for i in range(3_000):
        slower = figures(f"w{i}", runtime=400_000.0 + i, status=Status.REGRESSED)
        for one in slower if i % 2 else figures(f"w{i}"):
            yield replace(
                one, reason=replace(one.reason, message=message), next_step=f"{one.next_step} {i}"
            )


@pytest.mark.parametrize(
    "message", ["beyond its tolerance", "`" * 20_000, "\n" * 20_000, "ab " * 7_000]
)
def test_thousands_of_results_fit_into_a_comment_in_a_second(message):
    given = verdict(ExitCode.REGRESSED, *flood(message), not_checked=(message,) * 1000)
    started = time.perf_counter()
    text = render(given)
    assert time.perf_counter() - started < 1
    assert len(text) < MAX_CHARACTERS
    assert "`w2999`" in text
    assert text.count("more, left out here; the JSON has all.") >= 4
    red, more_red, green = tables(text)
    changes = [float(row[5].split()[0]) for row in (*red[1:], *more_red[1:])]
    assert changes == sorted(changes, reverse=True)
    assert len(green) > 5


def test_the_count_of_what_was_left_out_is_right():
    text = render(verdict(ExitCode.REGRESSED, *flood()))
    red, more_red, _ = tables(text)
    assert len(red) == MAX_OPEN_ROWS + 1
    shown = len(red) + len(more_red) - 2
    assert f"... and {1_500 - shown:,} more, left out here; the JSON has all." in text


def test_of_thousands_the_worst_and_the_next_step_stand_open_and_the_rest_is_folded():
    text = render(verdict(ExitCode.REGRESSED, *flood()))
    opened, folded, *_ = text.split("<details>")
    assert "`w2999`" in opened
    assert opened.index("`w2999`") < opened.index("**What to do next**")
    assert len(opened) < MAX_CHARACTERS / 3
    assert "1,490 more rows and 1,497 more reasons, worst first" in folded


def test_the_longest_names_still_fit():
    long = "n" * 5_000
    one = finding(long, Status.FAILED, long, long, kernel=long, workload=long, function=long)
    many = [replace(one, workload=f"{i}{long}", next_step=f"{i}{long}") for i in range(1_000)]
    green = [replace(f, status=Status.PASSED) for f in many]
    given = verdict(
        ExitCode.INVALID, *many, *green, gpu=long, folder=long, not_checked=(long,) * 99
    )
    assert len(render(given)) < MAX_CHARACTERS
