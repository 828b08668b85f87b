"""House numbers, coded by models that have seen none: PSNR, SSIM and LPIPS of models trained on CIFAR-10.

    OMP_NUM_THREADS=1 python nbs/benchmarks/svhn.py --root DATA --models cifar10-v2 cifar10-v2-ordered FOLDER

DATA/svhn1083 holds the first 1,083 images of SVHN's training file. A model is the name of a shipped one or a folder of
`qgvae train`; beside them stands the code of a PCA whose tables are made of 10,000 images of CIFAR-10, at equal bytes.
Writes a result file each, with the PSNR on the test images of the model's own data; what has a file is not measured
again. `nbs/results/faces.ipynb` shows the results.
"""
import argparse
import json
from pathlib import Path
import torch
from qgvae.evaluation.baselines import at_size, classical_codec
from qgvae.evaluation.reports import metrics_for, report_model
from qgvae.pretrained import model_folder
from qgvae.records import provenance, write_result
from qgvae.training.datasets import load_folder, load_images

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--models", nargs="*", default=["cifar10-v2", "cifar10-v2-ordered"], help="names of models, or folders")
p.add_argument("--root", default="data", help="where svhn1083 and CIFAR-10 lie (default: data)")
p.add_argument("--bytes", type=float, default=72, help="payload of an image coded by PCA (default: 72)")
p.add_argument("--limit", type=int, help="only the first so many images")
p.add_argument("--out", type=Path, default=Path(__file__).parent.parent/"results"/"runs"/"svhn")
a = p.parse_args()
torch.set_num_threads(1)
folder = Path(a.root)/"svhn1083"


def pca():
    "The result of the linear code."
    x, train = load_folder(folder, 32, 32)[:a.limit], load_images("cifar10", "train", a.root)[:10_000]
    found = at_size(classical_codec("pca", train), x, a.bytes, metrics=metrics_for(len(x)))
    return dict(tables_from=dict(name="cifar10", split="train", images=len(train)), protocols=dict(native=found),
                **provenance())


def own_psnr(name):
    "PSNR in dB of a model on CIFAR-10's test images, as its training has measured it."
    return json.loads((model_folder(name)/"result.json").read_text())["results"].get("test", {}).get("psnr")


for name in [*a.models, "pca"]:
    file = a.out/f"{Path(name).name}.json"
    if file.exists(): continue
    found = pca() if name == "pca" else report_model(name, data=str(folder), protocol="native", limit=a.limit,
                                                              device="cpu")
    own = None if name == "pca" else own_psnr(name)
    write_result(file, dict(measured=found, own_psnr=own, commit=found["commit"]))
    print(name, found["protocols"]["native"]["psnr"], flush=True)
