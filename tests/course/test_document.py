from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from contlab.course.document import Draft, parse, read, slug
from contlab.course.lesson import Action, Check, Container, Hint, Lesson, Predict, Prose, Run
from contlab.errors import LessonError
from contlab.runtime.spec import ALL_NAMESPACES, IdMap, IoLimit, Limits, Namespace, RootMethod, TimeOffsets

Spoil = Callable[[str, str], Draft]


def good(text: str) -> Lesson:
    draft = parse(text, Path("track/lesson.md"))
    assert () == draft.mistakes
    return draft.lesson


def messages(draft: Draft) -> list[str]:
    return [f"{mistake.line}: {mistake.message}" for mistake in draft.mistakes]


def test_the_front_matter_becomes_the_lessons_head(small: str) -> None:
    text = small.replace(
        "minutes: 5",
        'minutes: 5\nafter: small/other\nnotes: ["[[Containers]]", Docker]\nneeds:\n  - root\nmachine:\n  memory: 160M',
    )
    lesson = good(text)

    assert ("small/lesson", "A small lesson", 5, "track") == (lesson.id, lesson.title, lesson.minutes, lesson.track)
    assert ("small/other",) == lesson.after
    assert ("Containers", "Docker") == lesson.notes
    assert ("root",) == lesson.needs
    assert Limits(memory=160 << 20, cpus=1.0, pids=256) == lesson.machine


def test_a_note_in_unquoted_brackets_is_meant_all_the_same(small: str) -> None:
    assert ("FEM Docker",) == good(small.replace("minutes: 5", "minutes: 5\nnotes:\n  - [[FEM Docker]]")).notes


def test_each_heading_of_level_two_begins_a_step(small: str) -> None:
    lesson = good(small + "\n## A new root (`chroot`)\n\nText.\n\n### Within it\n\nMore.\n")

    assert ["first-step", "a-new-root-chroot"] == [step.slug for step in lesson.steps]
    assert "A new root (chroot)" == lesson.steps[1].title
    assert (Prose("Text.\n\n### Within it\n\nMore.", 58),) == lesson.steps[1].blocks
    assert (Prose("Welcome.", 7),) == lesson.intro


def test_prose_stays_as_its_author_wrote_it(small: str) -> None:
    prose = "Read *this*, `[x]` and:\n\n- one\n- two\n\n```sh\nls -l\n```\n\n| a |\n|---|"
    lesson = good(small.replace("Read *this*.", prose))

    assert prose == lesson.steps[0].blocks[0].text


def test_a_fence_that_only_says_toml_is_prose(small: str) -> None:
    lesson = good(small.replace("Read *this*.", '```toml\nname = "x"\n```'))

    assert Prose('```toml\nname = "x"\n```', 11) == lesson.steps[0].blocks[0]


def test_an_underlined_line_is_no_step(small: str) -> None:
    assert 1 == len(good(small.replace("Read *this*.", "Read this.\n---")).steps)


def test_the_pages_own_title_is_not_prose(small: str) -> None:
    assert (Prose("Welcome.", 9),) == good(small.replace("Welcome.", "# A small lesson\n\nWelcome.")).intro


def test_a_container_block_becomes_a_spec(small: str) -> None:
    [container] = good(small).steps[0].of(Container)

    assert "tenant" == container.name
    assert ("/bin/sh", "-c", "sleep 100") == container.spec.command
    assert {Namespace.PID, Namespace.MNT} == container.spec.namespaces
    assert Limits(memory=32 << 20) == container.spec.limits
    assert 13 == container.line


def test_max_says_that_a_container_has_no_limit_of_its_own(small: str) -> None:
    lesson = good(small.replace('limits.memory = "32M"', 'limits.memory = "max"\nlimits.pids = "max"'))

    assert Limits(memory=None, pids=None) == lesson.steps[0].of(Container)[0].spec.limits


def test_an_action_in_place_of_a_command_shows_what_does_the_same_by_hand(small: str) -> None:
    [run] = good(small.replace('command = "echo $$"', 'action = "cut"', 1)).steps[0].of(Run)

    assert (Action.CUT, "# on the host: ip -n contlab-RUN link set to-tenant down") == (run.action, run.command)
    assert "Pull its cable out of the switch" == run.why


