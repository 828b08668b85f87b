"""How good do drawn digits become with training, for the tokens of one tokenizer or of another?
(figure 11 of the paper, on MNIST)

    python nbs/benchmarks/gpt_curve.py QG-VAE digits --root DATA --lpips FILE
    qgvae train digits-vqvae --epochs 30 --precision fp32 --out vq --result vq.json
    python nbs/benchmarks/gpt_curve.py VQ-VAE vq --result vq.json --root DATA --lpips FILE

One call trains the transformer of the recipe digits-gpt, without classes, on the tokens of one tokenizer, and adds
its curve to the result file. The batches hold the same images for every tokenizer. At each point the averaged weights
draw --sets times --n digits, and FD-AlexNet compares each set with the first images of MNIST's test split. The
distance of as many validation digits that went through the tokenizer is kept beside it, for comparison.
"""
import argparse
import dataclasses
import json
import math
import time
from pathlib import Path
import torch
from fastai.callback.core import Callback
from qgvae.images import digits, to_float
from qgvae.pretrained import load_tokenizer, model_folder
from qgvae.records import provenance, write_result
from qgvae.training.datasets import load_images
from qgvae.training.learner import fit, make_learner, measure
from qgvae.training.recipes import recipes
from qgvae.codec.identity import fingerprint
from qgvae.evaluation.metrics import AlexNetFeatures, Frechet
from qgvae.generation.gpt_training import token_bits, tokenize
from qgvae.generation.sampling import ImageGenerator

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("name", help="of the curve")
p.add_argument("tokenizer", help="shipped name or folder")
p.add_argument("--result", type=Path, help="result file of the tokenizer (default: the one beside its weights)")
p.add_argument("--recipe", default="digits-gpt", choices=("gpt", "digits-gpt"))
p.add_argument("--batches", type=int, default=1200)
p.add_argument("--points", type=int, default=8)
p.add_argument("--sets", type=int, default=3,
               help="sets of drawn images at each point, whose distances show the spread")
p.add_argument("--n", type=int, default=500, help="images of a set")
p.add_argument("--real", type=int, default=1000, help="real images to compare with")
p.add_argument("--valid", type=int, default=1000, help="validation images whose bits are measured")
p.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
p.add_argument("--root", default="data")
p.add_argument("--lpips", type=Path, help="file with AlexNet's weights")
p.add_argument("--out", type=Path, default=Path("nbs/results/runs/gpt/curve.json"))
a = p.parse_args()
settings = {k: getattr(a, k) for k in ("recipe", "batches", "points", "sets", "n", "real", "valid")}
def saved():
    return json.loads(a.out.read_text()) if a.out.exists() else dict(settings=settings, curves={})
if saved()["settings"] != settings: p.error(f"{a.out} was made with other settings: {saved()['settings']}")

start, tokenizer, alexnet = time.time(), load_tokenizer(a.tokenizer), AlexNetFeatures(a.lpips)
images = {s: load_images("mnist", s, a.root) for s in ("train", "valid", "test")}
def features(x): return torch.cat([alexnet(b) for b in x.split(100)])
real = features(to_float(images["test"][:a.real]))

def distances(x): # (sets * n, C, H, W) float
    "FD-AlexNet of each set."
    found = []
    for f in features(x).split(a.n):
        fd = Frechet(torch.nn.Identity(), "FD-AlexNet")
        fd.add(f, real)
        found.append(fd.result())
    return found

def said(*what): print(a.name, *what, round(time.time() - start), "s", flush=True)

others = to_float(images["valid"][:a.sets * a.n])
through = torch.cat([tokenizer.decode(tokenizer.encode(x)) for x in others.split(250)])
bound = distances(others)
train = tokenize(tokenizer, images["train"], progress=False)
valid = tokenize(tokenizer, images["valid"][:a.valid], progress=False)

trained = json.loads((a.result or Path(model_folder(a.tokenizer))/"result.json").read_text())
c, its = tokenizer.config, {k: trained[k] for k in ("name", "changed", "batches", "precision", "commit", "device")}
its |= dict(kind=trained["recipe"]["kind"], seed=trained["recipe"]["seed"], fingerprint=fingerprint(tokenizer).hex(),
            bits=c.n_tokens * math.log2(c.n_words))
curve = dict(tokenizer=its, floor=distances(through), rows=[],
             psnr={"500 embedded test digits": measure(tokenizer, digits("test"))["psnr"],
                   "10,000 test digits of MNIST": measure(tokenizer, images["test"])["psnr"]})
said(curve["psnr"], "floor", curve["floor"], "other real digits", bound)

class Measure(Callback):
    "After each stretch, while the averaged weights are in the model: bits and distances."
    order = 16                                          # EMA, at 20, puts the trained weights back
    def after_validate(self):
        model = self.model.eval()
        x = ImageGenerator(model, tokenizer).sample(a.sets * a.n, seed=0)
        bits = token_bits(model, valid).sum(1).mean().item()
        curve["rows"].append(dict(batches=self.dls.train.position, bits=bits, fd=distances(x)))
        said(curve["rows"][-1])
        write()

def write():
    metric = (f"FD-AlexNet of {a.sets} sets of {a.n} images, each against the first {a.real:,} of MNIST's test split")
    curves = saved()["curves"] | {a.name: curve}
    write_result(a.out, dict(settings=settings, metric=metric, real=bound, curves=curves))

recipe = dataclasses.replace(recipes[a.recipe], tokenizer=a.tokenizer, epochs=a.points, patience=a.points)
learn = make_learner(recipe, train, valid[:250], precision=a.precision, length=a.batches // a.points)
where = provenance(learn.dls.train.device)
curve |= dict(transformer=json.loads(recipe.to_json()), parameters=sum(q.numel() for q in learn.model.parameters()),
              precision=learn.precision, sampling_seed=0, images=len(train), sha256=recipe.data_id(train)[:16],
              device=where["device"], commit=where["commit"], date=where["date"])
learn.add_cb(Measure())
with learn.no_bar(), learn.no_logging(): fit(learn)
curve["seconds"] = round(time.time() - start)
write()
