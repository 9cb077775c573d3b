import pytest

from tests.workflows.running import Machine


@pytest.fixture
def bash(tmp_path):
    """Runs a script in an empty folder, where `gh` answers as told and notes its calls."""
    machine = Machine(tmp_path)
    machine.program("gh", '#!/bin/sh\nprintf "%s\\n" "$*" >> calls\nprintf "%s" "$ANSWER"\n')
    return machine
