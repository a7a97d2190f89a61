from __future__ import annotations

import itertools
import os
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest
from fsrs import Card, Scheduler
from fsrs import State as FsrsState

from contlab.errors import ContlabError
from contlab.review import graph, note, queue
from contlab.review.folders import ignorer
from contlab.review.note import Schedule
from contlab.review.osr import Rating, schedule
from contlab.review.settings import Settings
from contlab.review.tags import TagFinder, inline_tags, property_tags
from contlab.review.vault import open_vault, scan

USERS_NOTE = (Path(__file__).parents[1] / "data" / "review" / "why-containers.md").read_bytes()
DAY = date(2026, 11, 23)
HEAD = "---\nsr-due: {}\nsr-interval: {}\nsr-ease: {}\n---\n"


@pytest.fixture
def vault(tmp_path, monkeypatch):
    """A function that writes notes and opens their vault."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "vault"

    def make(settings: str | None = None, **notes: str | bytes):
        plugin = root / ".obsidian/plugins/obsidian-spaced-repetition"
        plugin.mkdir(parents=True, exist_ok=True)
        if settings:
            (plugin / "data.json").write_text(settings)
        for name, text in notes.items():
            path = root / f"{name}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return open_vault(root)

    return make


def build(vault, on: date = DAY, ranks=None):
    return queue.build(scan(vault, use_index=False).entries, vault.settings, on, ranks)


def test_the_users_note_is_found_due_without_a_review_tag(vault):
    found = build(vault(**{"Why containers": USERS_NOTE}))
    assert [entry.path for entry in found.due] == ["Why containers.md"]
    assert found.due[0].schedule == Schedule(date(2026, 4, 25), 611, 250)
    assert found.decks == {queue.NO_TAG: queue.DeckCount(due=1, overdue=1, new=0, total=1)}


def test_the_users_damaged_tag_matches_the_settings_as_the_user_knows_it(vault):
    opened = vault('{"settings": {"tagsToReview": ["#✅"]}}', note=USERS_NOTE)
    assert scan(opened).entries[0].decks == ("#✅",)
    damaged = vault('{"settings": {"tagsToReview": ["#‚úÖ"]}}', note=USERS_NOTE)
    assert scan(damaged).entries[0].decks == ("#‚úÖ",)


def test_without_the_setting_only_tagged_notes_are_reviewed(vault):
    opened = vault(note=USERS_NOTE)
    plain = msgspec.structs.replace(opened.settings, include_scheduled=False)
    assert queue.build(scan(opened).entries, plain, DAY).due == ()


@pytest.mark.parametrize(
    ("text", "carries"),
    [
        ("#review", True),
        ("text #review, more", True),
        ("#review/book", True),
        ("---\ntags: review\n---", True),
        ("---\ntags: [a, review/x]\n---", True),
        ("---\ntags:\n  - a\n  - review\n---", True),
        ("---\ntag: 'a, #review'\n---", True),
        ('---\ntags:\n- "#review"\n---', True),
        ("---\ntags: a review\n---", True),
        ("#reviewed", False),
        ("#Review", False),
        ("x#review", False),
        ("`#review`", False),
        ("```\n#review\n```", False),
        ("```\ncode\n```\n#review", True),
        ("%% #review %%", False),
        ("<!-- #review -->", False),
        ("[[note #review]]", False),
        ("[[note]] #review", True),
        ("---\ntitle: review\n---", False),
        ("---\ntags: book\n---\nreview", False),
        ("---\ntags: [review\n---", False),
        ("---\r\ntags:\r\n  - review\r\n---\r\n", True),
    ],
)
def test_a_review_tag_is_seen_where_obsidian_sees_it(text, carries):
    data = text.encode()
    assert bool(TagFinder(("#review",)).find(data, *note.find_properties(data))) is carries


def test_emoji_and_damaged_tags_are_seen_both_ways():
    read = note.parse("---\ntags: ‚úÖ\n---\n#‚úÖ #123 #y2024".encode())
    assert property_tags(read.frontmatter) == {"#‚úÖ"}
    assert inline_tags(read) >= {"#✅", "#y2024"}
    assert "#123" not in inline_tags(read)


@pytest.mark.parametrize(
    ("path", "entries", "is_ignored"),
    [
        ("a/x.excalidraw.md", ("**/*.excalidraw.md",), True),
        ("x.excalidraw.md", ("**/*.excalidraw.md",), True),
        ("a/.hidden/x.excalidraw.md", ("**/*.excalidraw.md",), False),
        ("Templates2/x.md", ("Templates",), True),
        ("My Templates/x.md", ("Templates",), False),
        ("a/b.md", ("a/*.md",), True),
        ("a/b/c.md", ("a/*.md",), False),
        ("a/b/c.md", ("a/**",), True),
        ("log-1.md", ("log-[0-9].md",), True),
        ("log-x.md", ("log-[!0-9].md",), True),
        ("b/x.md", ("{a,b}/?.md",), True),
        ("x.md", (), False),
    ],
)
def test_folders_are_ignored_by_their_beginning_or_by_glob(path, entries, is_ignored):
    assert ignorer(entries)(path) is is_ignored


def test_ignored_tags_folders_hidden_folders_and_other_files_are_passed_over(vault):
    settings = '{"settings": {"noteTagsToIgnore": ["#done"], "noteFoldersToIgnore": ["Templates"]}}'
    opened = vault(settings, a="#review", b="#review #done", **{"Templates/t": "#review", ".trash/x": "#review"})
    (opened.root / "c.txt").write_text("#review")
    assert [entry.path for entry in build(opened).new] == ["a.md"]


def test_the_queue_is_sorted_by_due_day_then_rank(vault):
    opened = vault(
        today=HEAD.format(DAY, 1, 250), a=HEAD.format("2026-01-01", 1, 250), b=HEAD.format("2026-01-01", 1, 250),
        later=HEAD.format("2026-11-24", 1, 250), new="#review", broken=HEAD.format("soon", 1, 250),
    )  # fmt: skip
    found = build(opened, ranks={"b.md": 2.0, "a.md": 1.0})
    assert [entry.path for entry in found.due] == ["b.md", "a.md", "today.md"]
    assert [entry.path for entry in (*found.new, *found.later)] == ["new.md", "later.md"]
    assert [entry.broken for entry in found.broken] == ["sr-due is 'soon', which is no date"]
    assert found.next.path == "b.md"
    assert list(found.forecast(3).values()) == [3, 1, 0]
    assert found.load == 4


def test_a_note_due_today_counts_as_zero_days_and_one_of_two_decks_twice(vault):
    opened = vault(
        '{"settings": {"tagsToReview": ["#a", "#b"]}}',
        two="---\ntags: [a, b]\nsr-due: 2026-11-23\nsr-interval: 1\nsr-ease: 250\n---\n",
        one="---\ntags: a\nsr-due: 2026-11-20\nsr-interval: 1\nsr-ease: 250\n---\n",
        none=HEAD.format("2026-11-25", 1, 250),
    )
    entries = {entry.path: entry for entry in scan(opened).entries}
    assert queue.histogram(entries.values(), DAY, entries["one.md"]) == {0: 2, -3: 1}
    assert queue.histogram(entries.values(), DAY, entries["none.md"]) == {0: 2, -3: 1, 2: 1}


def test_page_rank_equals_the_plugins():
    links = {"A": {"B": 1, "C": 1, "D": 1}, "C": {"D": 1}, "D": {"A": 1, "B": 2}}
    expected = {"A": 1951.4675, "B": 3365.6499, "C": 1643.1171, "D": 3039.7655}
    assert graph.page_rank(links) == pytest.approx(expected, abs=1e-3)
    assert graph.page_rank({}) == {}


def linked(vault, **eases: int):
    """The plugin's test vault: A links to B, C, D; C to D; D to A and twice to B."""
    links = {"A": "[[B]] [[C|c]] [d](D.md)", "B": "`[[A]]`\n```\n[[C]]\n```", "C": "[[D#h]]", "D": "[[A]] [[b]] ![[B]]"}
    return vault(
        **{k: (HEAD.format("2023-09-10", 4, eases[k]) if k in eases else "#review\n") + v for k, v in links.items()}
    )


