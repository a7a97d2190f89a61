"""The command line's frame: help, exit codes, and failures as one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contlab.cli import COMMANDS
from contlab.cli.failure import status_of
from contlab.errors import ContlabError, ExitCode, LessonError


def contlab(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real program, in a process of its own."""
    command = [sys.executable, "-m", "contlab", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


def raiser(error: BaseException):
    def command() -> None:
        raise error

    return command


def test_help_lists_every_command_and_every_exit_code_with_its_meaning() -> None:
    done = contlab("--help")

    assert 0 == done.returncode
    assert [] == [name for name in COMMANDS if f"\n  {name} " not in done.stdout]
    assert [] == [code.name for code in ExitCode if f"\n  {int(code)} " not in done.stdout or not code.meaning]


def test_an_unknown_command_is_answered_with_the_nearest_one() -> None:
    done = contlab("docter")

    assert ExitCode.USAGE == done.returncode
    assert "did you mean 'doctor'?" in done.stderr
    assert "" == done.stdout


def test_bash_can_complete_the_commands() -> None:
    done = contlab(_CONTLAB_COMPLETE="bash_complete", COMP_WORDS="contlab do", COMP_CWORD="1")

    assert "plain,doctor\n" == done.stdout


def test_an_error_is_its_message_and_its_hint_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    status = status_of(raiser(LessonError("line 3: no fact is called x", "did you mean y?")))

    assert ExitCode.LESSON == status
    assert ("", "contlab: line 3: no fact is called x\n  did you mean y?\n") == capsys.readouterr()


def test_control_characters_in_an_error_are_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    status_of(raiser(ContlabError("no \x1b[31mfile\udcff", "a\nb")))

    assert "contlab: no \\x1b[31mfile\\udcff\n  a\n  b\n" == capsys.readouterr().err


def test_a_command_s_own_number_is_the_exit_code() -> None:
    assert [7, 0] == [status_of(lambda: 7), status_of(lambda: None)]


def test_ctrl_c_ends_with_130() -> None:
    assert ExitCode.INTERRUPTED == status_of(raiser(KeyboardInterrupt()))


def test_a_mistake_of_contlab_s_own_is_one_line_and_a_report(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    status = status_of(raiser(ValueError("seven")))

    error = capsys.readouterr().err
    report = next(tmp_path.rglob("*.txt"))
    assert ExitCode.SOFTWARE == status
    assert "contlab: a mistake of its own: ValueError: seven" == error.splitlines()[0]
    assert str(report) in error
    assert "Traceback" not in error
    assert "ValueError: seven" in report.read_text()


def test_a_report_that_can_t_be_written_is_said_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "contlab").write_text("a file where the directory should be")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    assert ExitCode.SOFTWARE == status_of(raiser(ValueError("seven")))
    assert "no report could be written" in capsys.readouterr().err


def test_contlab_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTLAB_DEBUG", "1")

    status_of(raiser(ValueError("seven")))

    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_goes_away_ends_the_program_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "contlab", "--help"]
    with subprocess.Popen(command, stdout=write, stderr=subprocess.PIPE, text=True) as process:
        os.close(write)
        _, error = process.communicate()

    assert (128 + signal.SIGPIPE, "") == (process.returncode, error)
