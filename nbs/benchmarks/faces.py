"""Faces at 288 bytes, and the number of tokens after which a face's attributes are right.

    OMP_NUM_THREADS=1 python nbs/benchmarks/faces.py --root DATA --weights FOLDER
    OMP_NUM_THREADS=1 python nbs/benchmarks/faces.py --root DATA --weights FOLDER --do train --only celeba64 \\
        --set seed=1

DATA/celeba64 holds the folders train and test with the faces. Every tenth of train, drawn by chance, is for validation;
test is measured once. Three things are done for every model, and what has a result file is not done again:
training (train-NAME.json), test (test-NAME.json; of classical codecs, too) and attributes (attributes-NAME.json). The
weights go to FOLDER/NAME: they are not for the project. `nbs/results/faces.ipynb` explains the results.
"""
import argparse
from functools import partial
from pathlib import Path
import torch
from qgvae.evaluation.baselines import at_size, classical_codec
from qgvae.evaluation.metrics import describe, evaluate_protocols
from qgvae.evaluation.reports import metrics_for, training_of
from qgvae.images import psnr, to_float
from qgvae.pretrained import load_tokenizer
from qgvae.records import provenance, write_result
from qgvae.training.datasets import load_folder, split_indices
from qgvae.training.learner import fit, make_learner, report
from qgvae.training.recipes import recipes

NAMES = "celeba64", "celeba64-vqvae", "celeba64-ordered"
CODECS = "dct", "webp" # at equal bytes
BYTES = 288
KS = 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256 # tokens, or numbers of a PCA


def faces(root, split):
    "(n, 3, 64, 64) uint8"
    x = load_folder(Path(root)/"celeba64"/("test" if split == "test" else "train"), 64, 64)
    return x if split == "test" else x[split_indices(len(x), 0.1)[split == "valid"]]


def train(name, settings, minutes, root, weights):
    "The result of one run; its weights are saved."
    recipe = recipes[name].override("clock=processor", *settings)
    splits = {split: faces(root, split) for split in ("train", "valid")}
    learn = make_learner(recipe, **splits, minutes=minutes, precision="bf16", device="cpu")
    with learn.no_bar(), learn.no_logging(): fit(learn).save_pretrained(weights)
    found = dict(name=name, changed=["clock=processor", *settings], **report(learn, **splits))
    write_result(weights/"result.json", found)
    return found


def test(weights, root, limit, few):
    "PSNR, SSIM, LPIPS and FD-AlexNet on the test faces; of the first `few` of them as VQ-WAE measured."
    model, x = load_tokenizer(weights), faces(root, "test")[:limit]
    measure = lambda x, protocol, metrics: evaluate_protocols(model, x.split(50), [protocol], metrics, progress=False)
    found = measure(x, "native", metrics_for(len(x)))
    found["protocols"] |= measure(x[:few], "upscaled256", metrics_for(few)[:3])["protocols"]
    return dict(training=training_of(weights), **describe(model, x), measured=found)


def test_codec(name, root, limit):
    "The same of a classical codec, at native size; tables are made of the training faces."
    x, train = faces(root, "test")[:limit], faces(root, "train")
    codec = classical_codec(name, train)
    return dict(tables_from=len(train), measured=at_size(codec, x, BYTES, metrics=metrics_for(len(x)))) | provenance()


# -- attributes: numbers that a face image has, without anyone's labels --

def area(y, x): # slices
    "The mean luminance of a rectangle."
    return lambda l: l[..., y, x].mean((-2, -1))

def contrast(y, x):
    "The standard deviation of the luminance in a rectangle."
    return lambda l: l[..., y, x].std((-2, -1))

def difference(a, b): return lambda l: a(l) - b(l)

