"""The comparison's rows from what was measured: tags, ratios, emulation named, and the model where nothing was."""

from __future__ import annotations

import pytest

from contlab.errors import UnavailableError
from contlab.lab.compare import EMULATED, INSIDE, MEASURED, TRANSLATED, Fit, spread, squares
from contlab.lab.compare_measure import Measured, Memory
from contlab.lab.compare_mischief import bomb, tried
from contlab.lab.compare_rows import Sizes, density, fits, number, rows, within
from contlab.lab.compare_work import WORKS, Results, Site, Work, measure, timed
from contlab.lab.guest_experiments import Outcome
from contlab.observe.snapshot import PidView, Snapshot
from contlab.runtime.events import OperationDone
from contlab.vm import model
from contlab.vm.agent import Ran
from contlab.vm.waterfall import Waterfall

GIB = 1 << 30
MIB = 1 << 20
MODEL = {row.key: row for row in model.rows(model.ModelParameters(), 16 * GIB)}
SIZES = Sizes(2 * MIB, 2 * MIB, 14 * MIB)
CLONE = OperationDone(
    container="x", at=0.0, index=0, operation="Clone", describe="clone", shell="unshare", side="host",
    microseconds=900.0,
)  # fmt: skip


def process(pid: int, ppid: int, comm: str, command: str = "") -> PidView:
    return PidView(pid, pid, ppid, comm, "S", command)


def measured(**changes) -> Measured:
    whole = Measured(
        births=[(4000.0, (CLONE,)), (3000.0, (CLONE,)), (9000.0, (CLONE,))],
        boots=[Waterfall(0.01, None, seconds, 1.0, 1.1) for seconds in (1.6, 1.4, 2.6)],
        container_memory=Memory(1 * MIB, 33 * MIB, 1 * MIB),
        guest_memory=Memory(200 * MIB, 220 * MIB, 220 * MIB),
        container_inside=Snapshot(target="c", at=0.0, processes=(process(1, 0, "sh", "/bin/sh"),)),
        guest_inside=Snapshot(
            target="g", at=0.0,
            processes=(process(1, 0, "init", "/init"), process(2, 0, "kthreadd"), process(9, 2, "[/] x")),
        ),
        accelerator="tcg",
        guest_kernel="6.1.0",
        guest_total=92 * MIB,
        work=Results(
            rates={
                ("work.fork", "host"): [1000.0],
                ("work.fork", "container"): [900.0, 1000.0, 1100.0],
                ("work.fork", "guest"): [50.0],
            }
        ),
        clock=0.5,
    )  # fmt: skip
    for name, value in changes.items():
        setattr(whole, name, value)
    return whole


def by_key(of: Measured):
    return {row.key: row for row in rows(of, MODEL, WORKS, "6.18.0", SIZES)}


def test_each_cell_says_where_it_is_from() -> None:
    found = by_key(measured())

    assert (MEASURED, INSIDE) == (found["kernel"].container.tag, found["kernel"].vm.tag)
    assert (MEASURED, MEASURED) == (found["boot"].container.tag, found["boot"].vm.tag)
    assert INSIDE == found["work.fork"].vm.tag
    assert found["crash"].vm.tag.startswith("model: ")
    assert "model: NSDI" == found["boot"].cited.tag[:11]


def test_the_median_its_ends_and_where_its_time_went_are_of_the_same_boot() -> None:
    boot = by_key(measured())["boot"]

    assert pytest.approx(1.5e6) == boot.vm.value
    assert "[1.3 s to 2.5 s, 3 runs]" == within(boot.vm).strip()
    assert pytest.approx(1.6e6) == sum(step.microseconds for step in boot.vm.steps)
    assert (4000.0, [900.0, 3100.0]) == (boot.container.value, [step.microseconds for step in boot.container.steps])
    assert pytest.approx(375) == boot.ratio


def test_emulation_is_named_on_what_it_slows_and_only_there() -> None:
    found = by_key(measured())

    assert EMULATED == found["boot"].note == found["work.fork"].note
    assert TRANSLATED == found["memory.idle"].note == found["memory.load"].note == found["memory.freed"].note
    assert found["memory.idle"].cited.tag.startswith("model: NSDI")
    assert "" == found["kernel"].note == found["kernel_threads"].note
    real = by_key(measured(accelerator="kvm"))
    assert {""} == {row.note for row in real.values()}
    assert {None} == {row.cited for row in real.values()}


def test_a_rate_by_a_guest_clock_that_runs_slow_is_corrected() -> None:
    fork = by_key(measured())["work.fork"]

    assert 25.0 == fork.vm.value  # 50 in a guest's second, which takes two of the host's
    assert 40.0 == fork.ratio


def test_kernel_threads_are_told_from_processes() -> None:
    found = by_key(measured())

    assert (1.0, 1.0) == (found["processes"].container.value, found["processes"].vm.value)
    assert (0.0, 2.0) == (found["kernel_threads"].container.value, found["kernel_threads"].vm.value)


