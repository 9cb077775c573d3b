"""A fake ncu to run and fake reports to read, in the shapes of the real ones."""

import json
import stat
import sys
from pathlib import Path

from gate.metrics import BY_NAME, DURATION, GRID_SIZE, wanted
from gate.ncu_launches import BOUNDARY, Launch

LOGS = Path(__file__).parents[1] / "data" / "ncu"
NAMES = wanted("9.0")

SCRIPT = """#!{python}
import json, os, pathlib, sys, time

here = pathlib.Path({folder!r})
calls = json.loads((here / "calls.json").read_text())
option = lambda name: sys.argv[sys.argv.index(name) + 1]
request = pathlib.Path(sys.argv[-1])
calls.append(
    dict(
        argv=sys.argv,
        env=dict(os.environ),
        cwd=os.getcwd(),
        request=json.loads(request.read_text()),
        scratch_modes=oct(request.parent.stat().st_mode & 0o777),
    )
)
(here / "calls.new").write_text(json.dumps(calls))
(here / "calls.new").replace(here / "calls.json")  # it may be killed at any time
acts = json.loads((here / "acts.json").read_text())
act = acts[min(len(calls), len(acts)) - 1]
if act["ready"]:
    pathlib.Path(calls[-1]["request"]["ready"]).touch()
if act["log"] is not None:
    pathlib.Path(option("--log-file")).write_text(act["log"])
if act["report"] is not None:
    pathlib.Path(option("--export") + ".ncu-rep").write_text(act["report"])
print(act["stdout"])
print(act["stderr"], file=sys.stderr, flush=True)
time.sleep(act["seconds"])
sys.exit(act["exit_code"])
"""


class FakeNcu:
    """An executable that does one act a call (the last one for ever) and remembers its calls."""

    def __init__(self, folder, *acts):
        self.folder = folder
        self.path = folder / "ncu"
        self.path.write_text(SCRIPT.format(python=sys.executable, folder=str(folder)))
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)
        (folder / "acts.json").write_text(json.dumps(acts))
        (folder / "calls.json").write_text("[]")

    @property
    def calls(self):
        return json.loads((self.folder / "calls.json").read_text())

    def asked_for(self, call):
        argv = self.calls[call]["argv"]
        return argv[argv.index("--metrics") + 1].split(",")


def act(
    log="profiled.log", *, report=None, exit_code=0, stdout="", stderr="", ready=True, seconds=0
):
    """`log` is the name of a recorded one, `report` a list of launches."""
    return {
        "log": (LOGS / log).read_text() if log else None,
        "report": None if report is None else encode(report),
        "exit_code": exit_code,
        "stdout": stdout,
        "stderr": stderr,
        "ready": ready,
        "seconds": seconds,
    }


def encode(launches):
    return json.dumps([[x.name, dict(x.values), dict(x.faults)] for x in launches])


def decode(file, metrics, *, ncu=None):
    """Stands in for `read_report`: the fake ncu's reports are JSON."""
    return tuple(
        Launch(name=name, values={k: v for k, v in values.items() if k in metrics}, faults=faults)
        for name, values, faults in json.loads(file.read_text())
    )


def launch(name="conv_kernel", *, names=NAMES, faults=None, **changes):
    """Every metric 10, but for those in `changes`: `duration`, `grid` or a metric's full name."""
    short = {"duration": DURATION, "grid": GRID_SIZE}
    given = {short.get(key, key): value for key, value in changes.items()}
    faults = faults or {}
    values = {metric: given.get(metric, 10.0) for metric in names if metric not in faults}
    return Launch(name=name, values=values, faults=faults)


def boundary():
    return Launch(name=BOUNDARY, values={})


def report(*forwards):
    """The launches of a subject's forward calls as a report has them, between boundaries."""
    return [boundary(), *(x for forward in forwards for x in forward), boundary()]


class FakeMetric:
    """`ncu_report.IMetric`; kinds are 2 string, 4 double, 5 and 6 whole."""

    def __init__(self, value, kind=4):
        self.given, self.given_kind = value, kind

    def kind(self):
        return self.given_kind

    def has_value(self):
        return self.given is not None

    def as_double(self):
        return 0.0 if isinstance(self.given, str) else self.given

    def as_uint64(self):
        return int(self.given)


class FakeAction:
    def __init__(self, name, **metrics):
        self.given_name, self.metrics = name, metrics

    def name(self):
        return self.given_name

    def metric_by_name(self, name):
        return self.metrics.get(name)


class FakeRange:
    def __init__(self, *actions):
        self.actions = actions

    def num_actions(self):
        return len(self.actions)

    def action_by_idx(self, index):
        return self.actions[index]


class FakeReport:
    def __init__(self, *ranges):
        self.ranges = ranges

    def num_ranges(self):
        return len(self.ranges)

    def range_by_idx(self, index):
        return self.ranges[index]


assert set(NAMES) <= set(BY_NAME)
