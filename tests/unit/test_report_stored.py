import io

from rich.console import Console

from gate.report import stored
from tests.factories import NO_GPU, TEST_ONLY, baseline, result, static_result


def shown(*documents):
    out = io.StringIO()
    stored.render(documents, Console(file=out, width=100))
    return out.getvalue()


def test_a_measured_baseline_shows_its_figures_and_why_it_is_there():
    text = shown(("nvidia-h100-80gb-hbm3", baseline()))
    assert "nvidia-h100-80gb-hbm3/conv" in text
    assert "measured at aaaaaaaaaaaa on 2026-11-22: first baseline" in text
    assert "356.5 us" in text
    assert "31.1 %" in text
    assert "89.8 %" in text


def test_tested_workloads_are_counted_and_a_compiled_baseline_shows_what_was_compiled():
    odd = result(workload="odd", timing=TEST_ONLY, ncu=TEST_ONLY, profile=None)
    assert "and 1 workload only tested" in shown(("gpu", baseline(result(), odd)))
    text = shown(("sm_89", baseline(static_result(), gpu=None)))
    assert "occupancy" in text
    assert "128 bit" in text


def test_gaps_are_dashes_and_no_baseline_names_the_command():
    text = shown(("gpu", baseline(result(ncu=NO_GPU, profile=None))))
    assert " - " in text
    assert "gate baseline refresh" in shown()
