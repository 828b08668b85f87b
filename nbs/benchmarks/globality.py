"""How global are the tokens of a model, and is a learned order like Fourier's? Writes a result file per model.

    OMP_NUM_THREADS=1 python nbs/benchmarks/globality.py --root DATA --models digits cifar10-v2 FOLDER
    OMP_NUM_THREADS=1 python nbs/benchmarks/globality.py --root DATA --starts

A model is the name of a shipped one or a folder of `qgvae train`. It is asked about the first images of the test split
of its own data. With --starts the untrained models of `STARTS` are measured, with three seeds each.
`nbs/results/global.ipynb` explains and draws the results.
"""
import argparse
import json
from dataclasses import replace
from pathlib import Path
import torch
from qgvae.evaluation.interpretation import changed_tokens, decode_prefixes, influence_area, influence_overlap
from qgvae.evaluation.interpretation import paint_patch, token_influence
from qgvae.fourier import PCA, dft_order
from qgvae.images import to_float
from qgvae.model import QGVAE
from qgvae.pretrained import load_tokenizer, model_folder
from qgvae.records import provenance, write_result
from qgvae.training.datasets import load_images

WORDS = 4 # other words tried for each token of an image
STARTS = {"random": dict(start="random", maps=None), "local": dict(start="local", maps=None),
          "Fourier": dict(start="fourier", maps=1)}


def mean(v): # (n,) float, a value per image
    "{'mean', 'interval'}: 95 % over the images, by the normal approximation."
    v = torch.as_tensor(v).double()
    m, half = v.mean().item(), 1.96 * v.std().item() / len(v)**0.5
    return dict(mean=round(m, 4), interval=[round(m - half, 4), round(m + half, 4)])


def influence(model, x):
    "{name: (B,) list}: overlap, area of one token, of all together, and the one as a share of the other."
    rows = []
    for image in x:
        maps = token_influence(model, image[None], words=WORDS, progress=False)                 # (N, H, W)
        one, together = influence_area(maps).mean().item(), influence_area(maps.mean(0)[None]).item()
        rows.append((influence_overlap(maps), one, together, one / together))
    return dict(zip(("overlap", "area", "together", "share"), map(list, zip(*rows))))


