"""Where does a training step spend its time? Milliseconds of each part of a step, QG-VAE and VQ-VAE side by side.

    OMP_NUM_THREADS=1 taskset -c 1 python nbs/benchmarks/step_parts.py

A part is run forward and backward on inputs of its own, in bf16 where the training is: the encoder's U-Net, the
projection with its inverse, the quantiser, the decoder's U-Net, and the step of the optimiser. The models take
turns, so that a busy machine harms all alike; what counts is the median of the processor time over the
rounds. The images are noise, since no part's time depends on them.
"""
import argparse
import statistics
import time
from pathlib import Path
import torch
from qgvae.records import provenance, write_result
from qgvae.training.optimizers import make_optimizer, parameter_groups
from qgvae.training.recipes import recipes

narrow = ["model.encoder_widths=(48,96)", "model.decoder_widths=(48,96)"]
one_side = ["model.encoder_up_blocks=False", "model.decoder_down_blocks=False"]
models = { # {title: (recipe, what is changed)}, of equal widths
    "QG-VAE, one map of 16x16": ("cifar10", narrow),
    "QG-VAE, blocks on one side of a U-Net": ("cifar10", [*narrow, *one_side]),
    "QG-VAE, four maps of 8x8": ("cifar10", [*narrow, "model.maps=4", "model.downscale=1"]),
    "VQ-VAE, a grid of 8x8": ("cifar10-vqvae", narrow),
}


def parts(recipe):
    "{name: f() that does this part of a step}"
    model, c = recipe.build().to(memory_format=torch.channels_last).train(), recipe.model
    size, b = (c.height // c.patch, c.width // c.patch), recipe.batch_size
    opt = make_optimizer(parameter_groups(model, no_decay="quantizer."), recipe.lr, recipe).opt
    for p in model.parameters(): p.grad = torch.randn_like(p)

    def net(unet, channels, size):
        x = torch.randn(b, channels, *size).contiguous(memory_format=torch.channels_last).requires_grad_()
        def run():
            with torch.autocast("cpu", torch.bfloat16): y = unet(x)
            y.float().sum().backward()
        return run

    maps = model.encoder.out.weight.shape[0]
    to = torch.randn(b, maps, *c.grid, requires_grad=True)
    z = torch.randn(b, c.n_tokens, c.dim, requires_grad=True)
    def projection(): model.to_maps(model.to_vectors(to).float()).float().sum().backward()
    def quantizer():
        q, _, codebook, commitment = model.quantizer(z)
        (q.sum() + codebook + commitment).backward()
    pixels = c.channels * c.patch**2
    return {"encoder": net(model.encoder, pixels, size), "projection and back": projection,
            "quantiser": quantizer, "decoder": net(model.decoder, maps, c.grid), "optimiser": opt.step}


def timed(f, n):
    start = time.process_time()
    for _ in range(n): f()
    return 1000 * (time.process_time() - start) / n


p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--out", type=Path, default=Path(__file__).parent.parent/"results"/"runs"/"benchmarks"/"step_parts.json")
p.add_argument("--rounds", type=int, default=9)
p.add_argument("--steps", type=int, default=3)
a = p.parse_args()
torch.set_num_threads(1)
torch.manual_seed(0)
every = {title: parts(recipes[name].override(*changed)) for title, (name, changed) in models.items()}
times = {title: {part: [] for part in its} for title, its in every.items()}
for its in every.values():
    for f in its.values(): f()
for _ in range(a.rounds):
    for part in next(iter(every.values())):
        for title in every: times[title][part].append(timed(every[title][part], a.steps))
found = {title: {part: round(statistics.median(t), 2) for part, t in its.items()} for title, its in times.items()}
settings = {title: dict(recipe=name, changed=changed) for title, (name, changed) in models.items()}
write_result(a.out, dict(what="processor milliseconds, forward and backward, median over rounds", batch_size=32,
                         rounds=a.rounds, steps_a_round=a.steps, precision="bf16", seed=0, **provenance(),
                         models=settings, milliseconds=found))
for title, its in found.items(): print(f"{title}: {sum(its.values()):.1f} ms", its)
