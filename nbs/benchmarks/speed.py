"""Milliseconds of a training step in fp32 and bf16, contiguous and channels-last, with and without torch.compile.

    OMP_NUM_THREADS=1 taskset -c 1 python nbs/results/speed.py speed.json --root FOLDER

A step is forward, loss, backward and optimiser on a batch of the recipe. All variants of a recipe run side by side, in
turns of `--steps` steps; what counts is the median over the rounds. With one thread the processor time of the process is
the time of the step on a core of its own, so that is what is compared; the wall time lies beside it and is longer if
other programs want the core, which the load before and after tells. Compiled are the two U-Nets (`model.encoder.compile()`);
the first step of each variant, with the compilation, is timed apart. The file is written after each recipe."""
import argparse, json, os, platform, statistics, time, warnings
from pathlib import Path
import torch
from qgvae.images import to_float
from qgvae.training.datasets import load_images
from qgvae.training.learner import TokenizerLoss
from qgvae.training.optimizers import make_optimizer, parameter_groups
from qgvae.records import device_name, git_commit
from qgvae.training.recipes import recipes

VARIANTS = {"fp32 contiguous": (False, False, False), "fp32 channels-last": (False, True, False), "bf16 channels-last": (True, True, False),
            "bf16 channels-last, compiled": (True, True, True)}         # bf16, channels-last, compiled

def stepper(recipe, x, bf16, last, compiled):
    "A function that does one training step."
    form = torch.channels_last if last else torch.contiguous_format
    torch.manual_seed(0)
    model, x, loss = recipe.build().to(memory_format=form), x.contiguous(memory_format=form), TokenizerLoss()
    if compiled: model.encoder.compile(); model.decoder.compile()
    opt = make_optimizer(parameter_groups(model, no_decay="quantizer."), recipe.lr, recipe).opt
    for g in opt.param_groups: g["lr"] = 1e-5              # the weights hardly move, so that each step does the same
    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16): out = model(x)
        loss(out, x).backward()
        opt.step(); opt.zero_grad()
    return step

def timed(f, n):
    "Processor and wall seconds of a call of `f`, mean of n."
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(n): f()
    return (time.process_time() - cpu) / n, (time.perf_counter() - wall) / n

def measure(recipe, x, rounds, steps, variants):
    "{variant: its times} of one recipe."
    every, times = {k: stepper(recipe, x, *VARIANTS[k]) for k in variants}, {k: [] for k in variants}
    first = {k: timed(f, 1)[1] for k, f in every.items()}
    for f in every.values(): timed(f, 1)
    for _ in range(rounds):
        for k, f in every.items(): times[k].append(timed(f, steps))
    ms = lambda values: round(1000 * statistics.median(values), 2)
    base = ms([c for c, _ in times[variants[0]]])
    return {k: dict(cpu_ms=ms([c for c, _ in t]), wall_ms=ms([w for _, w in t]), times_as_fast=round(base / ms([c for c, _ in t]), 3),
                    first_step_seconds=round(first[k], 2), rounds_cpu_ms=[round(1000 * c, 2) for c, _ in t]) for k, t in times.items()}

if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out"); p.add_argument("--root", default="data"); p.add_argument("--rounds", type=int, default=7); p.add_argument("--steps", type=int, default=2)
    p.add_argument("--recipes", nargs="+", default=["cifar10", "cifar10-vqvae", "mnist", "mnist-vqvae"]); p.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    a = p.parse_args()
    warnings.simplefilter("ignore"); torch.set_num_threads(1)
    r = dict(what="a training step (forward, loss, backward, optimiser) in milliseconds, median over rounds", rounds=a.rounds, steps_a_round=a.steps, device=device_name(torch.device("cpu")), system=platform.platform(),
             commit=git_commit(), date=time.strftime("%Y-%m-%d"), versions=dict(torch=torch.__version__), load_before=[round(v, 2) for v in os.getloadavg()], cores=os.cpu_count(), recipes={})
    for name in a.recipes:
        recipe = recipes[name]
        x = to_float(load_images(recipe.data, "train", a.root)[:recipe.batch_size])
        r["recipes"][name] = dict(batch_size=recipe.batch_size, steps=measure(recipe, x, a.rounds, a.steps, a.variants))
        r["load_after"] = [round(v, 2) for v in os.getloadavg()]
        Path(a.out).write_text(json.dumps(r, indent=1) + "\n")
        print(name, {k: f"{v['cpu_ms']:.1f} ms, {v['times_as_fast']:.2f} times as fast" for k, v in r["recipes"][name]["steps"].items()}, flush=True)
