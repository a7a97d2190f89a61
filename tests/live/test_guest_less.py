"""Where no guest can boot: containers are measured all the same, and the VM's column is the model's, visibly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contlab.course.facts import judge
from contlab.course.lesson import Check, Container, Lesson, Prose, Run, Step, Vm
from contlab.errors import ExitCode
from contlab.lab import LiveLab
from contlab.lab import guest_experiments as experiments
from contlab.lab.guests_of import LOST
from contlab.observe.snapshot import Unavailable
from contlab.runtime.client import Runtime
from contlab.runtime.spec import ContainerSpec
from contlab.vm import qemu
from tests.live.test_guest import contlab
from tests.live.test_lab import DEADLINE, WAITING

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
    assert "measured here" == rows["memory.hog"]["container"]["tag"] == rows["bomb"]["container"]["tag"]


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


STEP = Step(
    "Step", "step", 1, (Prose("Text.", 2), Container("tenant", ContainerSpec(command=WAITING), 3), Vm("box", 4))
)
LESSON = Lesson(id="test/guests", title="Guests", path=Path("g.md"), track="test", minutes=1, steps=(STEP,))
NO_QEMU = (
    "the guest box isn't there: qemu-system-nowhere is not on this host "
    "(Debian, Ubuntu: apt-get install qemu-system-x86 · Fedora: dnf install qemu-system-x86-core)"
)


async def test_a_lessons_guest_that_cannot_be_had_says_why_and_its_containers_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(qemu, "PROGRAM", "qemu-system-nowhere")
    lab = await LiveLab.open(LESSON)
    try:
        await lab.enter(STEP)
        inside = await lab.run(Run("seen", "tenant", "echo here", 5, DEADLINE))
        missed = await lab.run(Run("missed", "box", "echo here", 6, DEADLINE))
        facts = await lab.facts()
    finally:
        await lab.close()

    assert (0, "here\n") == (inside.exit_code, inside.output)
    assert (LOST, NO_QEMU, f"{NO_QEMU}\n") == (missed.exit_code, missed.missing, missed.output)
    assert facts.snapshots["tenant"].alive
    box = facts.snapshots["box"]
    assert isinstance(box.guest, Unavailable)
    assert (False, NO_QEMU) == (box.alive, box.guest.reason)
    for fact in ("box.alive", "box.processes", "missed.exit_code"):
        assert f"not known: {NO_QEMU}" == judge(Check(fact, "eq", 0, 1), facts).seen


GUEST_LESSON = """\
---
id: test/guest
title: A guest
minutes: 1
needs: [qemu, kernel-image]
---

## One

Text.

```toml vm
name = "box"
```

```toml vm
name = "box"
action = "run"
run = "asked"
command = "true"
```

```toml expect
asked.exit_code = 0
```

```toml hint
nudge = "n"
command = "c"
```

```toml solution
solution = "s"
```
"""


@pytest.mark.parametrize("command", [("run",), ("run", "--json"), ("lessons", "check", "--prove")])
def test_a_guest_lesson_is_not_played_where_no_guest_can_be_and_what_mends_it_is_said(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    lesson = tmp_path / "guest.md"
    lesson.write_text(GUEST_LESSON)
    done = contlab(*command, str(lesson), CONTLAB_KERNEL="/nowhere/vmlinuz")

    assert ExitCode.UNAVAILABLE == done.returncode, done.stderr
    assert "the guest box isn't there: CONTLAB_KERNEL names /nowhere/vmlinuz, which can't be read" in done.stderr
    assert "Look at: contlab vm status" in done.stderr
    assert "Traceback" not in done.stderr
    assert '"kind":"end"' not in done.stdout
