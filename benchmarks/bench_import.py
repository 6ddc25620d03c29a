"""What `import motifdesk` costs and what it drags in, in fresh interpreters.

summary: import_s (median of 5), import_ratio_to_pymatgen (the same run's `import pymatgen.core`), desk_import_s
(``from motifdesk import Desk``), heavy_on_the_way (umap, numba, matplotlib, torch found in sys.modules after it).
"""

import statistics
import subprocess
import sys


def _seconds(code: str) -> tuple[float, str]:
    script = f"import time, sys; t = time.perf_counter()\n{code}\nprint(time.perf_counter() - t)\n"
    script += "print(','.join(m for m in ('umap', 'numba', 'matplotlib', 'torch') if m in sys.modules))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    return float(out[0]), out[1]


def run(args) -> dict:
    def median(code: str) -> float:
        return statistics.median(_seconds(code)[0] for _ in range(5))

    ours, pymatgen = median("import motifdesk"), median("import pymatgen.core")
    return {
        "import_s": ours,
        "import_ratio_to_pymatgen": ours / pymatgen,
        "desk_import_s": median("from motifdesk import Desk"),
        "heavy_on_the_way": _seconds("from motifdesk import Desk")[1] or "none",
    }
