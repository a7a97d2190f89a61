"""Attacks from inside a container, on harmless targets, and what must be off for each to succeed.

``lessons/attacks.json`` is this as a table; ``python -m tests.live.attacks`` runs all of it as root and prints it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from contlab.linux.sizes import format_size
from contlab.runtime.client import Runtime
from contlab.runtime.events import Exited
from contlab.runtime.protection import unprotected
from contlab.runtime.spec import ALL_NAMESPACES, Bind, ContainerSpec, Limits, Namespace, RootMethod, Tmpfs
from tests.live.containers import PATIENCE, Output, run, shell
from tests.live.machine_code import program

Fields = dict[str, object]
Calls = tuple[tuple[object, ...], ...]

ROOT_OUTSIDE: Fields = {"namespaces": ALL_NAMESPACES - {Namespace.USER}}
"""Root inside is root outside."""
ALL_RIGHTS: Fields = {"all_capabilities": True, "seccomp": False}
MIGHTY = ROOT_OUTSIDE | ALL_RIGHTS
WITH_THE_HOST_S_PROCESSES: Fields = {"namespaces": ALL_NAMESPACES - {Namespace.USER, Namespace.PID}}
UNLIMITED = Limits(memory=None, pids=None)
HANDED = 100
"""The number of a descriptor that a container is given."""


@dataclass(frozen=True)
class Scene:
    """Where an attack takes place."""

    runtime: Runtime
    probes: Path
    """A directory of the host's, bound at /probes, which whoever root inside is may enter."""
    victim: int
    """A process of the host's that nobody will miss."""


@contextlib.contextmanager
def scene(runtime: Runtime) -> Iterator[Scene]:
    """A directory and a victim."""
    with tempfile.TemporaryDirectory(prefix="contlab-probes-") as place, subprocess.Popen(["sleep", "1000"]) as victim:
        Path(place).chmod(0o755)
        try:
            yield Scene(runtime, Path(place), victim.pid)
        finally:
            victim.kill()


Way = Callable[[Scene, Fields], Awaitable[bool]]
"""Whether it succeeds in a container with these fields; AssertionError when it ends in neither way."""


@dataclass(frozen=True)
class Attack:
    """One attack."""

    would: str
    """What it gives whoever succeeds."""
    way: Way
    off: Fields
    """What makes it succeed, over ``on``."""
    on: Fields = field(default_factory=dict)
    """The container that refuses it: the default one, where nothing stands here."""
    there: Callable[[], bool] = lambda: True
    """Whether this kernel has what is attacked."""


# --- ways -------------------------------------------------------------------------------------------------------------


def identity(path: str) -> str:
    """A directory as stat(1) -c %d:%i names it."""
    found = os.stat(path)
    return f"{found.st_dev}:{found.st_ino}"


def place(probes: Path, calls: Calls) -> None:
    """Make the program of these system calls."""
    file = probes / "program"
    file.write_bytes(program(*calls))  # type: ignore[arg-type]
    file.chmod(0o755)


def probing(probes: Path, command: tuple[str, ...] = ("/probes/program",), **fields: object) -> ContainerSpec:
    """A container that has the program."""
    return ContainerSpec(command=command, binds=(Bind(str(probes), "/probes"),), **fields)  # type: ignore[arg-type]


def ending(ended: Exited) -> str:
    """How the program's last call ended: the errno's name, or "done"."""
    assert ended.exit_code is not None, ended
    return errno.errorcode[ended.exit_code] if ended.exit_code else "done"


async def called(runtime: Runtime, probes: Path, calls: Calls, fields: Fields) -> str:
    """How the last of some system calls ends in a container: the errno's name, or "done"."""
    place(probes, calls)
    return ending((await run(runtime, probing(probes, **fields)))[0])


async def outcome(runtime: Runtime, script: str, fields: Fields) -> str:
    """The one line that a script prints in a container."""
    _, lines = await run(runtime, shell(script, **fields))
    assert 1 == len(lines), lines
    return lines[0]


def calls(*made: tuple[object, ...], done: tuple[str, ...] = ("done",), refused: str = "EPERM") -> Way:
    """System calls, of which the last is the attack. ``done``: how it ends where nothing refuses it: it is done, or the
    kernel finds fault with the arguments, which are wrong on purpose where right ones would change the host."""

    async def way(at: Scene, fields: Fields) -> bool:
        ended = await called(at.runtime, at.probes, made, fields)
        assert ended in (*done, refused), ended
        return ended in done

    return way


def script(text: str) -> Way:
    """A shell's, which succeeds when its last command does. VICTIM is the victim's number."""

    async def way(at: Scene, fields: Fields) -> bool:
        attack = text.replace("VICTIM", str(at.victim))
        said = await outcome(at.runtime, f"({attack}) >/dev/null 2>&1 && echo done || echo refused", fields)
        return {"done": True, "refused": False}[said]

    return way


