"""Work: small loads that run identically on the host, in a container and in a guest, as rates."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from contlab.errors import UnavailableError
from contlab.lab import getpid
from contlab.lab.guest_places import Place

TARGET = 0.25
"""Seconds that one run should take: /proc/uptime, which times it, counts in hundredths."""
PATIENCE = 60.0
"""Seconds after which a run is killed."""
ENOUGH = 0.08
"""Seconds that a trial run must take to tell how long others would."""


@dataclass(frozen=True, slots=True)
class Work:
    """One load. ``$n`` in its line is how many operations it does, ``$disk`` the directory on a disk."""

    key: str
    label: str
    unit: str
    """What one operation is, as in "forks/s"."""
    line: str
    explanation: str
    start: int
    """Operations of the first trial run."""
    times: int = 1
    """What an operation counts for."""
    on_disk: bool = False


_LOOP = "i=0; while [ $i -lt $n ]; do {}; i=$((i+1)); done"

WORKS = (
    Work("work.cpu", "shell loop (CPU)", "turns/s", _LOOP.format(":"),
         "Instructions only, no call into the kernel. A container's are the host's, and so are a guest's where the "
         "processor runs them itself; emulated, each is translated first.", 2000),
    Work("work.getpid", "system call (getpid)", "calls/s", getpid.line(),
         "The least that a call into the kernel can be. A guest's goes to its own kernel and never leaves it; a "
         "container's goes to the host's, through a seccomp filter where there is one.", 20_000),
    Work("work.syscall", "reads and writes of a byte", "calls/s",
         "dd if=/dev/zero of=/dev/null bs=1 count=$n 2>/dev/null",
         "A system call with some work behind it: two files are looked up in a table, and a byte is copied.",
         5000, times=2),
    Work("work.open", "open, read, close a file", "files/s", _LOOP.format("read -r x </etc/passwd"),
         "Path lookup in the mount namespace: through an overlay in the container, in the root file system of the "
         "guest.", 300),
    Work("work.fork", "fork, exit, wait", "forks/s", _LOOP.format("(:)"),
         "Copying a page table, and a page fault for each page that is written after it.", 30),
    Work("work.exec", "fork and exec a program", "programs/s", _LOOP.format("${BIN:-/bin}/true"),
         "What a shell does all day: a new process and a new program in it.", 20),
    Work("work.write", "write to disk, fsync", "MiB/s",
         "dd if=/dev/zero of=$disk/written bs=1M count=$n conv=fsync 2>/dev/null",
         "The same file system's disk for all three. A guest has a file system of its own on a file of the host's, "
         "through a virtual NVMe drive.", 2, on_disk=True),
    Work("work.read", "4 KiB reads past the cache", "reads/s",
         "dd if=$disk/read of=/dev/null bs=4k count=$n iflag=direct 2>/dev/null",
         "One at a time, with O_DIRECT. Each leaves the guest, is read by QEMU, and comes back as an interrupt.",
         50, on_disk=True),
)  # fmt: skip

READ_SIZE = 16 << 20
"""Bytes of the file that ``work.read`` reads: no run reads more of it than there is."""


@dataclass
class Results:
    """What came of the work, growing."""

    rates: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    """(work's key, place) -> operations a second of each run."""
    lacking: dict[tuple[str, str], str] = field(default_factory=dict)
    """The same -> why there is none."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place, and its directory on a disk; None where it has none."""

    place: Place
    disk: str | None


async def measure(
    sites: Mapping[str, Site], rounds: int, results: Results, works: tuple[Work, ...] = WORKS
) -> AsyncGenerator[str, None]:
    """Do all the work at all sites, in turns, so that what else the host does hits all alike. Yields what is next."""
    for work in works:
        yield f"{work.label}: how many are enough"
        counts = {}
        for name, site in sites.items():
            if work.on_disk and site.disk is None:
                results.lacking[work.key, name] = "it has no disk that can be read past the cache"
                continue
            try:
                counts[name] = await _enough(work, site)
            except UnavailableError as error:
                results.lacking[work.key, name] = error.message
        for turn in range(rounds):
            yield f"{work.label}: round {turn + 1} of {rounds}"
            for name, count in list(counts.items()):
                try:
                    seconds = await timed(work, sites[name], count)
                except UnavailableError as error:
                    results.lacking[work.key, name] = error.message
                    counts.pop(name)
                else:
                    results.rates.setdefault((work.key, name), []).append(count * work.times / seconds)


async def timed(work: Work, site: Site, count: int) -> float:
    """Seconds that ``count`` operations take, by the place's own clock."""
    line = f"n={count}; disk={site.disk or '/tmp'}; read -r a x </proc/uptime; {work.line}; s=$?; "
    ran = await site.place.run(line + "read -r b x </proc/uptime; echo $s $a $b", PATIENCE)
    try:
        status, began, ended = ran.output.split()
        seconds = float(ended) - float(began)
    except ValueError:
        status, seconds = b"?", 0.0
    if ran.timed_out or ran.exit_code or status != b"0":
        words = ran.output.decode(errors="replace").strip()[-100:]
        reason = "took too long" if ran.timed_out else f"ended with {words or ran.exit_code}"
        raise UnavailableError(f"{work.label} {reason} in {site.place.name}", "Try it by hand: contlab vm run, spawn.")
    return max(seconds, 0.005)


async def _enough(work: Work, site: Site) -> int:
    """How many operations take about ``TARGET`` seconds there."""
    count, most = work.start, READ_SIZE // 4096 if work.key == "work.read" else 1 << 40
    while True:
        seconds = await timed(work, site, count)
        if seconds >= ENOUGH or count >= most:
            return min(most, max(1, round(count * TARGET / seconds)))
        count = min(most, count * (4 if seconds < ENOUGH / 4 else 2))


def prepare_disk(directory: Path) -> bool:
    """Put the file to be read there; False when this file system takes no O_DIRECT. Blocks."""
    import os

    directory.mkdir(parents=True, exist_ok=True)
    (directory / "read").write_bytes(os.urandom(1 << 20) * (READ_SIZE >> 20))
    try:
        os.close(os.open(directory / "read", os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC))
    except OSError:
        return False
    return True
