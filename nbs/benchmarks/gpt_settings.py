"""What are the settings of a transformer worth? Trains the recipe digits-gpt with one setting changed at a time.

    python nbs/benchmarks/gpt_settings.py --root DATA
    python nbs/benchmarks/gpt_settings.py --root DATA --set vocabulary=bands
    python nbs/benchmarks/gpt_settings.py --root DATA --set width=192 heads=6

Each call adds a run of the same number of batches to the result file, measured on the first 1,000 images of each split.
"""
import argparse
import dataclasses
import json
import time
from pathlib import Path
from qgvae.generation import gpt_training # noqa: F401 (brings the recipes)
from qgvae.records import write_result
from qgvae.training.learner import fit, make_learner, report
from qgvae.training.recipes import recipes

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings that differ from the recipe")
p.add_argument("--batches", type=int, default=400)
p.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
p.add_argument("--root", default="data")
p.add_argument("--out", type=Path, default=Path("nbs/results/runs/gpt/settings.json"))
a = p.parse_args()

recipe = dataclasses.replace(recipes["digits-gpt"].override(*a.set), epochs=4)
splits = {s: recipe.load(s, a.root) for s in ("train", "valid")}
few = {s: tokens[:1000] for s, tokens in splits.items()}
learn = make_learner(recipe, splits["train"], few["valid"], precision=a.precision, length=a.batches // 4)
start = time.process_time()
with learn.no_bar(): fit(learn)
cpu_seconds = round(time.process_time() - start, 1)

found = report(learn, **few)
names = ("parameters", "batches", "seconds", "precision", "device", "commit", "date", "recipe", "data")
measured = found["results"]["valid"]
run = dict(changed=", ".join(a.set), name="digits-gpt", cpu_seconds=cpu_seconds, **{k: found[k] for k in names},
           valid=measured["bits"], valid_with_class=measured.get("bits_with_class"),
           train=found["results"]["train"]["bits"])
before = json.loads(a.out.read_text())["runs"] if a.out.exists() else []
write_result(a.out, dict(runs=[*before, run]))
