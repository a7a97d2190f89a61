"""The agent: the very script that runs in a guest, here as a process of the host, and contlab's end of the line."""

import asyncio
import errno
import io
import os
import shutil
import signal
import socket
import stat
from pathlib import Path

import pytest

from contlab.errors import UnavailableError
from contlab.linux.proc import parse_stat
from contlab.observe.sampler import Sampler, Target
from contlab.observe.source import HostSource
from contlab.rootfs import build, recipe
from contlab.vm import agent as agents
from contlab.vm import cpio, picture, wire
from contlab.vm.agent import Agent
from contlab.vm.picture import GuestSource, Picture

SCRIPT = Path(agents.__file__).parent / "guest" / "agent"

needs_busybox = pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox, which runs the agent")


@pytest.fixture
async def agent(tmp_path):
    """The script under busybox's shell, with nothing but busybox's commands, on a socket instead of a serial line."""
    tools = build(recipe("busybox")).path / "bin"
    ours, theirs = socket.socketpair()
    process = await asyncio.create_subprocess_exec(
        tools / "sh", SCRIPT, stdin=theirs, stdout=theirs,
        env={"PATH": str(tools), "CONTLAB_WORK": str(tmp_path / "work")},
    )  # fmt: skip
    theirs.close()
    reader, writer = await asyncio.open_connection(sock=ours)
    made = Agent(reader, writer)
    assert await made.hello() == os.uname().release
    yield made
    writer.close()
    await writer.wait_closed()
    await process.wait()


@needs_busybox
async def test_files_links_and_patterns_are_read_and_what_is_not_there_is_left_out(agent, tmp_path):
    (tmp_path / "a b").write_bytes(b"\0\xff\n")
    (tmp_path / "link").symlink_to("a b")
    seen = await agent.read(f"{tmp_path}/*", "/proc/self/st[a]t", "/proc/nope")
    assert seen.read(f"{tmp_path}/a b") == b"\0\xff\n"
    assert seen.readlink(f"{tmp_path}/link") == "a b"
    assert parse_stat(seen.read("/proc/self/stat")).comm == "cp"
    assert seen.listdir(str(tmp_path)) == ["a b", "link"]


