"""Wrong on purpose: tests/unit/test_correctness.py runs them, a plain `pytest` does not."""

collect_ignore_glob = ["*"]
