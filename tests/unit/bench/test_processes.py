"""CPU time as it is read from /proc."""

import os
import subprocess
import sys
import time

from bench.processes import cpu_seconds


def test_counts_what_this_process_and_its_ended_children_used() -> None:
    before, own = cpu_seconds(os.getpid()), time.process_time()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.2: pass"], check=True)
    used = cpu_seconds(os.getpid()) - before
    assert used >= 0.15 + (time.process_time() - own)
