"""The code that `contlab bench review` runs, on a small vault: every way finds the same notes."""

from __future__ import annotations

from contlab.review.bench import make_vault, run


def test_every_way_of_finding_what_is_due_finds_the_same(tmp_path):
    size = make_vault(tmp_path / "vault", notes=300)
    result = run(tmp_path / "vault", rounds=2)
    found = {timing.name: timing.notes for timing in result.timings}
    assert (result.notes, result.bytes) == (300, size)
    assert found["read the bytes"] == 300
    assert {found["python-frontmatter"]} == {found[name] for name in found if name != "read the bytes"}
    assert found["python-frontmatter"] > 20
    assert result.ratio("python-frontmatter", "due queue, cold") > 1
