"""Fewer tokens: QG-VAE, VQ-VAE and a dual-grain VQ-VAE at 144 and 288 bits on CIFAR-10, trained for equal time.

    export QGVAE_LPIPS=FILE                                     # AlexNet, for LPIPS and FD-AlexNet; else without them
    OMP_NUM_THREADS=1 taskset -c 1 python nbs/benchmarks/fewer_tokens.py --root DATA
    OMP_NUM_THREADS=1 taskset -c 1 python nbs/benchmarks/fewer_tokens.py --root DATA --trials
    OMP_NUM_THREADS=1 taskset -c 1 python nbs/benchmarks/fewer_tokens.py --root DATA --classical

A run trains with the library's loop, is measured on the test images, with the encoder's tokens and, on the first of
them, with searched ones, and writes a result file of its own, NAME-SEED.json. Runs that have a file are not made again.
The trials, by which the settings were chosen, see the training and the validation images only. With --classical linear
codes are measured at the same bits, and how small WebP, AVIF and JPEG can be. `nbs/results/fewer.ipynb` draws it all.
"""
import argparse
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
import torch
from qgvae.codec.search import search
from qgvae.evaluation.baselines import CodecData, at_size, classical_codec
from qgvae.evaluation.dual_grain import DualGrain, DualGrainConfig, DualGrainRecipe, pack, sources, unpack
from qgvae.evaluation.metrics import bootstrap, describe, evaluate_protocols
from qgvae.evaluation.reports import metrics_for
from qgvae.images import psnr, to_float
from qgvae.model import Tokenizer
from qgvae.pretrained import write_model
from qgvae.records import provenance, write_result
from qgvae.training.learner import fit, make_learner, report
from qgvae.training.recipes import recipes

def widths(*w): return [f"model.{side}coder_widths={w}" for side in ("en", "de")]
shared = "clock=processor", "reset_until=0.3", *widths(48, 96, 96)


def recipe(name, *settings): return recipes[name].override(*shared, *settings)
def grid(*settings): return recipe("cifar10-vqvae", "model.downscale=2", *widths(48, 96, 128), *settings) # 4x4


def grains(**config):
    "The recipe of the VQ-VAE with a `DualGrain` of places of 4x4 pixels."
    base = recipe("cifar10-vqvae", "model.downscale=1")
    same = {k: v for k, v in vars(base).items() if k != "model"}
    return DualGrainRecipe(replace(DualGrainConfig(**vars(base.model)), **config), **same)


def few(*settings): return recipe("cifar10", "model.n_tokens=16", *settings)
def more(*settings): return recipe("cifar10", "model.n_tokens=32", *settings)

RUNS = { # {name: recipe}; the number is that of the tokens of 9 bits that all with this number may cost
    "qgvae-16": few("model.downscale=1", "model.dim=4"),
    "vqvae-16": grid(),
    "dual-16": grains(fold=2, refined=3, n_words=280), # 2x4 regions
    "qgvae-32": more("model.downscale=0", "model.dim=4"),
    "vqvae-32": grains(fold=2, refined=8), # all of the 2x4 regions: a grid of 4x8
    "dual-32": grains(refined=5, n_words=478), # 4x4 regions
}
TRIALS = { # {name: recipe}
    "qgvae-16-map8-dim4": few("model.downscale=1", "model.dim=4"),
    "qgvae-16-map16-dim8": few("model.downscale=0", "model.dim=8"),
    "qgvae-32-map16-dim4": more("model.downscale=0", "model.dim=4"),
    "qgvae-32-map16-dim8": more("model.downscale=0", "model.dim=8"),
    "vqvae-16-dim8": grid(),
    "vqvae-16-dim16": grid("model.dim=16"),
}


class Sent(Tokenizer):
    "A `DualGrain` for one image whose regions are chosen: only the tokens that are sent may be exchanged."
    def __init__(self, model, x): # x: (1, C, H, W) float
        torch.nn.Module.__init__(self)
        self.model, self.choice = model, model.choose(x)                    # (1, G)
        books = dict(codebook=model.quantizer.codebook, codebooks=1, n_tokens=model.config.sent)
        self.quantizer, self.config = SimpleNamespace(**books), _config_of(model.config)
        self.eval()

    def embed(self, x): # (1, C, H, W) float
        "(1, G + 3 R, D) float"
        z, where = self.model.embed(x), sources(self.choice)                # (1, 4 G, D), (1, 4 G)
        return z.new_zeros(1, self.config.n_tokens, z.shape[2]).index_copy_(1, where[0], z)

    def render(self, q): return self.model.render(q[:, sources(self.choice)[0]])    # q: (B, G + 3 R, D)


def _config_of(c): return SimpleNamespace(**{**vars(c), "n_tokens": c.sent})


