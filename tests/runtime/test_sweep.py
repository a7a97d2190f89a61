"""Which runs are dead, and what goes with them, in directories of our own; cgroups and mounts are in tests/live."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contlab.runtime import sweep

HOLD = """
import sys
from contlab.runtime import sweep
fd = sweep.hold(*sys.argv[1:])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def living(tmp_path: Path) -> Iterator[str]:
    """A run that another process holds."""
    command = [sys.executable, "-c", HOLD, str(tmp_path), "aaaaaaaa"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert b"held\n" == holder.stdout.readline()
        (tmp_path / "contlab-aaaaaaaa").mkdir()
        yield "aaaaaaaa"
        holder.communicate()


def leave_behind(root: Path, run: str) -> Path:
    directory = root / f"contlab-{run}"
    (directory / "copy-box/etc").mkdir(parents=True)
    (directory / "copy-box/etc/motd").write_text("x")
    (root / f"contlab-{run}.lock").touch()
    return directory


def test_a_dead_run_s_directory_and_lock_are_removed_and_named(tmp_path: Path) -> None:
    directory = leave_behind(tmp_path, "0123abcd")

    swept = sweep.sweep(str(tmp_path))

    assert sweep.Swept(removed=(f"directory {directory}",)) == swept
    assert [] == list(tmp_path.iterdir())


def test_a_living_run_is_left_alone_while_a_dead_one_beside_it_is_removed(tmp_path: Path, living: str) -> None:
    leave_behind(tmp_path, "0123abcd")

    assert (living,) == sweep.sweep(str(tmp_path)).alive
    assert [f"contlab-{living}", f"contlab-{living}.lock"] == sorted(path.name for path in tmp_path.iterdir())


def test_what_has_no_lock_here_is_not_ours_to_judge(tmp_path: Path) -> None:
    (tmp_path / "contlab-0123abcd").mkdir()
    (tmp_path / "contlab-XYZ.lock").touch()
    (tmp_path / "other-0123abcd.lock").touch()

    assert sweep.Swept() == sweep.sweep(str(tmp_path))
    assert 3 == len(list(tmp_path.iterdir()))


def test_nothing_to_sweep_is_no_mistake(tmp_path: Path) -> None:
    assert sweep.Swept() == sweep.sweep(str(tmp_path / "not there"))


def test_the_lock_file_goes_last_so_that_an_interrupted_sweep_can_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = leave_behind(tmp_path, "0123abcd")

    def full(path: str) -> None:
        raise OSError(5, "I/O error", path)

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", full)
        (stuck,) = sweep.sweep(str(tmp_path)).stuck
    assert f"{directory} can't be removed: I/O error" == stuck.message
    assert f"rm -r --one-file-system {directory}, and then contlab doctor --clean again" == stuck.hint
    assert (f"directory {directory}",) == sweep.sweep(str(tmp_path)).removed


def test_a_run_is_held_again_after_a_sweep_removed_its_lock_file_between_open_and_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "contlab-aaaaaaaa.lock"
    real, opened = os.open, []

    def open_and_lose(*arguments: object) -> int:
        fd = real(*arguments)  # type: ignore[arg-type]
        if not opened:
            path.unlink()
        opened.append(fd)
        return fd

    monkeypatch.setattr("os.open", open_and_lose)
    held = sweep.hold(str(tmp_path), "aaaaaaaa")

    assert 2 == len(opened)
    assert os.fstat(held).st_ino == path.stat().st_ino
    os.close(held)


def test_release_leaves_neither_directory_nor_lock(tmp_path: Path) -> None:
    directory = leave_behind(tmp_path, "0123abcd")

    sweep.release(str(directory))

    assert [] == list(tmp_path.iterdir())


def test_a_mount_below_a_directory_is_never_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run/copy").mkdir(parents=True)
    line = f"90 22 0:5 / {tmp_path}/run/copy rw - tmpfs tmpfs rw\n"
    mounts = tmp_path / "mountinfo"
    mounts.write_text(line)
    monkeypatch.setattr(sweep, "MOUNTINFO", str(mounts))
    unmounted: list[str] = []
    monkeypatch.setattr(sweep, "umount2", lambda target, flags: unmounted.append(target))

    with pytest.raises(Exception, match="something goes on mounting below"):
        sweep.remove_tree(str(tmp_path / "run"))

    assert [f"{tmp_path}/run/copy"] == unmounted
    assert (tmp_path / "run/copy").is_dir()
