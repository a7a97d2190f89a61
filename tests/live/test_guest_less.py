"""Where no guest can boot: containers are measured all the same, and the VM's column is the model's, visibly."""

from __future__ import annotations

import json

import pytest

from contlab.lab import guest_experiments as experiments
from contlab.runtime.client import Runtime
from tests.live.test_guest import contlab

pytestmark = pytest.mark.needs("root", "busybox", "cgroup-memory", "cgroup-pids")


def test_without_a_kernel_image_the_column_is_the_model_and_says_why() -> None:
    done = contlab("compare", "--json", "--runs", "1", CONTLAB_KERNEL="/nowhere/vmlinuz")
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)

    assert ("model", "") == (told["vm"], told["accelerator"])
    assert [words for words in told["why"] if "the VM is a model: CONTLAB_KERNEL names /nowhere/vmlinuz" in words]
    rows = {row["key"]: row for row in told["rows"]}
    assert all(row["vm"]["tag"].startswith("model: ") for row in told["rows"] if row["vm"])
    assert "measured here" == rows["boot"]["container"]["tag"] == rows["work.fork"]["container"]["tag"]


async def test_the_same_mischief_in_containers_stays_within_their_limits() -> None:
    async with Runtime() as runtime:
        eaten = await experiments.exhaust_container(runtime)
        assert (137, True, True) == tuple(eaten.facts[key] for key in ("exit_code", "oom_killed", "goes_on"))

        bombed = await experiments.bomb_container(runtime)
        assert 1 < int(bombed.facts["tasks"]) <= int(bombed.facts["most"])
        assert float(bombed.facts["kill_seconds"]) < 5

        crashed = await experiments.panic_container(runtime)
        assert crashed.facts["tried"] is False
        assert crashed.facts["masked"] or not crashed.facts["sysrq_trigger"]

        seen = await experiments.look_from_container(runtime)
        assert (0, 0, True) == (seen.facts["files"], seen.facts["processes"], seen.facts["same_kernel"])
