import pytest
from report_samples import comparison

from gate.compare import compare_exact
from gate.report.figures import (
    change,
    change_with_interval,
    duration,
    quantity,
    sentence,
    tolerance_with_origin,
)
from gate.report.text import count, first_line, name, one_line, paragraph, unit


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (0.0, "0.000 ns"),
        (3.5, "3.500 ns"),
        (987.04, "987.0 ns"),
        (1_012.3, "1.012 us"),
        (35_650.0, "35.65 us"),
        (356_500.0, "356.5 us"),
        (1_453_000.0, "1.453 ms"),
        (2.5e9, "2.500 s"),
        (1e300, "1e+291 s"),
    ],
)
def test_durations_carry_four_digits_and_their_unit(ns, shown):
    assert duration(ns) == shown
    assert quantity(ns, "ns") == shown


@pytest.mark.parametrize(
    ("value", "of_unit", "shown"),
    [
        (89.753, "%", "89.8 %"),
        (3.104, "%", "3.10 %"),
        (1_044_480.0, "B", "1,044,480 B"),
        (31.25, "B", "31.25 B"),
        (16.0, "B", "16 B"),
        (128.0, "bit", "128 bit"),
        (float("nan"), "%", "not a number"),
        (1e300, "%", "1e+300 %"),
    ],
)
def test_other_quantities_carry_their_unit(value, of_unit, shown):
    assert quantity(value, of_unit) == shown


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (0.201, "+20.1 %"),
        (-0.629, "-62.9 %"),
        (0.0104, "+1.04 %"),
        (0.0, "+0.00 %"),
        (-0.00001, "+0.00 %"),
        (12.5, "+1,250.0 %"),
        (1e13, "+1e+15 %"),
        (1e308, "not a number"),
        (float("nan"), "not a number"),
    ],
)
def test_changes_are_signed_per_cents(ratio, shown):
    assert change(ratio) == shown


def test_a_change_carries_its_interval_unless_it_repeats_exactly():
    assert change_with_interval(comparison("ns", 100, 120)) == "+20.0 % [+19.5 %, +20.5 %]"
    exact = comparison("B", 16, 32, half=0, tolerance=0, origin="exact")
    assert change_with_interval(exact) == "+100.0 %"


def test_from_zero_there_is_no_ratio():
    spills = compare_exact("B", 0.0, 16.0)
    assert change_with_interval(spills) == "0 B -> 16 B"
    assert sentence(spills) == "0 B -> 16 B, tolerance 0.0 % (exact)"
    assert sentence(compare_exact("B", 0.0, 0.0)) == "0 B -> 0 B, +0.00 %, tolerance 0.0 % (exact)"


@pytest.mark.parametrize(
    ("tolerance", "origin", "shown"),
    [
        (0.01, "floor", "1.0 % (configured floor)"),
        (0.0125, "noise", "1.25 % (baseline's noise)"),
        (0.0, "exact", "0.0 % (exact)"),
    ],
)
def test_a_tolerance_says_where_it_comes_from(tolerance, origin, shown):
    compared = comparison("ns", 100, 101, tolerance=tolerance, origin=origin)
    assert tolerance_with_origin(compared) == shown


def test_a_comparison_in_one_sentence():
    assert sentence(comparison("ns", 343_100, 412_063)) == (
        "343.1 us -> 412.1 us, +20.1 % [+19.6 %, +20.6 %], tolerance 1.0 % (configured floor)"
    )


# --------------------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("depthwise_conv_h", "depthwise_conv_h"),
        ("sm__throughput.avg", "sm__throughput.avg"),
        ("breakdown:sm__throughput", "breakdown:sm__throughput"),
        ("::error::x", "?:error?:x"),
        (":::", "??:"),
        ("a|b`c<d>\n@e", "a?b?c?d???e"),
        ("k" * 1000, "k" * 300),
    ],
)
def test_names_keep_only_what_a_schema_lets_through(text, shown):
    assert name(text) == shown


def test_a_unit_is_a_few_letters():
    assert unit("http://evil.example") == "httpevil"
    assert [unit(u) for u in ("ns", "%", "B", "bit")] == ["ns", "%", "B", "bit"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\r\nlines", "two\nlines"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("over\rwritten", "over\\rwritten"),
        ("\x9b31m", "\\x9b31m"),
        ("a\tb\u00a0c", "a b c"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("\x00\x07\ufffe", "\\x00\\x07\\ufffe"),
        ("a\u2028b\x85c\x0bd", "a\\u2028b\\x85c\\x0bd"),
        ("größer als 1 µs", "größer als 1 µs"),
    ],
)
def test_what_does_not_print_is_spelt_out(text, shown):
    assert paragraph(text, 100) == shown


def test_long_text_is_cut_and_says_so():
    assert paragraph("x" * 2_000_000, 5) == "xxxxx [... cut, 2,000,000 characters in all]"
    assert len(paragraph("\x1b" * 2_000_000, 100)) < 150


def test_lines():
    assert one_line(" a\n\n  b\tc ", 100) == "a b c"
    assert first_line("\n  first\nsecond", 100) == "first"
    assert first_line("", 100) == ""


def test_counts():
    assert [count(n, "workload") for n in (0, 1, 1000)] == [
        "0 workloads",
        "1 workload",
        "1,000 workloads",
    ]
