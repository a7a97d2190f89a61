"""``contlab doctor``: a table for people, JSON for programs."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from contlab import paths
from contlab.cli.doctor import doctor as command
from contlab.cli.failure import status_of
from contlab.doctor import WORDS
from contlab.errors import ExitCode


def doctor(*arguments: str) -> str:
    """The real command's stdout; it must end well."""
    command = [sys.executable, "-m", "contlab", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_table_has_every_word_with_its_status_in_one_column() -> None:
    findings = doctor().split("\nlessons\n")[0].splitlines()
    rows = {fields[1]: fields[2] for line in findings if (fields := line.split()) and fields[0] in "✓~✗"}

    assert list(WORDS) == list(rows)
    assert {"ok", "reduced", "missing"} >= set(rows.values())
    assert 1 == len(
        {line.index(rows[line.split()[1]], 2 + len(line.split()[1])) for line in findings if line[0] != " "}
    )


def test_json_says_the_same_as_one_object() -> None:
    answer = json.loads(doctor("--json"))

    assert {"findings", "lessons"} == answer.keys()
    assert list(WORDS) == [finding["word"] for finding in answer["findings"]]
    assert all(finding.keys() == {"word", "status", "reason", "fix"} for finding in answer["findings"])


def test_without_a_terminal_there_is_no_escape_sequence_and_no_folded_line() -> None:
    text = doctor()

    assert "\x1b" not in text
    assert all(
        line[0] in "✓~✗" or line.lstrip().startswith("→") for line in text.splitlines() if line not in ("", "lessons")
    )


def test_json_of_clean_lists_what_was_removed_and_who_is_alive() -> None:
    answer = json.loads(doctor("--clean", "--json"))

    assert {"removed", "alive", "stuck"} == answer.keys()
    assert all(isinstance(name, str) for names in answer.values() for name in names)


def test_what_can_t_be_removed_is_told_with_the_command_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONTLAB_RUNTIME_DIR", str(tmp_path))
    runs = paths.runtime_root()
    (runs / "contlab-0123abcd").mkdir(parents=True)
    (runs / "contlab-0123abcd.lock").touch()

    def full(path: str) -> None:
        raise OSError(5, "I/O error", path)

    monkeypatch.setattr("shutil.rmtree", full)
    for arguments in (["--clean"], ["--clean", "--json"]):
        code = status_of(partial(command.main, arguments, standalone_mode=False))
        assert ExitCode.UNAVAILABLE == code
    out, err = capsys.readouterr()

    fix = f"rm -r --one-file-system {runs}/contlab-0123abcd, and then contlab doctor --clean again"
    what = f"{runs}/contlab-0123abcd can't be removed: I/O error"
    assert f"contlab: {what}\n  {fix}\n" == err
    assert {"removed": [], "alive": [], "stuck": [{"what": what, "fix": fix}]} == json.loads(out)
