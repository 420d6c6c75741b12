"""What is read of the engine's memory and of the machine's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ivrbench.engine.memory.budget import MIB, Reading
from ivrbench.engine.memory.readings import MemoryReader, limit_bytes_for, machine_memory_bytes

if TYPE_CHECKING:
    from pathlib import Path

STATUS = """Name:\tpython
VmData:\t   40960 kB
RssAnon:\t   20480 kB
VmSwap:\t    1024 kB
Threads:\t3
"""


def test_reading_of_the_process(tmp_path: Path) -> None:
    """What was swapped out is in use; each reading is a new one."""
    path = tmp_path / "status"
    path.write_text(STATUS)
    reader = MemoryReader(path)
    assert reader.read() == Reading(21 * MIB, 40 * MIB)
    path.write_text(STATUS.replace("20480", "10240"))
    assert reader.read() == Reading(11 * MIB, 40 * MIB)
    reader.close()


def test_this_process() -> None:
    """The file of this kernel says what is asked for."""
    reader = MemoryReader()
    reading = reader.read()
    reader.close()
    assert MIB < reading.used_bytes < reading.data_bytes


def test_a_system_that_does_not_say(tmp_path: Path) -> None:
    """No file, or one without the fields: told, and nothing is left open."""
    with pytest.raises(FileNotFoundError):
        MemoryReader(tmp_path / "status")
    (tmp_path / "status").write_text("Name:\tpython\n")
    with pytest.raises(OSError, match="RssAnon"):
        MemoryReader(tmp_path / "status")


def machine(root: Path, groups: str, limits: dict[str, str]) -> int:
    """What a machine of 8 GiB has, given its control groups."""
    for name, text in {
        "proc/meminfo": "MemTotal:        8388608 kB\nMemFree: 1 kB\n",
        "proc/self/cgroup": groups,
        **{f"sys/fs/cgroup/{name}": text for name, text in limits.items()},
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return machine_memory_bytes(root) // MIB


def test_machine_without_groups(tmp_path: Path) -> None:
    """The whole memory."""
    assert machine(tmp_path, "", {}) == 8192


def test_group_of_version_2(tmp_path: Path) -> None:
    """The least of what we and those around us may have; `max` is no limit."""
    limits = {
        "system.slice/ivr.service/memory.max": "max\n",
        "system.slice/memory.max": f"{512 * MIB}\n",
        "memory.max": f"{1024 * MIB}\n",
    }
    assert machine(tmp_path, "0::/system.slice/ivr.service\n", limits) == 512


def test_group_of_version_1_in_a_container(tmp_path: Path) -> None:
    """The path is the host's, and not here: then the topmost folder is ours."""
    limits = {"memory/memory.limit_in_bytes": f"{256 * MIB}\n"}
    groups = "5:cpu,memory:/docker/0a1b\n3:pids:/docker/0a1b\n"
    assert machine(tmp_path, groups, limits) == 256


def test_unlimited_group_of_version_1(tmp_path: Path) -> None:
    """No limit is a number beyond all memory."""
    limits = {"memory/memory.limit_in_bytes": "9223372036854771712\n"}
    assert machine(tmp_path, "4:memory:/\n", limits) == 8192


def test_no_linux(tmp_path: Path) -> None:
    """It cannot be known."""
    assert machine_memory_bytes(tmp_path) == 0
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("nothing\n")
    assert machine_memory_bytes(tmp_path) == 0
    (tmp_path / "proc/meminfo").write_text("MemTotal: 1024 kB\n")
    assert machine_memory_bytes(tmp_path) == MIB


@pytest.mark.parametrize(
    ("max_memory_mb", "machine_mb", "limit_mb"),
    [(None, 1000, 600), (None, 0, 0), (0, 8192, 0), (512, 256, 512)],
)
def test_limit(max_memory_mb: int | None, machine_mb: int, limit_mb: int) -> None:
    """`auto` is 60 % of what there is, and none where that is not known."""
    assert limit_bytes_for(max_memory_mb, machine_mb * MIB) == limit_mb * MIB
