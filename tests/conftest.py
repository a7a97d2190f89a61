"""What all tests share: the ``needs`` marker, directories of the run's own, and the proof that nothing is left."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from contlab import doctor, paths
from contlab.errors import UnavailableError
from contlab.runtime.sweep import sweep
from contlab.vm import kernel

MUST_RUN = os.environ.get("CONTLAB_MUST_RUN") == "1"
"""Set where every test must run (.ci/run): a skip is a failure then."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose ``needs`` this host lacks, saying why and what mends it."""
    for marker in item.iter_markers("needs"):
        for word in marker.args:
            finding = doctor.probe(word)
            if finding.status is doctor.Status.MISSING:
                pytest.skip(f"needs {word}: {finding.reason}; {finding.fix}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Where every test must run, a skipped one has failed."""
    report = yield
    if MUST_RUN and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"CONTLAB_MUST_RUN=1, and this test was skipped: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def _own_directories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The user's caches, progress and recordings stay as they are; a kernel image that was fetched is found, though."""
    home = tmp_path_factory.mktemp("xdg")
    with pytest.MonkeyPatch.context() as patch:
        with contextlib.suppress(UnavailableError):
            patch.setenv("CONTLAB_KERNEL", str(kernel.find().path))
        for kind in ("CACHE", "DATA", "STATE", "CONFIG"):
            patch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
        yield


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left(_own_directories: None) -> Iterator[None]:
    """After the last test no process, cgroup, mount or directory of any of its containers exists."""
    root = str(paths.runtime_root())
    sweep(root)
    here = psutil.Process()
    before = set(here.children(recursive=True))
    yield
    late = [child for child in here.children(recursive=True) if child not in before]
    _, running = psutil.wait_procs(late, timeout=5)
    left = [f"process {child.pid} ({child.name()})" for child in running if child.is_running()]
    swept = sweep(root)
    left += [*swept.removed, *(f"{error.message} ({error.hint})" for error in swept.stuck)]
    assert not left, f"the tests left behind: {', '.join(left)}"


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The project's top folder."""
    return Path(__file__).resolve().parents[1]
