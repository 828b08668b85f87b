"""What are the settings of a QG-VAE worth on CIFAR-10? Trains small nets with one setting changed at a time.

    python nbs/benchmarks/cifar_levers.py --root DATA
    python nbs/benchmarks/cifar_levers.py --root DATA --only split8 twin --seeds 0 1 2
    python nbs/benchmarks/cifar_levers.py --list

Each run has the same number of steps, sees the same images, is measured on the validation split and writes a result
file of its own, LEVER-SEED.json. Runs that have a file are not made again, so a series that was stopped goes on.
A step counts the same whatever it costs; the seconds in the files are those of the processor.
"""
import argparse
from pathlib import Path
from qgvae.records import write_result
from qgvae.training.learner import fit, make_learner, report
from qgvae.training.recipes import recipes

small = ["flip=True", "clock=processor", "model.encoder_widths=(48,96)", "model.decoder_widths=(48,96)"]
fourier = [*small, "model.downscale=0", "model.maps=1", "model.start=fourier", "model.codebooks=None", "model.dim=4"]
grid = [*small, "model.patch=2", "model.downscale=1", "model.dim=8", "model.encoder_blocks=1", "model.decoder_blocks=1"]

levers = { # {name: (recipe, settings of all of its kind, what is changed)}; the most interesting first
    "fourier": ("cifar10", fourier, ["reset_until=0.3"]),
    "reset85": ("cifar10", fourier, ["reset_until=0.85"]),
    "local": ("cifar10", fourier, ["reset_until=0.3", "model.start=local"]),
    "vqvae": ("cifar10-vqvae", grid, ["reset_until=0.3"]),
    "vqvae-reset85": ("cifar10-vqvae", grid, ["reset_until=0.85"]),
    "split8": ("cifar10", fourier, ["reset_until=0.3", "split_to=8", "split_at=0.4"]),
    "twin": ("cifar10", fourier, ["reset_until=0.3", "model.start=local", "model.codebooks=1"]),
    "one-codebook": ("cifar10", fourier, ["reset_until=0.3", "model.codebooks=1"]),
    "codebooks8": ("cifar10", fourier, ["reset_until=0.3", "model.codebooks=8"]),
    "maps64-local": ("cifar10", fourier, ["reset_until=0.3", "model.maps=None", "model.start=local"]),
    "maps4-8x8": ("cifar10", fourier, ["reset_until=0.3", "model.maps=4", "model.downscale=1"]),
    "dim8": ("cifar10", fourier, ["reset_until=0.3", "model.dim=8", "model.maps=2"]),
    "dim16": ("cifar10", fourier, ["reset_until=0.3", "model.dim=16", "model.maps=4"]),
    "one-side": ("cifar10", fourier, ["reset_until=0.3", "model.encoder_up_blocks=False",
                                      "model.decoder_down_blocks=False"]),
    "start15": ("cifar10", fourier, ["reset_until=0.3", "codebook_start=0.15"]),
    "words4096": ("cifar10", fourier, ["reset_until=0.3", "model.n_tokens=48", "model.n_words=4096", "model.dim=5"]),
    "vqvae-dim4": ("cifar10-vqvae", grid, ["reset_until=0.3", "model.dim=4"]),
    "dim2": ("cifar10", fourier, ["reset_until=0.3", "model.dim=2"]),
    "maps64": ("cifar10", fourier, ["reset_until=0.3", "model.maps=None"]),
    "reset40": ("cifar10", fourier, ["reset_until=0.4"]),
    "reset20": ("cifar10", fourier, ["reset_until=0.2"]),
    "log": ("cifar10", fourier, ["reset_until=0.4", "error=log"]),
}
frozen = {"twin": ("project.", "unproject.")} # a local tokenizer in the very same nets: a token is its block of the map

folder = Path(__file__).parent.parent/"results"/"runs"/"levers-cifar10"
p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--only", nargs="+", choices=levers, default=list(levers), metavar="LEVER", help="some of the levers")
p.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
p.add_argument("--epochs", type=int, default=2)
p.add_argument("--images", type=int, help="train on the first so many only (default: all)")
p.add_argument("--precision", default="bf16", choices=("auto", "fp32", "bf16"))
p.add_argument("--root", default="data", help="where the data sets lie (default: data)")
p.add_argument("--device", help="cpu, cuda ... (default: a GPU if there is one)")
p.add_argument("--out", type=Path, default=folder, help="folder of the result files")
p.add_argument("--list", action="store_true", help="only say what would be done")
a = p.parse_args()


def train(lever, seed):
    "The result of one run."
    name, shared, changed = levers[lever]
    changed = [*changed, f"seed={seed}"]
    recipe = recipes[name].override(*shared, *changed, f"epochs={a.epochs}")
    train, valid = (recipe.load(split, a.root) for split in ("train", "valid"))
    learn = make_learner(recipe, train[:a.images], valid, precision=a.precision, device=a.device)
    for parameter, weights in learn.model.named_parameters():
        if parameter.startswith(frozen.get(lever, ())): weights.requires_grad_(False)
    with learn.no_bar(), learn.no_logging(): fit(learn)
    found = report(learn, train=train[:5000], valid=valid)
    return dict(name=name, changed=changed, frozen=list(frozen.get(lever, ())), **found)


for lever in a.only:
    for seed in a.seeds:
        file = a.out/f"{lever}-{seed}.json"
        if a.list: print(file, "is there" if file.exists() else " ".join(levers[lever][2]))
        if a.list or file.exists(): continue
        result = train(lever, seed)
        write_result(file, result)
        v = result["results"]["valid"]
        print(f"{file.stem}: {v['psnr']:.2f} dB, {v['dead_words']:.1%} dead words, {result['batches']:,} steps "
              f"in {result['seconds']:.0f} s", flush=True)