def searched(model, x):
    "Gain of the search with effort 1, paired by image: for the tokens that are sent."
    start, found, decodings, began = [], [], 0, time.process_time()
    for image in x.split(1):
        tokens, dual = model.encode(image), isinstance(model, DualGrain)
        of = Sent(model, image) if dual else model
        better = search(of, image, pack(tokens, of.choice) if dual else tokens, effort=1)
        new = unpack(better.tokens, of.choice) if dual else better.tokens
        start.append(psnr(model.decode(tokens), image))
        found.append(psnr(model.decode(new), image))
        decodings += better.decodings.sum().item()
    start, found = torch.cat(start), torch.cat(found)
    mean = lambda v: dict(mean=v.mean().item(), interval=bootstrap(v))
    return dict(images=len(x), effort=1, start=mean(start), psnr=mean(found), gain=mean(found - start),
                decodings=decodings / len(x), seconds=(time.process_time() - began) / len(x))


def tested(model, images, few):
    "The measures on the test images, as those of `qgvae eval`."
    metrics, c = metrics_for(len(images)), model.config
    found = evaluate_protocols(model, images.split(100), ["native"], metrics, progress=False)
    if isinstance(model, DualGrain):
        for x in images.split(500): # one word per region that is not refined, or the bits are others
            tokens, choice = model.encode(to_float(x)), model.choose(to_float(x))
            assert torch.equal(unpack(pack(tokens, choice), choice), tokens), "a region has several words"
        found |= dict(tokens=c.sent, bits=dict(nominal=c.bits))
    return describe(model, images) | found | dict(searched=searched(model, to_float(images[:few])))


def train(recipe, seed, minutes, root, limit):
    "(model, the report of its training)."
    recipe = recipe.override(f"seed={seed}")
    splits = {split: recipe.load(split, root)[:limit] for split in ("train", "valid")}
    learn = make_learner(recipe, splits["train"], splits["valid"][:500], minutes, precision="bf16", device="cpu")
    with learn.no_bar(), learn.no_logging(): fit(learn)
    told = report(learn, train=splits["train"][:1000], valid=splits["valid"])
    return learn.model.eval(), dict(name="cifar10" if told["recipe"]["kind"] == "qgvae" else "cifar10-vqvae",
                                    changed=[f"seed={seed}"], **told)


def classical(root, limit):
    "Linear codes at the bits of `RUNS` and below, and the smallest files that WebP, AVIF and JPEG make."
    data = CodecData("cifar10", "test", root, limit)
    steps, rows = [round(16 * 2**(-i / 4), 3) for i in range(21)], []
    for name in ("pca", "dct"):
        codec = classical_codec(name, data.train)
        for size in (18, 36): rows.append(at_size(codec, data.images, size, settings=steps))
    small = []
    for name in ("webp", "avif", "jpeg"):
        c = classical_codec(name, data.train)(data.images[:100], 0)
        small.append(dict(codec=name, setting=0, images=len(c.payload), payload=c.payload.mean().item(),
                          least=c.payload.min().item(), psnr=psnr(c.images, to_float(data.images[:100])).mean().item()))
    return dict(what="linear codes at few bits, and the smallest versions of image formats", linear=rows, small=small,
                data=dict(name="cifar10", split="test", images=len(data.images)), steps=steps, **provenance())


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", nargs="+", metavar="NAME", help="some of the runs, or of the trials")
    p.add_argument("--seeds", type=int, nargs="+", default=[0])
    p.add_argument("--minutes", type=float, default=5, help="of processor time, each (default: 5)")
    p.add_argument("--trials", action="store_true", help="the trials instead")
    p.add_argument("--classical", action="store_true", help="linear codes and image formats instead")
    p.add_argument("--images", type=int, default=100, help="test images to search for (default: 100)")
    p.add_argument("--limit", type=int, help="only so many images of each split, to try this script")
    p.add_argument("--root", default="data", help="where the data sets lie")
    p.add_argument("--models", type=Path, default=Path("train_out")/"fewer", help="where the trained models go")
    p.add_argument("--out", type=Path, default=Path(__file__).parent.parent/"results"/"runs"/"fewer")
    a = p.parse_args()
    torch.set_num_threads(1)
    if a.classical: write_result(a.out/"classical.json", classical(a.root, a.limit or 1000))
    else:
        runs = TRIALS if a.trials else RUNS
        for seed in a.seeds:
            for name in a.only or runs:
                file = a.out/(f"trial-{name}.json" if a.trials else f"{name}-{seed}.json")
                if file.exists(): continue
                model, told = train(runs[name], seed, a.minutes, a.root, a.limit)
                if not a.trials:
                    write_model(model, a.models/f"{name}-{seed}")
                    told["test"] = tested(model, runs[name].load("test", a.root)[:a.limit], a.images)
                write_result(file, told)
                v = told["results"]["valid"]
                print(f"{file.stem}: {v['psnr']:.2f} dB, {v['dead_words']:.1%} dead, {told['batches']:,} steps, "
                      f"{told['parameters']:,} parameters, {told['bits']:.1f} bits", flush=True)
