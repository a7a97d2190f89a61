"""Guests from boot to end, with a program in QEMU's place that behaves as it is told by the "kernel" it is given."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from contlab.errors import UnavailableError
from contlab.vm import machine as machines
from contlab.vm import power, qemu
from contlab.vm.machine import BootError, Ending, Machine, Reason
from contlab.vm.qemu import MIB, Accelerator, Board, Guest
from contlab.vm.starter import LocalStarter

FAKE = """#!{python}
import os, re, signal, socket, sys, time
words = dict(zip(sys.argv, sys.argv[1:]))
line = " ".join(sys.argv)
how = open(words["-kernel"]).read()
console, agent = (socket.socket(fileno=int(re.search(name + ",fd=([0-9]+)", line)[1])) for name in ("console", "agent"))
if "kvm" in how and words["-accel"] == "kvm" or how == "hang":
    time.sleep(1000)
if "pc" in how and words["-M"] != "pc":
    sys.exit("qemu: unsupported machine type")
if how == "fail":
    sys.exit("qemu: no such thing")
if how == "panic":
    console.sendall(b"Kernel panic - not syncing: no memory\\r\\n")
    sys.exit(0)
if how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
console.sendall(b"booting\\r\\n")
agent.sendall(b"noise\\r\\ncontlab1 0 0 5\\n6.1.0")
for request in agent.makefile():
    if request.split()[1] == "off" and how != "deaf":
        sys.exit(0)
