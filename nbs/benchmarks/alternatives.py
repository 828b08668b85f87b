"""Global tokens made otherwise (the paper's appendix E), each trained for the same minutes as ours.

    OMP_NUM_THREADS=1 taskset -c 1 python nbs/benchmarks/alternatives.py
    OMP_NUM_THREADS=1 taskset -c 1 python nbs/benchmarks/alternatives.py --only linear --set lr=0.001
    python nbs/benchmarks/alternatives.py --sizes

Trains every model of `RUNS` on the 4,000 training digits of the package with the library's loop, for the same minutes
of processor time, and writes a result file each, with PSNR on the validation and the test digits. With --sizes nothing
is trained: the parameters and operations of the networks at the paper's sizes are counted into sizes.json.
`nbs/results/alternatives.ipynb` explains the networks and draws the results.
"""
import argparse
import math
from dataclasses import dataclass, replace
from pathlib import Path
import torch
import torch.nn.functional as F
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from qgvae.model import QGVAE, Tokenizer, TokenizerConfig
from qgvae.quantize import BandQuantizer
from qgvae.records import provenance, write_result
from qgvae.training.learner import fit, make_learner, report
from qgvae.training.recipes import TokenizerRecipe, recipes
from qgvae.unet import ResBlock, positional_encoding


@dataclass(frozen=True)
class AlternativeConfig(TokenizerConfig):
    "Config of an `Alternative`; the defaults are those of the digits: 32 tokens of 8 bits."
    n_tokens: int = 32 # N
    patch: int = 1 # p: p x p pixels make a place, for `Attention` only
    downscale: int = 0 # not used, as there are no U-Nets
    encoder_widths: tuple = (1,) # not used
    decoder_widths: tuple = (1,) # not used
    hidden: int = 64 # channels, hidden units, or dimensions of a place
    depth: int = 1 # residual blocks per level, hidden layers, or layers of a transformer


class Alternative(Tokenizer):
    "An image to N*D numbers and back by two networks; the quantiser is that of `QGVAE`."
    def __init__(self, config=AlternativeConfig()):
        nn.Module.__init__(self)
        c = self.config = config
        self.quantizer = BandQuantizer(c.n_tokens, c.n_words, c.dim)
        self.build(c)

    def embed(self, x): # (B, C, H, W) float in [0, 1]
        "(B, N, D) float"
        return self.inward(2 * x.float() - 1).float().reshape(len(x), self.config.n_tokens, -1)

    def render(self, q): # (B, N, D) float
        "(B, C, H, W) float"
        y = self.outward(q).float() / 2 + 0.5
        return y if self.training else y.clamp(0, 1)


class Linear(Alternative):
    "Every pixel to every number: an affine layer each way, or `depth` hidden layers of `hidden` units between."
    def build(self, c):
        pixels = c.channels * c.height * c.width
        sizes = [pixels, *[c.hidden] * c.depth, c.n_tokens * c.dim]
        self.inward = nn.Sequential(nn.Flatten(), *dense(sizes))
        self.outward = nn.Sequential(nn.Flatten(), *dense(sizes[::-1]),
                                     nn.Unflatten(1, (c.channels, c.height, c.width)))


def dense(sizes):
    "Affine layers from one size to the next, with SiLU between."
    layers = []
    for a, b in zip(sizes, sizes[1:]): layers += [nn.Linear(a, b), nn.SiLU()]
    return layers[:-1]


