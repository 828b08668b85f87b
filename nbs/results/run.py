"""Train a recipe and write its result file.

    python nbs/results/run.py digits --minutes 4 --out nbs/results/digits.json
    python nbs/results/run.py digits --minutes 1.5 --set lr=0.002 model.dim=4 --out nbs/results/levers/dim4.json

Data other than the embedded digits are looked for in --root, as torchvision lays them out.
"""
import argparse, ast, dataclasses, json, os
from pathlib import Path
from qgvae.data import load_images
from qgvae.training import fit, qgvae_learner, recipes, report

def changed(recipe, settings):
    "The recipe with settings such as `lr=0.002` or `model.dim=4` replaced."
    own, of_model = {}, {}
    for s in settings:
        key, _, value = s.partition("=")
        try: value = ast.literal_eval(value)
        except (ValueError, SyntaxError): pass                # a word
        target, new, name = (recipe.model, of_model, key[6:]) if key.startswith("model.") else (recipe, own, key)
        names = sorted(f.name for f in dataclasses.fields(target))
        if name not in names: raise SystemExit(f"run: {key} is not a setting; there are {', '.join(names)}")
        new[name] = value
    return dataclasses.replace(recipe, **own, model=dataclasses.replace(recipe.model, **of_model))

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("recipe", choices=recipes)
p.add_argument("--minutes", type=float, help="time box (default: the recipe's epochs)")
p.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
p.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings that differ from the recipe")
p.add_argument("--images", type=int, help="train on the first so many images only")
p.add_argument("--test", action="store_true", help="measure the test split too: once, when all choices are made")
p.add_argument("--root", default="data")
p.add_argument("--out", required=True, type=Path, help="the result file")
p.add_argument("--weights", type=Path, help="also save the model to this folder")
a = p.parse_args()

recipe = changed(recipes[a.recipe], a.set)
train, valid = (load_images(recipe.data, s, a.root) for s in ("train", "valid"))
train = train[:a.images]
learn = qgvae_learner(recipe, train, valid, minutes=a.minutes, precision=a.precision)
print(recipe.to_json(), learn.precision, flush=True)
with learn.no_bar(): fit(learn)
splits = dict(train=train[:5000], valid=valid) | (dict(test=load_images(recipe.data, "test", a.root)) if a.test else {})
result = dict(name=a.recipe, changed=a.set + ([f"images={a.images}"] if a.images else []), **report(learn, **splits))
a.out.parent.mkdir(parents=True, exist_ok=True)
tmp = a.out.with_suffix(".part"); tmp.write_text(json.dumps(result, indent=1) + "\n"); os.replace(tmp, a.out)
if a.weights: learn.model.save_pretrained(a.weights)
print(json.dumps(result["results"], indent=1), "\nwrote", a.out)
