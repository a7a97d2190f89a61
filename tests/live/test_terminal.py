"""Containers on a terminal of their own: contlab spawn --tty typed at in a real pty, and shells for lessons."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator

import psutil
import pytest

from contlab.errors import LessonError, RuntimeFailure
from contlab.runtime.client import Runtime
from contlab.runtime.protocol import Window
from contlab.runtime.spec import ContainerSpec, Namespace, RootMethod
from contlab.runtime.terminal import Terminal
from tests.live.containers import PATIENCE, shell, traces_of
from tests.live.test_spawn_end import CONTLAB, DEADLINE, PROMPT, run_of, until
from tests.live.test_spawn_end import Terminal as Keyboard

pytestmark = pytest.mark.needs("root", "cgroup-pids", "ns-pid", "pivot_root", "proc")


@pytest.fixture
def spawned() -> Iterator[Callable[..., Keyboard]]:
    """``contlab spawn --tty`` in the foreground of a terminal, once its shell waits for a line."""
    opened: list[Keyboard] = []

    def open_(*arguments: str, rows: int = 24, columns: int = 80) -> Keyboard:
        here = Keyboard("--tty", *arguments)
        opened.append(here)
        resize(here, rows, columns)
        return here

    yield open_
    for each in opened:
        each.close()


def resize(here: Keyboard, rows: int, columns: int) -> None:
    fcntl.ioctl(here.master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))


# --- a shell on it ------------------------------------------------------------------------------------------------


def test_the_shell_s_terminal_is_the_first_of_the_container_s_own(spawned: Callable[..., Keyboard]) -> None:
    here = spawned()
    here.see(PROMPT)
    here.type("tty; ls /dev/pts; test -t 0 && test -t 1 && test -t 2 && echo al''l\n")

    here.see(r"\n/dev/pts/0\r\n0 +ptmx\r\nall\r\n")
    here.type("exit 7\n")
    assert 7 == here.code()
    assert here.intact()


def test_its_size_is_ours_and_follows(spawned: Callable[..., Keyboard]) -> None:
    here = spawned(rows=33, columns=101)
    here.see(PROMPT)
    for rows, columns in ((33, 101), (10, 44), (60, 200)):
        resize(here, rows, columns)
        here.type(f"while [ \"$(stty size)\" != '{rows} {columns}' ]; do sleep 0.1; done; echo fi''ts\n")
        here.see(r"fits\r\n")


def test_ctrl_c_kills_the_job_in_the_foreground_and_nothing_else(spawned: Callable[..., Keyboard]) -> None:
    here = spawned()
    here.see(PROMPT)
    here.type("sleep 1234 &\n")
    here.see(PROMPT)
    here.type("sh -c 'echo be\"\"gun; exec sleep 1000'\n")
    here.see(r"begun\r\n")
    here.type("\x03")
    here.see(PROMPT)
    here.type("jobs; echo al''ive\n")

    here.see(r"Running +sleep 1234\r\nalive\r\n")


def test_ctrl_z_stops_a_job_and_fg_goes_on_with_it(spawned: Callable[..., Keyboard]) -> None:
    here = spawned()
    here.see(PROMPT)
    here.type("sh -c 'echo be\"\"gun; read line; echo got $line'\n")
    here.see(r"begun\r\n")
    here.type("\x1a")
    here.see(r"Stopped")
    here.see(PROMPT)
    here.type("jobs\n")
    here.see(r"Stopped +sh -c")
    here.see(PROMPT)
    here.type("fg\n")
    here.see(r"sh -c [^\n]*\r\n")
    here.type("word\n")

    here.see(r"got word\r\n")
    here.see(PROMPT)
    here.type("\x04")
    assert 0 == here.code()
    assert here.intact()


def test_ctrl_d_on_an_empty_line_ends_the_shell_and_umlauts_are_whole_characters(
    spawned: Callable[..., Keyboard],
) -> None:
    here = spawned("--", "sh", "-c", 'echo ready; read line; echo "<$line>"; exec cat')
    here.see(r"ready\r\n")
    here.type("xü\x7f\n")
    here.see(r"<x>\r\n")
    here.type("line\n")
    here.see(r"line\r\nline\r\n")
    here.type("\x04")

    assert 0 == here.code()
    assert here.intact()


def test_programs_that_draw_the_screen_get_our_kind_of_terminal_and_every_key(spawned: Callable[..., Keyboard]) -> None:
    here = spawned("--", "sh", "-c", "echo $TERM; stty raw -echo; echo ready; od -An -tx1 -N5")
    here.see(re.escape(os.environ.get("TERM", "xterm")))
    here.see(r"ready")
    here.type("\x03\x1a\x1c\x11\x7f")

    here.see(r"03 1a 1c 11 7f")
    assert 0 == here.code()
    assert here.intact()


# --- how it ends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_our_terminal_is_as_it_was_after_a_signal(spawned: Callable[..., Keyboard], number: int) -> None:
    here = spawned()
    here.see(PROMPT)
    assert not here.intact()
    run = run_of(here.process.pid)

    here.process.send_signal(number)

    assert 128 + number == here.code()
    assert here.intact()
    assert [] == traces_of(run)


def test_our_terminal_is_as_it_was_when_the_supervisor_is_killed(spawned: Callable[..., Keyboard]) -> None:
    here = spawned()
    here.see(PROMPT)
    run = run_of(here.process.pid)

    psutil.Process(here.process.pid).children()[0].kill()

    assert 125 == here.code()
    assert here.intact()
    assert "the supervisor was killed by SIGKILL" in here.screen
    until(lambda: not traces_of(run))


def test_stopped_from_outside_it_leaves_the_terminal_to_others_and_takes_it_again(
    spawned: Callable[..., Keyboard],
) -> None:
    here = spawned()
    here.see(PROMPT)

    here.process.send_signal(signal.SIGTSTP)
    until(lambda: psutil.Process(here.process.pid).status() == psutil.STATUS_STOPPED)
    assert here.intact()
    here.process.send_signal(signal.SIGCONT)
    until(lambda: not here.intact())
    here.type("echo al''ive\n")

    here.see(r"alive\r\n")


def test_ctrl_bracket_three_times_kills_what_listens_to_nothing(spawned: Callable[..., Keyboard]) -> None:
    here = spawned("--", "sleep", "1000")
    run = run_of(here.process.pid)
    here.type("\x03")  # PID 1 has no handler: the kernel drops it
    here.type("\x1d\x1d\x1d")

    assert 137 == here.code()
    assert here.intact()
    assert [] == traces_of(run)


def test_without_a_terminal_of_ours_the_command_has_one_all_the_same() -> None:
    command = [*CONTLAB, "spawn", "--tty", "--", "sh"]
    done = subprocess.run(command, input="tty; stty size; exit 3\n", capture_output=True, text=True, timeout=DEADLINE)

    assert 3 == done.returncode
    assert re.search(r"\n/dev/pts/0\r?\n24 80\r?\n", done.stdout)
    assert "" == done.stderr


def test_a_file_for_stdin_is_typed_to_its_end(spawned: Callable[..., Keyboard]) -> None:
    with open(__file__, "rb") as source:
        done = subprocess.run(
            [*CONTLAB, "spawn", "--tty", "--", "sh", "-c", "stty -echo; echo ready; wc -l"],
            stdin=source, capture_output=True, timeout=DEADLINE,
        )  # fmt: skip

    with open(__file__, "rb") as source:
        assert str(len(source.readlines())).encode() == done.stdout.split()[-1]


def test_a_flood_comes_through_whole() -> None:
    command = [*CONTLAB, "spawn", "--tty", "--", "sh", "-c", "yes | head -n 200000; echo done"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE)

    assert b"y\r\n" * 200_000 + b"done\r\n" == done.stdout.removeprefix(b"^D\b\b")


# --- for those who hold the other end -------------------------------------------------------------------------------


async def read(terminal: Terminal, pattern: str) -> str:
    """What the container prints up to a pattern's end."""
    seen = ""
    async with asyncio.timeout(PATIENCE):
        while not re.search(pattern, seen):
            try:
                seen += os.read(terminal.master, 4096).decode()
            except BlockingIOError:
                await asyncio.sleep(0.01)
    return seen


