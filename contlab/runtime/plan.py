"""Spec -> ordered operations. The order, and its reasons, live here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from contlab.linux.flags import MS
from contlab.runtime import wiring
from contlab.runtime.cgroup import CgroupPlan
from contlab.runtime.contradiction import refuse_contradictions, refuse_terminal
from contlab.runtime.operation import (
    BecomeRoot,
    BecomeUser,
    Bind,
    BoundCapabilities,
    ChangeDirectory,
    Chroot,
    Clone,
    CopyRoot,
    Execute,
    FilterSyscalls,
    JoinCgroup,
    LimitResources,
    LoopbackUp,
    MakeDevice,
    MakeDirectory,
    MakePrivate,
    Mask,
    Mount,
    MountOverlay,
    NoNewPrivileges,
    OpenTerminal,
    Operation,
    PivotRoot,
    ReadOnly,
    RemountRoot,
    SetHostname,
    Symlink,
    UnshareCgroup,
    UnshareTime,
    WriteFile,
)
from contlab.runtime.protection import MASKED_PROC, MASKED_SYS, READ_ONLY_PROC, RESOURCES, kept_capabilities
from contlab.runtime.protocol import Window
from contlab.runtime.rights import ROOT, Rights
from contlab.runtime.rootless import map_ids
from contlab.runtime.spec import ContainerSpec, Namespace, RootMethod
from contlab.runtime.wiring import Cable

DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
"""The devices every program may expect: name in /dev -> (major, minor), devices.txt of the kernel."""

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "TERM": "xterm",
    "container": "contlab",
}
"""What the command's environment begins with; nothing of the app's own gets in."""

SCRATCH_SIZE = 256 << 20
"""Bytes the writable layer may take; it is memory, charged to the container's cgroup."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where on the host a plan may put things."""

    rootfs: str = ""
    """The tree that becomes the root ("" when the container keeps the host's)."""
    scratch: str = "/run/contlab/scratch"
    """An existing empty directory: in the container's own mount namespace the new root is built on it."""
    lower: str = "/run/contlab/lower"
    """Another one: with a user namespace the rootfs is bound here first."""
    copy: str = "/run/contlab/copy"
    """Where a root without its own mount namespace is copied to."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is done for one container, in order."""

    before: tuple[Operation, ...]
    """On the host, before the process is born."""
    clone: Clone
    after: tuple[Operation, ...]
    """On the host, while the newborn waits."""
    inside: tuple[Operation, ...]
    """By the newborn; the last one is Execute."""
    root: str = ""
    """The root directory on the host, when it is a place there (a copy, or ``Places.rootfs`` itself)."""
    copied: bool = False
    """It is a copy, to be removed with the container."""
    repeatable: bool = False
    """What it names is the same thing each time."""

    @property
    def operations(self) -> tuple[Operation, ...]:
        """All of them, in the order they are done."""
        return (*self.before, self.clone, *self.after, *self.inside)


def compile_plan(
    spec: ContainerSpec,
    places: Places,
    cgroup: CgroupPlan,
    name: str,
    rights: Rights = ROOT,
    cable: Cable | None = None,
    terminal: Window | None = None,
) -> Plan:
    """The plan for ``spec``, which is adapted to ``rights``; LessonError when it asks for what cannot be.

    ``cable``: how it is plugged into its network; None when it joins none. ``terminal``: its command's, with one.
    """
    refuse_contradictions(spec)
    if terminal:
        refuse_terminal(spec)
    if cable:
        spec = wiring.with_names(spec, cable)
    copied = spec.root is RootMethod.CHROOT and not spec.own(Namespace.MNT)
    before = [*cgroup.make, *(wiring.before(cable) if cable else ())]
    if copied:
        before.append(CopyRoot(places.rootfs, places.copy))
    # Cgroup: cloned together with it, the namespace would have the supervisor's cgroup as its root, for the
    # kernel takes the root from the caller (copy_cgroup_ns). Time: clone3 leaves no moment to set offsets in.
    later = (Namespace.CGROUP, Namespace.TIME)
    clone = Clone(tuple(kind.value for kind in Namespace if spec.own(kind) and kind not in later), cgroup.born_in)
    after = [map_ids(spec, rights)] if spec.own(Namespace.USER) else []
    if cable:
        after.append(wiring.after(cable))
    # A bind shows what is there when it is made, and a directory of the user's own may be another one by then.
    fleeting = cable or copied or spec.binds or os.path.isabs(spec.rootfs)
    return Plan(
        tuple(before),
        clone,
        tuple(after),
        (*joins(cgroup), *_foundation(spec, places), *_inside(spec, name, cable, terminal)),
        places.copy if copied else "" if spec.root is RootMethod.HOST else places.rootfs,
        copied,
        not fleeting,
    )


