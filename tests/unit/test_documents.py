import json
import os
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from gate.documents import (
    load_json,
    load_measurement,
    measurement_json,
    verdict_json,
    write_atomically,
)
from gate.errors import CannotWrite, ExitCode, InvalidDocument
from gate.model import NotMeasured
from gate.schemas import schema, schema_errors
from gate.verdict import Finding, Reason, Status, Verdict
from tests.factories import NO_GPU, baseline, measurement, result

SCHEMAS = ("measurement", "ncu_metrics", "verdict", "workloads", "config")
# What an optimization round reported of its kernel on an RTX 4090: a reference, not a baseline.
ROUND = Path(__file__).parents[1] / "data" / "rtx4090" / "ncu_metrics.json"
SEED_METRICS = json.loads(ROUND.read_text())


def written(tmp_path, text):
    file = tmp_path / "document.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def edited(change):
    plain = json.loads(measurement_json(measurement()))
    change(plain)
    return json.dumps(plain)


@pytest.mark.parametrize("document", [measurement(), baseline(), measurement(gpu=None)])
def test_what_is_written_reads_back_as_it_was(tmp_path, document):
    assert load_measurement(written(tmp_path, measurement_json(document))) == document


def test_steps_without_figures_and_a_function_called_status_survive(tmp_path):
    metrics = SEED_METRICS["depthwise_heightwise_kernel"]
    document = measurement(result(ncu={"status": metrics}, timing=NO_GPU))
    back = load_measurement(written(tmp_path, measurement_json(document)))
    assert back.results[0].ncu == {"status": metrics}
    assert isinstance(back.results[0].timing, NotMeasured)


def test_a_document_is_stable_and_sorted():
    text = measurement_json(baseline())
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not strict JSON"),
        ("{", "not strict JSON"),
        (measurement_json(measurement())[:-400], "not strict JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" * 600 + "]" * 600, "nested too deeply"),
        ("[]", "$: "),
        ("null", "$: "),
        ("{}", "$: "),
        (b"\xff\xfe{}", "not strict JSON"),
        (edited(lambda d: d.update(schema_version=2)), "$.schema_version"),
        (edited(lambda d: d.update(extra=1)), "extra"),
        (edited(lambda d: d["results"][0].pop("timing")), "$.results[0]: "),
        (edited(lambda d: d["results"].append(d["results"][0])), "$.results[1]: "),
        (
            edited(lambda d: d["results"][0]["timing"].update(process_medians_ns=[])),
            "$.results[0].timing.process_medians_ns: [] has less than 3 items",
        ),
        (edited(lambda d: d["scope"].update(kernels=[])), "$.scope.kernels"),
    ],
)
def test_malformed_documents_are_refused_with_their_place(tmp_path, text, said):
    with pytest.raises(InvalidDocument) as refusal:
        load_measurement(written(tmp_path, text))
    assert said in str(refusal.value)
    assert refusal.value.exit_code is ExitCode.INVALID


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
def test_what_is_not_a_finite_number_is_refused(tmp_path, number):
    text = measurement_json(measurement()).replace("356500.0", number, 1)
    with pytest.raises(InvalidDocument, match="not strict JSON"):
        load_measurement(written(tmp_path, text))


@pytest.mark.parametrize(
    "number", ['"356500.0"', "null", "true", "[]", "0", "0.999", "-1", "1.1e13", "1" * 400]
)
def test_a_median_lies_between_a_nanosecond_and_three_hours(tmp_path, number):
    text = measurement_json(measurement()).replace("356500.0", number, 1)
    with pytest.raises(InvalidDocument, match=r"\$\.results\[0\]\.timing"):
        load_measurement(written(tmp_path, text))


def test_an_integer_with_a_point_is_read_as_one(tmp_path):
    def with_points(plain):
        plain["results"][0]["timing"]["samples"][0].update(count=20.0, sm_clock_mhz=1980.0)
        plain["results"][0]["static"]["launches"][0]["grid"] = [512.0, 255.0, 1.0]

    back = load_measurement(written(tmp_path, edited(with_points))).results[0]
    (launch, *_), (sample, *_) = back.static.launches, back.timing.samples
    numbers = (sample.count, sample.sm_clock_mhz, *launch.grid)
    assert numbers == (20, 1980, 512, 255, 1)
    assert all(type(number) is int for number in numbers)


def test_an_integer_too_long_to_be_read_is_refused(tmp_path):
    text = measurement_json(measurement()).replace("356500.0", "1" * 5000, 1)
    with pytest.raises(InvalidDocument):
        load_measurement(written(tmp_path, text))


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\nb", "::error::x", "", "A", "a" * 65, "a b", "a\u202eb", "-a"]
)
def test_a_kernels_name_has_a_pattern(tmp_path, name):
    def rename(plain):
        plain["results"][0]["kernel"] = name

    with pytest.raises(InvalidDocument, match=r"\$\.results\[0\]\.kernel"):
        load_measurement(written(tmp_path, edited(rename)))


