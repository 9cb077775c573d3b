import pytest

from gate.config import load_config
from gate.errors import InvalidConfiguration
from gate.model import GATED_METRICS


def test_without_a_table_the_defaults_hold(tmp_path):
    config = load_config(tmp_path)
    assert (config.root, config.kernels) == (tmp_path, tmp_path / "kernels")
    assert (config.runtime_tolerance, config.throughput_tolerance) == (0.01, 0.02)
    assert config.gates == GATED_METRICS
    assert config.on_trade_off == "fail"


def test_the_nearest_pyproject_rules_from_below_too(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.gate]\nkernels = "src"\nprocesses = 7\n')
    below = tmp_path / "src" / "deep"
    below.mkdir(parents=True)
    config = load_config(below)
    assert (config.root, config.kernels, config.processes) == (tmp_path, tmp_path / "src", 7)
    assert config.relative(tmp_path / "src" / "x") == "src/x"
    assert config.relative(tmp_path.parent) == str(tmp_path.parent)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.gate", "is not TOML"),
        ("[tool.gate]\nspeed = 1", "speed"),
        ("[tool.gate]\nruntime_tolerance = 0", "$.runtime_tolerance"),
        ("[tool.gate]\nruntime_tolerance = nan", "$.runtime_tolerance"),
        ("[tool.gate]\nthroughput_tolerance = 5", "$.throughput_tolerance"),
        ("[tool.gate]\ngates = []", "$.gates"),
        ("[tool.gate]\nprocesses = 2", "$.processes"),
        ('[tool.gate]\non_trade_off = "ignore"', "$.on_trade_off"),
        ('[tool.gate]\ntarget = "4090"', "$.target"),
        ('[tool.gate]\ntarget = "sm_99"', "$.target: the gate has no figures of sm_99"),
        ('[tool.gate]\nkernels = "/etc"', "$.kernels: '/etc' is not a folder below the project's"),
        ('[tool.gate]\nkernels = "../kernels"', "$.kernels: '../kernels' is not"),
        ('[tool.gate]\nkernels = "below/../../up"', "$.kernels: 'below/../../up' is not"),
        ('[tool.gate]\nbaselines = "/var/baselines"', "$.baselines: '/var/baselines' is not"),
        ('[tool.gate]\nbaselines = ".."', "$.baselines: '..' is not"),
        ("[tool]\ngate = 1", "tool.gate is not a table"),
        ("[tool]\ngate = []", "tool.gate is not a table"),
        ("tool = 3", "tool is not a table"),
        ("x = " + "[" * 20_000, "is not TOML"),
        (
            "[tool.gate]\ncorrectness_timeout_s = 3601",
            "$.correctness_timeout_s: 3601 is greater than the maximum of 3600",
        ),
        ("[tool.gate]\ncorrectness_timeout_s = inf", "$.correctness_timeout_s"),
        ("[tool.gate]\ntiming_timeout_s = inf", "$.timing_timeout_s"),
        ("[tool.gate]\nncu_timeout_s = 3601", "$.ncu_timeout_s"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_its_key(tmp_path, text, said):
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(InvalidConfiguration) as refusal:
        load_config(tmp_path)
    assert said in str(refusal.value)
    assert refusal.value.hint


@pytest.mark.parametrize("text", ["[tool.gate]\nkernel = 1", "tool = 3"])
def test_what_is_not_known_is_answered_with_what_is(tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(InvalidConfiguration) as refusal:
        load_config(tmp_path)
    assert "kernels, baselines, target, gates, " in refusal.value.hint


def test_an_unknown_target_is_answered_with_the_known_ones(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.gate]\ntarget = "sm_99"')
    with pytest.raises(InvalidConfiguration) as refusal:
        load_config(tmp_path)
    assert "sm_89, sm_90, sm_100" in refusal.value.hint


def test_a_configuration_that_cannot_be_read_says_so(tmp_path):
    (tmp_path / "pyproject.toml").symlink_to("/proc/self/mem")
    with pytest.raises(InvalidConfiguration, match="cannot be read"):
        load_config(tmp_path)


def test_without_a_pyproject_the_repository_is_the_project(tmp_path):
    below = tmp_path / "kernels" / "relu"
    below.mkdir(parents=True)
    assert load_config(below).root == below
    (tmp_path / ".git").mkdir()
    assert load_config(below).kernels == tmp_path / "kernels"
