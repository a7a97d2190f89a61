"""A kernel that does nothing and writes down what it was asked for."""

from __future__ import annotations

from collections.abc import Iterable

from contlab.linux.errno import SyscallError
from contlab.linux.flags import CAP, CLONE, MNT, MS, PR


class Recorder:
    """Fulfils ``runtime.kernel.Kernel``. ``calls`` reads like strace's output, with names for flags."""

    def __init__(self, *present: str, directories: tuple[str, ...] = (), held: str | None = None) -> None:
        """``present``: paths that exist; ``directories``: those that are directories; ``held``: what files contain
        (None: what was written last)."""
        self.pid = 42
        self.calls: list[str] = []
        self.refusals: dict[str, int] = {}
        """Beginning of a call -> errno that it is refused with, from then on."""
        self.links: dict[str, str] = {}
        """Path within a root -> where it leads."""
        self.mount_flags = MS(0)
        self.attributes = True
        self.bounds = True
        """Whether the bounding set may be changed."""
        self._present = {*present, *directories}
        self._directories = set(directories)
        self._held = held
        self._written = ""

    def _call(self, name: str, *arguments: object) -> None:
        call = f"{name}({', '.join(_shown(argument) for argument in arguments)})"
        self.calls.append(call)
        for beginning, number in self.refusals.items():
            if call.startswith(beginning):
                raise SyscallError(name, number, *arguments)

    def mount(self, source: str, target: str, fs_type: str, flags: MS = MS(0), data: str = "") -> None:
        self._call("mount", source, target, fs_type, flags, data)

    def umount2(self, target: str, flags: MNT = MNT(0)) -> None:
        self._call("umount2", target, flags)

    def pivot_root(self, new_root: str, put_old: str) -> None:
        self._call("pivot_root", new_root, put_old)

    def chroot(self, path: str) -> None:
        self._call("chroot", path)

    def chdir(self, path: str) -> None:
        self._call("chdir", path)

    def mkdir(self, path: str, mode: int, parents: bool = False) -> None:
        self._call("mkdir -p" if parents else "mkdir", path, f"{mode:#o}")

    def mknod(self, path: str, mode: int, device: int) -> None:
        self._call("mknod", path, f"{mode:#o}", device)

    def symlink(self, target: str, path: str) -> None:
        self._call("symlink", target, path)

    def create(self, path: str, text: str, mode: int) -> None:
        self._call("create", path, text, f"{mode:#o}")

    def write(self, path: str, text: str) -> None:
        self._written = text
        self._call("write", path, text)

    def read(self, path: str) -> str:
        return (self._written if self._held is None else self._held) + "\n"

    def exists(self, path: str) -> bool:
        return path in self._present

    def is_dir(self, path: str) -> bool:
        return path in self._directories

    def within(self, root: str, path: str) -> str:
        return root + self.links.get(path, path)

    def keeps_attributes(self, path: str) -> bool:
        return self.attributes

    def flags_of(self, path: str) -> MS:
        return self.mount_flags

    def unshare(self, flags: CLONE) -> None:
        self._call("unshare", flags)

    def enter(self, link: str, flags: CLONE) -> None:
        self._call("setns", link, flags)

    def sethostname(self, name: str) -> None:
        self._call("sethostname", name)

    def setids(self, uid: int, gid: int) -> None:
        self._call("setids", uid, gid)

    def command(self, *argv: str) -> None:
        self._call(argv[0], *argv[1:])

    def prctl(self, operation: PR, argument: int = 0) -> int:
        self._call("prctl", operation, argument)
        return 1

    def open_terminal(self, multiplexer: str, rows: int, columns: int, owner: int | None) -> int:
        self._call("open_terminal", multiplexer, rows, columns, owner)
        return 0

    def filter_syscalls(self, allowed: frozenset[str]) -> None:
        self._call("filter_syscalls", *sorted(allowed))

    def limit_resource(self, name: str, soft: int, hard: int) -> None:
        self._call("limit_resource", name, soft, hard)

    def bound_capabilities(self, kept: Iterable[CAP]) -> bool:
        self._call("bound_capabilities", *sorted(kept))
        return self.bounds

    def interface_up(self, name: str) -> None:
        self._call("interface_up", name)

    def set_address(self, interface: str, address: str, prefix_length: int) -> None:
        self._call("set_address", interface, address, prefix_length)

    def add_switch(self) -> None:
        self._call("add_switch")

    def add_bridge(self, name: str) -> None:
        self._call("add_bridge", name)

    def add_cable(self, port: str, bridge: str, interface: str) -> None:
        self._call("add_cable", port, bridge, interface)

    def execve(self, path: str, argv: tuple[str, ...], environment: dict[str, str]) -> None:
        self._call("execve", path, *argv)


def _shown(argument: object) -> str:
    match argument:
        case MS() | CLONE() | MNT():
            return "|".join(flag.name or "" for flag in argument) or "0"
        case CAP() | PR():
            return argument.name
        case _:
            return str(argument)
