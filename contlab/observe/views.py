"""What a process sees: its mounts, its namespaces and its network, read from outside through /proc/PID."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from ipaddress import IPv4Address

from msgspec.structs import replace

from contlab.linux.mountinfo import MountInfo, covered, parse_mountinfo
from contlab.linux.net import interface_of, parse_dev, parse_fib_trie, parse_if_inet6, parse_igmp, parse_route
from contlab.linux.proc import parse_id_map, parse_ns_link
from contlab.observe.snapshot import IdMapLine, Link, Mount, MountTree, NamespaceLink, NamespaceSet, NetworkView
from contlab.observe.source import Source, is_absent, read_or_none

KINDS = ("mnt", "pid", "net", "uts", "ipc", "user", "cgroup", "time")
"""The links of /proc/PID/ns, in the order of ``runtime.spec.Namespace``."""

_NET_FILES = ("dev", "fib_trie", "route", "igmp", "if_inet6")


class MountReader:
    """A process's mount tree. Mounts seldom change: the same bytes give the same tree again."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._raw = (b"", b"")
        self._tree = MountTree()

    def read(self, pid: int) -> MountTree:
        """From /proc/PID/mountinfo; OSError when it can't be read (EINVAL: a zombie has no mounts)."""
        raw = self._source.read(f"/proc/{pid}/mountinfo"), self._source.read("/proc/self/mountinfo")
        if raw != self._raw:
            mounts = parse_mountinfo(raw[0])
            on_host = {mount.mount_id for mount in parse_mountinfo(raw[1])} if raw[0] != raw[1] else None
            hidden = covered(mounts)
            self._tree = MountTree(
                tuple(_mount(mount, mount.mount_id in hidden) for mount in mounts),
                frozenset() if on_host is None else frozenset(m.mount_id for m in mounts) - on_host,
            )
            self._raw = raw
        return self._tree


def _mount(mount: MountInfo, hidden: bool) -> Mount:
    return Mount(
        mount_id=mount.mount_id,
        parent_id=mount.parent_id,
        device=mount.major_minor,
        root=mount.root,
        mount_point=mount.mount_point,
        options=mount.mount_options,
        propagation=mount.propagation,
        fs_type=mount.filesystem_type,
        source=mount.mount_source,
        super_options=mount.super_options,
        covered=hidden,
    )


class NamespaceReader:
    """A process's namespaces beside the observer's own."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._own = self._links("self")

    def read(self, pid: int, told_hostname: str | None = None) -> NamespaceSet:
        """From /proc/PID/ns, uid_map and root; OSError when the process is gone or may not be looked at.

        The hostname is the observer's when the uts namespace is shared. /proc/sys/kernel/hostname shows each reader
        its own namespace's, so another namespace's name can't be read from outside: then it is ``told_hostname``.
        """
        inodes = self._links(str(pid))
        if not inodes:
            raise ProcessLookupError(errno.ESRCH, f"process {pid} has exited")
        own = {kind for kind, inode in inodes.items() if self._own.get(kind) != inode}
        uid_map = parse_id_map(self._source.read(f"/proc/{pid}/uid_map"))
        return NamespaceSet(
            links=tuple(NamespaceLink(kind, inodes[kind], kind in own) for kind in KINDS if kind in inodes),
            uid_map=tuple(IdMapLine(line.ID_inside_ns, line.ID_outside_ns, line.length) for line in uid_map),
            root=self._source.readlink(f"/proc/{pid}/root"),
            hostname=told_hostname if "uts" in own else read_hostname(self._source),
        )

    def _links(self, pid: str) -> dict[str, int]:
        """Kind -> inode. An old kernel lacks kinds; a zombie has only ``user``'s and ``pid``'s left, or none."""
        found: dict[str, int] = {}
        for kind in KINDS:
            try:
                found[kind] = parse_ns_link(kind, self._source.readlink(f"/proc/{pid}/ns/{kind}")).inode
            except OSError as error:
                if not is_absent(error):
                    raise
        return found


def read_hostname(source: Source) -> str | None:
    """The nodename of the reader's own uts namespace."""
    raw = read_or_none(source, "/proc/sys/kernel/hostname")
    return None if raw is None else raw.decode("utf-8", "backslashreplace").removesuffix("\n")


class NetworkReader:
    """The interfaces of a process's network namespace: /proc/PID/net shows them without entering it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._raw: tuple[bytes, ...] = ()
        self._view = NetworkView()

    def read(self, pid: int, peers: Mapping[str, str] | None = None, cut: bool = False) -> NetworkView:
        """OSError when /proc/PID/net/dev can't be read. The other files are missing when IPv4 or IPv6 is off.

        ``peers``: interface -> where its cable ends, and ``cut``: it is pulled out there. These files tell neither.
        """
        dev = self._source.read(f"/proc/{pid}/net/dev")
        raw = (dev, *(read_or_none(self._source, f"/proc/{pid}/net/{name}") or b"" for name in _NET_FILES[1:]))
        if raw != self._raw:
            self._view = NetworkView(_links(*raw))
            self._raw = raw
        if not peers:
            return self._view
        links = self._view.links
        return NetworkView(
            tuple(replace(link, peer=peers[link.name], cut=cut) if link.name in peers else link for link in links)
        )


def _links(dev: bytes, fib_trie: bytes, route: bytes, igmp: bytes, if_inet6: bytes) -> tuple[Link, ...]:
    routes, up = parse_route(route), parse_igmp(igmp)
    addresses: dict[str, list[str]] = {}
    for address in parse_fib_trie(fib_trie):
        name, prefix_len = interface_of(address, routes, up)
        addresses.setdefault(name, []).append(_with_prefix(address, prefix_len))
    for inet6 in parse_if_inet6(if_inet6):
        addresses.setdefault(inet6.name, []).append(f"{inet6.address}/{inet6.prefix_len}")
    return tuple(
        Link(
            name=link.name,
            up=link.name in up or link.name in addresses,
            addresses=tuple(addresses.get(link.name, ())),
            rx_bytes=link.rx_bytes,
            tx_bytes=link.tx_bytes,
        )
        for link in parse_dev(dev)
    )


def _with_prefix(address: IPv4Address, prefix_len: int) -> str:
    return f"{address}/{prefix_len}"
