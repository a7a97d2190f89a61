"""What changed between two snapshots of one target: marks for the panels, and a plain sentence each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeVar

import msgspec

from contlab.linux.sizes import format_size
from contlab.observe.snapshot import (
    CgroupSample,
    CpuSample,
    Link,
    MemorySample,
    Mount,
    MountTree,
    NamespaceSet,
    NetworkView,
    PidsSample,
    PidView,
    Snapshot,
    Unavailable,
)

SliceName = Literal["processes", "mounts", "namespaces", "cgroup", "network"]
How = Literal["appeared", "changed", "vanished"]

T = TypeVar("T")


class Change(msgspec.Struct, frozen=True):
    """One thing that is not as it was."""

    slice: SliceName
    key: str
    """What, within its slice: a pid, a mount_id, a namespace's kind (or ``hostname``, ``root``, ``uid_map``), a gauge
    such as ``memory.oom_kills``, an interface's name; "" for the slice as a whole."""
    how: How
    text: str
    """A sentence. Kernel text may be in it: never markup."""


def changes(before: Snapshot, after: Snapshot) -> tuple[Change, ...]:
    """Everything that differs, in the order of the panels; nothing when there is no snapshot before."""
    if before.target != after.target:
        return ()
    same_mnt = _inode(before, "mnt") == _inode(after, "mnt")
    return (
        *_slice("processes", before.processes, after.processes, _processes),
        *_slice("mounts", before.mounts, after.mounts, lambda old, new: _mounts(old, new, same_mnt)),
        *_slice("namespaces", before.namespaces, after.namespaces, _namespaces),
        *_slice("cgroup", before.cgroup, after.cgroup, _cgroup),
        *_slice("network", before.network, after.network, _network),
    )


def _slice(
    name: SliceName, old: T | Unavailable, new: T | Unavailable, compare: Callable[[T, T], Iterator[Change]]
) -> Iterator[Change]:
    """Compare two values; a slice that comes or goes as a whole is one change."""
    if isinstance(new, Unavailable):
        if not isinstance(old, Unavailable):
            yield Change(name, "", "vanished", f"{name}: nothing to be seen any more, {new.reason}")
    elif isinstance(old, Unavailable):
        yield Change(name, "", "appeared", f"{name}: can be seen now")
    elif old != new:
        yield from compare(old, new)


def _processes(old: tuple[PidView, ...], new: tuple[PidView, ...]) -> Iterator[Change]:
    before, now = {view.pid: view for view in old}, {view.pid: view for view in new}
    for pid, view in now.items():
        was = before.get(pid)
        if was is None:
            yield Change("processes", str(pid), "appeared", f"process {_numbers(view)} appeared: {_label(view)}")
        elif view.state == "Z" and was.state != "Z":
            text = f"process {_numbers(view)} has exited; it is a zombie until its parent waits for it"
            yield Change("processes", str(pid), "changed", text)
        elif (view.comm, view.command) != (was.comm, was.command) and view.state != "Z":
            text = f"process {_numbers(view)} became {_label(view)} (it was {_label(was)})"
            yield Change("processes", str(pid), "changed", text)
        elif view.uid != was.uid:
            text = f"process {_numbers(view)} runs as user {view.uid} now (it was {was.uid})"
            yield Change("processes", str(pid), "changed", text)
    for pid, view in before.items():
        if pid not in now:
            yield Change("processes", str(pid), "vanished", f"process {_numbers(view)} is gone: {_label(view)}")


def _numbers(view: PidView) -> str:
    return str(view.pid) if view.inside == view.pid else f"{view.pid} (inside: {view.inside})"


def _label(view: PidView) -> str:
    return view.command or view.comm


def _mounts(old: MountTree, new: MountTree, same_namespace: bool) -> Iterator[Change]:
    """Within a namespace a mount keeps its mount_id; another namespace's copy is known by what and where it is."""

    def identity(mount: Mount) -> object:
        return mount.mount_id if same_namespace else (mount.mount_point, mount.fs_type, mount.source, mount.root)

    before, now = {identity(m): m for m in old.mounts}, {identity(m): m for m in new.mounts}
    for key, mount in now.items():
        was = before.get(key)
        if was is None:
            text = f"{mount.source} was mounted on {mount.mount_point} ({mount.fs_type})"
            yield Change("mounts", str(mount.mount_id), "appeared", text)
        elif difference := _difference(was, mount):
            yield Change("mounts", str(mount.mount_id), "changed", f"{mount.mount_point} {difference}")
    for key, mount in before.items():
        if key not in now:
            text = f"{mount.source} ({mount.fs_type}) is no longer mounted on {mount.mount_point}"
            yield Change("mounts", str(mount.mount_id), "vanished", text)


def _difference(was: Mount, now: Mount) -> str:
    if was.mount_point != now.mount_point:
        return f"was {was.mount_point} before"
    if was.options != now.options:
        return f"has the options {now.options} now (they were {was.options})"
    if was.propagation != now.propagation:
        return f"has the propagation {now.propagation} now (it was {was.propagation})"
    if was.covered != now.covered:
        return "is covered by a later mount" if now.covered else "is no longer covered"
    return ""


def _inode(snapshot: Snapshot, kind: str) -> int | None:
    if isinstance(snapshot.namespaces, Unavailable):
        return None
    return next((link.inode for link in snapshot.namespaces.links if link.kind == kind), None)


