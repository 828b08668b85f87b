"""Photos in tiles beside JPEG, WebP and AVIF at equal bytes, and what one of twelve megapixels takes.

    python nbs/benchmarks/photos.py --model cifar10-ordered
    python nbs/benchmarks/photos.py --model cifar10-ordered --large

The photos are those that come with scikit-image. For each, files of several sizes are made (bits per pixel by --rates),
and the others get the quality whose file is as large or a little smaller; where even their lowest is larger, that is
kept with its size. --effort N searches for better tokens too, at the first of the rates. Writes
nbs/results/runs/benchmarks/photos-MODEL.json, or photos-large-MODEL.json with time and memory.
"""
import argparse
import resource
import time
from pathlib import Path
import numpy as np
import skimage.data
from PIL import Image
from qgvae.codec.files import Codec
from qgvae.codec.photo_commands import compared_photo
from qgvae.records import provenance, write_result

PHOTOS = "astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field"
SEARCHED = 400_000 # pixels of a photo for which it is searched, as that takes a second or two for each tile
RUNS = Path(__file__).parent.parent/"results"/"runs"/"benchmarks"

def photo(name): return Image.fromarray(getattr(skimage.data, name)())

def row(codec, name, im, rate, effort):
    "One photo at one rate: {what: value}."
    begun = time.process_time()
    f = codec.encode_photo(im, max_bytes=max(60, int(rate * im.width * im.height / 8)), effort=effort)
    seconds = time.process_time() - begun
    others = {kind: dict(bytes=size, psnr=round(psnr, 3)) for kind, (size, psnr, _) in compared_photo(im, f).items()}
    how = dict(shrink=f.tiling.shrink, smooth=f.tiling.smooth, tiles=f.keep.size,
               tokens=round(float(f.keep.mean()), 2), most=int(f.keep.max()), seconds=round(seconds, 1))
    return dict(photo=name, width=im.width, height=im.height, rate=rate, effort=effort, **how, formats=others)

def memory(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024                 # MB, the most so far

def large(codec):
    "A photo of 4000x3000 pixels there and back."
    im = photo("retina").resize((4000, 3000), Image.Resampling.BICUBIC)
    before, begun = memory(), time.process_time()
    f = codec.encode_photo(im, psnr=32., shrink=1)
    encoded = time.process_time() - begun
    begun = time.process_time()
    back = next(codec.restore(f.data))
    decoded = time.process_time() - begun
    assert (np.asarray(back) == np.asarray(f.image)).all()
    return dict(width=4000, height=3000, tiles=f.keep.size, bytes=len(f.data), psnr=round(f.psnr, 2),
                tokens=round(float(f.keep.mean()), 2), encode_s=round(encoded, 1), decode_s=round(decoded, 1),
                memory_mb=round(memory()), memory_before_mb=round(before))

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--model", default="cifar10-ordered", help="an ordered model: name or folder")
p.add_argument("--rates", type=float, nargs="+", default=[.1, .025, .05, .2, .4], help="bits per pixel")
p.add_argument("--photos", nargs="+", default=PHOTOS, choices=PHOTOS, help="which")
p.add_argument("--effort", type=int, default=0, help="search, too, at the first rate")
p.add_argument("--large", action="store_true", help="only the photo of twelve megapixels")
a = p.parse_args()

codec, name = Codec.from_pretrained(a.model), Path(a.model).name
if a.large:
    write_result(RUNS/f"photos-large-{name}.json", dict(model=name, **large(codec), **provenance()))
else:
    rows = []
    for o in a.photos:
        im = photo(o)
        for rate in a.rates:
            small = im.width * im.height < SEARCHED
            for effort in (0, a.effort)[:1 + (a.effort > 0 and small and rate == a.rates[0])]:
                rows.append(row(codec, o, im, rate, effort))
                print({k: v for k, v in rows[-1].items() if k not in ("width", "height")}, flush=True)
    write_result(RUNS/f"photos-{name}.json", dict(model=name, data="scikit-image", seed=0, rows=rows, **provenance()))