def printing(text: str, judge: Callable[[str], bool]) -> Way:
    """A shell's, whose one line of output is judged."""

    async def way(at: Scene, fields: Fields) -> bool:
        return judge(await outcome(at.runtime, text.replace("VICTIM", str(at.victim)), fields))

    return way


async def climbs(at: Scene, fields: Fields) -> bool:
    """chroot(2) and "..": the working directory stays outside of the new root, so nothing stops it on its way up."""
    stat = (b"stat", b"-c", b"%d:%i", b"/")
    up = (("chdir", b".."),) * 32
    place(at.probes, (("chroot", b"/tmp"), *up, ("chroot", b"."), ("execve", b"/bin/stat", stat, 0)))
    command = ("/bin/sh", "-c", "stat -c %d:%i /; exec /probes/program")
    own, reached = (await run(at.runtime, probing(at.probes, command, **fields)))[1]
    assert reached in (own, identity("/"))
    return reached != own


async def seizes(at: Scene, fields: Fields) -> bool:
    """PTRACE_SEIZE."""
    ended = await called(at.runtime, at.probes, (("ptrace", 0x4206, at.victim, 0, 0),), fields)
    assert ended in ("ESRCH", "EPERM", "done")
    return ended == "done"


async def types(at: Scene, fields: Fields) -> bool:
    """TIOCSCTTY, then TIOCSTI, on a terminal of the host's that is its stdin."""
    place(at.probes, (("ioctl", 0, 0x540E, 0), ("ioctl", 0, 0x5412, b"x")))
    master, slave = os.openpty()
    try:
        with Output() as output:
            container = await at.runtime.spawn("box", probing(at.probes, **fields), (slave, *output.stdio[1:]))
            ended = await asyncio.wait_for(container.wait(), PATIENCE)
            await container.close()
    finally:
        os.close(slave)
        os.close(master)
    assert ending(ended) in ("EPERM", "done")
    return ending(ended) == "done"


async def handed(at: Scene, spec: ContainerSpec, path: str) -> tuple[Exited, list[str]]:
    """What a container does that is given a descriptor of a file of the host's, as HANDED."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    at_number = os.dup2(fd, HANDED, inheritable=False)
    os.close(fd)
    try:
        with Output() as output:
            container = await at.runtime.spawn("box", spec, output.stdio, (at_number,))
            ended = await asyncio.wait_for(container.wait(), PATIENCE)
            await container.close()
            return ended, output.lines
    finally:
        os.close(at_number)


async def enters(at: Scene, fields: Fields) -> bool:
    """setns(2) by a descriptor of the host's uts namespace, which somebody forgot to close."""
    place(at.probes, (("setns", HANDED, 0),))
    said = ending((await handed(at, probing(at.probes, **fields), "/proc/self/ns/uts"))[0])
    assert said in ("EPERM", "done")
    return said == "done"


async def leaks(at: Scene, fields: Fields) -> bool:
    """Write to the host by any descriptor that a process inside has beside the three it is given. ``handed``: one of
    a directory there is."""
    fields = dict(fields)
    given = fields.pop("handed", False)
    folder = at.probes / "of the host"
    folder.mkdir(mode=0o777, exist_ok=True)
    folder.chmod(0o777)
    text = "for fd in /proc/[0-9]*/fd/*; do echo x > $fd/planted; done 2>/dev/null; echo end"
    if given:
        await handed(at, shell(text, **fields), str(folder))
    else:
        await run(at.runtime, shell(text, **fields))
    planted = folder / "planted"
    found = planted.exists()
    planted.unlink(missing_ok=True)
    return found


async def forks(at: Scene, fields: Fields) -> bool:
    """More tasks than the limit; a shell ends when a fork is refused."""
    text = "(trap 'echo $n' EXIT; n=0; while [ $n -lt 40 ]; do sleep 1000 & n=$((n + 1)); done) 2>/dev/null"
    return int(await outcome(at.runtime, text, fields)) == 40


async def eats(at: Scene, fields: Fields) -> bool:
    """More memory than the limit: tail(1) keeps all of it. The kernel may kill the shell too: then nothing is said."""
    size = 64 << 20
    ended, lines = await run(at.runtime, shell(f"(head -c {size} /dev/zero | tail -c {size} | wc -c) 2>&-", **fields))
    kept = lines == [str(size)]
    assert ended.oom_killed is not kept, lines
    return kept


async def fills(at: Scene, fields: Fields) -> bool:
    """More into a tmpfs than its size."""
    text = "head -c 2097152 /dev/zero > /scratch/big 2>/dev/null; stat -c %s /scratch/big"
    return int(await outcome(at.runtime, text, fields)) == 2 << 20