rows, columns = slice, slice
luminance = torch.tensor([.299, .587, .114])
# The faces are aligned: eyes near row 33, columns 23 and 40; mouth near row 51, columns 25 to 39.
ATTRIBUTES = { # {name: f((B, 64, 64) luminance) -> (B,)}
    "brightness": area(rows(0, 64), columns(0, 64)),
    "background": lambda l: (area(rows(0, 12), columns(0, 8))(l) + area(rows(0, 12), columns(56, 64))(l)) / 2,
    "hair": area(rows(3, 11), columns(20, 44)),
    "skin": area(rows(37, 46), columns(22, 42)),
    "side light": difference(area(rows(26, 50), columns(16, 32)), area(rows(26, 50), columns(32, 48))),
    "pose": difference(area(rows(32, 52), columns(6, 15)), area(rows(32, 52), columns(49, 58))),
    "eyes": contrast(rows(29, 38), columns(17, 47)),
    "mouth": contrast(rows(47, 55), columns(24, 40)),
}
COLOURS = { # {name: f((B, 3, 64, 64)) -> (B,)}
    "skin tone": lambda x: area(rows(37, 46), columns(22, 42))(x[:, 0] - x[:, 2]),
    "background tone": lambda x: x[:, :, :12, [*range(8), *range(56, 64)]].mean((-2, -1)) @ torch.tensor([1., 0, -1]),
}
BANDS = (1, 2), (2, 4), (4, 8), (8, 16), (16, 32) # cycles an image, from and below


def attributes(x): # (B, 3, 64, 64) float
    "(A, B) float: the values of all attributes."
    l = torch.einsum("c,bchw->bhw", luminance, x)
    return torch.stack([*[f(l) for f in ATTRIBUTES.values()], *[f(x) for f in COLOURS.values()]])


def parts(l): # (B, 64, 64) luminance
    "(F, B, 64, 64): what the bands of frequencies add to the image."
    u, v = torch.fft.fftfreq(64, 1 / 64)[:, None], torch.fft.fftfreq(64, 1 / 64)
    radius, spectrum = (u.square() + v.square()).sqrt(), torch.fft.fft2(l)
    return torch.stack([torch.fft.ifft2(spectrum * ((radius >= a) & (radius < b))).real for a, b in BANDS])


def regions(error): # (..., 64, 64)
    "(64, ...): sums over squares of 8 x 8 pixels."
    return error.unflatten(-1, (8, 8)).unflatten(-3, (8, 8)).sum((-3, -1)).flatten(-2).movedim(-1, 0)


def squares(y, x): # (B, 3, 64, 64) float
    "(F + 64, B): squared error of each band and of each region."
    y, x = (torch.einsum("c,bchw->bhw", luminance, o) for o in (y, x))
    return torch.cat([(parts(y) - parts(x)).square().sum((-2, -1)), regions((y - x).square())])


# -- images from the first k tokens, or numbers --

@torch.no_grad()
def mean_vectors(model, x):
    "(N, D): the mean vector of each token over the training faces."
    q = [model.quantizer.lookup(model.encode(to_float(o))) for o in x.split(100)]
    return torch.cat(q).mean(0)


@torch.no_grad()
def first_tokens(model, missing, x): # missing: (N, D) vectors in place of the others; None: zeros
    "(len(KS), B, 3, 64, 64): from the first k tokens."
    q = model.quantizer.lookup(model.encode(x))                      # (B, N, D)
    if missing is None: missing = torch.zeros_like(q[0])
    there = torch.arange(q.shape[1])[:, None] < torch.tensor(KS)[:, None, None]                 # (len(KS), N, 1)
    return torch.stack([model.render(torch.where(t, q, missing)) for t in there])


def fit_pca(x, # (n, 3, 64, 64) uint8
            levels=512):
    "f(x) -> images from the first k numbers, each rounded to 9 bits in its range on the training faces."
    flat = to_float(x).flatten(1)
    torch.manual_seed(0)
    mean, basis = flat.mean(0), torch.pca_lowrank(flat, max(KS) + 24, niter=4)[2][:, :max(KS)]
    z = (flat - mean) @ basis
    low, step = z.amin(0), (z.amax(0) - z.amin(0)) / (levels - 1)
    def images(x):
        z = (((x.flatten(1) - mean) @ basis - low) / step).round().clamp(0, levels - 1) * step + low
        return torch.stack([(z[:, :k] @ basis[:, :k].T + mean).view(x.shape).clamp(0, 1) for k in KS])
    return images


# -- R2, and the k from which on it is at a level --

def passes(r2, # (len(KS), ...)
           level):
    "(...) float: the first k from which on R2 stays at `level` or above; infinite if there is none."
    below = (r2 < level).flip(0).cumsum(0).flip(0) > 0               # this k or a later one is below
    ks = torch.tensor([*KS, float("inf")])
    return ks[below.sum(0)]


