"""Real guests, booted by QEMU: what they say, how they end, and what is left of them: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from contlab.errors import ExitCode, UnavailableError
from contlab.lab import guest_experiments as experiments
from contlab.lab.guest import MEMORY, EndedError, Guests, RunningGuest, ingredients
from contlab.lab.guest_starter import SupervisedStarter, open_guests
from contlab.observe.snapshot import MountTree
from contlab.runtime.client import Runtime
from contlab.vm import power
from contlab.vm.budget import OVERHEAD, Budget
from contlab.vm.machine import BootError, Machine, Reason
from contlab.vm.qemu import Accelerator, Guest
from tests.live.containers import below

pytestmark = [pytest.mark.guest, pytest.mark.needs("root", "qemu", "kernel-image", "busybox")]

CONTLAB = [sys.executable, "-m", "contlab"]


def contlab(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real program, in a process of its own."""
    return subprocess.run(
        [*CONTLAB, *arguments], capture_output=True, text=True, env=os.environ | environment, timeout=900
    )


def emulators() -> set[psutil.Process]:
    """Every QEMU of a guest of contlab's, whoever its parent is."""
    return {
        process
        for process in psutil.process_iter(["cmdline"])
        if "contlab-guest" in (process.info["cmdline"] or ()) and process.status() != psutil.STATUS_ZOMBIE
    }


def left(before: set[psutil.Process]) -> set[psutil.Process]:
    """Those that are there since, and stay: what others run on this host ends by itself."""
    return set(psutil.wait_procs(emulators() - before, timeout=120)[1])


def our_emulators() -> set[psutil.Process]:
    """Those that this process or a supervisor of its own runs."""
    return emulators() & set(psutil.Process().children(recursive=True))


def cgroups_of(pid: int) -> list[str]:
    """Paths of a process's cgroups, in each hierarchy."""
    return [line.split(":", 2)[2] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]


@contextlib.contextmanager
def app_with_a_guest() -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """``contlab vm run sleep 1000`` once the command runs, and its QEMU."""
    with subprocess.Popen([*CONTLAB, "vm", "run", "sleep", "1000"], stderr=subprocess.PIPE) as app:
        try:
            assert app.stderr is not None
            while b"up in" not in (line := app.stderr.readline()):
                assert line, "it ended before its guest was up"
            (qemu,) = emulators() & set(psutil.Process(app.pid).children(recursive=True))
            yield app, qemu
            app.stderr.read()
        finally:
            app.kill()


@pytest.fixture
async def guests() -> AsyncIterator[Guests]:
    """A run of guests under the supervisor; afterwards none of its QEMUs is left."""
    async with open_guests() as opened:
        yield opened
    assert set() == our_emulators()


def test_a_command_in_a_guest_has_another_kernel_its_exit_code_is_ours_and_nothing_is_left() -> None:
    before = emulators()
    done = contlab("vm", "run", "--", "sh", "-c", "uname -r; exit 7")

    assert 7 == done.returncode, done.stderr
    assert done.stdout.strip() != os.uname().release
    assert f"Linux {done.stdout.strip()} (" in done.stderr
    assert done.stderr.endswith("the guest is off\n")
    assert set() == left(before)


def test_too_little_memory_is_said_in_words_and_at_once() -> None:
    done = contlab("vm", "run", "--memory", "48M", "--", "true")

    assert (ExitCode.UNAVAILABLE, "") == (done.returncode, done.stdout)
    assert "A guest of 48 MiB may have too little memory: give it 128 MiB or more." in done.stderr


def test_a_signal_to_the_app_ends_the_guest() -> None:
    with app_with_a_guest() as (app, qemu):
        app.send_signal(signal.SIGTERM)
        assert 128 + signal.SIGTERM == app.wait(20)
        assert not qemu.is_running()


def test_sigkill_of_the_app_leaves_no_qemu_and_no_cgroup() -> None:
    with app_with_a_guest() as (app, qemu):
        ours = {path.rpartition("/")[2] for path in cgroups_of(qemu.pid) if "contlab-" in path}
        assert 1 == len(ours)
        app.kill()
        gone, _ = psutil.wait_procs([qemu, psutil.Process(qemu.ppid())], timeout=10)
        assert qemu in gone
    (name,) = ours
    assert [] == below("/sys/fs/cgroup", name)