class Convolutional(Alternative):
    "Halved until one place is left; its N*D channels are the numbers. Padded to a power of two."
    def build(self, c):
        levels = math.ceil(math.log2(max(c.height, c.width)))
        self.side = 2**levels
        # the fewest channels with which no level holds fewer numbers than the tokens
        widths = [max(c.hidden, -(-c.n_tokens * c.dim // 4**(levels - i))) for i in range(1, levels)]
        widths = [c.channels, *widths, c.n_tokens * c.dim]
        pairs, blocks = list(zip(widths, widths[1:])), lambda w: [ResBlock(w, w) for _ in range(c.depth)]
        down, up = [], []
        for a, b in pairs: down += [*(blocks(a) if down else []), nn.Conv2d(a, b, 2, stride=2)]
        for a, b in pairs[::-1]: up += [*(blocks(b) if up else []), nn.ConvTranspose2d(b, a, 2, stride=2)]
        self.down, self.up = nn.Sequential(*down), nn.Sequential(*up)

    def inward(self, x): # (B, C, H, W) float
        "(B, N*D, 1, 1) float"
        return self.down(F.pad(x, (0, self.side - x.shape[-1], 0, self.side - x.shape[-2])))

    def outward(self, q): # (B, N, D) float
        "(B, C, H, W) float"
        return self.up(q.flatten(1)[..., None, None])[..., :self.config.height, :self.config.width]


class Attention(Alternative):
    "A transformer over all pixels and N more places, which are the tokens; another one back."
    def build(self, c):
        values, self.places = c.channels * c.patch**2, c.height * c.width // c.patch**2
        place = lambda n: nn.Parameter(torch.randn(n, c.hidden))
        self.from_pixels, self.to_tokens = nn.Linear(values, c.hidden), nn.Linear(c.hidden, c.dim)
        self.from_tokens, self.to_pixels = nn.Linear(c.dim, c.hidden), nn.Linear(c.hidden, values)
        self.read, self.asked = place(self.places + c.n_tokens), place(self.places + c.n_tokens)
        self.mix, self.unmix = transformer(c), transformer(c)

    def inward(self, x): # (B, C, H, W) float
        "(B, N, D) float"
        h = self.from_pixels(F.pixel_unshuffle(x, self.config.patch).flatten(2).mT) # (B, P, hidden)
        h = self.mix(F.pad(h, (0, 0, 0, self.config.n_tokens)) + self.read)         # (B, P+N, hidden)
        return self.to_tokens(h[:, self.places:])

    def outward(self, q): # (B, N, D) float
        "(B, C, H, W) float"
        c = self.config
        h = F.pad(self.from_tokens(q), (0, 0, self.places, 0))                      # (B, P+N, hidden)
        y = self.to_pixels(self.unmix(h + self.asked)[:, :self.places])             # (B, P, C*p*p)
        return F.pixel_shuffle(y.mT.unflatten(2, (c.height // c.patch, -1)), c.patch)


def transformer(c):
    "`depth` layers; a head has 32 dimensions."
    layer = lambda: nn.TransformerEncoderLayer(c.hidden, max(1, c.hidden // 32), 4 * c.hidden, 0., F.gelu,
                                               batch_first=True, norm_first=True)
    return nn.Sequential(*[layer() for _ in range(c.depth)], nn.LayerNorm(c.hidden))


@dataclass
class AlternativeRecipe(TokenizerRecipe):
    "The recipe of the digits with another network."
    model: AlternativeConfig
    network: str = "Linear" # name of a class above

    kind = "alternative"
    def build(self, train=None): return globals()[self.network](self.model)


def alternative(network, settings=(), **config):
    recipe = AlternativeRecipe(AlternativeConfig(**config), network=network, clock="processor")
    return recipe.override(*settings)

SLOW = "lr=0.003", "codebook_start=0.5" # transformers learn slowly; words that come early find all images alike
RUNS = {"digits": recipes["digits"].override("clock=processor"),
        "digits-vqvae": recipes["digits-vqvae"].override("clock=processor"),
        "convolutional": alternative("Convolutional", hidden=32),
        "linear": alternative("Linear", depth=0),
        "linear-hidden": alternative("Linear", depth=1, hidden=256),
        "attention": alternative("Attention", SLOW),
        "attention-patches": alternative("Attention", SLOW, patch=4, depth=2)}


def paper_size(size, **changes):
    "The config of an alternative in the paper's settings: 64 tokens at 32 pixels, 256 at more."
    settings = dict(channels=3, height=size, width=size, n_words=512, dim=64, hidden=128)
    settings |= dict(n_tokens=64, depth=1) if size == 32 else dict(n_tokens=256, depth=2)
    return AlternativeConfig(**settings | changes)


def paper_qgvae(size):
    "QG-VAE in the paper's settings; at 256 pixels with a level more than at 128."
    c = recipes["paper/cifar10" if size == 32 else "paper/imagenet128"].model
    if size > 128: c = replace(c, height=size, width=size, encoder_widths=(*c.encoder_widths, 128),
                               decoder_widths=(*c.decoder_widths, 128), encoder_blocks=2, decoder_blocks=2)
    return QGVAE(c)


LARGE = {"digits": paper_qgvae,
         "convolutional": lambda size: Convolutional(paper_size(size)),
         "linear": lambda size: Linear(paper_size(size, depth=0)),
         "attention": lambda size: Attention(paper_size(size))}


def count(model):
    "{part: parameters}: of the codebooks and of the rest."
    books = model.quantizer.codebook.numel()
    return dict(codebooks=books, networks=sum(p.numel() for p in model.parameters()) - books)


def operations(make, size):
    "Floating-point operations of the products from an image to its vectors and back, counted without numbers."
    counter = FlopCounterMode(display=False)
    with FakeTensorMode(), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        model = make(size)
        with counter: model.render(model.embed(torch.zeros(1, 3, size, size)))
        positional_encoding.cache_clear()               # it must not keep a tensor without numbers
    return counter.get_total_flops()


def sizes():
    "The counts of the networks of `LARGE` at 32, 128 and 256 pixels."
    rows = []
    for name, make in LARGE.items():
        for size in (32, 128, 256):
            with torch.device("meta"): model = make(size)
            rows.append(dict(name=name, size=size, tokens=model.config.n_tokens, **count(model),
                             operations=operations(make, size)))
    return dict(what="parameters, and operations of an image there and back", sizes=rows, **provenance())


def train(name, minutes, settings):
    "The result of one run."
    recipe = RUNS[name].override(*settings)
    splits = {s: recipe.load(s) for s in ("train", "valid", "test")}
    learn = make_learner(recipe, splits["train"], splits["valid"], minutes, device="cpu")
    with learn.no_bar(), learn.no_logging(): fit(learn)
    return dict(name=name, changed=["clock=processor", *settings], **report(learn, **splits))


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--minutes", type=float, default=2, help="of processor time, each (default: 2)")
    p.add_argument("--only", nargs="+", default=list(RUNS), choices=list(RUNS), help="train these only")
    p.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings, as lr=0.001 or seed=1")
    p.add_argument("--sizes", action="store_true", help="only count parameters and operations")
    p.add_argument("--out", type=Path, default=Path(__file__).parent.parent/"results"/"runs"/"alternatives")
    a = p.parse_args()
    if a.sizes: write_result(a.out/"sizes.json", sizes())
    for name in [] if a.sizes else a.only:
        found = train(name, a.minutes, a.set)
        write_result(a.out/("-".join([name, *a.set]) + ".json"), found)
        print(f"{name}: {found['results']['valid']['psnr']:.2f} dB, {found['parameters']:,} parameters, "
              f"{found['batches']:,} steps, {found['precision']}", flush=True)
