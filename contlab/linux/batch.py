"""Batch: system calls laid out in memory, which a newborn process makes one after another, with no interpreter.

After a fork each page that is written to is a page fault and a copy: for Python some hundred of them, and then
execve(2) has all of its memory to take down. A list of calls needs neither (``arena`` has who goes through it).

::

    segment   clock  nowhere   entry  entry ... entry   data            one a step; its last entry reads the clock
    entry     number  arguments  where the result goes, twice  next  errno that is no refusal  next when refused
"""

from __future__ import annotations

import platform
import struct
from dataclasses import dataclass
from typing import NamedTuple

from contlab.linux import syscalls

_NUMBERS = {
    "x86_64": {
        "write": 1, "close": 3, "ioctl": 16, "socket": 41, "execve": 59, "chdir": 80, "setsid": 112,
        "setgroups": 116, "setresuid": 117, "setresgid": 119, "capset": 126, "pivot_root": 155, "prctl": 157,
        "chroot": 161, "mount": 165, "umount2": 166, "sethostname": 170, "setxattr": 188, "removexattr": 197,
        "futex": 202, "sched_setaffinity": 203,
        "clock_gettime": 228, "exit_group": 231, "openat": 257, "mkdirat": 258, "mknodat": 259, "symlinkat": 266,
        "fchmodat": 268, "unshare": 272, "dup3": 292, "prlimit64": 302,
    },
    "aarch64": {
        "setxattr": 5, "removexattr": 14, "dup3": 24, "ioctl": 29, "mknodat": 33, "mkdirat": 34, "symlinkat": 36,
        "umount2": 39, "mount": 40, "pivot_root": 41, "chdir": 49, "chroot": 51, "fchmodat": 53, "openat": 56,
        "close": 57, "write": 64, "capset": 91, "exit_group": 94, "unshare": 97, "futex": 98,
        "clock_gettime": 113, "sched_setaffinity": 122, "setresuid": 147, "setresgid": 149, "setsid": 157,
        "setgroups": 159, "sethostname": 161, "prctl": 167, "socket": 198, "execve": 221, "prlimit64": 261,
    },
}  # fmt: skip
"""asm/unistd_64.h, and asm-generic/unistd.h."""

_ENTRY = struct.Struct("<12Q")
_CLOCK = struct.Struct("<2q")
_WORD = struct.Struct("<I")
_WORDS = 112
"""Where the words are that are waited for."""
_FUTEX_WAIT = 0
_HEAD = 32
"""Bytes before a segment's entries: a struct timespec, and where results go that nobody asks for."""
_FIRST = 128
"""Where the first segment begins: before it lies the entry that ends the process after a refusal."""
_SPARE = 64
"""Bytes that a segment has more than it needs, for another of its kind."""
_ROUND = 16
_WHOLE = (1 << 64) - 1
_CLOCK_MONOTONIC = 1


@dataclass(frozen=True, slots=True)
class Result:
    """An argument: what an earlier call of the same step returned, by its place. Two calls may want it."""

    place: int


@dataclass(frozen=True, slots=True)
class Words:
    """An argument: the address of eight-byte words, each a number or the address of bytes."""

    words: tuple[int | bytes, ...]


Argument = int | bytes | Result | Words
"""A number, the address of bytes, or one of those above."""


class Call(NamedTuple):
    """One call. Its errno is no refusal when it is ``unless``, or ``anyway``; ``again``: it is made until refused."""

    name: str
    arguments: tuple[Argument, ...]
    unless: int
    anyway: bool
    again: bool


