"""By how much is one model ahead of another, image by image? Measures pairs on the test split, writes one result file.

    python nbs/benchmarks/leads.py --pair cifar10-v4 FOLDER/cifar10-v4-vqvae --root DATA
    python nbs/benchmarks/leads.py --pair MODEL RIVAL --pair OTHER ITS_RIVAL --root DATA --out FILE

Both models of a pair encode and decode all test images of the data that they were trained on. The lead is the PSNR of
the first less that of the second, its interval the 95 % bootstrap interval of the mean over images, paired: it says how
sure the lead of these two models is, not what other seeds would give. The images are also sorted by their detail, the
mean difference between neighbouring pixels, and cut into ten groups of equal size, each with its own lead. Pairs that
the result file has already are measured again, others stay in it.
"""
import argparse
import json
from pathlib import Path
import torch
from qgvae.evaluation.metrics import bootstrap
from qgvae.images import psnr, to_float
from qgvae.pretrained import load_tokenizer, model_folder
from qgvae.records import provenance, write_result
from qgvae.training.datasets import load_images

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--pair", nargs=2, action="append", required=True, metavar=("MODEL", "RIVAL"),
               help="two models, names or folders; as often as there are pairs")
p.add_argument("--root", default="data", help="where the data sets lie")
p.add_argument("--images", type=int, help="first so many of the test split (default: all)")
p.add_argument("--out", type=Path, default=Path(__file__).parent.parent/"results"/"runs"/"benchmarks"/"leads.json")
a = p.parse_args()


def told(name): return json.loads((model_folder(name)/"result.json").read_text())


def levels(name, images):
    "(n,) float: the PSNR of each image, in dB, by the encoder alone."
    model = load_tokenizer(name)
    with torch.no_grad():
        return torch.cat([psnr(model.decode(model.encode(x)), x) for x in map(to_float, images.split(100))])


def detail(images):
    "(n,) float: the mean difference between neighbouring pixels, of 255."
    x = images.float()
    return (x.diff(dim=-1).abs().flatten(1).mean(1) + x.diff(dim=-2).abs().flatten(1).mean(1)) / 2


def summary(d):
    "Mean, interval and spread of differences, in dB."
    return dict(mean=round(d.mean().item(), 3), interval=[round(v, 3) for v in bootstrap(d)],
                deviation=round(d.std().item(), 3), ahead=round((d > 0).float().mean().item(), 3), images=len(d))


def measure(names):
    "The lead of the first model of a pair, over all images and for ten groups of more and more detail."
    data = {told(name)["recipe"]["data"] for name in names}
    if len(data) > 1: p.error(f"{' and '.join(names)} were trained on different data: {' and '.join(sorted(data))}")
    images = load_images(*data, "test", a.root)[:a.images]
    first, second = (levels(name, images) for name in names)
    lead, much = first - second, detail(images)
    groups = [dict(detail=round(much[i].mean().item(), 2), **summary(lead[i])) for i in much.argsort().chunk(10)]
    training = {Path(name).name: {k: told(name)[k] for k in ("minutes", "batches", "bits", "commit")} for name in names}
    return dict(data=data.pop(), split="test", psnr=[round(v.mean().item(), 3) for v in (first, second)],
                lead=summary(lead), groups=groups, training=training)


pairs = json.loads(a.out.read_text())["pairs"] if a.out.exists() else {}
for names in a.pair:
    key = " / ".join(Path(name).name for name in names)
    pairs[key] = measure(names)
    print(key, pairs[key]["psnr"], pairs[key]["lead"], flush=True)
    write_result(a.out, dict(what="lead of one model over another, paired by image", protocol="native", pairs=pairs,
                             **provenance()))
