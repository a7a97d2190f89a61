"""Timeline: what the lab told since the lesson was opened, and how things were at each moment of it. No Textual here.

::

    checkpoint ─ moment moment ... (STRIDE) ─ checkpoint ─ moment ... ─ newest
    └ the evidence before the block's first moment; a later one is it and the moments up to there
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from contlab.lab.protocol import Happened, News, Output, Sampled, Trouble
from contlab.observe.share import same, shared
from contlab.observe.snapshot import PidView, Snapshot, Unavailable
from contlab.tui.evidence import Evidence
from contlab.tui.moment import COMMAND, Item, Moment, Spot, StepBegan, happen, last_line, moment_of
from contlab.tui.scrollback import LIMIT, Scrollback

KEPT = 4_000
"""Moments kept: half an hour of samples that all differ. A moment costs 2 KB in the shipped recordings, 4 KB where all
are samples of three containers (with what it shares with its neighbours counted once): 8 to 16 MB in all."""
STRIDE = 32
"""Moments from one checkpoint to the next: going back costs at most so many, 0.1 ms in the mean."""
WEIGHT = 32 << 20
"""Bytes of processes kept; only who starts hundreds of them between two samples, again and again, comes near."""
_PROCESS = 400
"""Bytes of a process, without its command line."""
PRINTED = 16 * LIMIT
"""Characters of output kept; what was printed before them is counted, and said to be missing."""


@dataclass(slots=True)
class _Block:
    """Moments, and what there was before them."""

    before: Evidence
    moments: list[Moment] = field(default_factory=list)
    weight: int = 0
    """Bytes of the processes that were new in them, about."""


@dataclass(slots=True)
class _Cursor:
    """Evidence somewhere in the past, to go on from."""

    evidence: Evidence
    place: int
    """The last moment that is in it."""
    again: int = 0
    """How many of that moment's repetitions are in it."""


class Timeline:
    """Moments are numbered from 0 since the opening, however many of the oldest were dropped."""

    def __init__(self, kept: int = KEPT, weight: int = WEIGHT) -> None:
        self.evidence = Evidence()
        """How things are now."""
        self.scrollback = Scrollback(PRINTED)
        self.first = self._count = 0
        """The oldest moment kept, and how many there were."""
        self._kept, self._weight = kept, weight
        self._blocks: deque[_Block] = deque()
        self._until = 0.0
        self._cursor: _Cursor | None = None

    @property
    def last(self) -> int:
        """The newest moment; -1 when there is none."""
        return self._count - 1

    def hear(self, news: News) -> None:
        """One more piece of news."""
        match news:
            case Sampled(snapshots=snapshots):
                if not same(self.evidence.snapshots, snapshots):
                    self._add(Sampled(shared(self.evidence.snapshots, snapshots)))
                elif snapshots:
                    self.evidence.again()
                    self[self.last].again += 1
            case Output():
                self._print(news)
            case Happened() | Trouble():
                self._add(news)

    def begin_step(self, number: int, title: str) -> None:
        """What is now is what the following moments are compared with."""
        self.scrollback.clear()
        self._add(StepBegan(number, title))

    def give(self, run: str, command: str) -> None:
        """A command is about to be run; it is shown as a shell shows it."""
        self.scrollback.begin_line()
        self.scrollback.write(f"$ {command}\n")
        self._add(Output(run, f"$ {command}", COMMAND))

    def at(self, place: int) -> Evidence:
        """How things were at a moment, what differs being marked against the beginning of its step. Valid until the
        next call: going forward changes it."""
        place = min(max(place, self.first), self.last)
        offset = (place - self.first) % STRIDE
        cursor, begin = self._cursor, place - offset
        if cursor is None or not max(begin, self.first) - 1 <= cursor.place <= place:
            block = self._blocks[(place - self.first) // STRIDE]
            cursor = self._cursor = _Cursor(block.before.copy(), begin - 1)
        elif cursor.place >= self.first:
            self._repeat(cursor)
        while cursor.place < place:
            cursor.place, cursor.again = cursor.place + 1, 0
            happen(cursor.evidence, self[cursor.place].item)
            self._repeat(cursor)
        return cursor.evidence

    def printed(self, place: int) -> tuple[str, int]:
        """The output at a moment, and how many characters of it are no longer there."""
        return self.scrollback.at(self[place].printed)

    def near(self, place: int, by: int, kinds: str = "") -> int:
        """The next moment of one of ``kinds`` (any, when there are none), or the one before (``by`` -1); where there is
        no such moment, the last or the first."""
        there = place + by
        while self.first < there < self.last and kinds and self[there].kind not in kinds:
            there += by
        return min(max(there, self.first), self.last)

    def spot(self, place: int, overtaken: bool = False) -> Spot:
        """A moment as the scrub bar shows it."""
        moment = self[place]
        return Spot(
            number=place - self.first + 1,
            dropped=self.first,
            overtaken=overtaken,
            step=moment.step,
            at=moment.at,
            until=self._until,
            kind=moment.kind,
            container=moment.container,
            text=moment.text,
            track="".join(each.kind for block in self._blocks for each in block.moments),
        )

    def let_go(self) -> None:
        """Nobody looks back any more."""
        self._cursor = None

    def __getitem__(self, place: int) -> Moment:
        block, offset = divmod(place - self.first, STRIDE)
        return self._blocks[block].moments[offset]

    def _repeat(self, cursor: _Cursor) -> None:
        whole = self[cursor.place].again
        if whole > cursor.again:
            cursor.evidence.again(whole - cursor.again)
            cursor.again = whole

    def _print(self, output: Output) -> None:
        """Pieces that follow one another are one moment, but for the one that is being looked at."""
        self.scrollback.write(output.text)
        newest = self[self.last] if self._count else None
        looked_at = self._cursor is not None and self._cursor.place == self.last
        if newest and isinstance(newest.item, Output) and newest.item.stream != COMMAND and not looked_at:
            if line := last_line(output.text):
                newest.text = f"printed: {line}"
            newest.printed = self.scrollback.mark
        else:
            self._add(Output(output.run, last_line(output.text), output.stream))

    def _add(self, item: Item) -> None:
        block, said = self._room(), self.evidence.said
        if isinstance(item, Sampled):
            block.weight += _weight(self.evidence.snapshots, item.snapshots)
        happen(self.evidence, item)
        before = self[self.last] if self._count else None
        moment = moment_of(item, self.evidence, self.evidence.said - said, before, self.scrollback.mark)
        block.moments.append(moment)
        self._until = max(self._until, moment.at)
        self._count += 1

    def _room(self) -> _Block:
        """The block that the next moment belongs to; the oldest one goes when there are too many moments."""
        if self._blocks and len(self._blocks[-1].moments) < STRIDE:
            return self._blocks[-1]
        self._blocks.append(_Block(self.evidence.copy()))
        while len(self._blocks) > 2 and self._too_many():
            self._blocks.popleft()
            self.first += STRIDE
        return self._blocks[-1]

    def _too_many(self) -> bool:
        return self._count - self.first >= self._kept or sum(block.weight for block in self._blocks) > self._weight


def _weight(old: Mapping[str, Snapshot], new: Mapping[str, Snapshot]) -> int:
    before = {id(view) for snapshot in old.values() for view in _processes(snapshot)}
    views = (view for snapshot in new.values() for view in _processes(snapshot))
    return sum(_PROCESS + len(view.command) for view in views if id(view) not in before)


def _processes(snapshot: Snapshot) -> tuple[PidView, ...]:
    return () if isinstance(snapshot.processes, Unavailable) else snapshot.processes
