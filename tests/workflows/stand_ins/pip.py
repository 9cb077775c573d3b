"""Stands in for `pip install PROJECT`, whose dependencies are there: copies the project's package.

With the extra `gpu` it is the machine with the card, where `card.py` measures.
"""

import os
import shutil
import sys
from pathlib import Path

assert Path(sys.argv[sys.argv.index("--constraint") + 1]).is_file()
project, _, extra = sys.argv[-1].partition("[")
package = Path(__file__).with_name("gate")
shutil.copytree(Path(project, "gate"), package)
if extra:
    card = Path(os.environ["CARD_FOLDER"])
    shutil.copy(card / "card.py", package / "measure.py")
    shutil.copytree(card, package / "recorded")
