"""Milliseconds of a training step in fp32 and bf16, contiguous and channels-last, with and without torch.compile.

    OMP_NUM_THREADS=1 taskset -c 1 python nbs/benchmarks/speed.py --root FOLDER

A step is forward, loss, backward and optimiser on a batch of the recipe. All variants of a recipe run side by side, in
turns of --steps steps; what counts is the median over the rounds. With one thread the processor time of the process is
the time of the step on a core of its own, so that is what is compared; the wall time lies beside it and is longer if
other programs want the core, which the load before and after tells. Compiled are the two U-Nets
(`model.encoder.compile()`); the first step of each variant, with the compilation, is timed apart. The result file is
written after each recipe.
"""
import argparse
import os
import platform
import statistics
import time
import warnings
from pathlib import Path
import torch
from qgvae.images import to_float
from qgvae.records import provenance, write_result
from qgvae.training.datasets import load_images
from qgvae.training.learner import TokenizerLoss
from qgvae.training.optimizers import make_optimizer, parameter_groups
from qgvae.training.recipes import recipes

VARIANTS = {"fp32 contiguous": (False, False, False), "fp32 channels-last": (False, True, False),
            "bf16 channels-last": (True, True, False),
            "bf16 channels-last, compiled": (True, True, True)}         # bf16, channels-last, compiled


def stepper(recipe, x, bf16, last, compiled):
    "A function that does one training step."
    form = torch.channels_last if last else torch.contiguous_format
    torch.manual_seed(0)
    model, x, loss = recipe.build().to(memory_format=form), x.contiguous(memory_format=form), TokenizerLoss()
    if compiled:
        model.encoder.compile()
        model.decoder.compile()
    opt = make_optimizer(parameter_groups(model, no_decay="quantizer."), recipe.lr, recipe).opt
    for g in opt.param_groups: g["lr"] = 1e-5              # the weights hardly move, so that each step does the same

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16): out = model(x)
        loss(out, x).backward()
        opt.step()
        opt.zero_grad()
    return step


def timed(f, n):
    "Processor and wall seconds of a call of `f`, mean of n."
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(n): f()
    return (time.process_time() - cpu) / n, (time.perf_counter() - wall) / n


def milliseconds(seconds): return round(1000 * statistics.median(seconds), 2)


def measure(recipe, x, rounds, steps, variants):
    "{variant: its times} of one recipe."
    every, times = {k: stepper(recipe, x, *VARIANTS[k]) for k in variants}, {k: [] for k in variants}
    first = {k: timed(f, 1)[1] for k, f in every.items()}
    for f in every.values(): timed(f, 1)
    for _ in range(rounds):
        for k, f in every.items(): times[k].append(timed(f, steps))
    cpu, wall = ({k: [t[i] for t in times[k]] for k in variants} for i in (0, 1))
    base = milliseconds(cpu[variants[0]])
    return {k: dict(cpu_ms=milliseconds(cpu[k]), wall_ms=milliseconds(wall[k]),
                    times_as_fast=round(base / milliseconds(cpu[k]), 3), first_step_seconds=round(first[k], 2),
                    rounds_cpu_ms=[round(1000 * c, 2) for c in cpu[k]]) for k in variants}


def load(): return [round(v, 2) for v in os.getloadavg()]


def main(out, root, rounds, steps, names, variants):
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    what = "a training step (forward, loss, backward, optimiser) in milliseconds, median over rounds"
    result = dict(what=what, rounds=rounds, steps_a_round=steps, system=platform.platform(), **provenance(),
                  load_before=load(), cores=os.cpu_count(), recipes={})
    for name in names:
        recipe = recipes[name]
        x = to_float(load_images(recipe.data, "train", root)[:recipe.batch_size])
        found = measure(recipe, x, rounds, steps, variants)
        result["recipes"][name] = dict(batch_size=recipe.batch_size, steps=found)
        write_result(out, result | dict(load_after=load()))
        for variant, r in found.items():
            print(f"{name}, {variant}: {r['cpu_ms']:.1f} ms, {r['times_as_fast']:.2f} times as fast", flush=True)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, default=Path("nbs/results/runs/benchmarks/speed.json"))
    p.add_argument("--root", default="data")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--steps", type=int, default=2)
    p.add_argument("--recipes", nargs="+", default=["cifar10", "cifar10-vqvae", "mnist", "mnist-vqvae"], dest="names")
    p.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    main(**vars(p.parse_args()))