CGROUP = "mkdir /tmp/c; mount -t cgroup -o none,name=contlab-probe x /tmp/c"
"""A v1 hierarchy of its own, whose release_agent is empty and stays so. Without cgroups in it, it ends with its mount
(one that was just removed would keep it)."""
SHARES_CGROUPS: Fields = {"namespaces": ALL_NAMESPACES - {Namespace.USER, Namespace.CGROUP}}

# --- the attacks ------------------------------------------------------------------------------------------------------

CALLS: dict[str, Attack] = {
    "kexec": Attack(
        "boot another kernel in place of the host's",
        calls(("kexec_load", 0, 1 << 20, 0, 0x8000), done=("EINVAL", "ENOSYS")), MIGHTY,
    ),
    "load a module": Attack(
        "put code into the host's kernel",
        calls(("init_module", 0, 0, b""), done=("EFAULT", "ENOEXEC", "ENOSYS")), MIGHTY,
    ),
    "open by handle": Attack(
        "open any file of a file system, by its number",
        calls(("open_by_handle_at", -1, 0, 0), done=("EBADF", "EFAULT")), MIGHTY,
    ),
    "bpf": Attack(
        "hang programs into the host's kernel", calls(("bpf", 9999, 0, 0), done=("EINVAL", "ENOSYS")), MIGHTY
    ),
    "perf events": Attack(
        "measure other processes, and reach much of the kernel's code",
        # EACCES: Debian's perf_event_paranoid.
        calls(("perf_event_open", 0, 0, -1, -1, 0), done=("EFAULT", "EACCES", "ENOSYS")), {"seccomp": False},
    ),
    "keyctl": Attack(
        "read keys that namespaces do not separate", calls(("keyctl", 0, -3, 0), done=("done", "ENOKEY")),
        {"seccomp": False},
    ),
    "setns": Attack(
        "enter a namespace", calls(("openat", -100, b"/proc/self/ns/uts", 0, 0), ("setns", 3, 0)), ALL_RIGHTS
    ),
    "unshare a user namespace": Attack(
        "regain every capability, inside of a new namespace", calls(("unshare", 0x1000_0000)), {"seccomp": False}
    ),
    "clone a user namespace": Attack(
        "the same by another call", calls(("clone", 0x1000_0000 | 17, 0, 0, 0, 0)), {"seccomp": False}
    ),
    "pivot_root": Attack(
        "change the root file system",
        calls(("chdir", b"/"), ("pivot_root", b".", b"."), done=("EBUSY", "EINVAL", "done")), ALL_RIGHTS,
    ),
    "mount": Attack("mount what it likes", calls(("mount", b"x", b"/tmp", b"tmpfs", 0, 0)), ALL_RIGHTS),
    "move a mount": Attack(
        "uncover what a mount hides",
        calls(("move_mount", -1, b"", -1, b"", 0), done=("EBADF", "ENOENT", "EINVAL")), ALL_RIGHTS,
    ),
    "umount": Attack("take off what masks a file", calls(("umount2", b"/proc/sys", 0)), ALL_RIGHTS),
}  # fmt: skip

SCRIPTS: dict[str, Attack] = {
    "make the host's disk": Attack(
        "read and write the disk past every permission",
        # A major number for experiments (devices.txt), and the file is never opened.
        script("mknod /tmp/disk b 240 0"), ROOT_OUTSIDE | {"all_capabilities": True},
    ),
    "mount over /proc": Attack(
        "see what /proc masks, in a mount of its own", script("mount -t proc x /proc"), ALL_RIGHTS
    ),
    "make /proc/sys writable": Attack(
        "change settings of the machine", script("mount -o remount,bind,rw x /proc/sys"), ALL_RIGHTS
    ),
    "make /sys writable": Attack(
        "change devices and drivers", script("mount -o remount,bind,rw x /sys"), ALL_RIGHTS
    ),
    "make a read-only bind writable": Attack(
        "change files of the host that it was only to read",
        script("mount -o remount,bind,rw x /srv && echo x > /srv/planted && rm /srv/planted"), MIGHTY,
        {"binds": (Bind("/tmp", "/srv", read_only=True),)},
    ),
    "release_agent": Attack(
        "have the kernel run a program as root on the host (CVE-2022-0492)",
        script(f"{CGROUP} && echo > /tmp/c/release_agent"), ALL_RIGHTS | SHARES_CGROUPS,
    ),
    "notify_on_release": Attack(
        "the other half of it: at the end of a cgroup's last process",
        script(f"{CGROUP} && echo 1 > /tmp/c/notify_on_release"), ALL_RIGHTS | SHARES_CGROUPS,
    ),
    "core_pattern": Attack(
        "have the kernel run a program as root on the host, at the next crash",
        script("cat /proc/sys/kernel/core_pattern > /tmp/same; cat /tmp/same > /proc/sys/kernel/core_pattern"),
        ROOT_OUTSIDE | {"mask_proc": False},
    ),
    "sysrq-trigger": Attack(
        "reboot or crash the host",  # looked at, and never written to
        script("test -f /proc/sysrq-trigger && test -w /proc/sysrq-trigger"), ROOT_OUTSIDE | {"mask_proc": False},
        there=lambda: os.path.exists("/proc/sysrq-trigger"),
    ),
    "/proc/kcore": Attack(
        "read the memory of the whole machine", script("test $(head -c 1 /proc/kcore | wc -c) = 1"),
        MIGHTY | {"mask_proc": False}, there=lambda: os.path.exists("/proc/kcore"),
    ),
}  # fmt: skip

