from xml.etree import ElementTree as ET

import pytest
from report_samples import KERNEL, SAMPLES, agrees, finding, verdict

from gate.errors import ExitCode
from gate.report.junit import render
from gate.verdict import Status

# Jenkins' xunit-plugin, junit-10.xsd: required and allowed attributes of each element, and which
# elements it may hold.
SHAPE = {
    "testsuites": ((), ("name", "tests", "failures", "errors"), ("testsuite",)),
    "testsuite": (("name", "tests", "failures", "errors"), ("skipped",), ("testcase",)),
    "testcase": (
        ("name",),
        ("classname", "time"),
        ("failure", "error", "skipped", "system-out"),
    ),
    "failure": ((), ("type", "message"), ()),
    "error": ((), ("type", "message"), ()),
    "skipped": ((), ("type", "message"), ()),
    "system-out": ((), (), ()),
}
ENVIRONMENT = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="gpu regression gate" tests="7" failures="0" errors="2">
  <testsuite name="depthwise_conv_h" tests="3" failures="0" errors="1" skipped="0">
    <testcase classname="depthwise_conv_h.*" name="gpu" time="0">
      <error type="no_gpu" message="a measurement on a GPU is required: no NVIDIA driver is \
loaded">a measurement on a GPU is required: no NVIDIA driver is loaded
next: gate doctor</error>
    </testcase>
    <testcase classname="depthwise_conv_h.flagship" name="correctness" time="0" />
    <testcase classname="depthwise_conv_h.flagship" name="contract" time="0" />
  </testsuite>
  <testsuite name="softmax" tests="3" failures="0" errors="1" skipped="0">
    <testcase classname="softmax.*" name="gpu" time="0">
      <error type="no_gpu" message="a measurement on a GPU is required: no NVIDIA driver is \
loaded">a measurement on a GPU is required: no NVIDIA driver is loaded
next: gate doctor</error>
    </testcase>
    <testcase classname="softmax.default" name="correctness" time="0" />
    <testcase classname="softmax.default" name="contract" time="0" />
  </testsuite>
  <testsuite name="gpu regression gate" tests="1" failures="0" errors="0" skipped="1">
    <testcase classname="gpu regression gate" name="not checked 1" time="0">
      <skipped type="not_checked" message="performance (runtime, SM throughput, DRAM throughput): \
this machine has no GPU">performance (runtime, SM throughput, DRAM throughput): \
this machine has no GPU</skipped>
    </testcase>
  </testsuite>
</testsuites>
"""


def parsed(given):
    return ET.fromstring(render(given).encode())


def assert_shape(element):
    required, optional, children = SHAPE[element.tag]
    assert set(required) <= set(element.attrib) <= {*required, *optional}
    for child in element:
        assert child.tag in children
        assert_shape(child)


def assert_counts(element):
    for attribute, tag in (
        ("tests", "testcase"),
        ("failures", "failure"),
        ("errors", "error"),
        ("skipped", "skipped"),
    ):
        if attribute in element.attrib:
            assert int(element.get(attribute)) == len(list(element.iter(tag)))


def test_the_document_as_it_is_written():
    assert render(SAMPLES["environment"]()) == ENVIRONMENT


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_shape_is_the_one_that_readers_share(sample):
    given = SAMPLES[sample]()
    root = parsed(given)
    assert root.tag == "testsuites"
    assert_shape(root)
    for element in (root, *root):
        assert_counts(element)
    assert int(root.get("tests")) == len(given.findings) + len(given.not_checked)
    keys = [(c.get("classname"), c.get("name")) for c in root.iter("testcase")]
    assert len(keys) == len(set(keys))
    suites = [suite.get("name") for suite in root]
    assert len(suites) == len(set(suites))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (Status.PASSED, None),
        (Status.UNCHANGED, None),
        (Status.IMPROVED, None),
        (Status.ACCEPTED, None),
        (Status.NOT_CHECKED, "skipped"),
        (Status.INCONCLUSIVE, "error"),
        (Status.MISSING, "error"),
        (Status.REGRESSED, "failure"),
        (Status.FAILED, "failure"),
    ],
)
def test_only_what_was_proven_passes(status, outcome):
    root = parsed(verdict(ExitCode.PASSED, finding("result", status, "the_code", "the message")))
    (case,) = root.iter("testcase")
    assert [child.tag for child in case] == ([outcome] if outcome else [])
    if outcome:
        assert case[0].attrib == {"type": "the_code", "message": "the message"}


def test_a_comparison_is_there_for_green_and_red():
    by_name = {
        (c.get("classname"), c.get("name")): c
        for c in parsed(SAMPLES["regressed"]()).iter("testcase")
    }
    red = by_name[f"{KERNEL}.flagship", "runtime"]
    assert "343.1 us -> 412.1 us, +20.1 %" in red.find("failure").text
    assert "next: if it is meant: gate baseline refresh" in red.find("failure").text
    assert by_name[f"{KERNEL}.k31", "runtime"].find("system-out").text.startswith("343.1 us -> ")
    metric = "dram__throughput.avg.pct_of_peak_sustained_elapsed[depthwise_conv_h_kernel]"
    assert (f"{KERNEL}.flagship", metric) in by_name


def test_two_findings_on_one_subject_keep_names_of_their_own():
    broken = finding("contract", Status.FAILED, "imports", "no")
    root = parsed(verdict(ExitCode.INCORRECT, broken, broken))
    assert [c.get("name") for c in root.iter("testcase")] == ["contract", "contract (2)"]


@pytest.mark.parametrize("findings", [(), agrees()])
def test_a_failed_verdict_never_looks_green(findings):
    root = parsed(verdict(ExitCode.ENVIRONMENT, *findings, not_checked=("the GPU is busy",)))
    assert root.get("errors") == "1"
    (error,) = root.iter("error")
    assert error.attrib == {
        "type": "environment",
        "message": "FAILED environment (exit 6): the GPU is busy",
    }


def test_thousands_of_long_messages_stay_bounded():
    broken = finding("correctness", Status.FAILED, "crashed", "\x00" * 2_000_000)
    assert len(render(verdict(ExitCode.INCORRECT, *[broken] * 1_000))) < 6_000_000