class Calls:
    """The calls of one step, in order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._wanted: dict[int, list[tuple[int, int]]] = {}

    def add(
        self, name: str, *arguments: Argument, unless: int = 0, anyway: bool = False, again: bool = False
    ) -> Result:
        """One more: as ``Call`` has it."""
        place = len(self.calls)
        for number, argument in enumerate(arguments, 1):
            if isinstance(argument, Result):
                self._wanted.setdefault(argument.place, []).append((place, number))
        self.calls.append(Call(name, arguments, unless, anyway or again, again))
        return Result(place)

    def wanted(self, place: int) -> list[tuple[int, int]]:
        """Which call wants the result of this one, and as which argument (from 1 on)."""
        return self._wanted.get(place, [])

    @property
    def size(self) -> int:
        """Bytes that they take, with the reading of the clock."""
        data = 0
        for call in self.calls:
            for argument in call.arguments:
                parts = argument.words if isinstance(argument, Words) else (argument,)
                data += sum(_padded(part) for part in parts if isinstance(part, bytes))
                data += 8 * len(parts) + 8 if isinstance(argument, Words) else 0
        return _HEAD + (len(self.calls) + 1) * _ENTRY.size + data


@dataclass(slots=True)
class _Segment:
    step: object
    start: int
    size: int
    remark: str = ""


class Full(Exception):
    """There is no room for that many calls."""


REFUSED = 125
"""The exit status of one that met a refusal."""


class Batch:
    """Memory for the steps of one birth. From one to the next it keeps what is the same."""

    def __init__(self, memory: memoryview, address: int) -> None:
        self.address = address
        self._memory = memory
        self._numbers = _NUMBERS[platform.machine()]
        self._segments: list[_Segment] = []
        self.taken = False
        """Somebody is making its calls, or will."""
        nowhere = address + _ENTRY.size
        _ENTRY.pack_into(
            memory, 0, self._numbers["exit_group"], REFUSED, 0, 0, 0, 0, 0, nowhere, nowhere, address, 0, 0
        )

    @property
    def first(self) -> int:
        """The address of the first entry."""
        return self.address + _FIRST + _HEAD

    def holds(self, place: int, step: object) -> bool:
        """Whether the step in this place is ``step``."""
        held = self._segments[place].step if place < len(self._segments) else None
        return held is step or held == step

    @property
    def steps(self) -> int:
        """How many."""
        return len(self._segments)

    def put(self, place: int, step: object, calls: Calls, remark: str = "") -> None:
        """These are the calls of ``step``; what comes after it stays, where there is room. Full."""
        size = calls.size
        if place == len(self._segments) or size > self._segments[place].size:
            del self._segments[place:]
            start = self._segments[-1].start + self._segments[-1].size if self._segments else _FIRST
            room = -(-(size + _SPARE) // _ROUND) * _ROUND
            if start + room > len(self._memory):
                raise Full
            self._segments.append(_Segment(step, start, room))
        segment = self._segments[place]
        segment.step, segment.remark = step, remark
        self._memory[segment.start : segment.start + size] = self._encode(calls, segment)

    def argument(self, call: int, number: int, value: int) -> None:
        """An argument (from 1 on) of a call of the first step, known at last."""
        struct.pack_into("<Q", self._memory, _FIRST + _HEAD + call * _ENTRY.size + 8 * number, value)

    def end(self, steps: int) -> None:
        """So many are all."""
        del self._segments[steps:]

    def wait(self, calls: Calls, place: int) -> None:
        """A call more: wait for ``go`` of this ``place``, 0 or 1."""
        # futex(2): EAGAIN once the word is no longer 0.
        calls.add("futex", self.address + _WORDS + 4 * place, _FUTEX_WAIT, 0, 0, again=True)

    def go(self, place: int) -> None:
        """What was to be done first is done."""
        _WORD.pack_into(self._memory, _WORDS + 4 * place, 1)
        syscalls.futex_wake(self.address + _WORDS + 4 * place)

    def reset(self) -> None:
        """No step was done yet."""
        for place in (0, 1):
            _WORD.pack_into(self._memory, _WORDS + 4 * place, 0)
        for segment in self._segments:
            _CLOCK.pack_into(self._memory, segment.start, 0, 0)

    def done(self) -> list[tuple[float, str]]:
        """When each step was done, µs (CLOCK_MONOTONIC), and its remark, up to the first that was not."""
        times = []
        for segment in self._segments:
            seconds, nanoseconds = _CLOCK.unpack_from(self._memory, segment.start)
            if not (seconds or nanoseconds):
                break
            times.append((seconds * 1e6 + nanoseconds / 1000, segment.remark))
        return times

    def _encode(self, calls: Calls, segment: _Segment) -> bytes:
        start, size = self.address + segment.start, _ENTRY.size
        nowhere, entries, end = start + 16, start + _HEAD, start + segment.size + _HEAD
        data = bytearray()

        def placed(raw: bytes) -> int:
            at = entries + (len(calls.calls) + 1) * size + len(data)
            data.extend(raw.ljust(_padded(raw), b"\0"))
            return at

        def value(argument: Argument) -> int:
            match argument:
                case bytes():
                    return placed(argument)
                case Words(words):
                    held = [placed(word) if isinstance(word, bytes) else word for word in words]
                    return placed(struct.pack(f"<{len(held)}Q", *held))
                case Result():
                    return 0
                case _:
                    return argument & _WHOLE

        rows = []
        for place, call in enumerate(calls.calls, 1):
            following, itself = entries + place * size, entries + (place - 1) * size
            arguments = [value(argument) for argument in call.arguments] + [0] * (6 - len(call.arguments))
            wanted = [entries + at * size + 8 * number for at, number in calls.wanted(place - 1)] + [nowhere, nowhere]
            rows.append(
                (self._numbers[call.name], *arguments, *wanted[:2], itself if call.again else following, call.unless,
                 following if call.anyway else self.address)
            )  # fmt: skip
        clock = (self._numbers["clock_gettime"], _CLOCK_MONOTONIC, start, 0, 0, 0, 0, nowhere, nowhere, end, 0, end)
        return bytes(_HEAD) + b"".join(_ENTRY.pack(*row) for row in (*rows, clock)) + bytes(data)


def _padded(raw: bytes) -> int:
    """Bytes that it takes, with a NUL at its end."""
    return len(raw) // 8 * 8 + 8
