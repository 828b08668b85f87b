"""What the search for better tokens brings: PSNR against decodings for shipped models; writes one result file.

    python nbs/benchmarks/search.py --models digits mnist cifar10 --root DATA --images 100

The first images of the test split are encoded with each effort; a model's data are those of its training. Times are
processor time of one thread.
"""
import argparse
import json
import time
from pathlib import Path
import torch
from qgvae.images import psnr, to_float
from qgvae.pretrained import load_tokenizer, model_folder
from qgvae.records import provenance, write_result
from qgvae.training.datasets import load_images
from qgvae.codec.search import EFFORTS, halves, search

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--models", nargs="+", required=True, help="names of shipped models, or folders")
p.add_argument("--root", default="data", help="where the data sets lie")
p.add_argument("--images", type=int, default=100, help="first so many of the test split")
p.add_argument("--efforts", type=int, nargs="+", default=[0, 1, 2], choices=range(len(EFFORTS)))
p.add_argument("--out", type=Path, default=Path(__file__).parent.parent/"results"/"runs"/"benchmarks"/"search.json")
a = p.parse_args()


def interval(gain):
    "95 % interval of the mean of paired differences, by the normal approximation."
    half = 1.96 * gain.std().item() / len(gain)**0.5
    return [round(gain.mean().item() - half, 3), round(gain.mean().item() + half, 3)]


def measure(name):
    "The rows of one model: an effort each."
    model, told = load_tokenizer(name), json.loads((model_folder(name)/"result.json").read_text())
    recipe, N = told["recipe"], model.config.n_tokens
    x = to_float(load_images(recipe["data"], "test", a.root)[:a.images])
    tokens, ordered = model.encode(x), bool(recipe["ordered"])
    start, rows = psnr(model.decode(tokens), x), []
    for effort in a.efforts:
        began = time.process_time()
        found = search(model, x, tokens, effort, prefixes=halves(N) if ordered else None)
        gain = psnr(model.decode(found.tokens), x) - start
        rows.append(dict(effort=effort, psnr=round((start + gain).mean().item(), 3), gain=round(gain.mean().item(), 3),
                         interval=interval(gain), decodings=round(found.decodings.float().mean().item(), 1),
                         seconds=round((time.process_time() - began) / len(x), 3),
                         changed=round((found.tokens != tokens).float().mean().item(), 3)))
        print(name, rows[-1], flush=True)
    return dict(kind=recipe["kind"], data=recipe["data"], split="test", images=len(x), ordered=ordered, seed=0,
                efforts=rows)


torch.set_num_threads(1)
found = {Path(name).name: measure(name) for name in a.models}
write_result(a.out, dict(what="gain of the search for better tokens", protocol="native", models=found, **provenance()))
