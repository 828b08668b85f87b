"""Fewer tokens: QG-VAE and VQ-VAE of equal bits and training time, on CIFAR-10 also a dual-grain VQ-VAE.

    export QGVAE_LPIPS=FILE                                     # AlexNet, for LPIPS and FD-AlexNet; else without them
    OMP_NUM_THREADS=1 taskset -c 1 python nbs/benchmarks/fewer_tokens.py --root DATA
    OMP_NUM_THREADS=1 taskset -c 1 python nbs/benchmarks/fewer_tokens.py --root DATA --trials
    OMP_NUM_THREADS=1 taskset -c 1 python nbs/benchmarks/fewer_tokens.py --root DATA --classical

A run trains with the library's loop, is measured on the test images, with the encoder's tokens and, on the first of
them, with searched ones, and writes a result file of its own, NAME-SEED.json. Runs that have a file are not made again.
The trials, by which settings were chosen, see the training and the validation images only. With --classical linear
codes are measured at the same bits, and WebP, AVIF and JPEG as small as they can be. `nbs/results/fewer.ipynb` draws
it all. There are 144 and 288 bits for CIFAR-10, 64, 128 and 256 bits for the digits.
"""
import argparse
import time
from pathlib import Path
from types import SimpleNamespace
import torch
import torch.nn.functional as F
from qgvae.codec.search import search
from qgvae.evaluation.baselines import CodecData, at_size, classical_codec, rate_distortion
from qgvae.evaluation.dual_grain import DualGrain, DualGrainConfig, DualGrainRecipe, pack, sources, unpack
from qgvae.evaluation.metrics import Frechet, bootstrap, describe, evaluate_protocols
from qgvae.evaluation.reports import metrics_for
from qgvae.images import psnr, to_float
from qgvae.model import Tokenizer, VQVAEConfig
from qgvae.pretrained import write_model
from qgvae.records import provenance, write_result
from qgvae.training.datasets import images_id
from qgvae.training.learner import fit, make_learner, report
from qgvae.training.recipes import TokenizerRecipe, recipes

def sides(what, values): return [f"model.{side}coder_{what}={values}" for side in ("en", "de")]
def widths(*w): return sides("widths", w)
levers = "commitment_weight=0.25", "reset_until=0.3", "error=log" # those of the recipe `digits`
shared = "clock=processor", "reset_until=0.3", *widths(48, 96, 96)


def recipe(name, *settings): return recipes[name].override(*shared, *settings)
def grid(*settings): return recipe("cifar10-vqvae", "model.downscale=2", *widths(48, 96, 128), *settings) # 4x4


def grains(base, **config):
    "The recipe of a VQ-VAE with a `DualGrain` instead."
    same = {k: v for k, v in vars(base).items() if k != "model"}
    return DualGrainRecipe(DualGrainConfig(**vars(base.model) | config), **same)


def few(*settings): return recipe("cifar10", "model.n_tokens=16", *settings)
def more(*settings): return recipe("cifar10", "model.n_tokens=32", *settings)
places = recipe("cifar10-vqvae", "model.downscale=1") # of 4x4 pixels


def digits(name, *settings): return recipes[name].override("clock=processor", *settings)
def local(*settings): # the VQ-VAE with default settings
    return TokenizerRecipe(VQVAEConfig()).override("clock=processor", *settings)
def patch7(*settings): # a grid of 4x4 of the 28x28 pixels
    return local("model.patch=7", "model.downscale=0", *widths(48, 64), *sides("blocks", 1), *settings)
def framed(*settings): # one level deeper, 32x32 pixels with a black frame: again 4x4
    frame = "model.height=32", "model.width=32", "loss_crop=(2, 2, 28, 28)", "model.downscale=3"
    return local(*frame, *widths(16, 32, 64, 64), *sides("blocks", (0, 1, 1, 1)), *settings)


