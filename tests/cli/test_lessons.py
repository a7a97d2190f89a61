from __future__ import annotations

import json
from pathlib import Path

import pytest

from contlab.cli import main


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["lessons", *words])
    return int(caught.value.code or 0)


BROKEN = """\
---
id: a/b
title: T
minutes: 1
---

## Step

Text.

```toml contaner
name = "x"
```
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.md"
    path.write_text(BROKEN)
    return path


def test_the_list_shows_how_to_call_each_lesson(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run("list")
    assert "why-containers/three-walls" in capsys.readouterr().out


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run("list", "--json")
    [track] = json.loads(capsys.readouterr().out)
    assert ("why-containers", "why-containers/three-walls", 0) == (
        track["track"], track["lessons"][0]["id"], track["lessons"][0]["mistakes"],
    )  # fmt: skip


def test_the_shipped_lessons_are_checked_when_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run("check")
    out, err = capsys.readouterr()
    assert "" == out
    assert "no mistake" in err


def test_a_mistake_ends_with_65_and_its_place(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 65 == run("check", str(broken))
    out, err = capsys.readouterr()
    assert f"{broken}:11: unknown kind of block `contaner`; did you mean `container`?\n" == out
    assert "1 lesson checked, 1 mistake\n" == err


def test_mistakes_as_json(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 65 == run("check", "--json", str(broken.parent))
    [mistake] = json.loads(capsys.readouterr().out)
    assert {
        "path": str(broken),
        "line": 11,
        "message": "unknown kind of block `contaner`",
        "nearest": "container",
    } == mistake


def test_a_path_to_nothing_ends_with_65_and_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 65 == run("check", str(tmp_path / "none"))
    assert "there is no file or folder" in capsys.readouterr().err


def test_the_vocabulary_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run("facts")
    assert "CONTAINER.cgroup.memory.oom_kills" in capsys.readouterr().out
    assert 0 == run("facts", "--json")
    assert {"fact", "type", "unit", "says", "source", "operators"} == set(json.loads(capsys.readouterr().out)[0])