def moved(model, x, size=3):
    "(B,) float: share of an image's tokens that are others after a white square is painted on its middle."
    y = paint_patch(x, (x.shape[-2] - size) // 2, (x.shape[-1] - size) // 2, size)
    return torch.stack([changed_tokens(model, x[[i]], y[[i]], progress=False).mean() for i in range(len(x))])


def rings(d): # (..., C, H, W) float
    "(..., R) float: the power of `d` in rings of equal frequency, 0, 1, 2 ... cycles an image."
    H, W = d.shape[-2:]
    u, v = torch.fft.fftfreq(H, 1 / H)[:, None], torch.fft.fftfreq(W, 1 / W)
    ring = (u.square() + v.square()).sqrt().round().long()                                      # (H, W)
    power = torch.fft.fft2(d, norm="ortho").abs().square().sum(-3).flatten(-2)                  # (..., H*W)
    return power.new_zeros(*power.shape[:-1], ring.max() + 1).index_add_(-1, ring.flatten(), power)


def frequency(power): # (..., R) float, from `rings`
    "(..., 2) float: the mean frequency and its spread, cycles an image; NaN without power."
    r = torch.arange(power.shape[-1])
    share = power / power.sum(-1, keepdim=True)
    m = (share * r).sum(-1, keepdim=True)
    return torch.cat([m, (share * (r - m).square()).sum(-1, keepdim=True).sqrt()], -1)


def order(f): # (N,) float
    "Spearman's rank correlation of a token's frequency with its number: 1 if it rises with every token."
    ranks = f.argsort().argsort()
    return torch.corrcoef(torch.stack([ranks, torch.arange(len(f))]).double())[0, 1].item()


def spectrum(power, # (N, B, R) float: what token n does to image b
             times=500): # images drawn anew
    "Plain data: mean frequency and spread of each token, how they are ordered, and the shares of the rings."
    generator, B = torch.Generator().manual_seed(0), power.shape[1]
    total = power.sum(1)                                                                        # (N, R)
    drawn = [power[:, torch.randint(B, (B,), generator=generator)].sum(1) for _ in range(times)]
    drawn = torch.stack([frequency(p) for p in drawn])                                          # (times, N, 2)
    orders = torch.tensor([order(f) for f in drawn[..., 0]])
    between = lambda v: v.quantile(torch.tensor([.025, .975]), 0)
    rounded = lambda v, n=3: [round(o, n) for o in v.tolist()]
    f, spread = frequency(total).unbind(-1)
    return dict(images=B, energy=rounded(total.sum(-1) / total.sum(), 5), frequency=rounded(f), spread=rounded(spread),
                interval=[rounded(v) for v in between(drawn[..., 0])], order=round(order(f), 3),
                order_interval=rounded(between(orders)), mean_spread=round(spread.mean().item(), 3),
                rings=[rounded(p / p.sum()) for p in total])


@torch.no_grad()
def exchanged(model, x):
    "(N, B, R) float: power of the change if a token is exchanged for another word, chosen by chance."
    N, K, q = model.config.n_tokens, model.config.n_words, model.quantizer
    tokens, chance, found = model.encode(x), torch.Generator().manual_seed(0), []
    for t in tokens:
        other = t.repeat(N, 1)
        other.diagonal().add_(torch.randint(1, K, (N,), generator=chance)).remainder_(K)
        found.append(rings(model.render(q.lookup(other)) - model.render(q.lookup(t[None]))))
    return torch.stack(found, 1)


def added(model, x):
    "(N, B, R) float: power of what token k adds to the image of those before it."
    y = [decode_prefixes(model, o, range(model.config.n_tokens + 1), progress=False) for o in x.split(25)]
    return torch.cat([rings(o.diff(dim=0)) for o in y], 1)


def references(x, # (n, C, H, W) float, training images
               N): # numbers wanted
    "What the k-th component of a PCA and the k-th number of each channel's DFT add, k = 1..N."
    components = PCA().fit(x).basis[:, :N].T.unflatten(1, x.shape[1:])                          # (N, C, H, W)
    H, W = x.shape[-2:]
    waves = torch.zeros(N, 1, H, W)
    for k, (u, v, _) in enumerate(dft_order(H, W)[:N].tolist()): # one wave, whatever its phase
        a, b = torch.arange(H)[:, None] * u / H, torch.arange(W) * v / W
        waves[k, 0] = (2 * torch.pi * (a + b)).cos()
    return {name: spectrum(rings(d)[:, None], 1) for name, d in (("PCA", components), ("DFT", waves))}


def measure(name, root, few, many):
    "The result of a model."
    model, told = load_tokenizer(name), json.loads((model_folder(name)/"result.json").read_text())
    recipe, N = told["recipe"], model.config.n_tokens
    x = to_float(load_images(recipe["data"], "test", root)[:many])
    training = {k: told[k] for k in ("minutes", "seconds", "batches", "commit")}
    psnr = told["results"].get("test", told["results"]["valid"])["psnr"]
    found = dict(kind=recipe["kind"], start=recipe["model"].get("start"), maps=recipe["model"].get("maps"),
                 ordered=recipe["ordered"], tokens=N, psnr=psnr, training=training,
                 data=dict(name=recipe["data"], split="test", images=few), words=WORDS, seed=0,
                 **{k: mean(v) for k, v in influence(model, x[:few]).items()}, moved=mean(moved(model, x)))
    found["exchange"] = spectrum(exchanged(model, x[:many // 2]))
    del found["exchange"]["rings"]                      # only those of what is added are drawn
    if recipe["ordered"]:
        found["adds"] = spectrum(added(model, x))
        found["references"] = references(to_float(load_images(recipe["data"], "train", root)[:5000]), N)
    return found


def measure_starts(root, few, seeds=3):
    "The result of untrained models of the size of `cifar10-v2`, with narrow networks."
    x, found = to_float(load_images("cifar10", "test", root)[:few]), []
    base = replace(load_tokenizer("cifar10-v2").config, encoder_widths=(32, 64), decoder_widths=(32, 64), n_words=16)
    for name, settings in STARTS.items():
        for norm in (False, True):
            every = []
            for seed in range(seeds):
                torch.manual_seed(seed)
                every.append(influence(QGVAE(replace(base, **settings, norm=norm)).eval(), x))
            rows = {k: mean([v for o in every for v in o[k]]) for k in every[0]}
            found.append(dict(start=name, norm=norm, seeds=seeds, images=few, **rows))
            print(found[-1], flush=True)
    return dict(data=dict(name="cifar10", split="test", images=few), words=WORDS, starts=found)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--models", nargs="*", default=[], help="names of shipped models, or folders")
    p.add_argument("--starts", action="store_true", help="measure the untrained models")
    p.add_argument("--root", default="data", help="where the data sets lie")
    p.add_argument("--few", type=int, default=40, help="images for overlap and area (default: 40)")
    p.add_argument("--many", type=int, default=200, help="images for spectra (default: 200)")
    p.add_argument("--out", type=Path, default=Path(__file__).parent.parent/"results"/"runs"/"globality")
    a = p.parse_args()
    torch.set_num_threads(1)
    if a.starts: write_result(a.out/"starts.json", measure_starts(a.root, 4) | provenance())
    for name in a.models:
        found = measure(name, a.root, a.few, a.many) | provenance()
        write_result(a.out/f"{Path(name).name}.json", found)
        print(Path(name).name, {k: found[k] for k in ("overlap", "area", "share", "moved")},
              "order", found["exchange"]["order"], found.get("adds", {}).get("order"), flush=True)
