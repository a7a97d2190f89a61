"""``contlab vm`` and ``contlab compare`` where there is nothing to boot with: words, fixes and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contlab.cli.compare import _table
from contlab.cli.vm import _how
from contlab.errors import ExitCode
from contlab.lab.compare import Cell, Comparison, Fit, Row, Spread
from contlab.vm import power
from contlab.vm.inventory import Inventory
from contlab.vm.qemu import Accelerator


def contlab(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real program, in a process of its own."""
    command = [sys.executable, "-m", "contlab", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


@pytest.fixture
def kernel(tmp_path: Path) -> str:
    """A file that begins as an x86 kernel does."""
    file = tmp_path / "vmlinuz"
    file.write_bytes(bytes(0x202) + b"HdrS" + bytes(0x100))
    return str(file)


def test_status_names_each_part_that_is_missing_and_what_mends_it(kernel: str) -> None:
    done = contlab("vm", "status", PATH="/nowhere", CONTLAB_KERNEL=kernel)

    assert ExitCode.UNAVAILABLE == done.returncode
    assert "✗ qemu    qemu-system-x86_64 is not on this host" in done.stdout
    assert "→ Debian, Ubuntu: apt-get install qemu-system-x86" in done.stdout
    assert "no guest can boot" in done.stdout


def test_status_as_json_has_the_same_parts(kernel: str) -> None:
    done = contlab("vm", "status", "--json", PATH="/nowhere", CONTLAB_KERNEL=kernel)
    told = json.loads(done.stdout)

    assert ["qemu", "kernel", "kvm", "memory"] == [part["name"] for part in told["parts"]]
    assert [False, True] == [part["there"] for part in told["parts"][:2]]
    assert False is told["bootable"]


def test_kvm_is_not_promised_before_a_guest_has_come_up_under_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert _how(Inventory((), Accelerator.KVM)).startswith("the next guest tries KVM, and is emulated (TCG)")
    power._remember(True, "a guest came up under it")
    assert _how(Inventory((), Accelerator.KVM)) == "guests run by KVM"
    assert "not a VM's real cost" in _how(Inventory((), Accelerator.TCG))


def test_run_without_qemu_or_a_kernel_ends_with_the_words_that_mend_it(kernel: str) -> None:
    without = contlab("vm", "run", "--", "true", PATH="/nowhere", CONTLAB_KERNEL=kernel)
    unread = contlab("vm", "run", "--", "true", CONTLAB_KERNEL="/nowhere/vmlinuz")

    assert [ExitCode.UNAVAILABLE] * 2 == [without.returncode, unread.returncode]
    assert "" == without.stdout == unread.stdout
    assert "contlab: qemu-system-x86_64 is not on this host\n  Debian, Ubuntu: apt-get install" in without.stderr
    assert "CONTLAB_KERNEL names /nowhere/vmlinuz, which can't be read" in unread.stderr


@pytest.mark.parametrize(("size", "words"), [("lots", "is no size"), ("max", "128M"), ("1000", "1 MiB")])
def test_a_size_that_is_none_is_wrong_usage(size: str, words: str) -> None:
    done = contlab("vm", "run", "--memory", size, "--", "true")

    assert ExitCode.USAGE == done.returncode
    assert words in done.stderr


def test_the_model_can_be_of_another_vm_and_says_of_which() -> None:
    done = contlab(
        "compare", "--json", "--vm", "model", "--runs", "1", "--memory", "256M",
        "--hypervisor", "firecracker", "--guest-os", "tuned", "--image", "cloud", CONTLAB_KERNEL="/nowhere/vmlinuz",
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    rows = {row["key"]: row["vm"] for row in told["rows"] if row["vm"]}

    assert ("256 MiB, 1 processor", "firecracker, tuned kernel, cloud image") == (
        told["conditions"]["guest"],
        told["conditions"]["model"],
    )
    assert ("160 ms", "240 MiB of 256 MiB", "620 MB") == tuple(
        rows[key]["text"] for key in ("boot", "memory.usable", "image")
    )
    assert {"model: "} == {cell["tag"][:7] for cell in rows.values()}


def test_kernel_prints_its_path_alone_on_stdout(kernel: str) -> None:
    done = contlab("vm", "kernel", CONTLAB_KERNEL=kernel)

    assert (0, f"{kernel}\n") == (done.returncode, done.stdout)
    assert "from CONTLAB_KERNEL" in done.stderr


def test_the_printed_comparison_tags_every_figure_and_draws_how_many_fit() -> None:
    row = Row(
        key="work.fork", label="fork", ratio=21.2, note="emulated (TCG): not a VM's real cost",
        host=Cell(text="1,000 forks/s", tag="measured here"),
        container=Cell(text="990 forks/s", tag="measured here", unit="forks/s", spread=Spread(990.0, 900.0, 1010.0, 5)),
        vm=Cell(text="46.7 forks/s", tag="in the guest"),
        cited=Cell(text="98 %", tag="model: IBM, 2014"),
    )  # fmt: skip
    fit = Fit(8 << 30, 240, 30, 1.0, 1.0, "measured here")
    text = "\n".join(_table(Comparison(vm="measured", accelerator="tcg", conditions={}, rows=(row,), fit=fit), 80))

    assert "fork   × 21   emulated (TCG): not a VM's real cost" in text
    assert "container  990 forks/s [900 to 1,010, 5 runs]  · measured here" in text
    assert "VM         46.7 forks/s  · in the guest" in text
    assert "cited VM   98 %  · model: IBM, 2014" in text
    assert 240 + 30 == text.count("■") - 1
