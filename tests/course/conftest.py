"""A small lesson without mistakes, that a test may spoil in one place; and the snapshots that facts are read from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from contlab.course.document import Draft, parse
from contlab.course.facts import FactContext, RunResult
from contlab.observe.snapshot import (
    CgroupSample,
    Link,
    MemorySample,
    NamespaceLink,
    NamespaceSet,
    NetworkView,
    PidsSample,
    PidView,
    Snapshot,
    Unavailable,
)

SMALL = """\
---
id: small/lesson
title: A small lesson
minutes: 5
---

Welcome.

## First step

Read *this*.

```toml container
name = "tenant"
command = "sleep 100"
unshare = ["pid", "mnt"]
limits.memory = "32M"
```

```toml predict
question = "What is its number?"
because = "It is the first in its own list."

[[choices]]
say = "One"
when.tenant.pids.first = 1

[[choices]]
say = "Another"
when.tenant.pids.first = { ne = 1 }
```

```toml run
name = "look"
container = "tenant"
command = "echo $$"
```

Now you know.

```toml expect
tenant.ns.pid.own = true
look.output = { contains = "1" }
tenant.pids.count = { ge = 1, le = 3 }
```

```toml hint
nudge = "Think."
command = "echo $$"
```

```toml solution
solution = "Run it."
```
"""


@pytest.fixture
def small() -> str:
    """The lesson's text."""
    return SMALL


@pytest.fixture
def spoil(tmp_path: Path) -> Callable[[str, str], Draft]:
    """Read the small lesson with one place changed."""

    def read(old: str, new: str) -> Draft:
        assert SMALL.count(old) >= 1
        return parse(SMALL.replace(old, new, 1), tmp_path / "small.md")

    return read


@pytest.fixture
def snapshot() -> Snapshot:
    """A container as the sampler would show it on a host without a CPU controller."""
    gib = 1 << 30
    return Snapshot(
        target="tenant",
        at=1.0,
        kernel="6.1.0",
        processes=(
            PidView(pid=900, inside=1, ppid=1, comm="sh", state="S", uid=100_000),
            PidView(pid=901, inside=7, ppid=900, comm="[x] /", state="R"),
        ),
        namespaces=NamespaceSet(
            links=(NamespaceLink("pid", 1, True), NamespaceLink("net", 2, False)), root="/", hostname="box"
        ),
        cgroup=CgroupSample(
            version="v2",
            path="/sys/fs/cgroup/contlab-x",
            memory=MemorySample(
                current=3 << 20, limit=None, anon=0, file=0, kernel=0, peak=Unavailable("Linux 5.19 has it"),
                oom_events=0, oom_kills=2,
            ),
            cpu=Unavailable("no cpu controller"),
            pids=PidsSample(current=2, limit=16, refused=0),
        ),
        network=NetworkView((Link("lo", True), Link("eth0", False), Link("dummy0", True, rx_bytes=gib))),
    )  # fmt: skip


@pytest.fixture
def facts(snapshot: Snapshot) -> FactContext:
    """One container, one command that has run."""
    result = RunResult("look", "tenant", exit_code=137, signal=9, output="1\r\nbye\r\n", seconds=0.25)
    return FactContext({"tenant": snapshot}, {"look": result}, host_kernel="6.1.0", host_hostname="laptop")
