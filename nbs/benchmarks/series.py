"""Make a series of trainings again, or print the commands that would.

    python nbs/benchmarks/series.py nbs/results/runs/levers --out again
    python nbs/benchmarks/series.py nbs/results/runs/quantizers --list

The settings, the time and the number of threads of each run are read off its result file. Runs whose result files
lie in --out already are not made again, so a series that was stopped goes on where it was.
"""
import argparse
from pathlib import Path
from qgvae.evaluation.results import rerun, rerun_commands

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("folder", type=Path, help="result files of trainings")
p.add_argument("--out", type=Path, default=Path("again"), help="folder of the new result files (default: again)")
p.add_argument("--list", action="store_true", help="only print the commands")
p.add_argument("--minutes", type=float, help="train each for so long instead")
p.add_argument("--root", default="data", help="where the data sets lie (default: data)")
p.add_argument("--device", help="cpu, cuda ... (default: a GPU if there is one)")
a = p.parse_args()

try:
    if a.list: print(*rerun_commands(a.folder, a.out).values(), sep="\n")
    else: rerun(a.folder, a.out, a.minutes, a.root, a.device, say=lambda text: print(text, flush=True))
except ValueError as e: p.error(str(e))
