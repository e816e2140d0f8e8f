"""Calls that a hostile input may ruin, in a process of their own whose memory is measured."""

import json
import subprocess
import sys

MIB = 2**20

RUNNER = """
import json, resource, sys
import numpy, pandas, pyarrow.parquet, pyarrow.compute
from metadata_store import MemoryStore, Record, StoreError
from metadata_store.interchange import load, load_table

def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) // 1024 for line in file if line.startswith(name))

store = MemoryStore()
store.append(Record("mine", 0, "tell", {"score": 0.5}))
resource.setrlimit(resource.RLIMIT_AS, (status("VmSize") + 1024 << 20,) * 2)
before = status("VmHWM")
try:
    told = ["done", str(CALL)]
except StoreError as error:
    told = [type(error).__name__, str(error)]
print(json.dumps([*told, status("VmHWM") - before, store.runs()]))
"""


def survived(call, limit=128):
    """Run a call in a process that may have a GiB more; return what it said, after checking memory and store."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNER.replace("CALL", call)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    kind, words, grown, runs = json.loads(done.stdout)
    assert grown < limit, f"{grown} MiB for {call}: {words[:300]}"
    assert runs == ["mine"]
    assert len(words) < 1000
    return kind, words


def table_call(path, **more):
    options = {"run": "run", "loop": "loop", **more}
    return f"load_table({str(path)!r}, store, **{options!r})"
