"""A rehearsal: every call of a plan once, with nothing that it could change: its pages are there when it counts.

An empty path leads nowhere: the kernel refuses it (ENOENT, path_resolution(7)) after all else was done as it will be.
"""

from __future__ import annotations

import contextlib
from typing import Any

from contlab.linux import syscalls
from contlab.linux.flags import CAP, CLONE, MNT, MS
from contlab.runtime.kernel import Linux

HARMLESS: dict[str, tuple[Any, ...]] = {
    "mount": ("", "", "", MS.BIND),
    "umount2": ("", MNT.DETACH),
    "pivot_root": ("", ""),
    "chroot": ("",),
    "chdir": ("",),
    "mkdir": ("", 0o755),
    "mknod": ("", 0, 0),
    "symlink": ("", ""),
    "create": ("", "", 0),
    "write": ("", ""),
    "unshare": (CLONE(0),),
    "enter": ("", CLONE(0)),
    "bound_capabilities": (tuple(CAP),),
    "interface_up": ("",),
    "flags_of": ("/",),
    "exists": ("",),
    "execve": ("", ("-",), {}),
}
"""What each call is made with; those not named here are not made."""

LOOKS = frozenset({"is_dir", "within"})
"""They only look, and are made as they are."""

AS_IF = {"exists": True, "keeps_attributes": True, "flags_of": MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.RELATIME}
"""What is answered, so that it goes on as it will."""


class Rehearsal:
    """Fulfils ``Kernel``, for nobody's good."""

    pid = 0

    def __init__(self) -> None:
        self._kernel = Linux()
        for name in HARMLESS:  # also what comes after one that refuses
            with contextlib.suppress(OSError):
                getattr(self, name)()
        with contextlib.suppress(OSError):
            syscalls.set_filter(b"")

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            answer = None
            if name in LOOKS:
                answer = getattr(self._kernel, name)(*arguments, **named)
            elif name in HARMLESS:
                answer = getattr(self._kernel, name)(*HARMLESS[name])
            return AS_IF.get(name, answer)

        return call
