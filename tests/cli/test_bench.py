"""``contlab bench``: figures of a small vault."""

from __future__ import annotations

import json
from functools import partial

import pytest

from contlab.cli.bench import _print_boots, _print_crowd, _print_spawns, bench
from contlab.cli.failure import status_of
from contlab.errors import ExitCode
from contlab.lab.compare import Spread
from contlab.lab.crowd import Crowd
from contlab.lab.guest_bench import Boots
from contlab.lab.spawn_bench import Spawns, Timing
from contlab.observe.snapshot import Unavailable
from contlab.vm.qemu import Accelerator, Board


def run(*words: str) -> int:
    return status_of(partial(bench.main, list(words), standalone_mode=False))


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_every_way_is_printed_with_its_ratios_and_the_hosts_conditions(capsys):
    assert run("review", "--notes", "50", "--rounds", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["processor", "kernel", "python", "load", "notes"] == [line.split()[0] for line in lines[:5]]
    assert "page cache warm" in lines[4]
    assert ["read the bytes", "due queue, cold", "due queue, warm", "by PageRank, cold", "by PageRank, warm"] == [
        line[:20].strip() for line in lines[7:12]
    ]


def test_figures_as_json(capsys, tmp_path):
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "a.md").write_text("---\nsr-due: 2026-01-01\nsr-interval: 1\nsr-ease: 250\n---\n")
    assert run("review", str(tmp_path / "vault"), "--rounds", "1", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {"conditions", "notes", "bytes", "disk_cold", "timings"} == found.keys()
    assert {1} == {timing["notes"] for timing in found["timings"]}


def test_boots_are_printed_with_their_ratio_and_emulation_under_its_name(capsys):
    result = Boots(
        accelerator=Accelerator.TCG, board=Board.MICROVM, memory=128 << 20, release="6.1.0", why=("no /dev/kvm",),
        contlab=Spread(1.75, 1.5, 2.0, 5), bare=Spread(1.5, 1.25, 1.75, 5), ratio=1.0625,
    )  # fmt: skip
    _print_boots(result)
    lines = capsys.readouterr().out.splitlines()
    assert "guests by  TCG: emulated, not a VM's real cost" in lines
    assert "guest      128 MiB, microvm, Linux 6.1.0" in lines
    assert "note       no /dev/kvm" in lines
    assert ["bare", "QEMU", "1.500", "1.250", "1.750", "5"] == lines[-3].split()
    assert ["contlab's", "boot", "1.750", "1.500", "2.000", "5"] == lines[-2].split()
    assert lines[-1].split("   ")[:1] == ["contlab / bare QEMU"]
    assert lines[-1].endswith("1.06   (neighbours in time; at most 1.25)")


def test_each_way_of_making_a_container_is_printed_with_what_it_leaves_out_and_how_contlab_compares(capsys):
    def timing(name: str, ready: float, full: float, note: str = "") -> Timing:
        return Timing(name, Spread(ready, 1, 9, 50), Spread(full, 2, 9, 50), note)

    ours = (timing("contlab", 3, 4, "born before"), timing("contlab, watched", 5, 6, "from nothing"))
    ways = (*ours, timing("bare system calls", 2, 3), timing("runc", 18, 20, "no overlay"))
    _print_spawns(Spawns(ways, absent=("crun",), failed={"bwrap": "no permission"}))
    told = capsys.readouterr()
    lines = told.out.splitlines()[4:]
    assert "runs       50 of each, in turns; ms, median (lowest)" == lines[0]
    assert "contlab 3.00 (1.00) 4.00 (2.00) born before" == " ".join(lines[3].split())
    assert "contlab, watched 5.00 (1.00) 6.00 (2.00) 1.50 x as fast from nothing" == " ".join(lines[4].split())
    assert "runc 18.00 (1.00) 20.00 (2.00) 5.00 x as fast no overlay" == " ".join(lines[6].split())
    assert "ready within 1.50 x the bare system calls; watched within 2.50 x" == lines[-1]
    assert ["not installed: crun", "bwrap can't run here: no permission"] == told.err.splitlines()


def test_a_crowd_is_printed_by_each_container_s_share_and_what_can_t_be_read_in_words(capsys):
    result = Crowd(
        containers=4, start_seconds=0.04, ready_ms=Spread(20, 10, 30, 4), look_seconds=Spread(0.002, 0.001, 0.003, 5),
        seen=4, remove_seconds=0.4, memory=Spread(163840, 131072, 1 << 20, 4), pss=Unavailable("not for this user"),
        supervisor_each=(2048.0, 1.0), app_each=(1024.0, 0.0), supervisor_after=(4096, 0),
    )  # fmt: skip
    _print_crowd(result)
    lines = capsys.readouterr().out.splitlines()[4:]
    assert [
        "containers 4 at a time, idle; 4 seen alive",
        "",
        "started                40.0 ms   10.0 ms each",
        "looked at               2.0 ms    500 µs each",
        "removed                 400 ms    100 ms each",
        "",
        "of each container       median    lowest   highest",
        "its cgroup             160 KiB   128 KiB     1 MiB",
        "PSS                 not for this user",
        "",
        "supervisor               2 KiB and 1.0 descriptors for each",
        "contlab itself           1 KiB and 0.0 descriptors for each",
        "supervisor, after        4 KiB and 0 descriptors more than before",
    ] == lines


def test_without_qemu_no_boot_is_measured_and_the_package_is_named(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    assert run("boot") == ExitCode.UNAVAILABLE
    told = capsys.readouterr()
    assert told.out == ""
    assert "qemu-system-x86_64 is not on this host" in told.err
