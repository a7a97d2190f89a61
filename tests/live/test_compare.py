"""Comparing when the guest fails: the containers stay measured, and the VM's column is the model's, visibly."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from contlab.lab.compare import Comparison, Measuring
from contlab.lab.compare_measure import Extent
from contlab.lab.compare_run import compare
from contlab.vm import power, qemu
from contlab.vm.qemu import MIB
from tests.live.test_guest import our_emulators

pytestmark = [pytest.mark.guest, pytest.mark.needs("root", "qemu", "kernel-image", "busybox", "cgroup-memory")]

SMALL = Extent(births=1, boots=1, rounds=1, works=(), mischief=False)


async def compared(extent: Extent = SMALL, kill_at: str = "") -> Comparison:
    """The whole; a guest is killed at the step of that name."""
    whole: Comparison | None = None
    async with contextlib.aclosing(compare("measured", extent)) as told:
        async for one in told:
            if isinstance(one, Comparison):
                whole = one
            if isinstance(one, Measuring) and one.words == kill_at:
                (guest,) = our_emulators()
                os.kill(guest.pid, signal.SIGKILL)
    assert set() == our_emulators()
    assert whole is not None
    assert whole.complete
    return whole


def said(whole: Comparison) -> str:
    """Why the VM is a model; and it is, in every cell."""
    assert ("model", "") == (whole.vm, whole.accelerator)
    assert [] == [row.key for row in whole.rows if row.vm is not None and not row.vm.tag.startswith("model: ")]
    boot = whole.row("boot")
    assert boot is not None
    assert boot.container is not None
    assert ("measured here", None) == (boot.container.tag, boot.ratio)
    return "\n".join(whole.why)


async def test_a_guest_that_never_boots_is_given_up_at_its_deadline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # what is found out of KVM is not for other tests
    monkeypatch.setattr(qemu, "KERNEL_ARGUMENTS", (*qemu.KERNEL_ARGUMENTS, "contlab.port=console"))  # a mute agent
    monkeypatch.setattr(power, "KVM_DEADLINE", 2.0)
    monkeypatch.setattr(power, "TCG_DEADLINE", 2.0)

    assert "the VM is a model: the guest did not come up within 2 s (tcg, microvm)" in said(await compared())


async def test_a_guest_that_is_killed_from_outside_leaves_the_model() -> None:
    words = said(await compared(kill_at="a guest, idle, filled and emptied"))

    assert "the VM is a model: the guest booted was killed from outside (signal 9)" in words


async def test_a_guest_with_too_little_memory_is_said_to_have_it() -> None:
    words = said(await compared(replace(SMALL, memory=48 * MIB)))

    assert "A guest of 48 MiB may have too little memory: give it 128 MiB or more." in words


async def test_a_guest_that_does_not_fit_into_this_hosts_memory_is_not_booted() -> None:
    words = said(await compared(replace(SMALL, memory=1 << 50)))

    assert "the VM is a model: a guest of 1 PiB takes up to" in words
