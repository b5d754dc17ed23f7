"""Settings of every test: results and caches of test runs go to a temporary folder, never into the project's own."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Points the notebooks that nbval runs, and every other test, at a folder of this test run."""
    scratch = tempfile.mkdtemp(prefix="fer-tests-")
    config.add_cleanup(lambda: _remove(scratch))
    os.environ["FER_OUTPUT"] = os.path.join(scratch, "output")
    os.environ["FER_CACHE"] = os.path.join(scratch, "cache")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="module", autouse=True)
def _what_a_module_leaves_is_not_looked_at_again() -> Iterator[None]:
    """The graphs of hundreds of networks stay in memory; searching them for garbage again and again takes minutes."""
    yield
    gc.collect()
    gc.freeze()


def pytest_collectstart(collector: pytest.Collector) -> None:
    """nbval compares everything but what C++ libraries write to standard error, which differs between machines."""
    if collector.path.suffix == ".ipynb":
        collector.skip_compare += ("stderr",)


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
