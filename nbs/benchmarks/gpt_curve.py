"""How good do drawn images become with training, for the tokens of one tokenizer or of another?
(figure 11 of the paper)

    python nbs/benchmarks/gpt_curve.py QG-VAE digits --root DATA --lpips FILE
    qgvae train digits-vqvae --epochs 30 --precision fp32 --out vq --result vq.json
    python nbs/benchmarks/gpt_curve.py VQ-VAE vq --result vq.json --root DATA --lpips FILE

One call trains the transformer of the recipe digits-gpt, without classes, on the tokens of one tokenizer, and adds
its curve to the result file. The batches hold the same images for every tokenizer. At each point the averaged weights
draw --sets times --n images, and FD-AlexNet compares each set with the first images of the test split. The distance of
as many validation images that went through the tokenizer is kept beside it, for comparison, and that of tokens which
are drawn each by itself, as often as the training images have them.

On CIFAR-10, with the recipe cifar10-gpt; the tokens of the last validation images are also searched for (`32_search`)
and their bits compared with those of the encoder's:

    qgvae train cifar10-vqvae --minutes 40 --set clock=processor --precision bf16 --out vq
    python nbs/benchmarks/gpt_curve.py VQ-VAE vq --data cifar10 --batches 3000 --n 1000 --real 5000 --searched 150 \\
        --out nbs/results/runs/gpt-cifar10/curve.json --sheet nbs/results/runs/gpt-cifar10/VQ-VAE.png
"""
import argparse
import dataclasses
import json
import math
import time
from pathlib import Path
import torch
from fastai.callback.core import Callback
from PIL import Image
from qgvae.images import digits, psnr, to_float
from qgvae.pretrained import load_tokenizer, model_folder
from qgvae.records import provenance, write_result
from qgvae.training.datasets import load_images
from qgvae.training.learner import fit, make_learner, measure
from qgvae.training.recipes import recipes
from qgvae.codec.identity import fingerprint
from qgvae.codec.search import search
from qgvae.evaluation.metrics import AlexNetFeatures, Frechet, bootstrap
from qgvae.generation.gpt_training import TokenSet, token_bits, tokenize
from qgvae.generation.sampling import ImageGenerator

DATA = {"mnist": ("digits", "MNIST"), "cifar10": ("images", "CIFAR-10")} # what its images are, and its title
p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("name", help="of the curve")
p.add_argument("tokenizer", help="shipped name or folder")
p.add_argument("--data", default="mnist", choices=list(DATA))
p.add_argument("--result", type=Path, help="result file of the tokenizer (default: the one beside its weights)")
p.add_argument("--recipe", choices=("gpt", "digits-gpt", "cifar10-gpt"), help="default: that of the data")
p.add_argument("--seed", type=int, default=0, help="of the transformer's training")
p.add_argument("--train", type=int, help="only the first training images (default: all)")
p.add_argument("--batches", type=int, default=1200)
p.add_argument("--points", type=int, default=8)
p.add_argument("--sets", type=int, default=3,
               help="sets of drawn images at each point, whose distances show the spread")
p.add_argument("--n", type=int, default=500, help="images of a set")
p.add_argument("--real", type=int, default=1000, help="real images to compare with")
p.add_argument("--valid", type=int, default=1000, help="validation images whose bits are measured")
p.add_argument("--searched", type=int, default=0, help="validation images, from the end, whose tokens are searched for")
p.add_argument("--effort", type=int, default=2, help="of that search")
p.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
p.add_argument("--root", default="data")
p.add_argument("--lpips", type=Path, help="file with AlexNet's weights")
p.add_argument("--sheet", type=Path, help="PNG for 12 drawn images, above 12 whose tokens are drawn alone")
p.add_argument("--save", type=Path, help="folder for the transformer")
p.add_argument("--out", type=Path, default=Path("nbs/results/runs/gpt/curve.json"))
a = p.parse_args()
a.recipe = a.recipe or {"mnist": "digits-gpt", "cifar10": "cifar10-gpt"}[a.data]
asked = ("data", "recipe", "train", "batches", "points", "sets", "n", "real", "valid")
settings, (nouns, title) = {k: getattr(a, k) for k in asked}, DATA[a.data]
older = dict(data="mnist", train=None) # what a file means that was made before these settings were there
def saved():
    return json.loads(a.out.read_text()) if a.out.exists() else dict(settings=settings, curves={})
if older | saved()["settings"] != settings:
    p.error(f"{a.out} was made with other settings: {saved()['settings']}")

start, tokenizer, alexnet = time.time(), load_tokenizer(a.tokenizer), AlexNetFeatures(a.lpips)
images = {s: load_images(a.data, s, a.root) for s in ("train", "valid", "test")}
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

def table_bits(tokens): # (n, N) integers
    "(n, N) float: bits of each token by itself, from how often the training images have it."
    counts = torch.stack([torch.bincount(t.long(), minlength=tokenizer.config.n_words) for t in train.tokens.T]) + 0.5
    return -(counts / counts.sum(1, keepdim=True)).log2()[torch.arange(counts.shape[0]), tokens.long()]

