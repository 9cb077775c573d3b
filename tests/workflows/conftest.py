import pytest

from tests.workflows.acting import Project, PullRequest
from tests.workflows.recorded import RECORDED, with_a_second_kernel
from tests.workflows.running import Machine


@pytest.fixture
def bash(tmp_path):
    """Runs a script in an empty folder, where `gh` answers as told and notes its calls."""
    machine = Machine(tmp_path)
    machine.program("gh", '#!/bin/sh\nprintf "%s\\n" "$*" >> calls\nprintf "%s" "$ANSWER"\n')
    return machine


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """This project with two kernels and a card that knows the kernel files of RECORDED."""
    project = Project(tmp_path_factory.mktemp("project"), with_a_second_kernel)
    for kernel, document in RECORDED.items():
        project.remember(kernel, document)
    return project


@pytest.fixture
def change(project, tmp_path):
    return PullRequest(project, tmp_path)
