"""Inhabitant: one container of a live lab, with its pipes and whoever looks at it."""

from __future__ import annotations

import os

from contlab.lab.output import OutputReader
from contlab.observe.sampler import Sampler
from contlab.runtime.handle import Container as Running


class Inhabitant:
    """One container of the lab and what belongs to it."""

    def __init__(self, running: Running, sampler: Sampler, reader: OutputReader, stdin: int) -> None:
        self.running = running
        self.sampler = sampler
        self.readers = [reader]
        self.stdin = stdin
        """Writing end of its first process's stdin, held open: a shell that reads from it waits, and lives."""
        self.frozen = False

    def heard_by(self, reader: OutputReader) -> None:
        """A further command prints to ``reader``; those that came to their end are dropped."""
        self.readers = [*(one for one in self.readers if one.open), reader]

    def close(self) -> None:
        """Let go of its pipes."""
        for reader in self.readers:
            reader.close()
        os.close(self.stdin)