def joins(cgroup: CgroupPlan) -> Iterator[JoinCgroup]:
    """The first steps inside, before it is in namespaces where the cgroup's files can't be reached."""
    return (JoinCgroup(directory, tree) for directory, tree in cgroup.join)


def _foundation(spec: ContainerSpec, places: Places) -> Iterator[Operation]:
    """Up to the root, which is entered."""
    if spec.own(Namespace.MNT):
        # First of all: until then a mount made here may still show up on the host.
        yield MakePrivate()
    if spec.own(Namespace.TIME):
        # A change of ids makes a process undumpable, and all its files in /proc root's (proc_pid(5)), that of the
        # offsets too: so before the next step.
        yield UnshareTime(spec.time_offsets)
    if spec.own(Namespace.NET):
        yield LoopbackUp()
    if spec.own(Namespace.USER):
        if spec.own(Namespace.MNT) and spec.root is not RootMethod.HOST:
            # Root inside is a plain user outside, and may not pass through, say, /root (mode 0700): this bind is made
            # while the process still has its maker's uid.
            yield Bind(places.rootfs, places.lower, recursive=False)
            places = replace(places, rootfs=places.lower)
        yield BecomeRoot()
    # By now it is in its cgroup, which becomes "/" of the namespace.
    if spec.own(Namespace.CGROUP):
        yield UnshareCgroup()
    if spec.own(Namespace.MNT):
        yield from _mounts(spec, places)
    elif spec.root is RootMethod.CHROOT:
        yield Chroot(places.copy)


def _inside(spec: ContainerSpec, name: str, cable: Cable | None, terminal: Window | None) -> Iterator[Operation]:
    # From inside, so that no symbolic link of the tree leads a write out of it.
    yield from (WriteFile(path, text) for path, text in spec.files.items())
    if spec.read_only:
        yield RemountRoot("/")
    if spec.own(Namespace.UTS):
        yield SetHostname(spec.hostname or name)
    if cable:
        yield from wiring.inside(cable)
    yield from _terminal(spec, terminal)
    yield ChangeDirectory(spec.workdir)
    yield from _privileges(spec)
    yield Execute(spec.command, tuple((ENVIRONMENT | spec.environment).items()))


def joining(
    spec: ContainerSpec, command: tuple[str, ...], environment: Mapping[str, str], terminal: Window | None = None
) -> Iterator[Operation]:
    """What a further command does in a running container, once it is in its namespaces."""
    if terminal:
        refuse_terminal(spec)
    yield from _terminal(spec, terminal)
    yield ChangeDirectory(spec.workdir)
    yield from _privileges(spec)
    yield Execute(command, tuple((ENVIRONMENT | spec.environment | dict(environment)).items()))


def _terminal(spec: ContainerSpec, terminal: Window | None) -> Iterator[Operation]:
    """While /dev is in reach and root inside may give the terminal away."""
    if terminal:
        multiplexer = "/dev/ptmx" if spec.root is RootMethod.HOST else "/dev/pts/ptmx"
        yield OpenTerminal(multiplexer, terminal.rows, terminal.columns, spec.user)


def _privileges(spec: ContainerSpec) -> Iterator[Operation]:
    """The last steps before exec, once nothing else needs the capabilities."""
    syscalls = (FilterSyscalls(spec.seccomp_allow),) if spec.seccomp else ()
    if spec.rlimits:
        yield LimitResources(RESOURCES)
    if not spec.no_new_privs:  # else who filters needs CAP_SYS_ADMIN (seccomp(2))
        yield from syscalls
    if not spec.all_capabilities:
        kept = kept_capabilities(spec)
        # A change of ids takes these two, and takes all away.
        yield BoundCapabilities(kept if spec.user is None else kept | {"CAP_SETUID", "CAP_SETGID"})
    if spec.user is not None:
        yield BecomeUser(spec.user)
    if spec.no_new_privs:
        yield NoNewPrivileges()
        yield from syscalls


