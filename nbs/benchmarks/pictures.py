"""Reconstructions of the first test images by shipped models, as a picture for the README.

    python nbs/benchmarks/pictures.py cifar10 --model cifar10-v3 --ordered cifar10-v2-ordered --effort 2 --root DATA

The unordered model with all its tokens, as its encoder and then as a search finds them, and the ordered one with fewer
and fewer. Writes nbs/images/NAME.png.
"""
import argparse
from io import BytesIO
from pathlib import Path
import torch
from qgvae.codec.search import EFFORTS, search
from qgvae.images import show_grid, to_float
from qgvae.pretrained import load_tokenizer
from qgvae.records import write_whole
from qgvae.training.datasets import load_images

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("name", help="a data set")
p.add_argument("--model", help="with all its tokens (default: NAME)")
p.add_argument("--effort", type=int, default=0, choices=range(len(EFFORTS)), help="of the search; 0: no such row")
p.add_argument("--ordered", help="with fewer and fewer tokens (default: NAME-ordered)")
p.add_argument("--root", default="data", help="where torchvision's files lie")
p.add_argument("--images", type=int, default=12, help="how many (default: 12)")
p.add_argument("--tokens", type=int, nargs="*", default=[32, 16, 8], help="of the ordered model (default: 32 16 8)")
p.add_argument("--out", type=Path, help="the picture (default: nbs/images/NAME.png)")
a = p.parse_args()

x = to_float(load_images(a.name, "test", a.root)[:a.images])
plain, ordered = load_tokenizer(a.model or a.name), load_tokenizer(a.ordered or f"{a.name}-ordered")
with torch.no_grad():
    rows = {"original": x, f"{plain.config.n_tokens} tokens": plain(x).images}
    if a.effort: rows["searched"] = plain.decode(search(plain, x, effort=a.effort).tokens)
    tokens = ordered.encode(x)
    rows |= {f"ordered: {k}": ordered.decode(tokens[:, :k]) for k in a.tokens}
figure = show_grid(torch.cat(list(rows.values())), columns=len(x), rows=list(rows))
figure.savefig(file := BytesIO(), format="png", dpi=100)
out = a.out or Path(__file__).parent.parent/"images"/f"{a.name}.png"
write_whole(out, file.getvalue())
print(out, f"{len(file.getvalue()) / 1000:.0f} kB")
