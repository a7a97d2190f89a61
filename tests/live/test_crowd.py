"""A hundred containers at a time: all of them are seen, each costs little, and nothing of them is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from contlab.lab.compare import Spread
from contlab.lab.crowd import measure
from contlab.runtime.client import Runtime
from tests.live.containers import SLOW, cgroups_of, children, descriptors, left_of

pytestmark = pytest.mark.needs("root", "cgroup", "cgroup-memory", "proc")

CONTAINERS = 20 if SLOW else 100


async def test_a_hundred_containers_are_started_watched_and_removed() -> None:
    own = descriptors(os.getpid())
    async with Runtime() as runtime:
        supervisor = runtime.supervisor_pid
        assert supervisor is not None
        crowd = await measure(runtime, CONTAINERS)

        assert (CONTAINERS, CONTAINERS) == (crowd.containers, crowd.seen)
        # A pidfd each; what reports and waits is closed once the command runs.
        assert (1.0, 0.0) == (crowd.supervisor_each[1], crowd.app_each[1])
        assert crowd.supervisor_each[0] < 64 << 10
        assert crowd.app_each[0] < 256 << 10
        assert isinstance(crowd.memory, Spread)
        assert isinstance(crowd.pss, Spread)
        assert 0 < crowd.memory.p50 < 4 << 20
        # In a tree that had to be copied, as before Linux 6.6, its program's pages are each container's own.
        assert 0 < crowd.pss.p50 < (2 if SLOW else 1) << 20
        assert CONTAINERS == crowd.memory.runs == crowd.pss.runs == crowd.ready_ms.runs
        assert 0 == crowd.supervisor_after[1]
        assert ([], []) == (cgroups_of(runtime.run), children(supervisor))
        assert not [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if runtime.run in line]

        again = await measure(runtime, CONTAINERS)

        assert again.supervisor_after[0] < 512 << 10, "what the first hundred left is used again"
    assert [] == left_of(runtime.run)
    assert own == descriptors(os.getpid())
