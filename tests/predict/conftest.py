"""Run every test of this folder in a folder of its own, where no results are."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    monkeypatch.delenv("FER_OUTPUT", raising=False)
    monkeypatch.chdir(tmp_path)
