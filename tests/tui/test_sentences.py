from __future__ import annotations

import pytest

from contlab.runtime.events import AnyEvent, ExecExited, Exited, Failed, OperationDone, Removed, Started
from contlab.tui.sentences import sentence

PLAN = {"container": "t", "at": 1.0, "index": 0, "operation": "PivotRoot", "shell": "", "microseconds": 3.0}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            Started(container="t", at=1.0, pid=7, ready_us=1_400.0, missing={"cpus": "no cpu controller"}),
            "runs as PID 7, ready after 1.4 ms; without cpus: no cpu controller",
        ),
        (
            Exited(container="t", at=1.0, pid=7, signal=9),
            "its PID 1 (PID 7 on the host) was killed by SIGKILL, and with it all its processes",
        ),
        (
            Exited(container="t", at=1.0, pid=7, signal=9, oom_killed=True),
            "its PID 1 (PID 7 on the host) was killed: out of memory, and with it all its processes",
        ),
        (ExecExited(container="t", at=1.0, pid=8, exit_code=3, exec_id=1), "the command (PID 8) exited with 3"),
        (ExecExited(container="t", at=1.0, pid=8, signal=63, exec_id=1), "the command (PID 8) was killed by signal 63"),
        (Failed(container="t", at=1.0, message="no such recipe"), "could not start: no such recipe"),
        (Removed(container="t", at=1.0), "removed: nothing of it is left on the host"),
        (
            OperationDone(**PLAN, describe="pivot_root", side="container", errno=22, error="it is not a mount"),
            "pivot_root: refused, it is not a mount",
        ),
        (OperationDone(**PLAN, describe="pivot_root", side="container"), ""),
    ],
)
def test_an_event_is_one_plain_sentence(event: AnyEvent, said: str) -> None:
    assert sentence(event) == said
