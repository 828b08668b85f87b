"""The first test images by several models of equal bytes, as their encoder and as a search finds them; one picture.

    python nbs/benchmarks/sheet.py cifar10 --models FOLDER cifar10-v2-ordered --titles VQ-VAE QG-VAE --root DATA

A model is the name of a shipped one or a folder of `qgvae train`. Below each image stands its PSNR. An ordered model is
searched for all of its tokens alone. Writes nbs/images/NAME-sheet.webp.
"""
import argparse
from io import BytesIO
from pathlib import Path
import torch
from PIL import Image, ImageDraw, ImageFont
from qgvae.codec.search import EFFORTS, search
from qgvae.images import psnr, to_float
from qgvae.pretrained import load_tokenizer
from qgvae.records import write_whole
from qgvae.training.datasets import load_images

GROUND, INK = (16, 20, 26), (225, 228, 232)
SIDE, GAP, TEXT, LEFT = 96, 6, 17, 124 # of an image, between images, a line of text, the names at the left

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("name", help="a data set")
p.add_argument("--models", nargs="+", required=True, help="names of shipped models, or folders")
p.add_argument("--titles", nargs="+", help="what to call them (default: their names)")
p.add_argument("--images", type=int, default=6, help="how many (default: 6)")
p.add_argument("--effort", type=int, default=2, choices=range(1, len(EFFORTS)), help="of the search (default: 2)")
p.add_argument("--root", default="data", help="where torchvision's files lie")
p.add_argument("--out", type=Path, help="the picture (default: nbs/images/NAME-sheet.webp)")
a = p.parse_args()
torch.set_num_threads(1)

x = to_float(load_images(a.name, "test", a.root)[:a.images])
rows = {"original": x}
for name, title in zip(a.models, a.titles or [Path(m).name for m in a.models], strict=True):
    model = load_tokenizer(name)
    tokens = model.encode(x)
    better = search(model, x, tokens, a.effort).tokens
    with torch.no_grad(): rows |= {title: model.decode(tokens), f"{title},\nsearched": model.decode(better)}

high = [SIDE + GAP + (TEXT if name != "original" else 0) for name in rows]
page = Image.new("RGB", (LEFT + len(x) * (SIDE + GAP), GAP + sum(high)), GROUND)
draw, font, y = ImageDraw.Draw(page), ImageFont.load_default(14), GAP
for (name, images), h in zip(rows.items(), high):
    draw.text((GAP, y + SIDE // 2), name, INK, font, anchor="lm")
    for i, (image, db) in enumerate(zip(images, psnr(images, x).tolist())):
        pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        page.paste(Image.fromarray(pixels).resize((SIDE, SIDE), Image.NEAREST), (LEFT + i * (SIDE + GAP), y))
        if name != "original": draw.text((LEFT + i * (SIDE + GAP), y + SIDE + 1), f"{db:.1f} dB", INK, font)
    y += h
    if name != "original": print(name.replace("\n", " "), f"{psnr(images, x).mean().item():.2f} dB")
page.save(file := BytesIO(), format="webp", lossless=True, method=6)
out = a.out or Path(__file__).parent.parent/"images"/f"{a.name}-sheet.webp"
write_whole(out, file.getvalue())
print(out, f"{len(file.getvalue()) / 1000:.0f} kB")
