"""What several of the live tests begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from contlab.runtime.client import Runtime
from tests.live.containers import Output, left_of


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    """One that must leave nothing behind."""
    async with Runtime() as runtime:
        yield runtime
    assert [] == left_of(runtime.run)


@pytest.fixture
def output() -> Iterator[Output]:
    """Stdin, stdout and stderr of a command."""
    with Output() as output:
        yield output
