"""Run every test of this folder in a folder of its own, with no results and no network in the package."""

from __future__ import annotations

import pytest

from fer_lib.predict import packaged


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    monkeypatch.delenv("FER_OUTPUT", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(packaged, "FOLDER", tmp_path / "no_network")
