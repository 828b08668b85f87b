"""Images that sharpen as their tokens arrive, as an animated picture for the first page.

    python nbs/benchmarks/living.py --root DATA

Test digits by the shipped model `digits` and photographs by `cifar10-v2-ordered`: both are ordered, so each frame
decodes the tokens that have arrived by then. Writes living.webp, and still.webp with three of its moments for readers
who have asked for less motion, to nbs/images.
"""
import argparse
from io import BytesIO
from pathlib import Path
import torch
from PIL import Image, ImageDraw, ImageFont
from qgvae.images import digits, to_float
from qgvae.pretrained import load_tokenizer
from qgvae.records import write_whole
from qgvae.training.datasets import load_images

GROUND, INK, BAR = (16, 20, 26), (225, 228, 232), (86, 156, 240)
SIDE, GAP, TEXT = 96, 8, 26                                     # of an image, between images, height of a line of text

def arriving(name, x):
    "What `name` makes of the first k tokens of `x`, for every k: (N+1, B, 3, H, W) bytes, and the bytes a token takes."
    model = load_tokenizer(name)
    with torch.no_grad():
        tokens = model.encode(x)
        y = torch.stack([model.decode(tokens[:, :k]) for k in range(tokens.shape[1] + 1)])
    bits = (model.config.n_words - 1).bit_length()
    return (y.clamp(0, 1) * 255).round().byte().expand(-1, -1, 3, -1, -1), bits / 8

def strip(images, k, n, size, what):
    "One row of images and the line that says how much of them has arrived."
    width = len(images) * (SIDE + GAP) + GAP
    page = Image.new("RGB", (width, SIDE + TEXT + 2*GAP), GROUND)
    for i, o in enumerate(images):
        picture = Image.fromarray(o.permute(1, 2, 0).numpy()).resize((SIDE, SIDE), Image.NEAREST)
        page.paste(picture, (GAP + i * (SIDE + GAP), GAP))
    draw = ImageDraw.Draw(page)
    y = SIDE + 2*GAP
    draw.text((GAP, y), f"{what}: {k} of {n} tokens, {round(k * size)} bytes", INK, ImageFont.load_default(16))
    left = width // 2 + 20
    draw.rectangle((left, y + 7, width - GAP, y + 13), (50, 58, 68))
    if k: draw.rectangle((left, y + 7, left + (width - GAP - left) * k // n, y + 13), BAR)
    return page

def stack(pages):
    "Pages below each other."
    out = Image.new("RGB", (pages[0].width, sum(o.height for o in pages) + GAP), GROUND)
    for i, o in enumerate(pages): out.paste(o, (0, sum(q.height for q in pages[:i])))
    return out

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--root", default="data", help="where torchvision's files lie")
p.add_argument("--out", type=Path, default=Path(__file__).parent.parent/"images", help="folder for the two pictures")
a = p.parse_args()

pick = [1, 3, 5, 7, 10, 11]                                     # photographs that one recognises at 32x32
numbers, size_n = arriving("digits", to_float(digits("test")[:6]))
photos, size_p = arriving("cifar10-v2-ordered", to_float(load_images("cifar10", "test", a.root)[pick]))
n, m = len(numbers) - 1, len(photos) - 1

def frame(share):
    "Both rows when `share` of their tokens has arrived."
    k, j = round(n * share), round(m * share)
    return stack([strip(photos[j], j, m, size_p, "photos"), strip(numbers[k], k, n, size_n, "digits")])

def save(name, frames, durations):
    frames[0].save(file := BytesIO(), format="webp", quality=80, method=6, save_all=True, append_images=frames[1:],
                   duration=durations, loop=0)
    write_whole(a.out/name, file.getvalue())
    print(a.out/name, frames[0].size, f"{len(frames)} frames, {len(file.getvalue()) / 1000:.0f} kB")

steps = [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32]
save("living.webp", [frame(k / 32) for k in steps], [900] + [350] * (len(steps) - 2) + [3000])
save("still.webp", [stack([strip(photos[j], j, m, size_p, "photos") for j in (4, 16, 64)])], [0])
