"""Test that the library needs only Keras 3: all training tests pass under TensorFlow, the main under JAX and torch.

The project does not install torch; its test is skipped where it is missing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


def run_python(*words: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *words], cwd=PROJECT, env={**os.environ, **environment}, capture_output=True, text=True
    )


# what a backend has a part in, once: XLA compiles each model for seconds, ResNet50 and bfloat16 for minutes
CHOSEN = "(resumed_run and 1) or no_number or (tail and openvino)"
TRAINING = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_training.py", "-k", CHOSEN]


def test_training_tests_pass_under_jax(tmp_path):
    # a program is compiled once, and in a third of the time: what runs for milliseconds need not be made fast
    quick = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    done = run_python(*TRAINING, KERAS_BACKEND="jax", JAX_DISABLE_MOST_OPTIMIZATIONS="1", **quick)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"^3 passed", done.stdout, re.M), done.stdout[-300:]


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_training_tests_pass_under_torch():
    done = run_python(*TRAINING, KERAS_BACKEND="torch")
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"^3 passed", done.stdout, re.M), done.stdout[-300:]


def test_under_jax_nothing_imports_tensorflow():
    code = (
        "import sys; from fer_lib import training, artifacts; from fer_lib.report import chen2023;"
        "from fer_lib.models import resnet50_mlp;"
        "from fer_lib.backend import keras; assert keras.backend.backend() == 'jax';"
        "assert 'tensorflow' not in sys.modules, 'TensorFlow was imported'"
    )
    done = run_python("-c", code, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stderr[-2000:]


def test_tensorflow_is_imported_without_jax_which_stays_importable():
    code = (
        "import gc, sys; from fer_lib import backend; assert backend.keras.backend.backend() == 'tensorflow'; "
        "assert 'jax' not in sys.modules and gc.isenabled(); import jax; assert jax.numpy.ones(2).sum() == 2"
    )
    done = run_python("-c", code, KERAS_BACKEND="tensorflow")
    assert done.returncode == 0, done.stderr
