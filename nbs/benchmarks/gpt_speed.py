"""Time sampling with the cache next to sampling that computes all earlier tokens again.

    python nbs/benchmarks/gpt_speed.py

Both draw the same tokens with the same weights in the same precision on one thread, by turns; counted are CPU seconds.
The ratio is that of the best rounds, since other programs on the machine can only make a round longer; that of the
medians stands beside it. The result file is nbs/results/runs/benchmarks/gpt_speed.json.
"""
import argparse
import statistics
import time
from pathlib import Path
import torch
from qgvae.generation.gpt import TokenGPT, TokenGPTConfig
from qgvae.generation.sampling import draw, word_probabilities
from qgvae.records import provenance, write_result
from qgvae.training.recipes import recipes

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--rounds", type=int, default=5)
p.add_argument("--images", type=int, default=16)
p.add_argument("--out", type=Path, default=Path("nbs/results/runs/benchmarks/gpt_speed.json"))
a = p.parse_args()

@torch.no_grad()
def generate_slowly(model, n, seed):
    "Draw each token with the whole prefix computed again; the logits of the last position only."
    tokens = torch.zeros(n, 0).long()
    u = torch.rand(n, model.config.n_tokens, generator=torch.Generator().manual_seed(seed))
    vectors_in, vectors_out = model.vocabulary()
    for i in range(model.config.n_tokens):
        x = torch.cat([model.begin(None, n), model.embed(tokens, 0, vectors_in)], 1)
        l = model.logits(model.hidden(x)[:, -1:], i, vectors_out)[:, 0]
        tokens = torch.cat([tokens, draw(word_probabilities(l), u[:, i])[:, None]], 1)
    return tokens

def rounds(model):
    "{'cache': [CPU seconds], 'again': [CPU seconds]}, by turns; the first round warms up."
    ways = dict(cache=lambda: model.generate(a.images, seed=0), again=lambda: generate_slowly(model, a.images, 0))
    seconds, drawn = {k: [] for k in ways}, []
    for _ in range(a.rounds + 1):
        for kind, draw_all in ways.items():
            start = time.process_time()
            drawn.append(draw_all())
            seconds[kind].append(round(time.process_time() - start, 3))
    assert all(torch.equal(t, drawn[0]) for t in drawn)
    return {k: v[1:] for k, v in seconds.items()}

def ratio(seconds, of): return of(seconds["again"]) / of(seconds["cache"])

torch.set_num_threads(1)
torch.manual_seed(0)
t = recipes["cifar10"].model
large = TokenGPTConfig(n_tokens=t.n_tokens, n_words=t.n_words, dim=t.dim, width=256, layers=6, heads=8)
models = {"CIFAR-10 size, random weights": TokenGPT(large).eval(), "digits-gpt": TokenGPT.from_pretrained("digits-gpt")}
result = {}
for name, model in models.items():
    c, seconds = model.config, rounds(model)
    result[name] = dict(n_tokens=c.n_tokens, n_words=c.n_words, width=c.width, layers=c.layers,
                        parameters=sum(q.numel() for q in model.parameters()), seconds=seconds,
                        ratio=ratio(seconds, min), ratio_of_medians=ratio(seconds, statistics.median))
    print(name, seconds, round(result[name]["ratio"], 2), round(result[name]["ratio_of_medians"], 2), flush=True)

what = "CPU seconds for the tokens of some images: with the cache, and with all earlier tokens computed again"
where = provenance()
write_result(a.out, dict(what=what, images=a.images, threads=1, precision="fp32", models=result,
                         device=where["device"], torch=torch.__version__, commit=where["commit"], date=where["date"]))
