"""Measure `.qgv` files beside JPEG, WebP and AVIF, and the coder on a whole test set.

Writes nbs/results/runs/benchmarks/codec_rates.json:

    python nbs/benchmarks/codec_rates.py --root data

and with other models on other images another file:

    python nbs/benchmarks/codec_rates.py --data cifar10 --models cifar10-v2 cifar10-v2-ordered \\
        --out nbs/results/runs/benchmarks/codec_rates_cifar10.json --root data

The images are a data set's official test set (in --root, as torchvision lays it out), MNIST's unless
another is named: the first 1,000 for rate and distortion, all for the round trip and the coder's overhead.
"""
import argparse
import hashlib
import math
import time
import warnings
from pathlib import Path
import numpy as np
import torch
from qgvae.codec.coders import TOTAL
from qgvae.codec.files import Codec
from qgvae.codec.parts import parts
from qgvae.training.datasets import load_images
from qgvae.images import to_float
from qgvae.records import device_name, git_commit, write_result
from qgvae.evaluation.metrics import Scores
from qgvae.evaluation.baselines import PillowCodec, rate_distortion

SHARES = (1/16, 1/8, 1/4, 3/8, 1/2, 5/8, 3/4, 7/8, 1) # of the tokens, for an ordered model
PROTOCOL = "native; psnr: median over the images, mean: their mean with its 95 % interval; mean bytes"


def row(setting, psnr, payload, file):
    "The median, since some codecs give some images back exactly, and the mean of their PSNR is then infinite."
    found = dict(setting=setting, psnr=round(psnr["median"], 3))
    if math.isfinite(psnr["mean"]):
        found |= dict(mean=round(psnr["mean"], 3), interval=[round(v, 3) for v in psnr["interval"]])
    return found | dict(payload=round(float(payload), 2), file=round(float(file), 2))


def payloads(files, codec):
    "Bytes of the tokens in each file."
    return [sum(o.size for o in parts(f, codec) if o.name == "tokens") for f in files]


def curve(codec, images, tokens):
    "One point for each number of tokens."
    N = codec.config.n_tokens
    for k in sorted({round(N * s) for s in SHARES} if codec.ordered else {N}):
        files, scores = [codec.pack([r[:k]]) for r in tokens], Scores(("psnr",))
        scores.add(codec.render(tokens, torch.full((len(tokens),), k)), to_float(images))
        size = np.mean([len(f) for f in files])
        yield row(k, scores.result()["psnr"], np.mean(payloads(files, codec)), size)


def round_trip(codec, tokens, method, bits):
    "Every image through a file of its own: sizes beside the cross-entropy (`bits` of each image), and times."
    n, t0 = len(tokens), time.perf_counter()
    files = [codec.pack([r], method=method) for r in tokens]
    t1 = time.perf_counter()
    back = torch.stack([codec.unpack(f).tokens[0] for f in files])
    t2 = time.perf_counter()
    size = torch.tensor(payloads(files, codec)).double()
    return dict(round_trip=torch.equal(back, tokens), payload=size.mean().item(),
                file=float(np.mean([len(f) for f in files])), most_above=(size - bits / 8).max().item(),
                us_pack=1e6 * (t1 - t0) / n, us_unpack=1e6 * (t2 - t1) / n)


def coder(codec, images, tokens):
    "Both methods on all images, and the model's own times."
    shares = codec.frequencies.double() / TOTAL
    bits = -shares[torch.arange(tokens.shape[1]), tokens].log2().sum(1)
    found = dict(images=len(tokens), cross_entropy=bits.mean().item() / 8)
    for method in codec.coders: found[method] = round_trip(codec, tokens, method, bits)
    x, t0 = to_float(images[:256]), time.perf_counter()
    q = codec.model.encode(x)
    t1 = time.perf_counter()
    codec.model.decode(q)
    t2 = time.perf_counter()
    return found | dict(us_model_encode=1e6 * (t1 - t0) / 256, us_model_decode=1e6 * (t2 - t1) / 256)


def main(root, data, models, out):
    warnings.simplefilter("ignore")
    images = load_images(data, "test", root)
    some, curves, coders, ids = images[:1000], {}, {}, {}
    for folder in models:
        codec, name = Codec.from_pretrained(folder), "tiny" if "golden" in folder else Path(folder).name
        tokens = torch.cat([codec.model.encode(to_float(b)) for b in images.split(250)])
        curves[f"qgvae {name}"] = list(curve(codec, some, tokens[:1000]))
        coders[name], ids[name] = coder(codec, images, tokens), codec.ids["packed"][:3].hex()
        print(name, curves[f"qgvae {name}"][-1], coders[name], flush=True)
    for name, kw in (("jpeg", {}), ("webp", {}), ("avif", dict(speed=6))):
        rival = PillowCodec(name, **kw)
        found = rate_distortion(rival, some, PillowCodec.settings[::2], metrics=("psnr",), progress=False)
        curves[name] = [row(r["setting"], r["psnr"], r["payload"], r["file"]) for r in found]
        print(name, curves[name][-1], flush=True)
    sha = hashlib.sha256(images.numpy().tobytes()).hexdigest()[:16]
    told = dict(set=data, split="test", rates=len(some), coder=len(images), sha256=sha)
    made = dict(commit=git_commit(), device=device_name(torch.device("cpu")), date=time.strftime("%Y-%m-%d"))
    result = dict(data=told, protocol=PROTOCOL, models=ids, curves=curves, coder=coders, **made)
    write_result(out, result | dict(torch=torch.__version__))


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--root", default="data")
    p.add_argument("--data", default="mnist", help="data set (default: mnist)")
    p.add_argument("--models", nargs="+", default=["digits", "nbs/codec/golden/model"], help="shipped names or folders")
    p.add_argument("--out", type=Path, default=Path("nbs/results/runs/benchmarks/codec_rates.json"))
    main(**vars(p.parse_args()))
