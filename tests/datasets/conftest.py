"""Share a fixture between the tests of corpora."""

from __future__ import annotations

import pytest


@pytest.fixture
def own_cache(monkeypatch, tmp_path_factory):
    """Give a test a cache of its own, and no data from outside."""
    monkeypatch.setenv("FER_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("FER_DATA", raising=False)