def decode(tokens): return torch.cat([tokenizer.decode(t) for t in tokens.long().split(250)])
def rounded(x): return [round(v, 3) for v in x.tolist()]
def said(*what): print(a.name, *what, round(time.time() - start), "s", flush=True)

others = to_float(images["valid"][:a.sets * a.n])
train = tokenize(tokenizer, images["train"][:a.train], progress=False)
valid = tokenize(tokenizer, images["valid"][:a.valid], progress=False)
through = decode(tokenize(tokenizer, others, progress=False).tokens)
chance = torch.Generator().manual_seed(0)
alone = torch.stack([t[torch.randint(len(t), (a.sets * a.n,), generator=chance)] for t in train.tokens.T], 1)
bound = distances(others)

trained = json.loads((a.result or Path(model_folder(a.tokenizer))/"result.json").read_text())
c, its = tokenizer.config, {k: trained[k] for k in ("name", "changed", "batches", "precision", "commit", "device")}
its |= dict(kind=trained["recipe"]["kind"], seed=trained["recipe"]["seed"], fingerprint=fingerprint(tokenizer).hex(),
            bits=c.n_tokens * math.log2(c.n_words), minutes=trained["minutes"], parameters=trained["parameters"])
level = {f"{len(images[s]):,} {words} {nouns} of {title}": measure(tokenizer, images[s])["psnr"]
         for s, words in (("valid", "validation"), ("test", "test"))}
if a.data == "mnist": level = {"500 embedded test digits": measure(tokenizer, digits("test"))["psnr"]} | level
curve = dict(tokenizer=its, psnr=level, floor=distances(through), alone=distances(decode(alone)), rows=[],
             table=rounded(table_bits(valid.tokens).mean(0)))
said(level, "floor", curve["floor"], "alone", curve["alone"], "other real images", bound)

class Measure(Callback):
    "After each stretch, while the averaged weights are in the model: bits and distances."
    order = 16                                          # EMA, at 20, puts the trained weights back
    def after_validate(self):
        model = self.model.eval()
        x = ImageGenerator(model, tokenizer).sample(a.sets * a.n, seed=0)
        bits, of_train = (token_bits(model, s).sum(1).mean().item() for s in (valid, train[:a.valid]))
        curve["rows"].append(dict(batches=self.dls.train.position, bits=bits, train_bits=of_train, fd=distances(x)))
        said(curve["rows"][-1])
        write()

def write():
    curve["processor_seconds"] = round(time.process_time())
    metric = f"FD-AlexNet of {a.sets} sets of {a.n} images, each against the first {a.real:,} of {title}'s test split"
    curves = saved()["curves"] | {a.name: curve}
    write_result(a.out, dict(settings=settings, metric=metric, real=bound, curves=curves))

recipe = dataclasses.replace(recipes[a.recipe], tokenizer=a.tokenizer, epochs=a.points, patience=a.points, seed=a.seed)
learn = make_learner(recipe, train, valid[:250], precision=a.precision, length=a.batches // a.points)
where = provenance(learn.dls.train.device)
told = json.loads(recipe.to_json()) | dict(tokenizer=Path(a.tokenizer).name)    # no path of this machine
curve |= dict(transformer=told, parameters=sum(q.numel() for q in learn.model.parameters()),
              precision=learn.precision, sampling=dict(temperature=1., seed=0), images=len(train),
              sha256=recipe.data_id(train)[:16], device=where["device"], commit=where["commit"], date=where["date"])
learn.add_cb(Measure())
with learn.no_bar(), learn.no_logging(): model = fit(learn)
curve["by_token"] = rounded(token_bits(model, valid).mean(0))
if a.save: model.save_pretrained(a.save)

def searched(x): # (n, C, H, W) float
    "The encoder's tokens and searched ones: quality and bits, and what the search changes, with its interval."
    sets = dict(encoder=tokenizer.encode(x), searched=search(tokenizer, x, effort=a.effort).tokens)
    found = {name: dict(bits=token_bits(model, TokenSet(t, None, valid.fingerprint)).sum(1),
                        table=table_bits(t).sum(1), psnr=psnr(decode(t), x)) for name, t in sets.items()}
    before, after = found.values()
    change = {k: dict(mean=(d := after[k] - before[k]).mean().item(), interval=bootstrap(d)) for k in before}
    means = {name: {k: v.mean().item() for k, v in f.items()} for name, f in found.items()}
    moved = (sets["encoder"] != sets["searched"]).float().mean(0)
    return dict(images=len(x), effort=a.effort, moved=rounded(moved), change=change, **means)

if a.searched:
    curve["search"] = searched(to_float(images["valid"][-a.searched:]))
    said(curve["search"])
if a.sheet:
    x = torch.cat([ImageGenerator(model, tokenizer).sample(12, seed=0), decode(alone[:12])])   # (24, C, H, W)
    x = x.unflatten(0, (2, 12)).permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)              # (2 H, 12 W, C)
    a.sheet.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((255 * x).round().byte().squeeze(-1).numpy()).save(a.sheet)
curve["seconds"] = round(time.time() - start)
write()
