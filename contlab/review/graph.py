"""Graph: how notes link to each other, and what follows for their order and first ease."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from posixpath import basename

from contlab.review.osr import Neighbour, first_ease
from contlab.review.settings import Settings
from contlab.review.vault import Entry

DAMPING = 0.85
EPSILON = 1e-6
SCALE = 10_000
"""The plugin shows and weighs PageRank times this."""

Links = Mapping[str, Mapping[str, int]]
"""From a note's path to the paths it links to, with how often."""


def resolve(entries: Iterable[Entry]) -> Links:
    """Links between notes, as Obsidian resolves them: by path, else by name, the shortest path first."""
    entries = list(entries)
    by_path = {entry.path.removesuffix(".md").casefold(): entry.path for entry in entries}
    by_name: dict[str, str] = {}
    for entry in sorted(entries, key=lambda entry: (len(entry.path), entry.path)):
        by_name.setdefault(basename(entry.path).removesuffix(".md").casefold(), entry.path)
    links: dict[str, dict[str, int]] = {}
    for entry in entries:
        for written in entry.links or ():
            key = written.removesuffix(".md").strip("/").casefold()
            target = by_path.get(key) or by_name.get(basename(key))
            if target is not None and (basename(key) == key or target.casefold().removesuffix(".md").endswith(key)):
                counts = links.setdefault(entry.path, {})
                counts[target] = counts.get(target, 0) + 1
    return links


def page_rank(links: Links) -> dict[str, float]:
    """PageRank x 10000 of every note that links or is linked to: the plugin's (pagerank.js), to its last steps."""
    nodes = sorted({*links, *(target for targets in links.values() for target in targets)})
    place = {node: number for number, node in enumerate(nodes)}
    edges: list[tuple[int, list[tuple[int, float]]]] = []
    for source, targets in links.items():
        total = sum(targets.values())
        edges.append((place[source], [(place[target], DAMPING * count / total) for target, count in targets.items()]))
    linking = {source for source, _ in edges}
    dangling = [number for number in range(len(nodes)) if number not in linking]
    count = len(nodes)
    weights, change = [1 / count] * count if count else [], 1.0
    while count and change > EPSILON:
        leak = DAMPING * sum(weights[number] for number in dangling)
        new = [(1 - DAMPING + leak) / count] * count
        for source_place, shares in edges:
            for target_place, share in shares:
                new[target_place] += weights[source_place] * share
        change = sum(abs(a - b) for a, b in zip(new, weights, strict=True))
        weights = new
    return {node: weights[number] * SCALE for node, number in place.items()}


def ease_from_links(path: str, entries: Iterable[Entry], settings: Settings) -> int:
    """The ease the note at ``path`` starts with: its neighbours' schedules decide."""
    entries = list(entries)
    links = resolve(entries)
    ranks = page_rank(links)
    eases = {entry.path: entry.schedule.ease for entry in entries if entry.schedule}
    incoming = [(source, targets[path]) for source, targets in links.items() if path in targets]
    outgoing = list(links.get(path, {}).items())
    known = [(other, count) for other, count in (*incoming, *outgoing) if other in eases and other != path]
    neighbours = [Neighbour(count, ranks[other], eases[other]) for other, count in known]
    return first_ease(neighbours, None, settings)