def _namespaces(old: NamespaceSet, new: NamespaceSet) -> Iterator[Change]:
    before = {link.kind: link for link in old.links}
    for link in new.links:
        was = before.get(link.kind)
        if was is not None and was.inode != link.inode:
            whose = "a namespace of its own" if link.own else "the same namespace as its observer"
            yield Change("namespaces", link.kind, "changed", f"{link.kind}: it is in {whose} now")
    if old.hostname != new.hostname and new.hostname is not None:
        was_named = "" if old.hostname is None else f" (it was {old.hostname})"
        yield Change("namespaces", "hostname", "changed", f"its hostname is {new.hostname}{was_named}")
    if old.root != new.root:
        yield Change("namespaces", "root", "changed", f"its root directory is {new.root} (it was {old.root})")
    if old.uid_map != new.uid_map:
        lines = ", ".join(f"{m.inside}-{m.inside + m.length - 1} is {m.outside}+ outside" for m in new.uid_map)
        yield Change("namespaces", "uid_map", "changed", f"its user IDs: {lines or 'not mapped'}")


def _cgroup(old: CgroupSample, new: CgroupSample) -> Iterator[Change]:
    yield from _frozen(old, new)
    if isinstance(old.memory, MemorySample) and isinstance(new.memory, MemorySample):
        yield from _memory(old.memory, new.memory, new.biting.get("memory", ""))
    if isinstance(old.cpu, CpuSample) and isinstance(new.cpu, CpuSample):
        yield from _cpu(old.cpu, new.cpu)
    if isinstance(old.pids, PidsSample) and isinstance(new.pids, PidsSample):
        yield from _pids(old.pids, new.pids)


def _memory(old: MemorySample, new: MemorySample, biting: str) -> Iterator[Change]:
    if old.limit != new.limit:
        yield _limit("memory.limit", "memory", _size(old.limit), _size(new.limit))
    if old.high != new.high:
        yield _limit("memory.high", "memory.high", _size(old.high), _size(new.high))
    if slowed := _rise(old.high_events, new.high_events):
        times = "once" if slowed == 1 else f"{slowed} times"
        yield Change(
            "cgroup", "memory.high_events", "changed", f"memory is above memory.high: it was slowed down {times}"
        )
    if kills := _rise(old.oom_kills, new.oom_kills):
        reached = f"its limit of {format_size(new.limit)}" if new.limit is not None else f"the limit of {biting}"
        killed = "a process" if kills == 1 else f"{kills} processes"
        why = f"memory reached {reached}" if new.limit is not None or biting else "memory ran out"
        yield Change("cgroup", "memory.oom_kills", "changed", f"the kernel killed {killed} here: {why}")


def _frozen(old: CgroupSample, new: CgroupSample) -> Iterator[Change]:
    if isinstance(old.frozen, bool) and isinstance(new.frozen, bool) and old.frozen != new.frozen:
        text = "all its processes were stopped where they were" if new.frozen else "its processes go on"
        yield Change("cgroup", "frozen", "changed", text)


def _cpu(old: CpuSample, new: CpuSample) -> Iterator[Change]:
    if old.quota != new.quota:
        yield _limit("cpu.quota", "cpu", _processors(old.quota), _processors(new.quota))
    if waited := _rise(old.throttled_periods, new.throttled_periods):
        periods = _rise(old.periods, new.periods)
        quota = "" if new.quota is None else f": its quota is {_processors(new.quota)}"
        text = f"it was throttled in {waited} of {periods} periods{quota}"
        yield Change("cgroup", "cpu.throttled_periods", "changed", text)


def _pids(old: PidsSample, new: PidsSample) -> Iterator[Change]:
    if old.limit != new.limit:
        yield _limit("pids.limit", "pids", _tasks(old.limit), _tasks(new.limit))
    if refused := _rise(old.refused, new.refused):
        forks = "a fork" if refused == 1 else f"{refused} forks"
        limit = "of an ancestor" if new.limit is None else f"is {_tasks(new.limit)}"
        yield Change("cgroup", "pids.refused", "changed", f"the kernel refused {forks}: the limit {limit}")


def _limit(key: str, name: str, old: str, new: str) -> Change:
    return Change("cgroup", key, "changed", f"its {name} limit is {new} (it was {old})")


def _rise(old: int | Unavailable, new: int | Unavailable) -> int:
    return max(0, new - old) if isinstance(old, int) and isinstance(new, int) else 0


def _size(limit: int | None) -> str:
    return "none" if limit is None else format_size(limit)


def _tasks(limit: int | None) -> str:
    return "none" if limit is None else "1 task" if limit == 1 else f"{limit} tasks"


def _processors(quota: float | None) -> str:
    return "none" if quota is None else f"{quota * 100:.3g} % of a processor"


def _network(old: NetworkView, new: NetworkView) -> Iterator[Change]:
    before, now = {link.name: link for link in old.links}, {link.name: link for link in new.links}
    for name, link in now.items():
        was = before.get(name)
        if was is None:
            yield Change("network", name, "appeared", f"the interface {name} appeared")
        elif text := _link_difference(was, link):
            yield Change("network", name, "changed", f"the interface {name} {text}")
    for name in (name for name in before if name not in now):
        yield Change("network", name, "vanished", f"the interface {name} is gone")


def _link_difference(was: Link, now: Link) -> str:
    """Counters always differ, so they are no change."""
    words = []
    if was.up != now.up:
        words.append("came up" if now.up else "went down")
    if was.cut != now.cut:
        words.append("lost its carrier: the cable is pulled out" if now.cut else "has its carrier again")
    words += [f"has the address {address} now" for address in now.addresses if address not in was.addresses]
    words += [f"lost the address {address}" for address in was.addresses if address not in now.addresses]
    return ", ".join(words)
