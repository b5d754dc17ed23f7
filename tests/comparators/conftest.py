"""Fixtures of the comparators' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fer_lib.comparators import resnet50_svm


@pytest.fixture(autouse=True)
def own_trunk() -> Iterator[None]:
    """Build a new trunk in each test, because some tests replace ResNet50 by a small network."""
    resnet50_svm._frozen_trunk.cache_clear()
    yield
    resnet50_svm._frozen_trunk.cache_clear()
