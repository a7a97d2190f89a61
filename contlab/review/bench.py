"""Bench: the due queue of a large vault, beside reading the same bytes and beside python-frontmatter.

``contlab bench review`` prints it and ``tests/bench`` runs the same code. python-frontmatter is asked for the least
that finds what is due: to load each note.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path

import msgspec

from contlab.review import graph, queue
from contlab.review.vault import Vault, open_vault, scan

VOCABULARY = """container kernel namespace cgroup process mount overlay image layer runtime memory limit network bridge
host guest machine boot page cache signal parent child shell root filesystem device capability seccomp socket"""
DAY = date(2026, 11, 23)
LONG_AGO = 1_700_000_000
"""Seconds since the epoch."""


class Timing(msgspec.Struct, frozen=True):
    """One way of doing it."""

    name: str
    seconds: float
    """The best of the rounds."""
    notes: int
    """How many notes it found or read."""


class Result(msgspec.Struct, frozen=True):
    """All ways, over one vault."""

    notes: int
    bytes: int
    disk_cold: bool
    """Whether the kernel's page cache was dropped before each round (needs root)."""
    timings: tuple[Timing, ...]

    def ratio(self, one: str, other: str) -> float:
        """How many times longer ``one`` takes than ``other``."""
        seconds = {timing.name: timing.seconds for timing in self.timings}
        return seconds[one] / seconds[other]


def make_vault(root: Path, notes: int = 10_000, seed: int = 1) -> int:
    """Write a vault of ``notes`` notes of about 6 KB, half of them scheduled. Returns its size in bytes."""
    chance = random.Random(seed)
    (root / ".obsidian").mkdir(parents=True, exist_ok=True)
    total = 0
    for number in range(notes):
        folder = root / f"folder {number % 97}"
        folder.mkdir(exist_ok=True)
        path = folder / f"note {number}.md"
        total += path.write_bytes(_note(number, notes, chance).encode())
        os.utime(path, (LONG_AGO, LONG_AGO))  # the index doesn't trust a note that has only just been written
    return total


def _note(number: int, notes: int, chance: random.Random) -> str:
    words = VOCABULARY.split()
    head = [f"aliases: [{chance.choice(words)} {number}]", f"created: 2024-01-{number % 28 + 1:02}"]
    head += ["tags:", f"  - {chance.choice(words)}"]
    if number % 2:
        due = date(2026, 1, 1) + timedelta(days=chance.randrange(1000))
        interval, ease = chance.randrange(1, 900), chance.randrange(130, 320, 10)
        head += ["  - review", f"sr-due: {due}", f"sr-interval: {interval}", f"sr-ease: {ease}"]
    body = []
    for part in range(6):
        text = " ".join(chance.choices(words, k=130))
        link = f" [[note {chance.randrange(notes)}]]" if part % 2 == 0 else ""
        body.append(f"## {text[:30]}\n\n- {text}{link}. **Bold** and `code`.\n")
    tag = "#review" if number % 50 == 0 else ""
    return "---\n" + "\n".join(head) + "\n---\n\n" + "\n".join(body) + tag


def run(root: Path, rounds: int = 3, *, disk_cold: bool = False, frontmatter: bool = True) -> Result:
    """Measure over the vault at ``root``. ``disk_cold`` drops the page cache before each cold round."""
    vault = open_vault(root)
    files = [path for path in root.rglob("*.md") if path.is_file()]
    ways: dict[str, Callable[[], int]] = {
        "read the bytes": lambda: _read_bytes(root),
        "due queue, cold": lambda: _due(vault, use_index=False),
        "due queue, warm": lambda: _due(vault, use_index=True),
        "by PageRank, cold": lambda: _due(vault, use_index=False, ranked=True),
        "by PageRank, warm": lambda: _due(vault, use_index=True, ranked=True),
    }
    if frontmatter:
        ways["python-frontmatter"] = lambda: _frontmatter(root)
    scan(vault, want_links=True)
    best: dict[str, Timing] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            if disk_cold and not name.endswith("warm"):
                _drop_page_cache()
            began = time.perf_counter()
            found = way()
            seconds = time.perf_counter() - began
            if name not in best or seconds < best[name].seconds:
                best[name] = Timing(name, seconds, found)
    size = sum(path.stat().st_size for path in files)
    with suppress(FileNotFoundError):
        vault.index.unlink()
    return Result(len(files), size, disk_cold, tuple(best.values()))


def _read_bytes(root: Path) -> int:
    count = 0
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(".md"):
                with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123 (pathlib would be measured, too)
                    file.read()
                count += 1
    return count


def _due(vault: Vault, *, use_index: bool, ranked: bool = False) -> int:
    """``ranked``: notes of the same day in the plugin's order, for which every note's links have to be read."""
    entries = scan(vault, use_index=use_index, want_links=ranked).entries
    ranks = graph.page_rank(graph.resolve(entries)) if ranked else None
    return len(queue.build(entries, vault.settings, DAY, ranks).due)


def _frontmatter(root: Path) -> int:
    import frontmatter  # type: ignore[import-untyped, unused-ignore]

    due = 0
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(".md"):
                found = frontmatter.load(f"{folder}/{name}").metadata.get("sr-due")
                due += isinstance(found, date) and found <= DAY
    return due


def has_frontmatter() -> bool:
    """Whether python-frontmatter is there to be compared with."""
    return find_spec("frontmatter") is not None


def _drop_page_cache() -> None:
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")
