"""Further descriptors: a command has them under the numbers that its starter knows, whatever those were in between."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.needs("root")

NUMBERS = (3, 4, 200)
"""3 and 4 are the supervisor's own in between: what has those numbers makes way."""

APP = f"""
import asyncio, os
from contlab.runtime.client import Runtime
from contlab.runtime.spec import ContainerSpec

reader, writer = os.pipe()
reader, writer = (os.dup2(end, at, inheritable=False) for end, at in ((reader, 100), (writer, 101)))
for number in {NUMBERS}:
    os.dup2(writer, number, inheritable=False)
os.close(writer)
null = os.open(os.devnull, os.O_RDWR)
line = 'for n in 3 4 200; do echo $n >&$n; done; for fd in /proc/$$/fd/*; do readlink $fd; done | grep socket >&3; :'

async def main():
    async with Runtime() as runtime:
        spec = ContainerSpec(command=("/bin/sh", "-c", line))
        container = await runtime.spawn("kept", spec, (null, null, null), keep={NUMBERS})
        assert (await container.wait()).status == 0

asyncio.run(main())
for number in {NUMBERS}:
    os.close(number)
print(os.read(reader, 1000).decode().split())
"""


def test_a_command_has_further_descriptors_under_the_same_numbers_and_no_socket_of_ours() -> None:
    done = subprocess.run([sys.executable, "-c", APP], capture_output=True, text=True, timeout=60)

    assert ("", str([str(number) for number in NUMBERS])) == (done.stderr, done.stdout.strip())
