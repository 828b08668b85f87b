"""What the search for better tokens brings: PSNR against decodings for shipped models; writes one result file.

    python nbs/benchmarks/search.py --models digits mnist cifar10 --root DATA --images 100
    python nbs/benchmarks/search.py --models cifar10-v2-ordered FOLDER --root DATA --whole --each --out FILE

The first images of the test split are encoded with each effort; a model's data are those of its training. An ordered
model is searched for `halves`, so that its prefixes gain as well; with --whole for all of its tokens alone, as the
others are. With --each the PSNR of each image is kept, so that two models can be compared image by image. Times are
processor time of one thread. The result file is written again after every few images, with as many as are done, and a
run that was stopped goes on where it was: what each image came to lies beside the result in a `.part` file, which is
removed at the end.
"""
import argparse
import json
import time
from pathlib import Path
import torch
from qgvae.evaluation.metrics import bootstrap
from qgvae.images import psnr, to_float
from qgvae.pretrained import load_tokenizer, model_folder
from qgvae.records import provenance, write_result
from qgvae.training.datasets import load_images
from qgvae.codec.search import EFFORTS, bf16_pays, halves, search

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--models", nargs="+", required=True, help="names of shipped models, or folders")
p.add_argument("--root", default="data", help="where the data sets lie")
p.add_argument("--images", type=int, default=100, help="first so many of the test split")
p.add_argument("--efforts", type=int, nargs="+", default=[0, 1, 2], choices=range(len(EFFORTS)))
p.add_argument("--whole", action="store_true", help="search ordered models for all tokens alone")
p.add_argument("--each", action="store_true", help="keep the PSNR of each image")
p.add_argument("--chunk", type=int, default=10, help="images between two writes (default: 10)")
p.add_argument("--out", type=Path, default=Path(__file__).parent.parent/"results"/"runs"/"benchmarks"/"search.json")
a = p.parse_args()
part = a.out.with_suffix(".part")


def chunk_rows(model, x, ordered):
    "{effort: {what: a value for each image}} of a few images."
    tokens, found = model.encode(x), {}
    for effort in a.efforts:
        began = time.process_time()
        better = search(model, x, tokens, effort, prefixes=halves(model.config.n_tokens) if ordered else None)
        seconds = (time.process_time() - began) / len(x)
        found[str(effort)] = dict(start=psnr(model.decode(tokens), x).tolist(),
                                  psnr=psnr(model.decode(better.tokens), x).tolist(),
                                  decodings=better.decodings.tolist(), seconds=[seconds] * len(x),
                                  changed=(better.tokens != tokens).float().mean(1).tolist())
    return found


def row(effort, values):
    "The summary of an effort; the interval is that of the mean of gains, paired by image."
    v = {name: torch.tensor(each).float() for name, each in values.items()}
    gain, mean = v["psnr"] - v["start"], {name: each.mean().item() for name, each in v.items()}
    sure = lambda each: [round(g, 3) for g in bootstrap(each) or [each.item()] * 2]
    return dict(effort=int(effort), psnr=round(mean["psnr"], 3), gain=round(gain.mean().item(), 3),
                interval=sure(gain), psnr_interval=sure(v["psnr"]),
                least=round(gain.min().item(), 3), most=round(gain.max().item(), 3),
                decodings=round(mean["decodings"], 1), seconds=round(mean["seconds"], 3),
                changed=round(mean["changed"], 3),
                **(dict(each=[round(db, 3) for db in values["psnr"]]) if a.each else {}))


def measure(name, write, done):
    "Go on with one model; `write` gets its rows after each chunk."
    model, told = load_tokenizer(name), json.loads((model_folder(name)/"result.json").read_text())
    recipe = told["recipe"]
    x, ordered = to_float(load_images(recipe["data"], "test", a.root)[:a.images]), bool(recipe["ordered"])
    training = {k: told[k] for k in ("name", "changed", "minutes", "batches", "parameters", "bits", "commit")}
    about = dict(kind=recipe["kind"], data=recipe["data"], split="test", ordered=ordered, whole=a.whole, seed=0,
                 bf16=bf16_pays(model), asked=len(x), training=training)
    while (n := len(done[str(a.efforts[0])]["psnr"]) if done else 0) < len(x):
        for effort, values in chunk_rows(model, x[n:n + a.chunk], ordered and not a.whole).items():
            mine = done.setdefault(effort, {})
            for what, each in values.items(): mine.setdefault(what, []).extend(each)
        rows = [row(*item) for item in done.items()]
        write(about | dict(images=len(done[str(a.efforts[0])]["psnr"]), efforts=rows), done)
        print(name, *({k: v for k, v in r.items() if k != "each"} for r in rows), sep="\n  ", flush=True)


torch.set_num_threads(1)
settings = dict(models=a.models, efforts=a.efforts, whole=a.whole)
kept = json.loads(part.read_text()) if part.exists() else dict(settings=settings, models={}, each={})
if kept["settings"] != settings: p.error(f"{part} is of a run with {kept['settings']}; go on with that, or remove it")
for name in a.models:
    short = Path(name).name

    def write(rows, each):
        kept["models"][short], kept["each"][short] = rows, each
        write_result(part, kept)
        write_result(a.out, dict(what="gain of the search for better tokens", protocol="native",
                                 models=kept["models"], **provenance()))

    measure(name, write, kept["each"].get(short, {}))
part.unlink(missing_ok=True)
