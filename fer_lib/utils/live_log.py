"""Show the log of a training where a person watches it: one display in a notebook that changes, or lines in a log."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any


class InPlace(logging.Handler):
    """Show the last message of a log in one place of a notebook cell, and warnings as lines of their own.

    The outputs have ``MARK`` in their metadata, so that ``workflow/tidy.py`` can leave them out of a notebook.
    """

    MARK = "fer_lib_progress"

    def __init__(self, shell: Any) -> None:
        """Take IPython's shell, which counts the cells."""
        super().__init__()
        self.shell = shell
        self.cell: int | None = None
        self.place: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message; the first one of a cell makes its place."""
        from IPython.display import display

        text = self.format(record)
        if record.levelno >= logging.WARNING:
            sys.stdout.write(f"{text}\n")
            return
        shown: dict[str, Any] = {"raw": True, "metadata": {self.MARK: True}}
        if self.cell == self.shell.execution_count:
            self.place.update({"text/plain": text}, **shown)
        else:
            self.cell = self.shell.execution_count
            self.place = display({"text/plain": text}, display_id=True, **shown)


def log_handler() -> logging.Handler:
    """Make the handler for a training's log: one display that changes where a person watches, else lines on stdout.

    A person watches in JupyterLab, VS Code, Colab and an interactive Kaggle notebook. papermill, nbval and scripts get
    lines, which ``papermill --log-output`` prints as they come.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return InPlace(shell) if _is_watched(shell) else logging.StreamHandler(sys.stdout)


def _is_watched(shell: Any) -> bool:
    if shell is None or not hasattr(shell, "kernel"):
        return False
    return (
        "JPY_SESSION_NAME" in os.environ  # set by Jupyter's server for the kernels of its notebooks, not by papermill
        or "__vsc_ipynb_file__" in shell.user_ns
        or "google.colab" in sys.modules
        or os.environ.get("KAGGLE_KERNEL_RUN_TYPE") == "Interactive"
    )
