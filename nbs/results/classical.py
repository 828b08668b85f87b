"""Measure classical codecs at the size of a tokenizer's code and write result files.

    python nbs/results/classical.py --size 32 --out nbs/results/eval --name digits
    python nbs/results/classical.py --data mnist --root data --size 72 --limit 1000 --out nbs/results/eval --name mnist

Each image is coded at all settings of a codec, and the best version that fits into --size bytes is taken (`at_size`):
--by payload counts the bytes that differ from image to image, --by file the whole file. The tables of the linear codes,
and PCA, come from the training split.
"""
import argparse, hashlib, importlib.metadata, json, os, time
from pathlib import Path
import torch
from PIL import features
from qgvae.data import load_images
from qgvae.was_evaluation import AlexNetFeatures, Frechet, LinearCodec, PillowCodec, at_size, protocols
from qgvae.was_training import device_name, git_commit

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--data", default="digits")
p.add_argument("--root", default="data")
p.add_argument("--split", default="test", choices=("valid", "test"))
p.add_argument("--size", type=float, required=True, help="bytes an image may have")
p.add_argument("--by", nargs="*", default=["payload", "file"], choices=("payload", "file"))
p.add_argument("--codecs", nargs="*", default=["pca", "dct", "dft", "jpeg", "webp", "avif"])
p.add_argument("--avif-speed", type=int, default=0, help="0 is the best and slowest, 10 the fastest")
p.add_argument("--limit", type=int, help="only the first so many images")
p.add_argument("--train", type=int, default=10000, help="at most so many training images for the linear codes")
p.add_argument("--lpips", help="AlexNet's weights")
p.add_argument("--out", type=Path, required=True, help="folder")
p.add_argument("--name", required=True, help="beginning of the files' names")
p.add_argument("--force", action="store_true", help="measure again what is there")
a = p.parse_args()

train, images = load_images(a.data, "train", a.root)[:a.train], load_images(a.data, a.split, a.root)
used = images[:a.limit]
sha = lambda x: hashlib.sha256(x.contiguous().numpy().tobytes()).hexdigest()[:16]
metrics = ["psnr", "ssim"]
if a.lpips: net = AlexNetFeatures(a.lpips); metrics += [net.lpips, Frechet(net)]

def codec(name):
    if name in ("pca", "dct", "dft"): return LinearCodec(name, train)
    return PillowCodec(name, **(dict(speed=a.avif_speed) if name == "avif" else {}))

class Kept:
    "A codec that remembers, so that both protocols and both sizes cost one coding."
    def __init__(self, codec): self.codec, self.name, self.settings, self.known = codec, codec.name, codec.settings, {}
    def __call__(self, images, setting):
        key = sha(images), setting
        if key not in self.known: self.known[key] = self.codec(images, setting)
        return self.known[key]

for name in a.codecs:
    start, c = time.monotonic(), None
    for by in a.by:
        if by == "file" and name in ("pca", "dct", "dft"): continue      # no such file is written: see `LinearCodec`
        path = a.out/f"{a.name}-{name}-{by}.json"
        if path.exists() and not a.force: print(path, "is there"); continue
        c = c or Kept(codec(name))
        found = {q: at_size(c, used, a.size, by, protocol=q, metrics=metrics if q == "native" else [m for m in metrics if not isinstance(m, Frechet)]) for q in protocols}
        one = found["native"]
        fd = {k: v for k, v in one.items() if k == "FD-AlexNet"}
        r = dict(model=name, kind="classical", training=dict(tables_from=dict(split="train", images=len(train), sha256=sha(train))) if name in ("pca", "dct", "dft") else {},
                 codec=dict(name=name, settings=list(c.settings), options=getattr(c.codec, "options", dict(block=c.codec.block) if name == "dct" else {})),
                 data=dict(name=a.data, split=a.split, images=len(used), sha256=sha(used), of=len(images)),
                 n=one["n"], bits=dict(allowed=8 * a.size, by=by, payload=8 * one["payload"], file=8 * one["file"], fits=one["fits"]),
                 protocols={q: {k: v for k, v in f.items() if k in ("psnr", "ssim", "lpips")} for q, f in found.items()}, **fd,
                 device=device_name(torch.device("cpu")), commit=git_commit(), date=time.strftime("%Y-%m-%d"),
                 versions={m: importlib.metadata.version(m) for m in ("torch", "pillow", "torchmetrics")} | {k: features.version(f) for k, f in (("libjpeg", "jpg"), ("libwebp", "webp"), ("libavif", "avif"))},
                 wall_seconds=round(time.monotonic() - start, 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        tmp = path.with_suffix(".part"); tmp.write_text(json.dumps(r, indent=1) + "\n"); os.replace(tmp, path)
        print(path, f"{one['psnr']['mean']:.2f} dB, {one['fits']:.0%} fit", flush=True)