def test_without_a_guest_every_vm_cell_is_the_models_and_the_container_stays_measured() -> None:
    found = by_key(measured(boots=[], guest_memory=None, guest_inside=None, accelerator="", work=Results()))

    assert all(row.vm.tag.startswith("model: ") for row in found.values() if row.vm)
    assert MEASURED == found["boot"].container.tag == found["memory.load"].container.tag
    assert "memory.reserved" in found
    assert None is found["boot"].ratio


def outcome(experiment: str, place: str) -> tuple[tuple[str, str], Outcome]:
    return (experiment, place), Outcome(experiment=experiment, place=place, short=f"{place}!", happened="It did.")


def test_what_was_tried_stands_in_place_of_the_models_words() -> None:
    both = dict(outcome(kind, place) for kind in ("exhaust", "panic", "bomb") for place in ("container", "guest"))
    found = by_key(measured(mischief=both))

    hog = found["memory.hog"]
    assert ("container!", MEASURED, "guest!", INSIDE) == (
        hog.container.text,
        hog.container.tag,
        hog.vm.text,
        hog.vm.tag,
    )
    assert hog.explanation.endswith("It did. It did.")
    assert INSIDE == found["crash"].vm.tag
    assert found["crash"].container.tag.startswith("model: ")  # it is not tried on this host's kernel
    assert found["neighbour"].vm.tag.startswith("model: ")
    assert ("container!", "guest!") == (found["bomb"].container.text, found["bomb"].vm.text)
    assert bomb({}) is None
    assert tried(found["boot"], both) == found["boot"]


def test_without_a_container_none_is_made_up() -> None:
    found = by_key(measured(births=[], container_memory=None, container_inside=None))

    assert found["boot"].container.tag.startswith("model: ")
    assert None is found["boot"].ratio is found["memory.idle"].ratio


def test_how_many_fit_is_computed_from_what_both_took_under_the_load() -> None:
    found = fits(measured(), 16 * GIB)

    assert found == Fit(15 * GIB, 15 * 1024 // 33, 15 * 1024 // 220, 33.0 * MIB, 220.0 * MIB, MEASURED)
    assert "465" == density(found, MODEL, emulated=False).container.text
    assert ("", None) == ((row := density(found, MODEL, emulated=False)).note, row.cited)
    assert TRANSLATED == (row := density(found, MODEL, emulated=True)).note
    assert row.cited.tag.startswith("model: ")
    assert density(None, MODEL, emulated=False).vm.tag.startswith("model: ")


@pytest.mark.parametrize(
    ("containers", "vms", "expected"), [(10, 1, (10, 1, 1)), (700, 100, (233, 33, 3)), (0, 0, (0, 0, 1))]
)
def test_a_picture_has_at_most_so_many_squares(containers, vms, expected) -> None:
    assert expected == squares(Fit(1, containers, vms, 1.0, 1.0, MEASURED), 240)


@pytest.mark.parametrize(
    ("value", "words"), [(9_848_123.0, "9,850,000"), (87.32, "87.3"), (5.0, "5"), (0.0123, "0.0123")]
)
def test_three_digits_of_a_rate_are_shown(value, words) -> None:
    assert words == number(value)


def test_a_spread_is_of_all_runs() -> None:
    assert (3.0, 1.0, 9.0, 3) == (lambda s: (s.p50, s.low, s.high, s.runs))(spread([9.0, 1.0, 3.0]))


class Scripted:
    """A place whose clock goes as it is told: ``rate`` operations a second, or an answer of its own."""

    def __init__(self, rate: float, answer: bytes | None = None) -> None:
        self.name, self.rate, self.answer = "there", rate, answer
        self.counts: list[int] = []

    async def run(self, command: str, limit: float = 0.0) -> Ran:
        count = int(command.partition("n=")[2].partition(";")[0])
        self.counts.append(count)
        output = self.answer if self.answer is not None else b"0 100.00 %.2f\n" % (100 + count / self.rate)
        return Ran(0, output, 0.1)


WORK = Work("work.x", "x", "x/s", "true", "", start=10)


async def test_as_many_operations_are_done_as_take_a_quarter_of_a_second() -> None:
    place, results = Scripted(1000.0), Results()
    said = [words async for words in measure({"host": Site(place, None)}, 2, results, (WORK,))]

    assert [250, 250] == place.counts[-2:]
    assert [pytest.approx(1000, rel=0.05)] * 2 == results.rates["work.x", "host"]
    assert 3 == len(said)


@pytest.mark.parametrize("answer", [b"", b"1 100.00 100.10\n", b"x y z\n"])
async def test_work_that_fails_is_left_out_with_the_reason(answer) -> None:
    results = Results()
    async for _ in measure({"host": Site(Scripted(1.0, answer), None)}, 2, results, (WORK,)):
        pass

    assert {} == results.rates
    assert "x ended with" in results.lacking["work.x", "host"]


async def test_work_on_a_disk_is_not_done_where_there_is_none() -> None:
    results = Results()
    disk = Work("work.d", "d", "d/s", "true", "", start=1, on_disk=True)
    async for _ in measure({"host": Site(Scripted(1.0), None)}, 1, results, (disk,)):
        pass

    assert "it has no disk" in results.lacking["work.d", "host"]
    with pytest.raises(UnavailableError):
        await timed(disk, Site(Scripted(1.0, b"no"), "/disk"), 1)
