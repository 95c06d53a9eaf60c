import subprocess
import sys

CODE = """
from experiments.measure.memory import PeakMemory
big = bytearray(300 << 20)
del big
peak = PeakMemory()
held = bytearray(100 << 20)
del held
print(peak() / 2**20)
"""


def test_peak_counts_what_was_freed_since_but_not_before():
    out = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True
    )
    assert 99 < float(out.stdout) < 140