"""


@pytest.fixture
def guest(tmp_path, monkeypatch):
    """Of a behaviour -> the guest that has it."""
    program = tmp_path / qemu.PROGRAM
    program.write_text(FAKE.replace("{python}", sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def make(how, **rest):
        (tmp_path / "kernel").write_text(how)
        return Guest(tmp_path / "kernel", tmp_path / "image", **rest)

    return make


async def boot(guest, deadline=20.0):
    return await Machine.boot(guest, LocalStarter(), deadline)


async def test_a_guest_comes_up_says_its_kernel_and_ends_when_asked(guest):
    machine = await boot(guest("good"))
    assert machine.release == "6.1.0"
    assert machine.console == "booting\r\n"
    assert 0 < machine._waterfall.process < machine._waterfall.agent
    assert await machine.off() == Ending(Reason.OFF, "")
    assert not psutil.pid_exists(machine.process.pid)


async def test_each_attempt_is_told_of_while_it_boots(guest, monkeypatch):
    monkeypatch.setattr(power, "kvm_refused", lambda: UnavailableError("no kvm"))
    told = []
    up = await power.bring_up(guest("pc only"), LocalStarter(), told.append)
    assert [machine.guest.board for machine in told] == [Board.MICROVM, Board.PC]
    assert told[-1] is up.machine
    assert up.machine.speaks
    await up.machine.off()


async def test_a_guest_that_does_not_end_when_asked_is_killed(guest, monkeypatch):
    monkeypatch.setattr(machines, "GOODBYE", 0.1)
    machine = await boot(guest("deaf"))
    assert await machine.off() == Ending(Reason.KILLED, "signal 9")
    assert await machine.kill() == Ending(Reason.KILLED, "signal 9")


async def test_a_guest_that_is_killed_from_outside_is_noticed(guest):
    machine = await boot(guest("good"))
    os.kill(machine.process.pid, signal.SIGTERM)
    assert await asyncio.wait_for(machine.ended(), 5) == Ending(Reason.KILLED, "signal 15")
    with pytest.raises(UnavailableError):
        await machine.agent.read("/proc/1/stat")


@pytest.mark.parametrize(
    ("how", "words", "reason"),
    [
        ("panic", "the guest's kernel gave up while booting: no memory", Reason.PANIC),
        ("fail", "QEMU could not run the guest: qemu: no such thing", Reason.FAILED),
        ("killed", "the guest was killed while booting (signal 9)", Reason.KILLED),
    ],
)
async def test_a_guest_that_ends_while_booting_says_why(guest, how, words, reason):
    with pytest.raises(BootError) as caught:
        await boot(guest(how, memory=64 * MIB))
    assert caught.value.message == words
    assert caught.value.ending.reason is reason
    assert caught.value.hint


async def test_a_guest_that_never_comes_up_is_ended_at_its_deadline(guest):
    with pytest.raises(BootError, match="did not come up within 0 s"):
        await boot(guest("hang"), deadline=0.3)
    assert not [child for child in psutil.Process().children() if child.name() == qemu.PROGRAM[:15]]


def known_bad():
    known = power.remembered()
    return None if known is None or known.works else UnavailableError(known.why)


async def test_kvm_that_hangs_is_given_up_for_emulation_and_remembered(guest, monkeypatch):
    monkeypatch.setattr(power, "KVM_DEADLINE", 0.5)
    monkeypatch.setattr(power.os, "access", lambda path, mode: True)
    monkeypatch.setattr(power, "kvm_refused", known_bad)
    for expected in ("the guest did not come up within 0 s (kvm, microvm)", "/dev/kvm is there, but a guest under it"):
        up = await power.bring_up(guest("good, but kvm hangs"), LocalStarter())
        assert up.machine.guest.accelerator is Accelerator.TCG
        assert [words.startswith(expected) for words in up.failed] == [True]
        await up.machine.off()
    assert power.remembered().works is False


async def test_where_microvm_is_unknown_an_old_pc_is_booted(guest, monkeypatch):
    monkeypatch.setattr(power, "kvm_refused", lambda: UnavailableError("no kvm"))
    up = await power.bring_up(guest("pc only"), LocalStarter())
    assert up.machine.guest.board is Board.PC
    assert up.failed == ("no kvm", "QEMU could not run the guest: qemu: unsupported machine type")
    await up.machine.off()


async def test_a_guest_that_is_wrong_itself_is_not_tried_on_another_board(guest, monkeypatch):
    monkeypatch.setattr(power, "kvm_refused", lambda: UnavailableError("no kvm"))
    tried = []
    real = Machine.boot

    async def count(attempt, starter, deadline, on_start):
        tried.append(attempt.board)
        return await real(attempt, starter, deadline, on_start)

    monkeypatch.setattr(power.Machine, "boot", count)
    with pytest.raises(BootError, match="no memory"):
        await power.bring_up(guest("panic"), LocalStarter())
    assert tried == [Board.MICROVM]


async def test_without_qemu_the_package_is_named(guest, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnavailableError, match="is not on this host") as caught:
        await power.bring_up(guest("good"), LocalStarter())
    assert "apt-get install qemu-system-x86" in caught.value.hint


def test_kvm_is_refused_in_words(tmp_path, monkeypatch):
    assert "no /dev/kvm" in str(power.kvm_refused(tmp_path / "kvm"))
    (tmp_path / "kvm").touch()
    monkeypatch.setattr(power.os, "access", lambda path, mode: False)
    assert "usermod -aG kvm" in str(power.kvm_refused(tmp_path / "kvm"))


def test_a_verdict_of_an_earlier_boot_is_forgotten(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    power._remember(False, "it hung")
    assert power.remembered().why == "it hung"
    (tmp_path / "boot_id").write_text("another\n")
    monkeypatch.setattr(power, "BOOT_ID", tmp_path / "boot_id")
    assert power.remembered() is None


def test_what_is_on_the_leash_dies_with_its_parent_also_by_sigkill(tmp_path):
    starts = """
import asyncio, sys
from contlab.vm.starter import LocalStarter
async def main():
    process = await LocalStarter().start(("sleep", "1000"), (), asyncio.subprocess.DEVNULL)
    while open(f"/proc/{process.pid}/comm").read() != "sleep\\n":
        await asyncio.sleep(0.01)
    print(process.pid, flush=True)
    await process.wait()
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", starts], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    try:
        assert child.wait(5) is None
    except psutil.TimeoutExpired:
        assert child.status() == psutil.STATUS_ZOMBIE  # dead, and nobody here buries it
    assert Path(f"/proc/{child.pid}/exe").exists() is False
