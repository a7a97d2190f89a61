"""Ends that nobody reads: the exit code is still the command's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = """
import contextlib, sys
from contlab.cli.failure import status_of, tell

def command():
    with contextlib.suppress(OSError):
        tell("word")
    return 129

sys.exit(status_of(command))
"""


def test_words_that_can_t_be_written_any_more_leave_the_exit_code_as_it_is() -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        assert 129 == subprocess.run([sys.executable, "-c", COMMAND], env=buffered, stderr=full).returncode
