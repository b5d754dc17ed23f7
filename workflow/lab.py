"""`make lab`: open the notebooks in JupyterLab, with its own files where those of `make replicate` go."""

import os
import sys
from pathlib import Path

sys.path.insert(0, os.getcwd())  # the library of this folder

from fer_lib.utils import state

os.environ.update(state.environment(Path(os.environ.get("FER_OUTPUT", "")).expanduser(), state.PLACES | state.JUPYTER))
if os.environ.get(state.VARIABLE):  # notebooks run in their own folder
    os.environ[state.VARIABLE] = str(Path(os.environ[state.VARIABLE]).expanduser().absolute())
os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", "--notebook-dir=notebooks", *sys.argv[1:]])
