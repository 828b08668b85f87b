"""Compare drawn images with real ones, and write the result file.

    python nbs/benchmarks/gpt_samples.py digits-gpt --root DATA --lpips FILE

The real images are the first of MNIST's test split. FD-AlexNet, precision and recall are on AlexNet's features.
"""
import argparse
import time
from pathlib import Path
import torch
from qgvae.images import to_float
from qgvae.records import provenance, write_result
from qgvae.training.datasets import load_images
from qgvae.evaluation.metrics import AlexNetFeatures, Frechet
from qgvae.generation.gpt_training import tokenize
from qgvae.generation.sampling import ImageGenerator, nearest_images, precision_recall

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("model")
p.add_argument("--n", type=int, default=1000, help="images of each set")
p.add_argument("--folds", type=int, default=4, help="parts of each set, whose distances show the spread")
p.add_argument("--seed", type=int, default=0)
p.add_argument("--root", default="data")
p.add_argument("--lpips", type=Path, help="file with AlexNet's weights")
p.add_argument("--out", type=Path, default=Path("nbs/results/runs/gpt/samples.json"))
a = p.parse_args()

start, generator, alexnet = time.time(), ImageGenerator.from_pretrained(a.model), AlexNetFeatures(a.lpips)
train, valid, test = (load_images("mnist", s, a.root) for s in ("train", "valid", "test"))
test_tokens = tokenize(generator.tokenizer, test[:a.n], progress=False).tokens.long()
train_tokens = tokenize(generator.tokenizer, train[:10_000], progress=False).tokens.long()
torch.manual_seed(a.seed)
alone = torch.stack([t[torch.randint(len(t), (a.n,))] for t in train_tokens.T], 1)
sets = {"other real digits (MNIST validation)": to_float(valid[:a.n]),
        "test digits, through the tokenizer": generator.decode(test_tokens),
        a.model: generator.sample(a.n, seed=a.seed), "tokens drawn alone": generator.decode(alone)}
def features(x): return torch.cat([alexnet(b) for b in x.split(100)])
real, result = features(to_float(test[:a.n])), {}
print("real", round(time.time() - start), "s", flush=True)

def distance(f, r):
    fd = Frechet(torch.nn.Identity(), "FD-AlexNet")
    fd.add(f, r)
    return fd.result()

for name, x in sets.items():
    f = features(x)
    precision, recall = precision_recall(f, real)
    near = nearest_images(x, train)[0]
    folds = [distance(c, real) for c in f.split(a.n // a.folds)]
    result[name] = dict(fd=distance(f, real), folds=folds, precision=precision, recall=recall,
                        nearest=near.median().item(), nearest_smallest=near.min().item())
    print(name, result[name], round(time.time() - start), "s", flush=True)

metric = ("FD-AlexNet, precision and recall (k = 3) against the first images of MNIST's test split; "
          "distance to the nearest of the 55,000 training digits")
where = {k: v for k, v in provenance().items() if k != "versions"}
write_result(a.out, dict(model=a.model, metric=metric, n=a.n, fold=a.n // a.folds, seed=a.seed, temperature=1.,
                         sets=result, **where, seconds=round(time.time() - start, 1)))
