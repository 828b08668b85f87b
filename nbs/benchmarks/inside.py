"""Maps, local changes and stages (figures 7, 10 and 9 of the paper) of models for photographs; a result file per model.

    OMP_NUM_THREADS=1 python nbs/benchmarks/inside.py --root DATA --models cifar10 cifar10-v2 FOLDER
    OMP_NUM_THREADS=1 python nbs/benchmarks/inside.py --root DATA --stages --minutes 2.5

A model is the name of a shipped one or a folder of `qgvae train`; it is asked about the first images of the test split
of its data. With --stages the small models of `RUNS` are trained for the same minutes of processor time each, and
watched: which frequencies of the validation images are right after how long, and where their tokens work in the end.
Two pictures of photographs of scikit-image go to nbs/images, stages.webp and starts.webp.
`nbs/results/inside.ipynb` explains and draws the results.
"""
import argparse
import json
from io import BytesIO
from pathlib import Path
import matplotlib
import numpy as np
import torch
from PIL import Image
from skimage import data
from globality import influence, mean, rings
from qgvae.evaluation.interpretation import changed_tokens, feature_maps, paint_patch, plot_influence, token_influence
from qgvae.images import show_grid, to_float
from qgvae.pretrained import load_tokenizer, model_folder
from qgvae.records import provenance, write_result, write_whole
from qgvae.training.datasets import load_images
from qgvae.training.learner import fit, make_learner, report
from qgvae.training.recipes import recipes

SIDES = 1, 2, 3, 4, 6, 8, 12 # of the squares that are painted
SMALL = ["flip=True", "clock=processor", "reset_until=0.3",
         "model.encoder_widths=(32,64)", "model.decoder_widths=(32,64)"]
RUNS = {"random start": ("cifar10", [*SMALL, "model.maps=None", "model.start=random"]),
        "local start": ("cifar10", [*SMALL, "model.maps=None", "model.start=local"]),
        "Fourier start": ("cifar10", SMALL),
        "VQ-VAE": ("cifar10-vqvae", SMALL)}
BOXES = dict(astronaut=(100, 0, 340, 240), chelsea=(80, 20, 330, 270), coffee=(180, 60, 440, 320),
             rocket=(230, 60, 430, 260))


def photographs(size=32):
    "(4, 3, size, size) float: pieces of photographs of scikit-image."
    pieces = [Image.fromarray(getattr(data, name)()).crop(box).resize((size, size), Image.Resampling.LANCZOS)
              for name, box in BOXES.items()]
    return to_float(torch.from_numpy(np.stack([np.array(p) for p in pieces])).permute(0, 3, 1, 2))


# ---- maps

def explained(y, x): # (n, k) float and (n, m) float
    "The share of the variance of `y`, summed over k, that is a linear function of `x` and a constant."
    x, y = x - x.mean(0), y - y.mean(0)
    rest = y - x @ torch.linalg.lstsq(x, y).solution
    return 1 - (rest.square().sum() / y.square().sum()).item()


def kept(before, after): # (B, M, h, w) float each
    """The share of the variance of the maps `before` that is in those `after`: pixel by pixel over the images, with the
    best scale for each pixel."""
    a, b = (o.double() - o.double().mean(0) for o in (before, after))
    fitted = b * ((a * b).sum(0) / b.square().sum(0).clamp(min=1e-12))
    return 1 - ((a - fitted).square().sum() / a.square().sum()).item()


