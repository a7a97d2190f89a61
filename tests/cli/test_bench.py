"""``contlab bench``: figures of a small vault."""

from __future__ import annotations

import json
from functools import partial

import pytest

from contlab.cli.bench import bench
from contlab.cli.failure import status_of


def run(*words: str) -> int:
    return status_of(partial(bench.main, list(words), standalone_mode=False))


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_every_way_is_printed_with_its_ratios_and_the_hosts_conditions(capsys):
    assert run("review", "--notes", "50", "--rounds", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["processor", "kernel", "python", "load", "notes"] == [line.split()[0] for line in lines[:5]]
    assert "page cache warm" in lines[4]
    assert ["read the bytes", "due queue, cold", "due queue, warm", "by PageRank, cold", "by PageRank, warm"] == [
        line[:20].strip() for line in lines[7:12]
    ]


def test_figures_as_json(capsys, tmp_path):
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "a.md").write_text("---\nsr-due: 2026-01-01\nsr-interval: 1\nsr-ease: 250\n---\n")
    assert run("review", str(tmp_path / "vault"), "--rounds", "1", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {"conditions", "notes", "bytes", "disk_cold", "timings"} == found.keys()
    assert {1} == {timing["notes"] for timing in found["timings"]}
