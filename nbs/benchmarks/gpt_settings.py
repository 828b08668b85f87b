"""Train a transformer on the tokens of a data set and write its result file.

    python nbs/results/gpt.py digits-gpt --minutes 20 --root DATA --test --weights qgvae/weights/digits-gpt --out result.json
    python nbs/results/gpt.py digits-gpt --batches 400 --set vocabulary=bands --root DATA --append nbs/results/gpt_settings.json

The tokens of --data are made by --tokenizer, and kept in the folder --tokens if one is given. The classes are those of the data set.
"""
import argparse, ast, dataclasses, json, os, time
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file
from qgvae.codec.files import fingerprint
from qgvae.images import digits
from qgvae.training.datasets import load_images, split_indices
from qgvae.was_generation import gpt_learner, gpt_recipes, gpt_report
from qgvae.generation.gpt import TokenGPT
from qgvae.generation.gpt_training import TokenSet, token_bits, tokenize
from qgvae.pretrained import load_tokenizer
from qgvae.training.learner import fit
from qgvae.training.checkpoints import Checkpoint, load_checkpoint

def changed(recipe, settings):
    "The recipe with settings such as `lr=0.002` replaced."
    new = {}
    for s in settings:
        key, _, value = s.partition("=")
        try: value = ast.literal_eval(value)
        except (ValueError, SyntaxError): pass                # a word
        names = sorted(f.name for f in dataclasses.fields(recipe))
        if key not in names: raise SystemExit(f"gpt: {key} is not a setting; there are {', '.join(names)}")
        new[key] = value
    return dataclasses.replace(recipe, **new)

def labels(split):
    "The classes of a split of MNIST, as `load_images` splits it."
    from torchvision.datasets import MNIST
    y = torch.as_tensor(MNIST(a.root, train=split != "test").targets).long()
    return y if split == "test" else y[split_indices(len(y))[split == "valid"]]

def token_set(split):
    "The tokens of a split, from the folder --tokens if they are there."
    mine = fingerprint(tokenizer).hex()
    file = a.tokens and a.tokens/f"{a.data}-{split}-{mine[:12]}.safetensors"
    if file and file.exists(): return TokenSet(**load_file(file), fingerprint=mine)
    s = tokenize(tokenizer, load_images(a.data, split, a.root), labels(split), progress=False)
    if file: file.parent.mkdir(parents=True, exist_ok=True); save_file(dict(tokens=s.tokens, classes=s.classes), file)
    return s

def write(file, result):
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part"); part.write_text(json.dumps(result, indent=1) + "\n"); os.replace(part, file)

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("recipe", choices=gpt_recipes)
p.add_argument("--minutes", type=float, help="time box (default: the recipe's epochs)")
p.add_argument("--batches", type=int, help="train for so many batches instead")
p.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings that differ from the recipe")
p.add_argument("--tokenizer", default="digits")
p.add_argument("--data", default="mnist", choices=["mnist"])
p.add_argument("--root", default="data")
p.add_argument("--tokens", type=Path, help="folder to keep the tokens in")
p.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
p.add_argument("--valid", type=int, default=1000, help="validation images during the run (at its end all are measured)")
p.add_argument("--test", action="store_true", help="measure the test splits too: once, when all choices are made")
p.add_argument("--checkpoint", type=Path, help="file to resume from if it is there, and to write once an epoch or slice")
p.add_argument("--weights", type=Path, help="also save the model to this folder, as fp16, and measure it as it comes back from there")
p.add_argument("--out", type=Path, help="the result file")
p.add_argument("--append", type=Path, help="result file to which to add a short report, for runs that try settings")
a = p.parse_args()

tokenizer = load_tokenizer(a.tokenizer)
recipe = changed(gpt_recipes[a.recipe], a.set)
if a.batches: recipe = dataclasses.replace(recipe, epochs=4)
train, valid = token_set("train"), token_set("valid")
first = lambda s, n: TokenSet(s.tokens[:n], s.classes[:n], s.fingerprint)
learn = gpt_learner(recipe, tokenizer, train, first(valid, a.valid), a.tokenizer, minutes=a.minutes, precision=a.precision, length=a.batches and a.batches // 4)
print(recipe.to_json(), learn.precision, flush=True)
if a.checkpoint:
    if a.checkpoint.exists(): load_checkpoint(learn, a.checkpoint)
    learn.add_cb(Checkpoint(a.checkpoint))
cpu = time.process_time()
with learn.no_bar(): fit(learn)
cpu = time.process_time() - cpu
if a.weights:
    learn.model.half().save_pretrained(a.weights)
    learn.model = TokenGPT.from_pretrained(a.weights, device=learn.dls.train.device)
splits = dict(train=first(train, 1000 if a.append else 5000), valid=first(valid, 1000 if a.append else len(valid.tokens)))
if a.test: splits |= dict(test=token_set("test"), embedded_test=tokenize(tokenizer, *digits("test", labels=True), progress=False))
result = dict(name=a.recipe, changed=a.set, tokenizer=a.tokenizer, cpu_seconds=round(cpu, 1), **gpt_report(learn, **splits))
result["data"] = {k: dict(from_=a.data if "embedded" not in k else "digits", **v) for k, v in result["data"].items()}
if a.out: write(a.out, result)
if a.append:
    old = json.loads(a.append.read_text()) if a.append.exists() else dict(runs=[])
    short = {k: result[k] for k in ("name", "parameters", "batches", "cpu_seconds", "seconds", "precision", "device", "commit", "date")}
    old["runs"].append(dict(changed=", ".join(a.set), **short, recipe=result["recipe"], data=result["data"], valid=result["results"]["valid"]["bits"],
                            valid_with_class=result["results"]["valid"].get("bits_with_class"), train=result["results"]["train"]["bits"]))
    write(a.append, old)
print(json.dumps({k: {m: v for m, v in r.items() if m != "by_token"} for k, r in result["results"].items()}, indent=1))
