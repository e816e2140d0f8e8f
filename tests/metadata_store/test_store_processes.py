"""Several processes at once: nothing is lost or doubled, nobody sees half a record."""

import subprocess
import sys

from metadata_store import DirectoryStore

WRITER = """
import sys
import numpy as np
from metadata_store import Record, StoreError, open_store
path, run, start, count, durability = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
store = open_store(path, durability=durability)
print("ready", flush=True)
sys.stdin.readline()
for number in range(start, start + count):
    store.append(Record(run, number, "tell", {"score": float(number)}, {"ids": np.full(50, number)}))
    print(number, flush=True)
store.close()
"""

RIVAL = """
import sys
from metadata_store import ConflictError, Record, open_store
store = open_store(sys.argv[1], durability="none")
print("ready", flush=True)
sys.stdin.readline()
for number in range(60):
    try:
        store.append(Record("r", number, "tell", {"who": sys.argv[2]}))
        print(number, flush=True)
    except ConflictError:
        pass
store.close()
"""


def start(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    return child


def go(child):
    child.stdin.write("\n")
    child.stdin.flush()


def test_two_processes_write_two_runs(path):
    children = [start(WRITER, path, run, 0, 60, "none") for run in ("a", "b")]
    for child in children:
        go(child)
    for child in children:
        child.communicate()
        assert child.returncode == 0
    with DirectoryStore(path) as store:
        assert sorted(store.runs()) == ["a", "b"]
        assert all([record.loop for record in store.records(run)] == list(range(60)) for run in ("a", "b"))
        assert store.verify().ok


def test_two_processes_write_the_same_keys(path):
    """Of two processes that append other content under one key, exactly one succeeds."""
    children = {who: start(RIVAL, path, who) for who in ("one", "two", "three")}
    for child in children.values():
        go(child)
    won = {who: {int(line) for line in child.communicate()[0].split()} for who, child in children.items()}
    assert sum(map(len, won.values())) == 60
    with DirectoryStore(path) as store:
        records = store.records("r")
        assert len(records) == 60
        assert all(record.loop in won[record.values["who"]] for record in records)
        assert store.verify().ok


def test_two_processes_write_the_same_content(path):
    children = [start(WRITER, path, "r", 0, 60, "none") for _ in range(2)]
    for child in children:
        go(child)
    for child in children:
        assert len(child.communicate()[0].split()) == 60
    with DirectoryStore(path) as store:
        assert [record.loop for record in store.records("r")] == list(range(60))
        report = store.verify()
        assert report.ok
        assert report.records == 60


def test_a_reader_beside_a_writer(path):
    child = start(WRITER, path, "r", 0, 150, "none")
    reader = DirectoryStore(path, create=False)
    go(child)
    seen = 0
    while child.poll() is None or seen < 150:
        records = reader.records("r") if reader.runs() else []
        assert len(records) >= seen
        assert [record.loop for record in records] == list(range(len(records)))
        assert all(record.arrays["ids"].tolist() == [record.loop] * 50 for record in records[seen:])
        seen = len(records)
    child.communicate()
    assert len(reader.frame()) == 150
    reader.close()


def test_repair_leaves_a_living_writer_alone(path, make):
    child = start(WRITER, path, "r", 0, 3, "none")
    go(child)
    assert [child.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
    child.communicate()
    living = DirectoryStore(path)
    living.append(make(7, "s"))
    segment = max((path / "hot").glob("*.seg"), key=lambda file: file.stat().st_mtime_ns)
    with segment.open("ab") as file:
        file.write(b"torn")
    other = DirectoryStore(path)
    report = other.repair()
    assert not report.ok
    assert "another process is writing it" in str(report)
    assert other.runs() == ["r", "s"]
    other.close()
    living.close()