@pytest.mark.parametrize(
    ("eases", "rated", "rating", "expected"),
    [
        ({"A": 270}, "D", Rating.GOOD, (3, 254)),
        ({"A": 270, "D": 210}, "B", Rating.GOOD, (2, 242)),
        ({}, "B", Rating.GOOD, (3, 250)),
    ],
)
def test_the_first_ease_comes_from_the_links_as_in_the_plugin(vault, eases, rated, rating, expected):
    opened = linked(vault, **eases)
    entries = scan(opened, want_links=True).entries
    ease = graph.ease_from_links(f"{rated}.md", entries, opened.settings)
    assert schedule(rating, 1, ease, 0, opened.settings, {}) == expected


def test_a_second_scan_reads_only_what_changed(vault):
    opened = vault(a="#review", b="#review", c="x")
    for path in opened.root.glob("*.md"):
        os.utime(path, ns=(10**18, 10**18))
    first, second = scan(opened), scan(opened)
    assert (first.read, second.read) == (3, 0)
    assert first.entries == second.entries
    (opened.root / "a.md").write_text("#other")
    (opened.root / "b.md").unlink()
    third = scan(opened)
    assert third.read == 1
    assert [(entry.path, entry.decks) for entry in third.entries] == [("a.md", ()), ("c.md", ())]


