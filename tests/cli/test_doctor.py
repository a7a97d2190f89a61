"""``contlab doctor``: a table for people, JSON for programs."""

from __future__ import annotations

import json
import subprocess
import sys

from contlab.doctor import WORDS


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

    assert {"removed", "alive"} == answer.keys()
    assert all(isinstance(name, str) for names in answer.values() for name in names)