RUNS = { # {name: recipe}; the number is that of the tokens of 9 bits that all with this number may cost
    "qgvae-16": few("model.downscale=1", "model.dim=4"),
    "vqvae-16": grid(),
    "dual-16": grains(places, fold=2, refined=3, n_words=280), # 2x4 regions
    "qgvae-32": more("model.downscale=0", "model.dim=8"),
    "vqvae-32": grains(places, fold=2, refined=8), # all of the 2x4 regions: a grid of 4x8
    "dual-32": grains(places, refined=5, n_words=478), # 4x4 regions
}
RUNS |= { # of digits; the number is that of bytes, as the tokens of QG-VAE have 8 bits
    "digits-qgvae-8": digits("digits", "model.n_tokens=8", "model.dim=3"),
    "digits-vqvae-8": grains(framed("model.n_words=256", "model.dim=2", *levers), fold=2, refined=2), # a grid of 2x4
    "digits-qgvae-16": digits("digits", "model.n_tokens=16"),
    "digits-vqvae-16": framed("model.n_words=256", "model.dim=2", *levers), # a grid of 4x4
    "digits-qgvae-32": digits("digits"),
    "digits-vqvae-32": local("model.dim=1", *levers), # a grid of 7x7
}
TRIALS = { # {name: recipe}
    "qgvae-16-map8-dim4": few("model.downscale=1", "model.dim=4"),
    "qgvae-16-map16-dim8": few("model.downscale=0", "model.dim=8"),
    "qgvae-16-map16-dim16": few("model.downscale=0", "model.dim=16"),
    "qgvae-16-map8-dim8": few("model.downscale=1", "model.dim=8", "model.maps=2"),
    "qgvae-32-map16-dim4": more("model.downscale=0", "model.dim=4"),
    "qgvae-32-map16-dim8": more("model.downscale=0", "model.dim=8"),
    "qgvae-32-map16-dim16": more("model.downscale=0", "model.dim=16", "model.maps=2"),
    "qgvae-32-map8-dim8": more("model.downscale=1", "model.dim=8", "model.maps=4"),
    **{f"vqvae-16-dim{d}": grid(f"model.dim={d}") for d in (2, 4, 8, 16)},
    **{f"vqvae-32-dim{d}": grains(places.override(f"model.dim={d}"), fold=2, refined=8) for d in (2, 4, 8, 16)},
    **{f"digits-qgvae-{n}-dim{d}": digits("digits", f"model.n_tokens={n}", f"model.dim={d}")
       for n, d in ((8, 1), (8, 2), (8, 3), (8, 4), (8, 8), (16, 1), (16, 2), (16, 3), (16, 4))},
    **{f"digits-vqvae-16-framed-levers-dim{d}": framed("model.n_words=256", f"model.dim={d}", *levers)
       for d in (1, 2, 3, 8)},
    **{f"digits-vqvae-32-grid7-dim{d}": local(f"model.dim={d}") for d in (1, 2, 3, 8)},
    **{f"digits-vqvae-8-framed-dim{d}": grains(framed("model.n_words=256", f"model.dim={d}"), fold=2, refined=2)
       for d in (2, 8)}, # fold=2: an even number
    "digits-vqvae-16-framed-dim2": framed("model.n_words=256", "model.dim=2"),
    **{f"digits-vqvae-32-grid7-levers-dim{d}": local(f"model.dim={d}", *levers) for d in (1, 2)},
    "digits-vqvae-8-framed-levers-dim2": grains(framed("model.n_words=256", "model.dim=2", *levers), fold=2, refined=2),
    "digits-vqvae-16-grid7": local("model.n_words=6"), # the recipe's 7x7
    "digits-vqvae-16-patch7": patch7("model.n_words=256"),
    "digits-vqvae-16-framed": framed("model.n_words=256"),
    "digits-vqvae-16-framed-levers": framed("model.n_words=256", *levers),
    "digits-vqvae-32-grid7": local(),
    "digits-vqvae-32-grid7-levers": local(*levers),
    "digits-vqvae-8-framed": grains(framed("model.n_words=256"), fold=2, refined=2),
    "digits-vqvae-8-framed-levers": grains(framed("model.n_words=256", *levers), fold=2, refined=2),
    "digits-vqvae-8-framed-4x4": framed("model.n_words=16"),
    "digits-vqvae-8-patch7": grains(patch7("model.n_words=256"), fold=2, refined=2),
}
SIZES = dict(cifar10=(18, 36), digits=(8, 16, 32)) # bytes


def frame(images, recipe): # (n, C, h, w) uint8
    "The images as the model sees them: with black pixels around what counts."
    if recipe.loss_crop is None: return images
    (top, left, h, w), c = recipe.loss_crop, recipe.model
    return F.pad(images, (left, c.width - left - w, top, c.height - top - h))


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


def searched(model, x, crop=None):
    "Gain of the search with effort 1, paired by image: for the tokens that are sent."
    def db(tokens, image): return psnr(model.decode(tokens), image, crop)
    start, found, decodings, began = [], [], 0, time.process_time()
    for image in x.split(1):
        tokens, dual = model.encode(image), isinstance(model, DualGrain)
        of = Sent(model, image) if dual else model
        better = search(of, image, pack(tokens, of.choice) if dual else tokens, effort=1)
        new = unpack(better.tokens, of.choice) if dual else better.tokens
        start.append(db(tokens, image))
        found.append(db(new, image))
        decodings += better.decodings.sum().item()
    start, found = torch.cat(start), torch.cat(found)
    mean = lambda v: dict(mean=v.mean().item(), interval=bootstrap(v))
    return dict(images=len(x), effort=1, start=mean(start), psnr=mean(found), gain=mean(found - start),
                decodings=decodings / len(x), seconds=(time.process_time() - began) / len(x))


