"""Lint: what an author has to mend in a lesson that could be read. All of it, each with its line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from contlab.course.checks import BETWEEN_FACTS, OPERATORS
from contlab.course.document import Draft
from contlab.course.facts import known_facts, literal, operators_of
from contlab.course.lesson import Action, Block, Check, Container, Expect, Hint, Predict, Prose, Run, Step, Vm
from contlab.course.mistake import Mistake, Mistakes
from contlab.course.safety import dangers
from contlab.course.variables import named, pid_variable
from contlab.course.vocabulary import HOST_NAME, Fact
from contlab.doctor import WORDS
from contlab.rootfs.recipes import names as recipe_names

RUNGS = ("nudge", "command", "solution")
LEAST, MOST = 80 << 20, 1 << 30
"""Bytes of RAM that a lesson may give to a guest: with less, kernel and initramfs find no room to boot."""
RESERVED = frozenset({HOST_NAME, "before", "machine", "lab"})
"""Words that no container and no run may be called."""

_NAME = re.compile(r"[a-z][a-z0-9-]*")


def check_lesson(draft: Draft) -> tuple[Mistake, ...]:
    """Every mistake of one lesson, reading's own included, in the file's order."""
    lint = _Lint(draft)
    lint.run()
    for mistake in draft.mistakes:
        lint.mistakes.add(mistake.line, mistake.message, mistake.nearest)
    return lint.mistakes.found


class _Lint:
    """Walks through one lesson in its order, knowing what has been opened and run so far."""

    def __init__(self, draft: Draft) -> None:
        lesson = draft.lesson
        self.lesson = lesson
        self.unread = draft.unread
        """A block that can't be read is one mistake: what it leaves missing is not a second one."""
        self.mistakes = Mistakes(lesson.path)
        self.facts = known_facts(lesson)
        self.opened: set[str] = set()
        self.plugged: set[str] = set()
        """Containers that have a cable, by their latest block."""
        self.frozen: set[str] = set()
        self.ran: dict[str, Run] = {}
        blocks = [*lesson.intro, *(block for step in lesson.steps for block in step.blocks)]
        self.containers = {block.name for block in blocks if isinstance(block, Container)}
        self.guests = {block.name for block in blocks if isinstance(block, Vm)}
        self.places = self.containers | self.guests
        """Where a command can be run."""
        self.runs = {block.name for block in blocks if isinstance(block, Run)}

    def run(self) -> None:
        """All rules."""
        self._front_matter()
        for block in self.lesson.intro:
            if not isinstance(block, Prose):
                kind = type(block).__name__.lower()
                self.mistakes.add(_line(block), f"a {kind} block belongs to a step: put it below a `## ` line")
        seen = Counter(step.slug for step in self.lesson.steps)
        for place, step in enumerate(self.lesson.steps):
            if seen[step.slug] > 1:
                self.mistakes.add(step.line, f"two steps are called `{step.title}`: progress could not tell them apart")
            self._step(step)
            following = self.lesson.steps[place + 1].line if place + 1 < len(self.lesson.steps) else None
            if not any(step.line < line and (following is None or line < following) for line in self.unread):
                self._parts(step)

    def _front_matter(self) -> None:
        for word in self.lesson.needs:
            if word not in WORDS:
                self.mistakes.unknown(_front_line(self.lesson.path, word), "word in `needs`", word, WORDS)
        machine = self.lesson.machine
        if machine.memory is None or machine.pids is None:
            self.mistakes.add(1, "`machine` needs a memory and a pids limit: they keep experiments off the real host")

    def _step(self, step: Step) -> None:
        # All containers of a step are open before its first run, wherever the blocks stand.
        for container in step.of(Container):
            self._container(container)
        for vm in step.of(Vm):
            self._vm(vm)
        for run in step.of(Run):
            self._run(run)
        for expect in step.of(Expect):
            for check in expect.checks:
                self._check(check)
        for predict in step.of(Predict):
            for check in predict.decides:
                self._check(check)

    def _parts(self, step: Step) -> None:
        if not step.of(Prose):
            self.mistakes.add(step.line, f"step `{step.title}` has no text to read")
        if not step.of(Expect):
            self.mistakes.add(step.line, f"step `{step.title}` has no expect block: nothing in it is proven")
        rungs = [hint.rung for hint in step.of(Hint)]
        for rung in RUNGS:
            if step.of(Run) and rung not in rungs:
                block = "solution" if rung == "solution" else "hint"
                self.mistakes.add(step.line, f"step `{step.title}` has a command but no `{rung}` (in a {block} block)")
        for hint in step.of(Hint):
            if rungs.count(hint.rung) > 1:
                self.mistakes.add(hint.line, f"step `{step.title}` has more than one `{hint.rung}`")
            if not hint.text.strip():
                self.mistakes.add(hint.line, f"the `{hint.rung}` is empty: write one sentence that helps")
        if rungs != sorted(rungs, key=RUNGS.index):
            self.mistakes.add(step.of(Hint)[0].line, f"hints come in the order {', '.join(RUNGS)}")

    def _container(self, container: Container) -> None:
        self._name(container.name, container.line, ())  # a name that a run has too is the run's mistake
        rootfs = container.spec.rootfs
        if not rootfs.startswith("/") and rootfs not in recipe_names():
            self.mistakes.unknown(container.line, "rootfs recipe", rootfs, recipe_names())
        for danger in dangers(container):
            self.mistakes.add(container.line, danger)
        self.opened.add(container.name)
        self.frozen.discard(container.name)
        (self.plugged.add if container.spec.joins else self.plugged.discard)(container.name)

    def _vm(self, vm: Vm) -> None:
        if vm.name in self.containers:
            self.mistakes.add(vm.line, f"`{vm.name}` is both a container and a guest: facts could not tell them apart")
        else:
            self._name(vm.name, vm.line, ())
        if not LEAST <= vm.memory <= MOST:
            self.mistakes.add(vm.line, "`memory` of a guest must be from 80M to 1G")
        for word in ("qemu", "kernel-image"):
            if word not in self.lesson.needs:
                self.mistakes.add(vm.line, f"the lesson boots a guest: its `needs` must name {word}")
        self.opened.add(vm.name)

    def _run(self, run: Run) -> None:
        self._name(run.name, run.line, self.places)
        if run.name in self.ran:
            self.mistakes.add(run.line, f"two runs are called `{run.name}` (the other: line {self.ran[run.name].line})")
        self.ran.setdefault(run.name, run)
        if run.container == HOST_NAME:
            self.mistakes.add(run.line, "a lesson may not run anything on the host: name one of its containers")
        else:
            self._open(run.container, run.line)
        self._act(run)
        if not run.command.strip():
            self.mistakes.add(run.line, "`command` is empty")
        if not 0 < run.timeout <= 120:
            self.mistakes.add(run.line, "`timeout` must be more than 0 and at most 120 seconds")
        variables = {pid_variable(name): name for name in self.containers}
        for variable in sorted(named(run.command)):
            if variable in variables:
                self._open(variables[variable], run.line)
            elif variable not in {pid_variable(name) for name in self.unread.values()}:
                self.mistakes.unknown(run.line, "variable", f"${variable}", (f"${name}" for name in variables))

    def _act(self, run: Run) -> None:
        name = run.container
        if run.action is None and name in self.frozen:
            self.mistakes.add(run.line, f"`{name}` is frozen, and a command in it would be, too: thaw it first")
        elif run.action is not None and name in self.guests:
            self.mistakes.add(run.line, f"`{name}` is a guest: an action is done to a container")
        elif run.action in (Action.CUT, Action.MEND) and name in self.opened - self.plugged:
            self.mistakes.add(run.line, f'`{name}` has no cable: give it a network, e.g. network = "lan"')
        elif run.action is Action.FREEZE:
            self.frozen.add(name)
        elif run.action is Action.THAW:
            self.frozen.discard(name)

    def _open(self, name: str, line: int) -> None:
        if name in self.unread.values():
            return
        if name not in self.places:
            self.mistakes.unknown(line, "container", name, self.places)
        elif name not in self.opened:
            self.mistakes.add(line, f"{self._kind(name)} `{name}` is opened only in a later step")

    def _kind(self, name: str) -> str:
        return "guest" if name in self.guests else "container"

    def _name(self, name: str, line: int, others: Iterable[str]) -> None:
        if name in RESERVED:
            self.mistakes.add(line, f"`{name}` is contlab's own word: choose another name")
        elif name in others:
            kind = self._kind(name)
            self.mistakes.add(line, f"`{name}` is both a {kind} and a run: facts could not tell them apart")
        elif not _NAME.fullmatch(name):
            self.mistakes.add(line, f"the name {name!r} must be small letters, digits and -, a letter first")

    def _check(self, check: Check) -> None:
        if (fact := self._fact(check.fact, check.line)) is None:
            return
        allowed = operators_of(fact.type)
        if check.operator not in allowed:
            words = ", ".join(allowed)
            self.mistakes.add(
                check.line, f"`{check.fact}` is a {fact.type} value: `{check.operator}` can't compare it; {words} can"
            )
        elif check.operator in BETWEEN_FACTS:
            self._other(check, fact)
        else:
            try:
                literal(fact, check.value)
            except ValueError as error:
                self.mistakes.add(check.line, f"`{check.fact}`: {error}")

    def _other(self, check: Check, fact: Fact) -> None:
        other = self._fact(check.value, check.line) if isinstance(check.value, str) else None
        if not isinstance(check.value, str):
            self.mistakes.add(check.line, f"`{check.operator}` takes another fact's name, in quotes")
        elif other is not None and other.type is not fact.type:
            self.mistakes.add(
                check.line, f"`{check.fact}` ({fact.type}) can't be compared with `{check.value}` ({other.type})"
            )

    def _fact(self, name: str, line: int) -> Fact | None:
        """The fact; or None, and what is wrong with its name is noted."""
        subject, _, rest = name.partition(".")
        if name in self.facts:
            if subject in self.runs and subject not in self.ran:
                self.mistakes.add(line, f"`{subject}` runs only in a later step")
            elif subject in self.places and subject not in self.opened:
                self.mistakes.add(line, f"{self._kind(subject)} `{subject}` is opened only in a later step")
            return self.facts[name]
        if subject in self.unread.values():
            return None
        stem, _, last = name.rpartition(".")
        if stem in self.facts:
            self.mistakes.unknown(line, "operator", last, OPERATORS)
        elif subject not in (known := self.places | self.runs | {HOST_NAME}):
            self.mistakes.unknown(line, "container or run", subject, known)
        else:
            words = [fact.partition(".")[2] for fact in self.facts if fact.startswith(f"{subject}.")]
            self.mistakes.unknown(line, f"fact of `{subject}`", rest or "(nothing)", words)
        return None


def _line(block: Block) -> int:
    return block.line


def _front_line(path: Path, word: str) -> int:
    """The line of the file that holds a word of the front matter; 1 when the file can't tell."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 1
    found = (
        number for number, line in enumerate(lines, 1) if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", line)
    )
    return next(found, 1)