def maps(model, x): # (B, C, H, W) float
    "How many numbers the maps hold, what of them is left after the tokens, and how much a pixel is its own patch."
    f, c = feature_maps(model, x), model.config
    M, (h, w) = f.encoder.shape[1], f.encoder.shape[2:]
    patch = torch.nn.functional.pixel_unshuffle(x, x.shape[-1] // w)                            # (B, C*p*p, h, w)
    flat = lambda v: v.double().permute(0, 2, 3, 1).flatten(0, 2)                               # (B*h*w, channels)
    return dict(maps=M, side=[h, w], numbers=M * h * w, passed=c.n_tokens * c.dim,
                kept=round(kept(f.encoder, f.decoder), 3),
                patch=round(explained(flat(f.encoder), flat(patch)), 3),
                patch_decoder=round(explained(flat(f.decoder), flat(patch)), 3),
                colour=colour(f.encoder[:, 0], x) if M == 1 else None)


def finest(m): # (B, h, w) float
    "(B, 3) float: how much of the finest checks, rows and columns is in each map."
    i, j = torch.arange(m.shape[-2])[:, None], torch.arange(m.shape[-1])
    patterns = torch.stack([o.expand(m.shape[-2:]) for o in ((-1.)**(i + j), (-1.)**i, (-1.)**j)]) # (3, h, w)
    return m.flatten(1) @ patterns.flatten(1).T / m[0].numel()


def colour(m, x): # (B, h, w) float, the only map, and (B, 3, H, W) float
    "What of an image's mean brightness and colour is told by the mean of its map, and by its finest patterns."
    c, fine = x.double().mean((2, 3)), finest(m).double()
    bright = c.mean(1, keepdim=True)
    told_by = {"mean": m.double().mean((1, 2))[:, None], "finest": fine,
               **{name: fine[:, [i]] for i, name in enumerate(("checks", "rows", "columns"))}}
    return {what: {by: round(explained(y, v), 3) for by, v in told_by.items()}
            for what, y in (("brightness", bright), ("colour", c - bright))}


# ---- local changes

def places(n, side, size, seed=0):
    "[(top, left)]: where a square of this side is painted in each of n images."
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, size - side + 1, (n, 2), generator=generator).tolist()


@torch.no_grad()
def reaction(model, x, side=3, around=2):
    """Of the change of the output after a square was painted: the share of its energy in the square and near it, a
    value per image; images that do not change are left out."""
    inside, near = [], []
    y = model.decode(model.encode(x))
    for i, (top, left) in enumerate(places(len(x), side, x.shape[-1])):
        z = paint_patch(x[[i]], top, left, side)
        d = (model.decode(model.encode(z)) - y[[i]]).square().sum((0, 1))                       # (H, W)
        cut = lambda m: d[max(0, top - m):top + side + m, max(0, left - m):left + side + m].sum()
        if d.sum() == 0: continue
        inside.append((cut(0) / d.sum()).item())
        near.append((cut(around) / d.sum()).item())
    return inside, near


def moved(model, x, side):
    "(B,) float: the share of an image's tokens that are others after a white square of this side, somewhere."
    at = places(len(x), side, x.shape[-1])
    y = torch.cat([paint_patch(x[[i]], top, left, side) for i, (top, left) in enumerate(at)])
    return (model.encode(x) != model.encode(y)).float().mean(1)


