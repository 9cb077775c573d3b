import os

import pytest

from tests.pushing import Pushing


@pytest.fixture
def pushing(project, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for name in [name for name in os.environ if name.startswith("PRE_COMMIT")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("scratch")))
    return Pushing(project, tmp_path_factory.mktemp("remote"))
