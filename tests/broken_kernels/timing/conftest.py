"""Wrong on purpose: tests/unit/test_timing_on_gpu.py runs them, a plain `pytest` does not."""

collect_ignore_glob = ["*"]
