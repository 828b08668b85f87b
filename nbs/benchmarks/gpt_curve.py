"""How good do drawn digits become with training, for the tokens of one tokenizer or of another? (figure 11 of the paper, on MNIST)

    python nbs/results/gpt_curve.py QG-VAE digits --root DATA --lpips FILE
    qgvae train digits-vqvae --epochs 30 --precision fp32 --out vq --result vq.json
    python nbs/results/gpt_curve.py VQ-VAE vq --result vq.json --root DATA --lpips FILE

One call trains the transformer of the recipe digits-gpt, without classes, on the tokens of one tokenizer, and adds its curve to the result file.
The batches hold the same images for every tokenizer. At each point the averaged weights draw --sets times --n digits, and FD-AlexNet
compares each set with the first images of MNIST's test split. The distance of as many validation digits that went through the tokenizer is kept beside it, for comparison.
"""
import argparse, dataclasses, hashlib, json, time
from pathlib import Path
import torch
from fastai.callback.core import Callback
from safetensors.torch import load_file
from qgvae.codec.files import fingerprint
from qgvae.images import digits, to_float
from qgvae.training.datasets import load_images
from qgvae.evaluation.metrics import AlexNetFeatures, Frechet
from qgvae.was_generation import ImageGenerator, gpt_learner, gpt_recipes
from qgvae.generation.gpt_training import TokenSet, token_bits, tokenize
from qgvae.pretrained import load_tokenizer, model_folder
from qgvae.records import device_name, git_commit, write_whole
from qgvae.training.learner import fit, measure

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("name", help="of the curve")
p.add_argument("tokenizer", help="shipped name or folder")
p.add_argument("--result", type=Path, help="result file of the tokenizer (default: the one beside its weights)")
p.add_argument("--recipe", default="digits-gpt", choices=gpt_recipes)
p.add_argument("--batches", type=int, default=1200)
p.add_argument("--points", type=int, default=8)
p.add_argument("--sets", type=int, default=3, help="sets of drawn images at each point, whose distances show the spread")
p.add_argument("--n", type=int, default=500, help="images of a set")
p.add_argument("--real", type=int, default=1000, help="real images to compare with")
p.add_argument("--valid", type=int, default=1000, help="validation images whose bits are measured")
p.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
p.add_argument("--root", default="data")
p.add_argument("--lpips", type=Path, help="file with AlexNet's weights")
p.add_argument("--tokens", type=Path, help="safetensors file with the training tokens, if they were made before")
p.add_argument("--out", type=Path, default=Path("nbs/results/gpt_curve.json"))
a = p.parse_args()
settings = {k: getattr(a, k) for k in ("recipe", "batches", "points", "sets", "n", "real", "valid")}
def saved(): return json.loads(a.out.read_text()) if a.out.exists() else dict(settings=settings, curves={})
if saved()["settings"] != settings: p.error(f"{a.out} was made with other settings: {saved()['settings']}")

start, tokenizer, alexnet = time.time(), load_tokenizer(a.tokenizer), AlexNetFeatures(a.lpips)
images = {s: load_images("mnist", s, a.root) for s in ("train", "valid", "test")}
features = lambda x: torch.cat([alexnet(b) for b in x.split(100)])
real = features(to_float(images["test"][:a.real]))

def distances(x): # (sets * n, C, H, W) float
    "FD-AlexNet of each set."
    found = []
    for f in features(x).split(a.n):
        fd = Frechet(torch.nn.Identity(), "FD-AlexNet"); fd.add(f, real); found.append(fd.result())
    return found

others = to_float(images["valid"][:a.sets * a.n])
tokens = {s: tokenize(tokenizer, images[s][:n], progress=False) for s, n in (("valid", a.valid), *(() if a.tokens else (("train", None),)))}
if a.tokens: tokens["train"] = TokenSet(load_file(a.tokens)["tokens"], None, fingerprint(tokenizer).hex())
if not torch.equal(tokens["train"].tokens[:500].long(), tokenizer.encode(to_float(images["train"][:500]))): p.error(f"{a.tokens} holds the tokens of another tokenizer")
through = torch.cat([tokenizer.decode(tokenizer.encode(x)) for x in others.split(250)])
trained = json.loads((a.result or Path(model_folder(a.tokenizer))/"result.json").read_text())
curve = dict(tokenizer={k: trained[k] for k in ("name", "changed", "batches", "precision", "commit", "device")} | dict(kind=trained["recipe"]["kind"], seed=trained["recipe"]["seed"], fingerprint=fingerprint(tokenizer).hex(), bits=tokenizer.config.n_tokens * torch.tensor(float(tokenizer.config.n_words)).log2().item()),
             psnr={"500 embedded test digits": measure(tokenizer, digits("test"))["psnr"], "10,000 test digits of MNIST": measure(tokenizer, images["test"])["psnr"]},
             floor=distances(through), rows=[])
bound = distances(others)
print(a.name, curve["psnr"], "floor", curve["floor"], "other real digits", bound, round(time.time() - start), "s", flush=True)

class Measure(Callback):
    "After each stretch, while the averaged weights are in the model: bits and distances."
    order = 16                                          # EMA, at 20, puts the trained weights back
    def after_validate(self):
        model = self.model.eval()
        x = ImageGenerator(model, tokenizer).sample(a.sets * a.n, seed=0)
        curve["rows"].append(dict(batches=self.dls.train.position, bits=token_bits(model, tokens["valid"]).sum(1).mean().item(), fd=distances(x)))
        print(a.name, curve["rows"][-1], round(time.time() - start), "s", flush=True)
        write()

def write():
    done = dict(settings=settings, metric=f"FD-AlexNet of {a.sets} sets of {a.n} images, each against the first {a.real:,} of MNIST's test split", real=bound, curves=saved()["curves"] | {a.name: curve})
    write_whole(a.out, (json.dumps(done, indent=1) + "\n").encode())

recipe = dataclasses.replace(gpt_recipes[a.recipe], epochs=a.points, patience=a.points)
learn = gpt_learner(recipe, tokenizer, tokens["train"], tokens["valid"]._replace(tokens=tokens["valid"].tokens[:250]), precision=a.precision, length=a.batches // a.points)
curve |= dict(transformer=json.loads(recipe.to_json()), parameters=sum(q.numel() for q in learn.model.parameters()), precision=learn.precision, sampling_seed=0,
              images=len(tokens["train"].tokens), sha256=hashlib.sha256(tokens["train"].tokens.short().contiguous().numpy().tobytes()).hexdigest()[:16],
              device=device_name(learn.dls.train.device), commit=git_commit(), date=time.strftime("%Y-%m-%d"))
learn.add_cb(Measure())
with learn.no_bar(), learn.no_logging(): fit(learn)
curve["seconds"] = round(time.time() - start)
write()