def errors(images, x): # images: f(x) -> (len(KS), B, 3, 64, 64); x: (B, 3, 64, 64) float
    "(len(KS), A, B) squared errors of attributes, bands and regions; (len(KS), B) PSNR."
    seen = images(x)
    wrong = [torch.cat([(attributes(y) - attributes(x)).square(), squares(y, x)]) for y in seen]
    return torch.stack(wrong).double(), torch.stack([psnr(y, x) for y in seen])


def appearance(images, x, mean, times=500): # mean: (3, 64, 64), of the training faces
    "Plain data: R2 of each attribute, band and region for each k, and when it passes .5 and .9."
    wrong, db = map(partial(torch.cat, dim=-1), zip(*[errors(images, o) for o in x.split(50)]))
    own = attributes(x)
    spread = torch.cat([(own - own.mean(1, keepdim=True)).square(), squares(mean.expand_as(x), x)]).double()
    draws = torch.randint(len(x), (times, len(x)), generator=torch.Generator().manual_seed(0))
    counts = torch.stack([torch.bincount(d, minlength=len(x)) for d in draws]).double()              # (times, B)
    r2, drawn = 1 - wrong.sum(-1) / spread.sum(-1), 1 - wrong @ counts.T / (spread @ counts.T)
    names = [*ATTRIBUTES, *COLOURS, *[f"{a} to {b} cycles" for a, b in BANDS], *[f"region {i}" for i in range(64)]]
    found = {name: dict(r2=[round(v, 4) for v in r2[:, i].tolist()],
                        **{str(level): crossing(r2[:, i], drawn[:, i], level) for level in (.5, .9)})
             for i, name in enumerate(names)}
    return dict(psnr=[round(v, 3) for v in db.mean(1).tolist()], found=found)


def crossing(r2, drawn, level):
    "{'k', 'interval'}: None where the level is not reached."
    plain = lambda k: None if k == float("inf") else int(k)
    low, high = passes(drawn, level).sort().values[[round(q * (drawn.shape[-1] - 1)) for q in (.025, .975)]]
    return dict(k=plain(passes(r2, level)), interval=[plain(low), plain(high)])


def measure_attributes(name, root, weights, limit):
    "The result for a model, or for 'pca'."
    x, train = to_float(faces(root, "test")[:limit]), faces(root, "train")
    if name == "pca": images, said = fit_pca(train), dict(kind="pca")
    else:
        model = load_tokenizer(weights)
        missing = None if model.config.ordered else mean_vectors(model, train)
        images = partial(first_tokens, model, missing)
        said = dict(training=training_of(weights), **describe(model, train))
    mean = to_float(train).mean(0)
    what = dict(data=dict(name="celeba64", split="test", images=len(x), of=2000), ks=KS, seed=0)
    return said | what | appearance(images, x, mean) | provenance()


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--root", default="data", help="where the folder celeba64 lies (default: data)")
    p.add_argument("--weights", type=Path, default=Path("faces"), help="folder of the weights (default: faces)")
    p.add_argument("--minutes", type=float, default=8, help="of processor time, each (default: 8)")
    p.add_argument("--only", nargs="+", default=[*NAMES, *CODECS, "pca"], help="some of the models and codecs")
    p.add_argument("--do", nargs="+", default=["train", "test", "attributes"], help="default: all three")
    p.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings, as seed=1")
    p.add_argument("--limit", type=int, help="only the first so many test faces")
    p.add_argument("--few", type=int, default=500, help="test faces for attributes and upscaled256 (default: 500)")
    p.add_argument("--out", type=Path, default=Path(__file__).parent.parent/"results"/"runs"/"faces")
    a = p.parse_args()
    torch.set_num_threads(1)
    for name in a.only:
        full, model = "-".join([name, *a.set]), name in NAMES
        todo = {"train": model and (lambda: train(name, a.set, a.minutes, a.root, a.weights/full)),
                "test": (lambda: test(a.weights/full, a.root, a.limit, a.few)) if model else
                        name in CODECS and (lambda: test_codec(name, a.root, a.limit)),
                "attributes": name not in CODECS and
                              (lambda: measure_attributes(name, a.root, a.weights/full, a.few))}
        for what in a.do:
            file = a.out/f"{what}-{full}.json"
            if not todo[what] or file.exists(): continue
            write_result(file, todo[what]())
            print(file.name, "written", flush=True)
