"""Measure `.qgv` files beside JPEG, WebP and AVIF, and the coder on a whole test set; write nbs/results/codec_rates.json.

    python nbs/results/codec.py --root data

The images are MNIST's official test set (in --root, as torchvision lays it out): the first 1,000
for rate and distortion, all 10,000 for the round trip and the coder's overhead.
"""
import argparse, hashlib, json, math, time, warnings
from pathlib import Path
import numpy as np, torch
from qgvae.was_codec import TOTAL, Codec, parts
from qgvae.data import load_images, to_float
from qgvae.was_evaluation import PillowCodec, Scores, rate_distortion
from qgvae.was_training import device_name, git_commit

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--root", default="data")
p.add_argument("--models", nargs="+", default=["digits", "nbs/golden/model"], help="shipped names or folders")
p.add_argument("--out", type=Path, default=Path("nbs/results/codec_rates.json"))
a = p.parse_args()

warnings.simplefilter("ignore")
images = load_images("mnist", "test", a.root)
some = images[:1000]

def tokens_of(codec): return torch.cat([codec.model.encode(to_float(b)) for b in images.split(250)])
def row(setting, psnr, payload, file):
    "The median, since some codecs give some images back exactly, and the mean of their PSNR is then infinite."
    finite = {"mean": round(psnr["mean"], 3), "interval": [round(v, 3) for v in psnr["interval"]]} if math.isfinite(psnr["mean"]) else {}
    return dict(setting=setting, psnr=round(psnr["median"], 3), **finite, payload=round(float(payload), 2), file=round(float(file), 2))

def curve(codec, tokens):
    "One point for each number of tokens."
    N = codec.config.n_tokens
    for k in sorted({round(N * s) for s in (1/16, 1/8, 1/4, 3/8, 1/2, 5/8, 3/4, 7/8, 1)} if codec.ordered else {N}):
        files, scores = [codec.pack([r[:k]]) for r in tokens[:1000]], Scores(("psnr",))
        scores.add(codec.render(tokens[:1000], torch.full((1000,), k)), to_float(some))
        payload = [sum(o.size for o in parts(f, codec) if o.name == "tokens") for f in files]
        yield row(k, scores.result()["psnr"], np.mean(payload), np.mean([len(f) for f in files]))

def coder(codec, tokens):
    "Every image through a file of its own, in both methods; sizes next to the cross-entropy, times next to the model's."
    bits = -(codec.frequencies.double() / TOTAL)[torch.arange(tokens.shape[1]), tokens].log2().sum(1)
    found = dict(images=len(tokens), cross_entropy=bits.mean().item() / 8)
    for method in codec.coders:
        t0 = time.perf_counter(); files = [codec.pack([r], method=method) for r in tokens]
        t1 = time.perf_counter(); back = torch.stack([codec.unpack(f).tokens[0] for f in files])
        t2 = time.perf_counter()
        size = torch.tensor([sum(o.size for o in parts(f, codec) if o.name == "tokens") for f in files]).double()
        found[method] = dict(round_trip=torch.equal(back, tokens), payload=size.mean().item(), file=float(np.mean([len(f) for f in files])),
                             most_above=(size - bits / 8).max().item(), us_pack=1e6 * (t1 - t0) / len(tokens), us_unpack=1e6 * (t2 - t1) / len(tokens))
    x = to_float(images[:256]); t0 = time.perf_counter(); q = codec.model.encode(x); t1 = time.perf_counter(); codec.model.decode(q); t2 = time.perf_counter()
    return found | dict(us_model_encode=1e6 * (t1 - t0) / 256, us_model_decode=1e6 * (t2 - t1) / 256)

curves, coders, ids = {}, {}, {}
for folder in a.models:
    codec, name = Codec.from_pretrained(folder), "tiny" if "golden" in folder else Path(folder).name
    tokens = tokens_of(codec)
    curves[f"qgvae {name}"], coders[name], ids[name] = list(curve(codec, tokens)), coder(codec, tokens), codec.ids["packed"][:3].hex()
    print(name, curves[f"qgvae {name}"][-1], coders[name], flush=True)
for name, kw in (("jpeg", {}), ("webp", {}), ("avif", dict(speed=6))):
    curves[name] = [row(r["setting"], r["psnr"], r["payload"], r["file"]) for r in rate_distortion(PillowCodec(name, **kw), some, PillowCodec.settings[::2], metrics=("psnr",), progress=False)]
    print(name, curves[name][-1], flush=True)
result = dict(data=dict(set="mnist", split="test", rates=len(some), coder=len(images), sha256=hashlib.sha256(images.numpy().tobytes()).hexdigest()[:16]), protocol="native; psnr: median over the images, mean: their mean with its 95 % interval; mean bytes",
              models=ids, curves=curves, coder=coders, commit=git_commit(), device=device_name(torch.device("cpu")), date=time.strftime("%Y-%m-%d"), torch=torch.__version__)
a.out.write_text(json.dumps(result, indent=1) + "\n")
