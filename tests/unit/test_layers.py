"""What may import what: judging and reporting stay possible where nothing can be measured."""

import subprocess
import sys

import pytest

PURE = (
    "anchors",
    "compare",
    "compiled",
    "consistency",
    "contract",
    "errors",
    "expectations",
    "findings",
    "gaps",
    "gpus.architectures",
    "history",
    "judge",
    "metrics",
    "model",
    "ncu_failures",
    "occupancy",
    "pushed",
    "proposals",
    "reference",
    "report.annotations",
    "report.history",
    "report.markdown",
    "report.junit",
    "runtime",
    "stats",
    "throughput",
    "tolerances",
    "trade_off",
    "verdict",
)
UNIMPORTABLE = """
import sys
for name in ("torch", "triton", "click", "subprocess", "pynvml", "numpy"):
    sys.modules[name] = None
import importlib
importlib.import_module("gate.{module}")
"""
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["triton"] = sys.modules["numpy"] = None
sys.argv = ["gate", *{arguments!r}]
from gate.cli import main
main()
"""


def run(source, cwd=None):
    return subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, cwd=cwd, timeout=60
    )


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_need_nothing_of_the_outside(module):
    ended = run(UNIMPORTABLE.format(module=module))
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("module", ["judge", "documents", "check", "refresh", "report.terminal"])
def test_the_judging_side_never_imports_torch(module):
    source = (
        f"import gate.{module}, sys; print([m for m in sys.modules if m in ('torch', 'triton')])"
    )
    assert run(source).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["--help"], 0),
        (["judge", "absent.json"], 7),
        (["baseline", "show"], 0),
        (["baseline", "history"], 0),
        (["check", "--help"], 0),
    ],
)
def test_commands_that_measure_nothing_run_without_torch(tmp_path, arguments, exit_code):
    ended = run(WITHOUT_TORCH.format(arguments=arguments), cwd=tmp_path)
    assert ended.returncode == exit_code, ended.stderr
    assert "Traceback" not in ended.stderr


def test_measuring_without_its_packages_says_which_extra_is_missing(tmp_path):
    (tmp_path / "kernels").mkdir()
    source = WITHOUT_TORCH.replace('sys.modules["torch"] = ', "").format(arguments=["check"])
    hidden = "import importlib.util as u; f = u.find_spec\n"
    hidden += "u.find_spec = lambda n, *a: None if n == 'torch' else f(n, *a)\n"
    ended = run(hidden + source.replace('sys.modules["triton"] = ', ""), cwd=tmp_path)
    assert ended.returncode == 6
    assert "pip install -e '.[gpu]' in its own checkout" in ended.stderr
