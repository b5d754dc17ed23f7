"""The library is Keras 3 only: the training tests pass under TensorFlow (as all of them run) and under JAX."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def run_python(*words: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *words], cwd=PROJECT, env={**os.environ, **environment}, capture_output=True, text=True
    )


def test_training_tests_pass_under_jax():
    # not the ResNet50, nor bfloat16: XLA takes minutes to compile them on a CPU; nor what no backend has a part in
    left_out = ("frozen", "mixed", "(tail and keras)", "damaged", "fewer", "early")
    chosen = " and ".join(f"not {words}" for words in left_out)
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_training.py", "-k", chosen]
    done = run_python(*words, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout


def test_under_jax_nothing_imports_tensorflow():
    code = (
        "import sys; from fer_lib import training, artifacts, report; from fer_lib.models import resnet50_mlp;"
        "from fer_lib.backend import keras; assert keras.backend.backend() == 'jax';"
        "assert 'tensorflow' not in sys.modules, 'TensorFlow was imported'"
    )
    done = run_python("-c", code, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stderr[-2000:]
