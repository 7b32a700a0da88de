"""Long files of variants take no more memory than short ones."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.formats.vcf_toys import COLUMNS, HEADER, annotate

MEASURED = """
import resource, sys
from tests.formats.vcf_toys import annotate
annotate(sys.argv[1], sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("target", ["out.vcf", "out.vcf.gz", "out.bcf"])
@pytest.mark.parametrize("source", ["in.vcf", "in.bcf"])
def test_memory_does_not_grow_with_the_records(tmp_path, source, target):
    root = Path(__file__).resolve().parents[2]
    peaks = []
    for n_records in (1_000, 50_000):
        body = "".join(f"chr1\t{n + 1}\trs{n}\tA\tG\t.\tPASS\tDB\n" for n in range(n_records))
        (tmp_path / "in.vcf").write_text(f"{HEADER}{COLUMNS}\n{body}")
        if source == "in.bcf":
            annotate(tmp_path / "in.vcf", tmp_path / "in.bcf", (), {})
        command = [sys.executable, "-c", MEASURED, tmp_path / source, tmp_path / target]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 20  # MiB