def test_further_limits_ids_clocks_and_a_network_are_said_in_the_same_words_as_in_a_spec(small: str) -> None:
    words = """limits.memory = "32M"
limits.memory_high = "16M"
limits.swap = "1M"
limits.io = [{ device = "8:0", rbps = "1M", wiops = 5 }]
id_map = [{ inside = 0, outside = 1000, length = 1 }, { inside = 1, outside = 100000, length = 99 }]
time_offsets.boottime = 60
network = "lan"
address = "10.77.1.9\""""
    lesson = good(small.replace('limits.memory = "32M"', words))

    (block,) = [block for block in lesson.steps[0].blocks if isinstance(block, Container)][:1]
    disk = IoLimit("8:0", rbps=1 << 20, wiops=5)
    assert Limits(memory=32 << 20, memory_high=16 << 20, swap=1 << 20, io=(disk,)) == block.spec.limits
    assert (IdMap(0, 1000, 1), IdMap(1, 100_000, 99)) == block.spec.id_map
    assert ("lan", "10.77.1.9", TimeOffsets(boottime=60)) == (
        block.spec.network,
        block.spec.address,
        block.spec.time_offsets,
    )


def test_share_names_what_is_not_its_own(small: str) -> None:
    [container] = good(small.replace('unshare = ["pid", "mnt"]', 'share = ["net"]')).steps[0].of(Container)

    assert ALL_NAMESPACES - {Namespace.NET} == container.spec.namespaces


def test_like_takes_over_what_the_block_does_not_say(small: str) -> None:
    second = """
## Second

More.

```toml container
name = "tenant"
like = "tenant"
root = "chroot"
unshare = []
limits.pids = 16
```

```toml run
name = "look-again"
like = "look"
timeout = 3
```
"""
    step = good(small + second).steps[1]
    [container], [run] = step.of(Container), step.of(Run)

    assert ("/bin/sh", "-c", "sleep 100") == container.spec.command
    assert RootMethod.CHROOT is container.spec.root
    assert frozenset() == container.spec.namespaces
    assert Limits(memory=32 << 20, pids=16) == container.spec.limits
    assert Run("look-again", "tenant", "echo $$", run.line, timeout=3.0) == run


def test_a_block_that_is_like_another_still_needs_a_name_of_its_own(small: str) -> None:
    draft = parse(small + '\n```toml run\nlike = "look"\n```\n', Path("x.md"))

    assert ["57: `name` is missing"] == messages(draft)


def test_like_finds_only_what_came_before(spoil: Spoil) -> None:
    draft = spoil('name = "look"\ncontainer = "tenant"', 'name = "look"\nlike = "lok"\ncontainer = "tenant"')

    assert ["35: unknown earlier run `lok`"] == messages(draft)


def test_a_prediction_has_one_deciding_fact_for_each_choice(small: str) -> None:
    [predict] = good(small).steps[0].of(Predict)

    assert ("One", "Another") == predict.choices
    assert (Check("tenant.pids.first", "eq", 1, 26), Check("tenant.pids.first", "ne", 1, 30)) == predict.decides


def test_each_check_knows_its_line_and_its_operator(small: str) -> None:
    [expect] = [block for block in good(small).steps[0].blocks if hasattr(block, "checks")]

    assert [
        ("tenant.ns.pid.own", "eq", True, 42),
        ("look.output", "contains", "1", 43),
        ("tenant.pids.count", "ge", 1, 44),
        ("tenant.pids.count", "le", 3, 44),
    ] == [(check.fact, check.operator, check.value, check.line) for check in expect.checks]


def test_a_table_header_may_stand_before_the_facts(small: str) -> None:
    lesson = good(small.replace("tenant.ns.pid.own = true", "[tenant.ns]\npid.own = true\n[look]\nexit_code = 0\n[x]"))
    [expect] = [block for block in lesson.steps[0].blocks if hasattr(block, "checks")]

    assert [("tenant.ns.pid.own", 43), ("look.exit_code", 45)] == [(c.fact, c.line) for c in expect.checks][:2]


def test_choices_in_one_array_know_their_lines(spoil: Spoil, small: str) -> None:
    start, end = small.index("[[choices]]"), small.index("```\n\n```toml run")
    array = """choices = [
  { say = "One", when.tenant.pids.first = 1 },
  { say = "Another", when.tenant.pids.first = { ne = 1 } },
]
"""
    [predict] = good(small[:start] + array + small[end:]).steps[0].of(Predict)

    assert [25, 26] == [check.line for check in predict.decides]


def test_words_in_a_long_string_are_no_keys(spoil: Spoil) -> None:
    draft = spoil(
        'command = "echo $$"\n```\n\nNow', "command = '''\nname = 3\ntimeout = 1\n'''\ntimeout = 'x'\n```\n\nNow"
    )

    assert ["40: `timeout`: must be a number, not text in quotes"] == messages(draft)


def test_hints_are_rungs_in_their_order(small: str) -> None:
    hints = good(small).steps[0].of(Hint)

    assert [("nudge", 48), ("command", 49), ("solution", 53)] == [(hint.rung, hint.line) for hint in hints]