@needs_busybox
async def test_a_directory_is_listed_with_odd_names(agent, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a\nb", ".hidden", "-n"):
        (tmp_path / "in" / name).touch()
    assert await agent.list(str(tmp_path / "in")) == ["-n", ".hidden", "a\nb"]
    with pytest.raises(UnavailableError, match="can't list /nope: no directory"):
        await agent.list("/nope")


@needs_busybox
async def test_a_command_runs_to_its_end_with_all_that_it_printed(agent):
    pieces = []
    ran = await agent.run("printf 'a\\000b'; echo oh >&2; exit 3", on_output=pieces.append)
    assert (ran.exit_code, ran.output, ran.timed_out) == (3, b"a\0boh\n", False)
    assert b"".join(pieces) == ran.output


@needs_busybox
async def test_a_command_that_takes_too_long_is_killed_with_what_it_started(agent, tmp_path):
    pid_file = tmp_path / "pid"
    ran = await agent.run(f"sleep 1000 & echo $! > {pid_file}; echo begun; wait", limit=0.3)
    assert (ran.exit_code, ran.timed_out) == (137, True)
    assert ran.output.startswith(b"begun\n")
    started = Path(f"/proc/{int(pid_file.read_text())}/stat")
    async with asyncio.timeout(5):
        while started.exists() and parse_stat(started.read_bytes()).state not in "ZX":
            await asyncio.sleep(0.01)


@needs_busybox
async def test_of_endless_output_the_first_mebibyte_is_kept_and_the_command_goes_on(agent):
    ran = await agent.run("head -c 3000000 /dev/zero; exit 4", limit=20)
    assert (ran.exit_code, len(ran.output)) == (4, 1 << 20)


@needs_busybox
async def test_output_comes_while_the_command_runs(agent, tmp_path):
    """The command goes on only when its output was seen, so output that is held back would never end."""
    seen = []

    def go_on(piece):
        seen.append(piece)
        (tmp_path / "seen").touch()

    ran = await agent.run(f"echo one; until [ -e {tmp_path}/seen ]; do sleep 0.02; done; echo two", 20, go_on)
    assert (ran.timed_out, b"".join(seen)) == (False, b"one\ntwo\n")


@needs_busybox
async def test_a_command_has_ended_also_when_something_it_left_behind_could_still_print(agent):
    ran = await agent.run("sleep 1000 & echo $!; exit 2", limit=20)
    os.kill(int(ran.output), signal.SIGKILL)
    assert (ran.exit_code, ran.timed_out) == (2, False)


@needs_busybox
async def test_files_are_read_while_a_command_runs(agent):
    running = asyncio.create_task(agent.run("sleep 0.5; echo done"))
    seen = await agent.read("/proc/self/stat")
    assert not running.done()
    assert seen.read("/proc/self/stat")
    assert (await running).output == b"done\n"


@needs_busybox
async def test_a_command_that_ends_in_the_middle_of_a_request_takes_nothing_of_it(agent, tmp_path):
    """ash's read starts anew when a child's end interrupts it, so what runs must be no child of the agent's."""
    ended = tmp_path / "ended"
    (tmp_path / "seen").touch()
    await agent._ask("start", "ending", f"sleep 0.2; touch {ended}")
    request = wire.encode(agent._next_number(), "list", str(tmp_path))
    agent._writer.write(request[:9])
    while not ended.exists():
        await asyncio.sleep(0.01)
    while (await asyncio.to_thread((tmp_path / "work" / "ending" / "closed").exists)) is False:
        await asyncio.sleep(0.01)
    agent._writer.write(request[9:])
    reply = await asyncio.wait_for(agent._reply(agent._number), 5)
    assert (0, True) == (reply.status, b"./seen\0" in reply.content)


@pytest.fixture
async def line():
    """contlab's end, and the other end to play a guest on."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=ours)
    yield Agent(reader, writer), theirs
    theirs.close()
    writer.close()
    await writer.wait_closed()


async def test_a_guest_that_goes_is_said_to_be_gone(line):
    agent, guest = line
    asking = asyncio.create_task(agent.read("/x"))
    await asyncio.get_running_loop().sock_recv(guest, 100)
    guest.close()
    with pytest.raises(UnavailableError, match="the guest is gone"):
        await asking


async def test_a_guest_that_does_not_answer_is_given_up_and_its_late_answer_dropped(line, monkeypatch):
    agent, guest = line
    monkeypatch.setattr(agents, "ANSWER", 0.05)
    with pytest.raises(UnavailableError, match="did not answer"):
        await agent.list("/late")
    monkeypatch.setattr(agents, "ANSWER", 5)
    guest.sendall(b"contlab1 1 0 4\nlatecontlab1 2 0 6\n./now\0")
    assert await agent.list("/now") == ["now"]


async def test_an_agent_that_began_anew_is_asked_again_but_starts_no_command_twice(line):
    agent, guest = line
    hello = b"contlab1 0 0 5\n6.1.0"
    guest.sendall(hello + b"contlab1 1 0 4\nlost" + b"contlab1 2 0 6\n./now\0")
    assert await agent.list("/now") == ["now"]
    assert await asyncio.get_running_loop().sock_recv(guest, 100) == b"1 list /now\n2 list /now\n"

    guest.sendall(hello + b"contlab1 3 0 0\n")
    assert (await agent._ask("start", "run-1", "date")).number == 3
    assert await asyncio.get_running_loop().sock_recv(guest, 100) == b"3 start run-1 date\n"


async def test_our_turn_and_the_answer_have_one_deadline_and_a_patient_read_none(line, monkeypatch):
    agent, guest = line
    monkeypatch.setattr(agents, "ANSWER", 0.05)
    patient = asyncio.create_task(agent.read("/x", patient=True))
    await asyncio.get_running_loop().sock_recv(guest, 100)
    with pytest.raises(UnavailableError, match="did not answer"):
        await agent.list("/behind")
    assert not patient.done()
    archive = io.BytesIO()
    cpio.write((cpio.file("x", b"late"),), archive)
    guest.sendall(b"contlab1 1 0 %d\n" % len(archive.getvalue()) + archive.getvalue())
    assert (await patient).read("/x") == b"late"


async def test_a_damaged_archive_is_an_error_in_words(line):
    agent, guest = line
    guest.sendall(b"contlab1 1 0 5\nshort")
    with pytest.raises(UnavailableError, match="came damaged"):
        await agent.read("/x")


@needs_busybox
async def test_the_sampler_reads_through_the_agent_what_it_reads_by_itself(agent):
    """The agent's own process, seen both ways."""
    pid = int((await agent.read("/proc/self/stat")).read("/proc/self/stat").split()[3])
    source = GuestSource(await agent.read(*picture.ALL, f"/proc/{pid}/mountinfo"))
    through, itself = (Sampler(each, Target("agent", pid)).sample(1.0) for each in (source, HostSource()))
    assert through.kernel == itself.kernel == os.uname().release
    assert through.mounts == itself.mounts
    assert [view.command for view in through.processes][:1] == [view.command for view in itself.processes][:1]


def picture_of(*entries):
    archive = io.BytesIO()
    cpio.write(entries, archive)
    return Picture(archive.getvalue())


def test_a_picture_refuses_as_a_file_system_does():
    shown = picture_of(cpio.directory("d"), cpio.file("d/f", b"x"), cpio.Entry("l", stat.S_IFLNK | 0o777, b"pid:[1]"))
    assert (shown.listdir("/"), shown.listdir("/d"), shown.readlink("/l")) == (["d", "l"], ["f"], "pid:[1]")
    for act, path, expected in (
        (shown.read, "/gone", errno.ENOENT),
        (shown.read, "/d", errno.EISDIR),
        (shown.readlink, "/d/f", errno.EINVAL),
        (shown.listdir, "/d/f", errno.ENOTDIR),
    ):
        with pytest.raises(OSError, match=path) as caught:
            act(path)
        assert caught.value.errno == expected


def test_a_guest_source_shows_the_latest_picture():
    source = GuestSource(picture_of(cpio.file("f", b"old")))
    source.picture = picture_of(cpio.file("f", b"new"))
    assert source.read("/f") == b"new"