def test_a_key_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(InvalidDocument, match="'a' stands twice"):
        load_json(written(tmp_path, '{"a": 1, "a": 2}'))


def test_half_a_surrogate_pair_is_refused(tmp_path):
    text = measurement_json(measurement()).replace("Linux-6.1-x86_64", "\\ud800")
    with pytest.raises(InvalidDocument, match="surrogate"):
        load_measurement(written(tmp_path, text))


def test_a_gigabyte_is_not_read(tmp_path):
    file = tmp_path / "huge.json"
    with file.open("wb") as stream:
        stream.truncate(1 << 30)
    with pytest.raises(InvalidDocument, match="larger than"):
        load_measurement(file)


def test_only_regular_files_are_read(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path, tmp_path / "absent"):
        with pytest.raises(InvalidDocument, match=r"regular file|cannot be read"):
            load_measurement(path)


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ("f16", '"f16" is not one of "float32", "float16", "bfloat16", "float64"'),
        (16, '16 is not one of "float32", "float16", "bfloat16", "float64"'),
    ],
)
def test_a_word_that_is_none_of_the_known_is_told_all_of_them(plain, said):
    workloads = {"workload": {"default": {"dtype": plain}}}
    assert list(schema_errors("workloads", workloads)) == [("$.workload.default.dtype", said)]


def test_a_hostile_word_leaves_room_for_the_known_ones():
    ((_, said),) = schema_errors("config", {"on_trade_off": "x" * 10_000})
    assert said.endswith('x" is not one of "fail", "warn"')
    assert len(said) < 300


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_valid_draft_2020_12(name):
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize(("name", "rare"), [("measurement", ["1e+300"]), ("ncu_metrics", [])])
def test_bounds_are_whole_numbers_which_are_cheap(name, rare):
    fractional = []
    file = files("gate.schemas") / f"{name}.schema.json"
    json.loads(file.read_text(), parse_float=fractional.append)
    assert fractional == rare


def test_the_seeds_metrics_are_valid_for_both_validators():
    registry = Registry().with_resources(
        (schema(n)["$id"], Resource.from_contents(schema(n))) for n in ("ncu_metrics", "binding")
    )
    slow = Draft202012Validator(schema("measurement"), registry=registry)
    assert not list(schema_errors("ncu_metrics", SEED_METRICS))
    assert slow.is_valid(json.loads(measurement_json(measurement(result(ncu=SEED_METRICS)))))
    assert not slow.is_valid(json.loads(edited(lambda d: d["results"][0].update(ncu={}))))


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("sm__throughput.avg.pct_of_peak_sustained_elapsed", "42.17"),
        ("dram__throughput.avg.pct_of_peak_sustained_elapsed", -1),
        ("lts__t_sector_hit_rate.pct", 1_000_000_000),
        ("launch__grid_size", 0),
        ("launch__grid_size", 1.5),
        ("bad name", 1.0),
        ("gpu__time_duration.sum", -1.0),
    ],
)
def test_metrics_out_of_their_range_are_refused(metric, value):
    metrics = {**SEED_METRICS["depthwise_heightwise_kernel"], metric: value}
    assert list(schema_errors("ncu_metrics", {"kernel": metrics}))


@pytest.mark.parametrize("metrics", [{}, {"kernel": {}}, {"not an identifier": {}}, [], None])
def test_a_block_without_a_kernels_metrics_is_refused(metrics):
    assert list(schema_errors("ncu_metrics", metrics))


def test_each_of_the_five_metrics_is_required():
    full = SEED_METRICS["depthwise_heightwise_kernel"]
    for metric in full:
        lacking = {k: v for k, v in full.items() if k != metric}
        assert list(schema_errors("ncu_metrics", {"kernel": lacking}))


def test_a_verdict_fits_its_schema():
    finding = Finding(
        kernel="conv",
        workload="*",
        subject="result",
        status=Status.MISSING,
        reason=Reason(code="no_baseline", message="x"),
        exit_code=ExitCode.INVALID,
    )
    text = verdict_json(
        Verdict(exit_code=ExitCode.INVALID, baseline_folder="b", gpu=None, findings=(finding,))
    )
    assert not list(schema_errors("verdict", json.loads(text)))
    assert json.loads(text)["verdict"] == "invalid"


def test_a_link_is_followed_and_a_folder_cannot_be_written(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    write_atomically(link, "text")
    assert link.is_symlink()
    assert target.read_text() == "text"
    for path in (tmp_path, target / "below"):
        with pytest.raises(CannotWrite):
            write_atomically(path, "text")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "b.json"
    write_atomically(file, "old")

    def full_disk(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(CannotWrite, match="No space"):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["b.json"]