async def test_a_further_command_has_a_terminal_of_its_own_beside_the_first_one_s(runtime: Runtime) -> None:
    with Terminal() as first, Terminal(Window(7, 70)) as second:
        container = await runtime.spawn("box", shell("tty; exec cat"), first)
        await read(first, "/dev/pts/0\r\n")
        execution = await container.exec(("/bin/sh", "-c", "tty; stty size; read line; exit 4"), second)
        await read(second, "/dev/pts/1\r\n7 70\r\n")
        os.write(second.master, b"\n")

        assert 4 == (await asyncio.wait_for(execution.wait(), PATIENCE)).status


async def test_it_belongs_to_the_user_who_runs_on_it(runtime: Runtime) -> None:
    with Terminal() as terminal:
        await runtime.spawn("box", shell("ls -ln $(tty); echo >$(tty) && echo mine; exec cat", user=1000), terminal)

        assert re.search(r"crw--w---- +1 1000 ", await read(terminal, "mine\r\n"))


async def test_a_command_whose_terminal_hangs_up_is_told(runtime: Runtime) -> None:
    terminal = Terminal()
    container = await runtime.spawn(
        "box", shell("trap 'exit 9' HUP; echo ready; while :; do sleep 0.1; done"), terminal
    )
    await read(terminal, "ready\r\n")

    terminal.close()

    assert 9 == (await asyncio.wait_for(container.wait(), PATIENCE)).status


@pytest.mark.parametrize("root", [RootMethod.HOST, RootMethod.CHROOT, RootMethod.PIVOT_ROOT])
async def test_any_root_with_mounts_of_its_own_has_terminals(runtime: Runtime, root: RootMethod) -> None:
    with Terminal() as terminal:
        await runtime.spawn("box", shell("test -t 0 && echo ye''s; exec cat", root=root), terminal)

        await read(terminal, "yes\r\n")


async def test_where_there_is_no_devpts_it_is_refused_in_words(runtime: Runtime) -> None:
    spec = ContainerSpec(root=RootMethod.CHROOT, namespaces=frozenset({Namespace.PID}))
    with Terminal() as terminal, pytest.raises(RuntimeFailure, match="a terminal takes a /dev/pts"):
        await runtime.spawn("box", spec, terminal)
    assert LessonError.exit_code == 65


async def test_a_command_that_can_t_be_run_leaves_no_descriptor_behind(runtime: Runtime) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with Terminal() as terminal, pytest.raises(RuntimeFailure, match="no-such-command"):
            await runtime.spawn("box", ContainerSpec(command=("no-such-command",)), terminal)

    assert before == len(os.listdir("/proc/self/fd"))