def test_the_line_breaks_of_a_question_are_only_the_files(small: str) -> None:
    text = small.replace('"What is its number?"', '"""\nWhat is\nits number?"""')
    [predict] = good(text).steps[0].of(Predict)

    assert "What is its number?" == predict.question


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("minutes: 5", "minutes: five", "4: `minutes`: must be a whole number, not text in quotes"),
        ("minutes: 5", "minuts: 5", "4: unknown key `minuts`"),
        ("minutes: 5", "minutes: 5\nmachine:\n  memory: lots", "6: 'lots' is no size"),
        ("minutes: 5", "minutes: 5\nmachine:\n  pids: many",
         "6: `machine.pids`: must be a whole number, not text in quotes"),
        ("minutes: 5", "minutes: 5\nmachine: 3", "5: `machine` holds memory, cpus and pids"),
        ("id: small/lesson", "id: Small Lesson", "2: `id` 'Small Lesson' must be like track/lesson-name"),
        ("title: A small lesson", "title: [a, b", "4: the front matter is not YAML"),
        ("toml container", "toml contaner", "13: unknown kind of block `contaner`"),
        ('name = "tenant"\ncommand', "command", "13: a container needs a `name`"),
        ("unshare = [", "unshar = [", "16: unknown key `unshar`"),
        ('"pid", "mnt"', '"pit", "mnt"', "16: unknown namespace in `unshare` `pit`"),
        ('["pid", "mnt"]', '"pid"', "16: `unshare` must be a list"),
        ('limits.memory = "32M"', "limits.memry = 3", "17: unknown key in `limits` `memry`"),
        ('limits.memory = "32M"', 'limits.memory = "32Q"', "17: '32Q' is no size"),
        (
            'limits.memory = "32M"',
            'limits.io = [{ device = "8:0", rbsp = 1 }]',
            "17: unknown key in `limits.io` `rbsp`",
        ),
        ('limits.memory = "32M"', "time_offsets.boot = 1", "17: unknown key in `time_offsets` `boot`"),
        ('limits.memory = "32M"', 'limits.pids = "x"', "17: `limits.pids`: must be a whole number, not text in quotes"),
        ('limits.memory = "32M"', 'root = "chrot"', "17: unknown word in `root` `chrot`"),
        ('limits.memory = "32M"', 'share = ["net"]', "17: `unshare` and `share` say the same thing twice"),
        ('limits.memory = "32M"', "limits.memory = = 1", "17: this is not TOML: invalid value"),
        ('say = "Another"', 'sai = "Another"', "29: unknown key `sai`"),
        ('when.tenant.pids.first = 1', 'x = 1', "24: a choice needs `when` with exactly one fact"),
        ('because = "It is the first in its own list."\n', "", "21: a predict block needs a `because`"),
        ('container = "tenant"', "container = 3", "35: `container`: must be text in quotes, not a whole number"),
        ('command = "echo $$"\n```\n\nNow', "```\n\nNow", "34: `command` is missing"),
        ("tenant.ns.pid.own = true", 'before = "never"', '42: `before` is "false"'),
        ('nudge = "Think."', 'nuge = "Think."', "48: unknown key `nuge`"),
        ("Read *this*.", "- a list\n\n  ```toml run\n  ```", "13: the `toml run` block must begin at the left margin"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(spoil: Spoil, old: str, new: str, message: str) -> None:
    found = messages(spoil(old, new))

    assert any(line.startswith(message) for line in found), found


def test_the_nearest_valid_word_is_offered(spoil: Spoil) -> None:
    [mistake] = [m for m in spoil("toml container", "toml contaner").mistakes if "contaner" in m.message]

    assert "container" == mistake.nearest
    assert str(mistake).endswith("small.md:13: unknown kind of block `contaner`; did you mean `container`?")


def test_reading_goes_on_after_a_mistake(spoil: Spoil) -> None:
    draft = spoil("limits.memory", "limits.memry")
    later = parse("## One\n\n```toml rnu\n```\n\n```toml card\nquestion = 1\n```\n", Path("x.md"))

    assert 1 == len(draft.mistakes)
    assert ["front", "front", "front", "kind", "card"] == [
        "front" if "front matter" in m else "kind" if "kind" in m else "card" for m in messages(later)
    ]


@pytest.mark.parametrize(
    "text", ["", "---\n", "---\n- a\n---\n", "\0", "## ", "```toml run", "---\nid: ''\n---\n## \n"]
)
def test_no_text_at_all_makes_reading_fail(text: str) -> None:
    assert () != parse(text, Path("x.md")).mistakes


def test_a_file_that_is_not_there_is_a_lesson_error(tmp_path: Path) -> None:
    with pytest.raises(LessonError, match="No such file"):
        read(tmp_path / "none.md")


def test_a_file_that_is_not_text_is_a_lesson_error(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"---\n\xff")

    with pytest.raises(LessonError, match="not UTF-8"):
        read(tmp_path / "a.md")


def test_a_slug_is_made_of_plain_letters() -> None:
    assert "cafe-no-2" == slug("Café: no. 2!")
    assert "step" == slug("❓")