def worker(comm: str) -> str:
    """A kernel worker's name ends in what it did last (wq_worker_comm), which changes while one looks; busybox's ps
    cuts after 15 letters."""
    return comm.partition("-")[0].strip() if comm.startswith("kworker") else comm[:15].strip()


async def listed(guest: RunningGuest) -> dict[int, tuple[int, str]]:
    """What ps prints inside: number, parent, name."""
    printed = (await guest.run("ps -o pid,ppid,comm")).output.decode().splitlines()[1:]
    return {int(pid): (int(ppid), worker(comm)) for pid, ppid, comm in (line.split(None, 2) for line in printed)}


async def test_its_panels_equal_what_ps_and_proc_mounts_print_inside(guests: Guests) -> None:
    guest = await guests.boot("panels")
    before = await listed(guest)
    snapshot = await guest.sample()
    after = await listed(guest)
    mounts = (await guest.run("cat /proc/mounts")).output.decode().splitlines()

    assert isinstance(snapshot.processes, tuple)
    assert isinstance(snapshot.mounts, MountTree)
    seen = {view.pid: (view.ppid, worker(view.comm)) for view in snapshot.processes}
    stayed = dict(before.items() & after.items())
    assert {1, 2} <= stayed.keys()
    assert stayed == {pid: seen.get(pid) for pid in stayed}
    # What ps saw neither before nor after came and went: what answered us, and the kernel's workers.
    passing = {name for pid, (_, name) in seen.items() if pid not in before and pid not in after}
    assert {name for name in passing if not name.startswith("kworker")} <= {
        "agent", "sh", "setsid", "cat", "cp", "mv", "rm", "mkdir", "tail", "wc"
    }  # fmt: skip
    fields = [(mount.source, mount.mount_point, mount.fs_type) for mount in snapshot.mounts.mounts]
    assert [tuple(line.split()[:3]) for line in mounts] == fields
    assert snapshot.kernel == guest.machine.release != os.uname().release


async def test_it_runs_in_a_cgroup_and_a_process_group_of_its_own_with_one_right_left(guests: Guests) -> None:
    guest = await guests.boot("alone")
    pid = guest.machine.process.pid
    state = await guest.machine.monitor.state()

    assert any(place.endswith("-vm-alone") for place in cgroups_of(pid))
    assert pid == os.getpgid(pid)
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    assert ("0000000000000004", "1") == (status["CapEff"], status["NoNewPrivs"])  # CAP_DAC_READ_SEARCH
    assert ("running", MEMORY) == (state.status, state.memory)
    assert state.kvm is (guest.machine.guest.accelerator is Accelerator.KVM)
    assert MEMORY / 8 < guest.memory() < MEMORY + OVERHEAD
    waterfall = await guest.machine.waterfall()
    assert waterfall.process < waterfall.first_process < waterfall.agent
    # Without KVM it is said why, and what was found out is remembered.
    assert bool(guest.failed) is not state.kvm
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        known = power.remembered()
        assert known is not None
        assert known.works is state.kvm

    os.kill(pid, signal.SIGTERM)
    with pytest.raises(EndedError, match="was killed from outside \\(signal 15\\)"):
        await guest.run("true")
    assert {} == guests.running


async def test_a_guest_that_never_comes_up_is_ended_at_its_deadline_and_its_console_is_told() -> None:
    found, image = await asyncio.to_thread(ingredients, "busybox")
    mute = Guest(found.path, image, MEMORY, arguments=("contlab.port=console",))
    async with Runtime() as runtime:
        with pytest.raises(BootError, match="did not come up within 6 s") as caught:
            await Machine.boot(mute, SupervisedStarter(runtime, "mute", MEMORY), 6.0)
        assert set() == our_emulators()
    assert "console's last words" in caught.value.hint