def test_a_note_changed_within_the_same_time_stamp_is_read_again(vault):
    opened = vault(a="#review")
    stamp = (opened.root / "a.md").stat().st_mtime_ns
    scan(opened)
    (opened.root / "a.md").write_text("#nothin")
    os.utime(opened.root / "a.md", ns=(stamp, stamp))
    assert scan(opened).entries[0].decks == ()


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x94\x00"])
def test_a_damaged_index_is_built_anew(vault, damage):
    opened = vault(a="#review")
    first = scan(opened)
    opened.index.write_bytes(damage)
    assert scan(opened).entries == first.entries


def test_other_settings_make_another_index(vault):
    opened = vault(a="#other")
    os.utime(opened.root / "a.md", ns=(10**18, 10**18))
    scan(opened)
    other = msgspec.structs.replace(opened, settings=Settings(tags_to_review=("#other",)))
    assert scan(other).entries[0].decks == ("#other",)


def test_what_cannot_be_read_is_listed(vault):
    opened = vault(a="#review")
    (opened.root / "dangling.md").symlink_to("nowhere")
    Path(os.fsdecode(os.fsencode(opened.root) + b"/caf\xe9.md")).write_text("#review")
    found = scan(opened)
    assert [entry.path for entry in found.entries] == ["a.md"]
    assert [path for path, _ in found.unreadable] == ["caf\ufffd.md"]


def test_a_folder_linked_into_itself_ends(vault):
    opened = vault(**{"sub/a": "#review"})
    (opened.root / "sub" / "loop").symlink_to(opened.root / "sub")
    assert "sub/a.md" in [entry.path for entry in scan(opened).entries]


def test_many_notes_on_a_slow_disk_are_read_side_by_side(vault, monkeypatch):
    reads = itertools.count()
    monkeypatch.setattr("contlab.review.vault._disk_reads", lambda: next(reads))
    opened = vault(**{f"n{number}": "#review" for number in range(300)})
    assert len(build(opened).new) == 300


def test_a_long_note_is_read_to_its_end(vault):
    opened = vault(a="x" * 200_000 + "\n#review")
    assert scan(opened).entries[0].decks == ("#review",)


def test_the_vault_is_the_nearest_folder_with_settings(vault):
    opened = vault(**{"sub/a": "x"})
    assert open_vault(opened.root / "sub" / "a.md").root == opened.root
    with pytest.raises(ContlabError, match="there is no"):
        open_vault(opened.root / "none")


def test_recall_is_fsrs_forgetting_curve_with_the_interval_for_stability():
    schedule = Schedule(date(2026, 4, 25), 611, 250)
    reviewed = datetime(2024, 8, 22, tzinfo=UTC)
    card = Card(card_id=1, state=FsrsState.Review, stability=611.0, difficulty=5.0, last_review=reviewed, due=reviewed)
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert queue.recall(schedule, date(2026, 4, 25)) == pytest.approx(0.9)
    assert queue.recall(schedule, DAY) == pytest.approx(Scheduler().get_card_retrievability(card, now))
    assert queue.recall(schedule, date(2020, 1, 1)) == 1.0
