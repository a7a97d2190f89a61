from __future__ import annotations

import subprocess
import sys


def test_without_a_terminal_learn_says_what_to_do_instead() -> None:
    code = "from contlab.cli import main; main(['learn'])"
    done = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True)

    assert done.returncode == 69
    assert "needs a terminal" in done.stderr
    assert "contlab run LESSON" in done.stderr
