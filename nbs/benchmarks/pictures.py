"""Reconstructions of the first test images by the shipped models of a data set, as a picture for the README.

    python nbs/benchmarks/pictures.py cifar10 --root DATA

The unordered model with all its tokens, the ordered one with fewer and fewer. Writes nbs/images/NAME.png.
"""
import argparse
from io import BytesIO
from pathlib import Path
import torch
from qgvae.images import show_grid, to_float
from qgvae.pretrained import load_tokenizer
from qgvae.records import write_whole
from qgvae.training.datasets import load_images

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("name", help="a data set with the shipped models NAME and NAME-ordered")
p.add_argument("--root", default="data", help="where torchvision's files lie")
p.add_argument("--images", type=int, default=12, help="how many (default: 12)")
p.add_argument("--tokens", type=int, nargs="*", default=[64, 32, 16, 8], help="of the ordered model")
p.add_argument("--out", type=Path, help="the picture (default: nbs/images/NAME.png)")
a = p.parse_args()

x = to_float(load_images(a.name, "test", a.root)[:a.images])
plain, ordered = load_tokenizer(a.name), load_tokenizer(f"{a.name}-ordered")
with torch.no_grad():
    tokens = ordered.encode(x)
    rows = {"original": x, "unordered": plain(x).images}
    rows |= {f"ordered: {k}": ordered.decode(tokens[:, :k]) for k in a.tokens}
figure = show_grid(torch.cat(list(rows.values())), columns=len(x), rows=list(rows))
figure.savefig(file := BytesIO(), format="png", dpi=100)
out = a.out or Path(__file__).parent.parent/"images"/f"{a.name}.png"
write_whole(out, file.getvalue())
print(out, f"{len(file.getvalue()) / 1000:.0f} kB")