async def test_two_guests_exhausted_crashed_and_bombed_leave_the_host_and_each_other_alone(guests: Guests) -> None:
    one, other = await asyncio.gather(guests.boot("one"), guests.boot("other"))

    eaten = await experiments.exhaust_guest(one)
    assert 137 == eaten.facts["exit_code"]
    assert int(eaten.facts["oom_kills"]) >= 1
    assert int(eaten.facts["qemu_pss"]) <= MEMORY + OVERHEAD

    seen = await experiments.look(one, other)
    assert (0, 0, False) == (seen.facts["files"], seen.facts["processes"], seen.facts["same_kernel"])

    crashed = await experiments.panic_guest(one, other)
    assert (Reason.PANIC, True) == (crashed.facts["ended"], crashed.facts["sibling_serves"])
    assert ["other"] == list(guests.running)

    bombed = await experiments.bomb_guest(other, limit=3.0)
    assert Reason.KILLED == bombed.facts["ended"]
    assert float(bombed.facts["kill_seconds"]) < 5
    assert {} == guests.running


async def test_no_guest_is_booted_into_memory_that_is_promised_already() -> None:
    async with Runtime() as runtime:
        budget = Budget(MEMORY + OVERHEAD + 1)
        async with Guests(lambda name, memory: SupervisedStarter(runtime, name, memory), budget) as guests:
            await guests.boot("first")
            with pytest.raises(UnavailableError, match="1 others have"):
                await guests.boot("second")
            await guests.running["first"].off()
            await asyncio.sleep(0)
            assert {} == budget.promised


def test_a_boot_takes_at_most_a_quarter_longer_than_the_same_qemu_run_bare() -> None:
    before = emulators()
    done = contlab("bench", "boot", "--runs", "5", "--json")
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)

    assert told["ratio"] <= told["limit"] == 1.25, told
    assert [5, 5] == [told[way]["runs"] for way in ("contlab", "bare")]
    assert all(0 < told[way]["low"] <= told[way]["p50"] <= told[way]["high"] for way in ("contlab", "bare"))
    assert told["release"] not in ("", os.uname().release)
    # Emulation says its name, and why it has to be.
    assert ("kvm", []) == (told["accelerator"], told["why"]) or ("tcg" == told["accelerator"] and told["why"])
    assert {"processor", "kernel", "load"} <= told["conditions"].keys()
    assert set() == left(before)


def test_compare_measures_a_guest_and_names_the_accelerator_on_every_row_that_it_slows() -> None:
    done = contlab("compare", "--json", "--vm", "measured", "--runs", "1")
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    rows = {row["key"]: row for row in told["rows"]}

    assert "measured" == told["vm"]
    work = [row for key, row in rows.items() if key.startswith("work.") and row["vm"]["tag"] == "in the guest"]
    assert len(work) >= 5
    assert all(row["ratio"] > 0 and row["host"]["value"] > 0 for row in work)
    if told["accelerator"] == "tcg":
        assert {"emulated (TCG): not a VM's real cost"} == {row["note"] for row in (*work, rows["boot"])}
        assert rows["boot"]["cited"]["tag"].startswith("model: NSDI'20")
    assert rows["kernel"]["vm"]["tag"] == "in the guest"
    assert rows["kernel_threads"]["container"]["value"] == 0 < rows["kernel_threads"]["vm"]["value"]
    assert rows["memory.idle"]["ratio"] > 10
    assert rows["memory.freed"]["container"]["value"] < rows["memory.load"]["container"]["value"] / 4
    assert rows["memory.freed"]["vm"]["value"] > rows["memory.load"]["vm"]["value"] * 0.9
    assert told["fit"]["containers"] > told["fit"]["vms"] > 0
    emulated = {rows[key]["note"][:14] for key in ("memory.idle", "memory.load", "density")}
    assert emulated == ({"emulated (TCG)"} if told["accelerator"] == "tcg" else {""})
    # What happens in one when the worst does was tried, except on the host's only kernel.
    assert ["in the guest"] * 4 == [
        rows[key]["vm"]["tag"] for key in ("memory.hog", "neighbour", "crash", "bomb")
    ]  # fmt: skip
    assert ["measured here"] * 3 == [rows[key]["container"]["tag"] for key in ("memory.hog", "neighbour", "bomb")]
    assert rows["crash"]["container"]["tag"].startswith("model: ")
    assert "its sibling serves on" in rows["crash"]["vm"]["text"]
    assert ("one kernel", "another kernel") == tuple(
        rows["neighbour"][side]["text"].partition("; ")[2] for side in ("container", "vm")
    )
    tags = {cell["tag"] for row in told["rows"] for name in ("container", "vm", "host") if (cell := row[name])}
    assert all(tag in ("measured here", "in the guest") or tag.startswith("model: ") for tag in tags)