def tested(model, recipe, images, few):
    "The measures on the test images, as those of `qgvae eval`."
    metrics, c, seen, crop = metrics_for(len(images)), model.config, frame(images, recipe), recipe.loss_crop
    found = evaluate_protocols(model, seen.split(100), ["native"], metrics, progress=False, crop=crop)
    if isinstance(model, DualGrain):
        for x in seen.split(500): # one word per region that is not refined, or the bits are others
            tokens, choice = model.encode(to_float(x)), model.choose(to_float(x))
            assert torch.equal(unpack(pack(tokens, choice), choice), tokens), "a region has several words"
        found |= dict(tokens=c.sent, bits=dict(nominal=c.bits))
    return describe(model, images) | found | dict(searched=searched(model, to_float(seen[:few]), crop))


def train(recipe, seed, minutes, root, limit):
    "(model, the report of its training)."
    recipe = recipe.override(f"seed={seed}")
    plain = {split: recipe.load(split, root)[:limit] for split in ("train", "valid")}
    splits = {split: frame(images, recipe) for split, images in plain.items()}
    learn = make_learner(recipe, splits["train"], splits["valid"][:500], minutes, precision="bf16", device="cpu")
    with learn.no_bar(), learn.no_logging(): fit(learn)
    told = report(learn, train=splits["train"][:1000], valid=splits["valid"])
    if recipe.loss_crop: # frames are no part of the data
        parts = {"trained on": plain["train"], "train": plain["train"][:1000], "valid": plain["valid"]}
        told["data"] = {k: dict(images=len(v), sha256=images_id(v)[:16]) for k, v in parts.items()}
    name = recipe.data + "-vqvae" * (told["recipe"]["kind"] != "qgvae")
    return learn.model.eval(), dict(name=name, changed=[f"seed={seed}"], **told)


def classical(name, root, limit):
    "Linear codes at the bytes of `SIZES`, and image formats from the smallest files on, until these are larger."
    start, data, sizes = time.process_time(), CodecData(name, "test", root, limit), SIZES[name]
    metrics = [m for m in metrics_for(len(data.images)) if not isinstance(m, Frechet)]
    steps, linear, formats = [round(4.757 * 2**(-i / 8), 3) for i in range(30)], [], []
    for codec in (classical_codec(c, data.train) for c in ("pca", "dct")):
        linear += [at_size(codec, data.images, size, settings=steps, metrics=metrics) for size in sizes]
    for codec in map(classical_codec, ("webp", "avif", "jpeg")):
        for quality in (0, 1, 3, 5):
            rows = rate_distortion(codec, data.images[:500], [quality], metrics=metrics, progress=False)
            formats += rows
            if rows[0]["payload"] > 1.1 * sizes[-1]: break
    return dict(what="linear codes at few bits, and image formats as small as they can be", linear=linear,
                formats=formats, data=dict(name=name, split="test", images=len(data.images)), steps=steps,
                seconds=round(time.process_time() - start, 1),
                **provenance("cpu", ("torch", "pillow", "torchmetrics", "lpips")))


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", nargs="+", metavar="NAME", help="some of the runs, or of the trials")
    p.add_argument("--seeds", type=int, nargs="+", default=[0])
    p.add_argument("--minutes", type=float, default=5, help="of processor time, each (default: 5)")
    p.add_argument("--trials", action="store_true", help="the trials instead")
    p.add_argument("--classical", nargs="*", choices=list(SIZES), metavar="DATA",
                   help="linear codes and image formats instead, on these data sets (default: all)")
    p.add_argument("--images", type=int, default=100, help="test images to search for (default: 100)")
    p.add_argument("--limit", type=int, help="only so many images of each split, to try this script")
    p.add_argument("--root", default="data", help="where the data sets lie")
    p.add_argument("--models", type=Path, default=Path("train_out")/"fewer", help="where the trained models go")
    p.add_argument("--out", type=Path, default=Path(__file__).parent.parent/"results"/"runs"/"fewer")
    a = p.parse_args()
    torch.set_num_threads(1)
    if a.classical is not None:
        for name in a.classical or SIZES:
            write_result(a.out/f"classical-{name}.json", classical(name, a.root, a.limit or 1000))
    else:
        runs = TRIALS if a.trials else RUNS
        for seed in a.seeds:
            for name in a.only or runs:
                file = a.out/(f"trial-{name}.json" if a.trials else f"{name}-{seed}.json")
                if file.exists(): continue
                model, told = train(runs[name], seed, a.minutes, a.root, a.limit)
                if not a.trials:
                    write_model(model, a.models/f"{name}-{seed}")
                    told["test"] = tested(model, runs[name], runs[name].load("test", a.root)[:a.limit], a.images)
                write_result(file, told)
                v = told["results"]["valid"]
                print(f"{file.stem}: {v['psnr']:.2f} dB, {v['dead_words']:.1%} dead, {told['batches']:,} steps, "
                      f"{told['parameters']:,} parameters, {told['bits']:.1f} bits", flush=True)