OTHERS: dict[str, Attack] = {
    "climb out of chroot": Attack("reach the host's files", climbs, {"root": RootMethod.CHROOT}),
    "/proc/1/root": Attack(
        "reach the host's files through another process's root",
        printing("stat -L -c %d:%i /proc/VICTIM/root 2>/dev/null || echo refused", lambda said: said == identity("/")),
        WITH_THE_HOST_S_PROCESSES | ALL_RIGHTS,
    ),
    "signal the host's processes": Attack(
        "end any of them", script("kill -0 VICTIM"), WITH_THE_HOST_S_PROCESSES
    ),
    "ptrace the host's processes": Attack(
        "read and change any of them", seizes, WITH_THE_HOST_S_PROCESSES | ALL_RIGHTS
    ),
    "TIOCSTI": Attack("type into the terminal it was started from", types, MIGHTY),
    "setns by an inherited descriptor": Attack("enter a namespace of the host's", enters, MIGHTY),
    "write through a leaked descriptor": Attack(
        "change the host's files (CVE-2024-21626, of runc)", leaks, {"handed": True}
    ),
    "fork bomb": Attack(
        "leave the host no process to stop it by", forks, {"limits": UNLIMITED}, {"limits": Limits(pids=16)}
    ),
    "memory bomb": Attack(
        "have the host kill others for want of memory", eats, {"limits": UNLIMITED}, {"limits": Limits(memory=32 << 20)}
    ),
    "fill a tmpfs": Attack(
        "take memory as files", fills,
        {"tmpfs": (Tmpfs("/scratch", 4 << 20),)}, {"tmpfs": (Tmpfs("/scratch", 1 << 20),)},
    ),
}  # fmt: skip

ATTACKS = OTHERS | CALLS | SCRIPTS


# --- the table --------------------------------------------------------------------------------------------------------


def in_words(fields: Fields) -> list[str]:
    """What makes a container other than the default one."""
    fields = dict(fields)
    words = ["a descriptor of a directory is handed in"] if fields.pop("handed", False) else []
    spec = ContainerSpec(**fields)  # type: ignore[arg-type]
    shared = sorted(ALL_NAMESPACES - spec.namespaces)
    words += [f"the {kind} namespace is the host's" for kind in shared]
    words += ["chroot instead of pivot_root"] if spec.root is RootMethod.CHROOT else []
    words += [f"a {mount.target} of {format_size(mount.size)}" for mount in spec.tmpfs]
    words += ["a bind that is read-only"] if spec.binds else []
    words += [f"at most {format_size(spec.limits.memory)}"] if spec.limits.memory else []
    words += [f"at most {spec.limits.pids} tasks"] if spec.limits.pids else []
    return [*words, *unprotected(spec)]


def row(name: str, refused: bool, succeeded: bool) -> dict[str, object]:
    """One attack of the table."""
    attack = ATTACKS[name]
    return {
        "attack": name,
        "would": attack.would,
        "container": in_words(attack.on) or ["the default one"],
        "ends": "refused" if refused else "succeeds",
        "off": in_words(attack.on | attack.off),
        "then": "succeeds" if succeeded else "refused",
    }


async def _print_all() -> None:
    async with Runtime() as runtime:
        with scene(runtime) as at:
            print(f"{'attack':36}{'default':10}{'then':22}off")
            for name, attack in ATTACKS.items():
                ends = "SUCCEEDS" if await attack.way(at, attack.on) else "refused"
                then = "SUCCEEDS" if await attack.way(at, attack.on | attack.off) else "refused"
                if not attack.there():
                    then = "not in this kernel"
                print(f"{name:36}{ends:10}{then:22}{'; '.join(in_words(attack.on | attack.off))}")


if __name__ == "__main__":
    asyncio.run(_print_all())
