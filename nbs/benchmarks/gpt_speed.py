"""Time sampling with the cache next to sampling that computes all earlier tokens again, and write nbs/results/gpt_speed.json.

    python nbs/results/gpt_speed.py

Both draw the same tokens with the same weights in the same precision on one thread, by turns; counted are CPU seconds.
The ratio is that of the best rounds, since other programs on the machine can only make a round longer; that of the medians stands beside it.
"""
import argparse, json, statistics, time
from pathlib import Path
import torch
from qgvae.was_generation import draw, word_probabilities
from qgvae.generation.gpt import TokenGPT, TokenGPTConfig
from qgvae.records import device_name, git_commit, write_whole
from qgvae.training.recipes import recipes

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--rounds", type=int, default=5)
p.add_argument("--images", type=int, default=16)
p.add_argument("--out", type=Path, default=Path("nbs/results/gpt_speed.json"))
a = p.parse_args()

@torch.no_grad()
def generate_slowly(model, n, seed):
    "Draw each token with the whole prefix computed again; the logits of the last position only."
    tokens, u = torch.zeros(n, 0).long(), torch.rand(n, model.config.n_tokens, generator=torch.Generator().manual_seed(seed))
    vectors_in, vectors_out = model.vocabulary()
    for i in range(model.config.n_tokens):
        x = torch.cat([model.begin(None, n), model.embed(tokens, 0, vectors_in)], 1)
        l = model.logits(model.hidden(x)[:, -1:], i, vectors_out)[:, 0]
        tokens = torch.cat([tokens, draw(word_probabilities(l), u[:, i])[:, None]], 1)
    return tokens

torch.set_num_threads(1); torch.manual_seed(0)
t = recipes["cifar10"].model
models = {"CIFAR-10 size, random weights": TokenGPT(TokenGPTConfig(n_tokens=t.n_tokens, n_words=t.n_words, dim=t.dim, width=256, layers=6, heads=8)).eval(),
          "digits-gpt": TokenGPT.from_pretrained("digits-gpt")}
result = {}
for name, model in models.items():
    seconds = dict(cache=[], again=[])
    for i in range(a.rounds + 1):                       # the first round warms up
        for kind, f in dict(cache=lambda: model.generate(a.images, seed=0), again=lambda: generate_slowly(model, a.images, 0)).items():
            start = time.process_time(); tokens = f(); took = time.process_time() - start
            if i: seconds[kind].append(round(took, 3)); assert torch.equal(tokens, last)
            last = tokens
    best, median = ({k: f(v) for k, v in seconds.items()} for f in (min, statistics.median))
    c = model.config
    result[name] = dict(n_tokens=c.n_tokens, n_words=c.n_words, width=c.width, layers=c.layers, parameters=sum(q.numel() for q in model.parameters()), seconds=seconds, ratio=best["again"] / best["cache"], ratio_of_medians=median["again"] / median["cache"])
    print(name, seconds, round(result[name]["ratio"], 2), round(result[name]["ratio_of_medians"], 2), flush=True)
write_whole(a.out, (json.dumps(dict(what="CPU seconds for the tokens of some images: with the cache, and with all earlier tokens computed again", images=a.images, threads=1, precision="fp32", models=result,
    device=device_name(torch.device("cpu")), torch=torch.__version__, commit=git_commit(), date=time.strftime("%Y-%m-%d")), indent=1) + "\n").encode())
