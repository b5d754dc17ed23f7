"""Choose where tools keep their own files: Snakemake's records, and the caches of Snakemake, Matplotlib and IPython.

``$FER_STATE`` names one folder for all of them. Without it each tool keeps its usual place in the home folder or in the
project's. If such a place cannot be written, because it is read-only or its disk is full, ``.state`` in the output
folder takes over. Nothing here is a result: whoever deletes such a folder loses only the time to make it again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fer_lib.errors import FerError

VARIABLE = "FER_STATE"
FALLBACK = ".state"  # in the output folder
#: Variables by which tools are told their place, with the usual one; all are asked before any is set.
PLACES = {"XDG_CACHE_HOME": "~/.cache", "MPLCONFIGDIR": "~/.config/matplotlib", "IPYTHONDIR": "~/.ipython"}
#: The same for JupyterLab, which `make lab` starts.
JUPYTER = {"JUPYTER_DATA_DIR": "~/.local/share/jupyter", "JUPYTER_CONFIG_DIR": "~/.jupyter"}
#: All that a run needs of the project's folder.
SOURCES = ("fer_lib", "notebooks", "workflow")
_TRIAL = bytes(4096)  # on a full disk an empty file can still be made


def environment(output: Path, places: Mapping[str, str] = PLACES) -> dict[str, str]:
    """Build the variables that move tools' files into the state folder, where that is asked for or necessary; make it.

    Args:
        output: the folder that contains ``results``.
        places: the usual places by variable.

    Returns:
        Values by variable; a variable that is set already is left as it is.
    """
    asked = _asked()
    moved = {}
    for name, usual in places.items():
        if name not in os.environ and (asked or _fault(Path(usual).expanduser())):
            moved[name] = str((asked or output.absolute() / FALLBACK) / name.lower())
            with suppress(OSError):  # IPython makes no folder whose parent is missing; who cannot write there says so
                Path(moved[name]).mkdir(parents=True, exist_ok=True)
    return moved


def work_folder(project: Path, output: Path) -> Path:
    """Choose the folder that Snakemake runs in and keeps its records in (``.snakemake``).

    It is the project's folder, unless another is asked for or necessary: that one then links to the project's sources.

    Args:
        project: the project's folder.
        output: the folder that contains ``results``.

    Raises:
        FerError: neither the project's folder nor the state folder can be written.
    """
    asked = _asked()
    if asked is None and not (why := _fault(project / ".snakemake")):
        return project
    folder = (asked or output.absolute() / FALLBACK) / "work"
    if fault := _fault(folder):
        found = f"{asked} (FER_STATE) cannot be written ({fault})" if asked else f"{project} cannot be written ({why})"
        use = VARIABLE if asked else "FER_OUTPUT"
        raise FerError(f"{found}: give a folder with room that can be written as {use}.")
    for name in SOURCES:
        link, source = folder / name, (project / name).resolve()
        if not (link.is_symlink() and link.resolve() == source):
            link.unlink(missing_ok=True)
            link.symlink_to(source, target_is_directory=True)
    return folder


def cache_folder(usual: Path) -> Path:
    """Name the folder for caches that runs share: in ``$FER_STATE`` if that is set, else the usual one."""
    return asked / "cache" if (asked := _asked()) else usual


def _asked() -> Path | None:
    given = os.environ.get(VARIABLE)
    return Path(given).expanduser().absolute() if given else None


def _fault(folder: Path) -> str:
    """Say why a folder cannot be written, in the words of the operating system; "" if it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(_TRIAL)
            trial.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""
