from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contlab.course.document import Draft, parse
from contlab.course.lint import check_lesson

Spoil = Callable[[str, str], Draft]


def found(draft: Draft) -> list[str]:
    return [f"{m.line}: {m.message}" + (f" -> {m.nearest}" if m.nearest else "") for m in check_lesson(draft)]


def test_the_small_lesson_has_no_mistake(small: str) -> None:
    assert [] == found(parse(small, Path("x.md")))


SECOND = """
## {title}

Text.

```toml container
name = "late"
```

```toml run
name = "{run}"
container = "late"
command = "true"
```

```toml expect
late.alive = true
```

```toml hint
nudge = "n"
command = "c"
```

```toml solution
solution = "s"
```
"""


FREEZE = '```toml run\nname = "freeze"\ncontainer = "tenant"\naction = "freeze"\n```\n\n'
COMMAND = '```toml run\nname = "more"\ncontainer = "tenant"\ncommand = "true"\n```'


def test_an_action_and_a_command_exclude_each_other(spoil: Spoil) -> None:
    [mistake] = found(spoil('"echo $$"\n```\n\nNow', '"true"\naction = "freeze"\n```\n\nNow'))

    assert "36: `action` and `command` exclude each other: an action is contlab's to do" == mistake


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("minutes: 5", "minutes: 5\nneeds: [rot]", "1: unknown word in `needs` `rot` -> root"),
        ("tenant.ns.pid.own", "tenant.ns.pit.own", "42: unknown fact of `tenant` `ns.pit.own` -> ns.pid.own"),
        ("tenant.ns.pid.own = true", "tenat.ns.pid.own = true", "42: unknown container or run `tenat` -> tenant"),
        ("tenant.ns.pid.own = true", "host = 3", "42: unknown fact of `host` `(nothing)`; there are: hostname, kernel"),
        ("{ ge = 1, le = 3 }", "{ ge = 1, lte = 3 }", "44: unknown operator `lte` -> lt"),
        ("{ ge = 1, le = 3 }", '{ contains = "3" }',
         "44: `tenant.pids.count` is a count value: `contains` can't compare it; "
         "eq, ne, lt, le, gt, ge, differs_from, same_as can"),
        ("{ ge = 1, le = 3 }", '"three"', "44: `tenant.pids.count`: 'three' is not a whole number"),
        ("{ ge = 1, le = 3 }", '{ same_as = "tenant.root" }',
         "44: `tenant.pids.count` (count) can't be compared with `tenant.root` (text)"),
        ("{ ge = 1, le = 3 }", "{ same_as = 3 }", "44: `same_as` takes another fact's name, in quotes"),
        ("{ ge = 1, le = 3 }", '{ same_as = "tenant.pid.count" }',
         "44: unknown fact of `tenant` `pid.count` -> pids.count"),
        ("when.tenant.pids.first = 1", "when.tenant.pids.frist = 1",
         "26: unknown fact of `tenant` `pids.frist` -> pids.first"),
        ('container = "tenant"', 'container = "tenat"', "33: unknown container `tenat` -> tenant"),
        ('container = "tenant"', 'container = "host"',
         "33: a lesson may not run anything on the host: name one of its containers"),
        ('"echo $$"\n```\n\nNow', '"kill $TENAT_PID"\n```\n\nNow', "33: unknown variable `$TENAT_PID` -> $TENANT_PID"),
        ('"echo $$"\n```\n\nNow', '" "\n```\n\nNow', "33: `command` is empty"),
        ('"echo $$"\n```\n\nNow', '"x"\ntimeout = 0\n```\n\nNow',
         "33: `timeout` must be more than 0 and at most 120 seconds"),
        ('name = "look"', 'name = "tenant"',
         "33: `tenant` is both a container and a run: facts could not tell them apart"),
        ('name = "look"', 'name = "host"', "33: `host` is contlab's own word: choose another name"),
        ('name = "look"', 'name = "Look"', "33: the name 'Look' must be small letters, digits and -, a letter first"),
        ('limits.memory = "32M"', 'rootfs = "busbox"', "13: unknown rootfs recipe `busbox` -> busybox"),
        ("Read *this*.\n", "", None),
        ('nudge = "Think."\n', "", "9: step `First step` has a command but no `nudge` (in a hint block)"),
        ('solution = "Run it."', 'solution = " "', "53: the `solution` is empty: write one sentence that helps"),
        ("```toml solution\nsolution", "```toml hint\nnudge = 'n'\n```\n\n```toml solution\nsolution",
         "48: step `First step` has more than one `nudge`"),
        ("Welcome.", '```toml card\nquestion = "q"\nanswer = "a"\n```',
         "7: a card block belongs to a step: put it below a `## ` line"),
        ("minutes: 5", "minutes: 5\nmachine:\n  memory: max",
         "1: `machine` needs a memory and a pids limit: they keep experiments off the real host"),
        ("Now you know.", '```toml vm\nname = "v"\naction = "bot"\n```', "39: unknown action `bot` -> boot"),
        ('"echo $$"\n```\n\nNow', '"true"\naction = "cut"\n```\n\nNow',
         "33: `tenant` has no cable: give it a network, e.g. network = \"lan\""),
        ('command = "echo $$"\n```\n\nNow', 'action = "cat"\n```\n\nNow', "36: unknown action `cat` -> cut"),
        ("Now you know.", FREEZE + COMMAND,
         "45: `tenant` is frozen, and a command in it would be, too: thaw it first"),
        ("Now you know.", FREEZE + FREEZE.replace("freeze", "thaw") + COMMAND, None),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_line_and_nearest_word(spoil: Spoil, old: str, new: str, mistake: str | None) -> None:
    assert ([] if mistake is None else [mistake]) == found(spoil(old, new))[:1]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('binds = [{ source = "/etc", target = "/x" }]', "a lesson may show only its own folder, $LAB"),
        ('binds = [{ source = "$LAB/../..", target = "/x" }]', "a lesson may show only its own folder, $LAB"),
        ('binds = [{ source = "$LABEL", target = "/x" }]', "a lesson may show only its own folder, $LAB"),
        ('rootfs = "/"', "`rootfs` must be a recipe's name"),
        ('group = "other"', "`group` is not a lesson's to choose"),
        ('root = "host"\nall_capabilities = true', "with the host's root go the default capabilities"),
        ('root = "host"\ncapabilities = ["CAP_SYS_ADMIN"]', "with the host's root go the default capabilities"),
        ('root = "host"\nno_new_privs = false', "with the host's root go the default capabilities"),
        ("all_capabilities = true", "without a user namespace the default capabilities"),
        ('capabilities = ["CAP_MKNOD"]', "without a user namespace the default capabilities"),
        ("mask_proc = false", "without a user namespace `mask_proc` stays on"),
        ("id_map.outside = 0", "`id_map` must lead to ids from 100000 on"),
        ("gid_map.outside = 99999", "`id_map` must lead to ids from 100000 on"),
        ('network = "lan"', "a cable into the host's net namespace would change the host's interfaces"),
        ('capabilities = ["CAP_KIL"]', "CAP_KIL is not a capability"),
        ('hostname = "me"', "a hostname without its own uts namespace would be the host's new name"),
    ],
)
def test_what_would_endanger_the_host_is_refused(spoil: Spoil, keys: str, words: str) -> None:
    [mistake] = found(spoil('limits.memory = "32M"', keys))

    assert mistake.startswith("13: ")
    assert words in mistake