def _mounts(spec: ContainerSpec, places: Places) -> Iterator[Operation]:
    if spec.root is RootMethod.HOST:
        if spec.own(Namespace.PID):
            yield Mount("proc", "/proc", MS.NOSUID | MS.NODEV | MS.NOEXEC)
        yield from _extras(spec, "")
        return
    root = f"{places.scratch}/new"
    yield from _root(spec, places, root)
    yield from _kernel_file_systems(spec, root)
    yield from _devices(spec, root)
    yield from _extras(spec, root)
    if spec.mask_proc:
        yield from (Mask(f"{root}/proc/{path}") for path in MASKED_PROC)
        yield from (ReadOnly(f"{root}/proc/{path}") for path in READ_ONLY_PROC)
        if _has_sysfs(spec):
            yield from (Mask(f"{root}/sys/{path}") for path in MASKED_SYS)
    yield PivotRoot(root) if spec.root is RootMethod.PIVOT_ROOT else Chroot(root)


def _root(spec: ContainerSpec, places: Places, root: str) -> Iterator[Operation]:
    """A tmpfs that only this mount namespace has, and on it the root: gone with the namespace, by itself."""
    yield Mount("tmpfs", places.scratch, MS.NOSUID | MS.NODEV, f"mode=0755,size={SCRATCH_SIZE}")
    yield MakeDirectory(root)
    upper, work = f"{places.scratch}/upper", f"{places.scratch}/work"
    yield MakeDirectory(upper)
    yield MakeDirectory(work)
    yield MountOverlay(places.rootfs, upper, work, root, spec.own(Namespace.USER))


def _kernel_file_systems(spec: ContainerSpec, root: str) -> Iterator[Operation]:
    hidden = MS.NOSUID | MS.NODEV | MS.NOEXEC
    if spec.own(Namespace.USER) and not spec.own(Namespace.PID):
        # proc shows a PID namespace, and a new mount of it takes rights in the one who owns that: here the host.
        yield Bind("/proc", "/proc", root=root)
    else:
        yield Mount("proc", f"{root}/proc", hidden, instead="/proc" if spec.own(Namespace.USER) else "")
    if _has_sysfs(spec):
        flags = hidden | MS.RDONLY if spec.mask_proc else hidden
        yield Mount("sysfs", f"{root}/sys", flags, instead="/sys" if spec.own(Namespace.USER) else "")


def _has_sysfs(spec: ContainerSpec) -> bool:
    """A user namespace may mount sysfs only for a net namespace that it owns."""
    return spec.own(Namespace.NET) or not spec.own(Namespace.USER)


def _devices(spec: ContainerSpec, root: str) -> Iterator[Operation]:
    dev = f"{root}/dev"
    yield Mount("tmpfs", dev, MS.NOSUID, "mode=0755,size=64k")
    for name, (major, minor) in DEVICES.items():
        if spec.own(Namespace.USER):
            yield Bind(f"/dev/{name}", f"/dev/{name}", recursive=False, root=root)
        else:
            yield MakeDevice(f"{dev}/{name}", major, minor)
    yield MakeDirectory(f"{dev}/pts")
    yield Mount("devpts", f"{dev}/pts", MS.NOSUID | MS.NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
    yield MakeDirectory(f"{dev}/shm", 0o1777)
    yield Mount("tmpfs", f"{dev}/shm", MS.NOSUID | MS.NODEV | MS.NOEXEC, f"mode=1777,size={16 << 20}")
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
    yield from (Symlink(target, f"{dev}/{name}") for name, target in links.items())


def _extras(spec: ContainerSpec, root: str) -> Iterator[Operation]:
    for mount in spec.tmpfs:
        if root:
            yield MakeDirectory(mount.target, root=root)
        yield Mount("tmpfs", mount.target, MS.NOSUID | MS.NODEV, f"mode=0755,size={mount.size}", root=root)
    for bind in spec.binds:
        yield Bind(bind.source, bind.target, bind.read_only, root=root)
