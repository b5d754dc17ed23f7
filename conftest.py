"""Keep the results and caches of tests in a temporary folder, never in the project's own."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Iterator

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Point the notebooks that nbval runs, and every other test, at a folder of this test run."""
    scratch = tempfile.mkdtemp(prefix="fer-tests-")
    config.add_cleanup(lambda: _remove(scratch))
    os.environ["FER_OUTPUT"] = os.path.join(scratch, "output")
    os.environ["FER_CACHE"] = os.path.join(scratch, "cache")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="module", autouse=True)
def _networks_are_released() -> Iterator[None]:
    """Release a module's networks: Keras keeps their names and graphs, and garbage collection finds cycles late."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()
    gc.collect()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs kernels that oneDNN was told not to use; TensorFlow and OpenVINO ask for them all the same."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "AVX512_CORE").upper()
    if "bfloat16" in item.keywords and not limit.startswith(("AVX512", "AVX10", "ALL", "DEFAULT")):
        pytest.skip(f"ONEDNN_MAX_CPU_ISA is {limit}")


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Exclude standard error from nbval's comparison: C++ libraries write text to it that differs between computers."""
    if collector.path.suffix == ".ipynb":
        collector.skip_compare += ("stderr",)


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
