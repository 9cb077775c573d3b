"""Stands in for a runner's `python3`: a script it runs, and it makes environments.

They have the packages that the tests have, but for the gate, and a pip of their own.
"""

import os
import shutil
import sys
import venv
from pathlib import Path

option, module, *rest = sys.argv[1:]
if (option, module) != ("-m", "venv"):
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
(folder,) = rest
venv.create(folder, symlinks=True, with_pip=False)
(packages,) = Path(folder).glob("lib/python*/site-packages")
theirs = [path for path in sys.path if path.endswith("-packages")]
(packages / "of_the_tests.pth").write_text("\n".join(theirs))
shutil.copy(Path(__file__).with_name("pip.py"), packages)
