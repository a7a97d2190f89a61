"""``contlab bench spawn``: each way makes a container, and all of them are gone afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contlab import paths
from contlab.lab.spawn_bench import spawns
from contlab.runtime.client import Runtime
from contlab.runtime.spec import Limits
from tests.live.containers import PATIENCE, cgroups_of, until

pytestmark = pytest.mark.needs("root", "cgroup-memory", "cgroup-pids", "cgroup-cpu")

BENCH = (sys.executable, "-P", "-m", "contlab", "bench", "spawn", "--json")


async def test_each_way_makes_the_container_and_is_ready_before_it_is_gone() -> None:
    result = await spawns(2)

    assert {} == result.failed
    assert {"contlab", "contlab, watched", "bare system calls"} <= {timing.name for timing in result.timings}
    for timing in result.timings:
        assert 2 == timing.ready.runs == timing.full.runs
        assert 0 < timing.ready.low < timing.full.low


async def test_ctrl_c_in_the_middle_leaves_nothing() -> None:
    before = set(paths.runtime_root().glob("contlab-*"))
    with subprocess.Popen([*BENCH, "--runs", "1000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as bench:
        made = await until(lambda: set(paths.runtime_root().glob("contlab-*/bench/scratch")))
        bench.send_signal(signal.SIGINT)
        bench.communicate(timeout=PATIENCE)

    assert 128 + signal.SIGINT == bench.returncode
    assert made.isdisjoint(before)
    assert set() == set(paths.runtime_root().glob("contlab-*")) - before
    assert [] == [path for made_here in made for path in cgroups_of(made_here.parts[-3])]


def test_a_plain_user_is_told_that_it_takes_root() -> None:
    command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *BENCH]
    environment = os.environ | {"HOME": "/nonexistent"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert ("", 77) == (ended.stdout, ended.returncode)
    assert "only root can" in ended.stderr


def test_in_json_the_conditions_and_each_way_are_told() -> None:
    ended = subprocess.run([*BENCH, "--runs", "1"], capture_output=True, text=True, check=True)

    told = json.loads(ended.stdout)
    assert {"conditions", "timings", "absent", "failed"} == told.keys()
    assert {"name", "ready", "full", "note"} == told["timings"][0].keys()


async def test_what_a_bare_way_that_was_killed_left_goes_with_the_run() -> None:
    async with Runtime() as runtime:
        group = await runtime.group("bare", Limits())
        left = [Path(directory, "contlab-bare") for directory in dict.fromkeys(group.cgroups.values())]
        for directory in left:
            directory.mkdir()

    assert [] == cgroups_of(runtime.run)
    assert [] == [directory for directory in left if directory.exists()]
