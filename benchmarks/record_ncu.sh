#!/usr/bin/env bash
# Records what ncu really does on a machine with a GPU: reports of the first kernel and of the
# doctor's probe, and the log of every failure that can be provoked without changing a setting.
#   bash benchmarks/record_ncu.sh OUT        from the repository's root, as root for `lock_failed`
# OUT gets h100_*.ncu-rep (to be kept in tests/data/ncu) and logs.tar.gz (h100_*.log for there too).
set -u
out=$(realpath "$1")
ncu=$(python3 -c 'from gate.ncu import find_ncu; print(find_ncu())')
scratch=$(mktemp -d)
logs=$scratch/logs
mkdir -p "$logs" "$out"
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}

echo "== reports"
python3 - "$scratch/kept" <<'PYTHON'
import sys
from pathlib import Path

from gate.doctor.probe_run import PROBE
from gate.kernels import discover
from gate.model import NotMeasured
from gate.ncu import find_ncu, profile

keep = Path(sys.argv[1])
for folder in (PROBE, *discover(Path("kernels"))):
    workload = next((w for w in folder.workloads if w.benchmark), folder.workloads[0])
    outcome = profile(
        folder,
        [workload],
        ncu=find_ncu(),
        processes=2,
        forwards={workload.name: 3},
        seed=1,
        timeout_s=200,
        keep=keep,
    )[workload.name]
    print(folder.name, workload.name, outcome.profile and dict(outcome.profile.launches))
    if isinstance(outcome.ncu, NotMeasured):
        print("  FAILED", outcome.ncu.reason, outcome.ncu.message)
        continue
    for function, values in outcome.ncu.items():
        for metric, value in values.items():
            print(f"  {function} {metric} {value} {outcome.profile.spread[function][metric]}")
PYTHON
for file in "$scratch"/kept/*-0.*; do
    cp "$file" "$out/h100_$(basename "$file" | tr - _)"
done

worker='import torch; x = torch.zeros(1 << 20, device="cuda"); torch.cuda.profiler.start(); x.add_(1); torch.cuda.synchronize(); torch.cuda.profiler.stop()'
options=(--config-file off --target-processes application-only --profile-from-start off
    --replay-mode kernel --cache-control all --clock-control none --apply-rules no)

# provoke NAME METRICS PROGRAM [PREFIX...]: one ncu run whose log is NAME.log
provoke() {
    local name=$1 metrics=$2 program=$3
    shift 3
    mkdir -p "$scratch/$name"
    env TMPDIR="$scratch/$name" "$@" timeout 120 "$ncu" "${options[@]}" --metrics "$metrics" \
        --log-file "$logs/h100_$name.log" --export "$scratch/$name/report" --force-overwrite \
        -- python3 -c "$program" >"$logs/h100_$name.out" 2>&1
    echo "exit code $?" >>"$logs/h100_$name.out"
}

echo "== failures"
good=gpu__time_duration.sum
provoke profiled "$good" "$worker"
provoke metric_unknown "$good,bogus__metric.sum,bogus__other.sum" "$worker"
provoke metric_unknown_base "$good,bogus" "$worker"
provoke metric_of_another_chip "$good,dram__bytes_op_read.sum" "$worker"
provoke no_kernels_profiled "$good" "import torch; torch.zeros(1, device='cuda')"
provoke no_cuda "$good" "print('no CUDA call')"
provoke worker_failed "$good" "$worker; raise SystemExit(3)"
provoke worker_segfault "$good" "$worker; import os; os.kill(os.getpid(), 11)"

mkdir "$scratch/stubs"
stub=$(ls /usr/local/cuda*/lib64/stubs/libcuda.so 2>/dev/null | head -1)
if [ -n "$stub" ]; then
    ln -s "$stub" "$scratch/stubs/libcuda.so.1"
    provoke library_not_loaded_stub "$good" "$worker" LD_LIBRARY_PATH="$scratch/stubs"
fi

# Another user's lock file in a sticky folder.
mkdir -m 1777 "$scratch/lock_failed"
touch "$scratch/lock_failed/nsight-compute-lock"
chmod 600 "$scratch/lock_failed/nsight-compute-lock"
chmod 755 "$scratch"
chmod 777 "$logs"
provoke lock_failed "$good" "$worker" HOME=/tmp \
    setpriv --reuid=65534 --regid=65534 --clear-groups

# Two profilers with a lock file each: the second may find the counters held.
long='import torch; x = torch.zeros(1 << 28, device="cuda"); torch.cuda.profiler.start(); [x.add_(1) for _ in range(400)]; torch.cuda.synchronize(); torch.cuda.profiler.stop()'
provoke profiler_busy_first sm__throughput.avg.pct_of_peak_sustained_elapsed "$long" &
sleep 12
provoke profiler_busy sm__throughput.avg.pct_of_peak_sustained_elapsed "$worker"
wait

python3 - "$logs" <<'PYTHON'
import sys
from pathlib import Path

from gate.ncu_failures import recognise

for log in sorted(Path(sys.argv[1]).glob("*.log")):
    failure = recognise(log.read_text(errors="replace"))
    print(f"{log.stem}: {failure.reason if failure else 'not in the table'}")
PYTHON
tail -n +1 "$logs"/*.log "$logs"/*.out | cut -c1-300
tar -C "$logs" -czf "$out/logs.tar.gz" .
rm -rf "$scratch"