def test_the_lessons_own_folder_may_be_bound(spoil: Spoil) -> None:
    assert [] == found(spoil('limits.memory = "32M"', 'binds = [{ source = "$LAB/shop", target = "/shop" }]'))


def test_a_step_without_text_or_expectation_is_not_one(small: str) -> None:
    draft = parse(small + "\n## Empty\n", Path("x.md"))

    assert [
        "56: step `Empty` has no text to read",
        "56: step `Empty` has no expect block: nothing in it is proven",
    ] == found(draft)


def test_two_steps_need_two_titles_and_two_runs_two_names(small: str) -> None:
    draft = parse(small + SECOND.format(title="First step", run="look"), Path("x.md"))

    assert [
        "9: two steps are called `First step`: progress could not tell them apart",
        "56: two steps are called `First step`: progress could not tell them apart",
        "64: two runs are called `look` (the other: line 33)",
    ] == found(draft)


def test_what_only_a_later_step_opens_or_runs_can_not_be_used_yet(small: str) -> None:
    early = small.replace("tenant.ns.pid.own = true", "late.alive = true\nlook-late.exit_code = 0").replace(
        "echo $$", "kill $LATE_PID", 1
    )
    draft = parse(early + SECOND.format(title="Second", run="look-late"), Path("x.md"))

    assert [
        "33: container `late` is opened only in a later step",
        "42: container `late` is opened only in a later step",
        "43: `look-late` runs only in a later step",
    ] == found(draft)


def test_hints_stand_in_the_order_in_which_they_are_given(small: str) -> None:
    hint, solution = small.index("```toml hint"), small.index("```toml solution")
    draft = parse(small[:hint] + small[solution:] + "\n" + small[hint:solution], Path("x.md"))

    assert ["48: hints come in the order nudge, command, solution"] == found(draft)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [("echo $$", 'echo " $$', 36), ("toml run", "toml rnu", 33), ('command = "sleep 100"', "command = x", 15)],
)
def test_a_block_that_can_not_be_read_is_one_mistake_and_not_its_consequences(
    spoil: Spoil, old: str, new: str, line: int
) -> None:
    [mistake] = found(spoil(old, new))

    assert mistake.startswith(f"{line}: ")


def test_all_mistakes_are_found_at_once(small: str) -> None:
    text = small.replace("minutes: 5", "minuts: 5").replace("unshare", "unshar").replace("look.output", "look.outptu")

    assert [2, 5, 16, 43] == sorted({1: 2, 4: 5}.get(m.line, m.line) for m in check_lesson(parse(text, Path("x.md"))))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_to_a_lesson_raises_anything(small: str, data: st.DataObject) -> None:
    lines = small.splitlines()
    place = data.draw(st.integers(0, len(lines) - 1))
    junk = [
        "",
        "```",
        "---",
        "name = 3",
        "limits = 3",
        "choices = 3",
        "[[choices]]",
        "machine: [1]",
        "tenant = 1",
        "{",
        "[a]",
    ]
    lines[place] = data.draw(st.sampled_from(junk) | st.text(max_size=20))

    check_lesson(parse("\n".join(lines), Path("x.md")))