def local_change(model, x):
    inside, near = reaction(model, x)
    side, size = 3, x.shape[-1]
    middle = paint_patch(x, (size - side) // 2, (size - side) // 2, side)
    tokens = changed_tokens(model, x, middle, progress=False)
    return dict(sides=list(SIDES), moved=[mean(moved(model, x, s)) for s in SIDES],
                inside=mean(inside), near=mean(near), tokens=[round(v, 3) for v in tokens.tolist()])


def measure(name, root, n):
    "The result of a model."
    model, told = load_tokenizer(name), json.loads((model_folder(name)/"result.json").read_text())
    recipe = told["recipe"]
    x = to_float(load_images(recipe["data"], "test", root)[:n])
    training = {k: told[k] for k in ("name", "changed", "minutes", "batches", "parameters", "commit")}
    return dict(kind=recipe["kind"], start=recipe["model"].get("start"), ordered=recipe["ordered"],
                grid=list(getattr(model.config, "grid", ())), training=training,
                data=dict(name=recipe["data"], split="test", images=n), seed=0,
                maps=maps(model, x), change=local_change(model, x))


# ---- stages

def right(y, x): # (B, C, H, W) float each
    "(R,) float: of the power of the images in each ring of frequencies, the share that is right."
    return 1 - rings(y - x).sum(0) / rings(x - x.mean(0)).sum(0)


def watch(name, root, minutes, slices, n, few):
    "The result of training one of `RUNS`, the photographs at each stage, and where the tokens work in one of them."
    base, changed = RUNS[name]
    recipe, photos = recipes[base].override(*changed), photographs()
    train, valid = (recipe.load(split, root) for split in ("train", "valid"))
    learn = make_learner(recipe, train, valid[:n], minutes=minutes, precision="bf16", device="cpu")
    learn.snapshots.images, learn.snapshots.most = torch.cat([photos, to_float(valid[:n])]), slices
    with learn.no_bar(), learn.no_logging(): model = fit(learn, slices)
    x = learn.snapshots.images[len(photos):]
    stages = [dict(seconds=round(r["seconds"], 1), batches=r["batches"], psnr=round(r["psnr"], 3),
                   right=[round(v, 4) for v in right(r["images"][len(photos):], x).tolist()])
              for r in learn.snapshots.rows]
    found = report(learn, valid=valid)
    areas = {k: mean(v) for k, v in influence(model, x[:few]).items()}
    facts = "bits", "parameters", "minutes", "seconds", "batches", "precision", "data", "results"
    seen = [(r["seconds"], r["images"][:len(photos)]) for r in learn.snapshots.rows]
    return (dict(name=base, changed=changed, seed=recipe.seed, **{k: found[k] for k in facts}, stages=stages,
                 influence=areas), seen, token_influence(model, photos[:1], words=8, progress=False))


def save(figure, path):
    "The figure as a WebP file."
    figure.savefig(file := BytesIO(), format="png", dpi=100)
    Image.open(file).convert("RGBA").save(out := BytesIO(), "WEBP", lossless=True, method=6)
    write_whole(path, out.getvalue())
    print(path, f"{len(out.getvalue()) / 1000:.0f} kB")


def draw_stages(seen, path, shown=("local start", "Fourier start", "VQ-VAE"), pictures=2, parts=(.25, .45, 1)):
    """A row per model and photograph, time to the right, the photograph last. `parts` of the time: by a quarter all
    have their words, which k-means finds for 64 codebooks in half a minute."""
    photos, rows, names, last = photographs(), [], [], seen[shown[0]][-1][0]
    for name in shown:
        at = [min(seen[name], key=lambda r: abs(r[0] - part * last)) for part in parts]
        for p in range(pictures):
            rows += [images[[p]] for _, images in at] + [photos[[p]]]
            names.append(name if p == 0 else "")
    titles = [f"{seconds:.0f} s" for seconds, _ in at] + ["photo"]
    save(show_grid(torch.cat(rows), len(titles), names, titles, scale=2), path)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--models", nargs="*", default=[], help="names of shipped models, or folders")
    p.add_argument("--stages", action="store_true", help="train the small models")
    p.add_argument("--minutes", type=float, default=2.5, help="of processor time for each (default: 2.5)")
    p.add_argument("--slices", type=int, default=20, help="stages (default: 20)")
    p.add_argument("--root", default="data", help="where the data sets lie")
    p.add_argument("--images", type=int, default=200, help="test images (default: 200)")
    p.add_argument("--watched", type=int, default=250, help="validation images watched in training (default: 250)")
    p.add_argument("--few", type=int, default=20, help="of these, for influence (default: 20)")
    p.add_argument("--out", type=Path, default=Path(__file__).parent.parent/"results"/"runs"/"inside")
    p.add_argument("--pictures", type=Path, default=Path(__file__).parent.parent/"images", help="their folder")
    a = p.parse_args()
    torch.set_num_threads(1)
    matplotlib.use("agg")
    for name in a.models:
        found = measure(name, a.root, a.images) | provenance()
        write_result(a.out/f"{Path(name).name}.json", found)
        change = found["change"]
        print(Path(name).name, found["maps"], *(change[k] for k in ("inside", "near", "moved")), flush=True)
    if a.stages:
        results, seen, maps_of = {}, {}, {}
        for name in RUNS:
            results[name], seen[name], maps_of[name] = watch(name, a.root, a.minutes, a.slices, a.watched, a.few)
            print(name, results[name]["batches"], results[name]["results"], results[name]["influence"], flush=True)
        about = dict(data=dict(name="cifar10", split="valid", images=a.watched), few=a.few)
        write_result(a.out/"stages.json", dict(**about, runs=results) | provenance())
        draw_stages(seen, a.pictures/"stages.webp")
        save(plot_influence(maps_of), a.pictures/"starts.webp")
