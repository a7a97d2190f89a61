"""Facts of a machine."""

from __future__ import annotations

from contlab.observe.host import HostFacts, host_facts


def test_a_few_facts_of_the_host(v2):
    for pid in (1, 20, 300):
        v2.process(pid)

    assert host_facts(v2.source) == HostFacts(
        kernel="6.18.44-fake", hostname="lectern", processes=3, mem_total=2012124 << 10, mem_available=1882732 << 10
    )
