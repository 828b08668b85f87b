"""Damaged .qgv files by a coverage-guided fuzzer: atheris watches which lines of `unpack` an input reaches.

    pip install atheris
    python nbs/benchmarks/codec_atheris.py --minutes 10

Nothing but a `BitstreamError` may come out, and a file that is accepted as whole must be the one that `pack` writes.
Half of the inputs get a header of the right model whose check is put right, since no fuzzer guesses one. What reached
new lines is kept in nbs/codec/golden/corpus.txt, from which the next run starts.
"""
import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

rooms = [f"qgvae.codec.{o}" for o in ("bitstream", "coders", "header", "numbers", "tiling")]
with atheris.instrument_imports(include=rooms):
    from qgvae.codec.bitstream import TokenCodec, UnpackedTiles
    from qgvae.codec.header import read_header
    from qgvae.codec.numbers import crc8
    from qgvae.codec.coders import BitstreamError
from safetensors import safe_open
from qgvae.records import provenance, write_result, write_whole

golden = Path(__file__).resolve().parents[1]/"codec"/"golden"
corpus = golden/"corpus.txt"
ids = {method: bytes.fromhex(o) for method, o in json.loads((golden/"ids.json").read_text()).items()}
with safe_open(golden/"model"/"codec.safetensors", "pt") as o: tables = o.get_tensor("frequencies")
codec = TokenCodec(24, 64, ids["packed"], tables, ordered=True, size=(28, 28))

def as_file(data):
    "The first byte says whether the rest is a file, or what stands behind the fingerprint of one."
    if len(data) < 3 or not data[0] & 1: return data[1:]
    method = ("packed", "range")[data[1] & 1]
    file = bytearray(b"QG" + bytes([data[1] & 15 | (32 if data[0] & 2 else 16)]) + ids[method][:3] + data[2:])
    for end in [7 + file[6]] if data[0] & 2 else range(7, 16):            # where the check of the header may be
        if end >= len(file): break
        was, file[end] = file[end], crc8(file[:end])
        try: read_header(bytes(file[:end + 1]))
        except BitstreamError as e:
            if "cut" in str(e) or "check" in str(e):
                file[end] = was
                continue
        break
    return bytes(file)

def one_input(data):
    "Raise unless a file is refused, cut, or the one that `pack` writes."
    file = as_file(data)
    try: u = codec.unpack(file)
    except BitstreamError: return
    if not u.complete:
        assert u.note.startswith("cut: ")
        return
    again = _photo_again(u) if isinstance(u, UnpackedTiles) else _images_again(u)
    if again is None or file[2] >> 4 == 2 and again != file and len(file) != len(again): return     # it has a remark
    assert again == file, (file.hex(), again.hex())

def _photo_again(u):
    "The file of a photo, written anew."
    return codec.pack_tiles(u.rows, u.header.keep, u.header.tiles, u.header.method)

def _images_again(u):
    "The file of some images, written anew; None if it would be another one, which does no harm."
    h, rows, sizes = u.header, u.tokens, [r.size for r in u.records] if u.header.fit else None
    if h.keep is None and len({len(r) for r in rows}) == 1: return None
    writer = TokenCodec(24, 64, ids["packed"], tables, h.ordered)
    writer.marks = h.marks
    return writer.pack(rows, sizes, h.fit, h.method)

def run(folder, minutes):
    "Executions, how much was covered, inputs that are kept, of a run in a process of its own."
    args = [f"-max_total_time={round(60 * minutes)}", "-max_len=450", "-timeout=5", "-rss_limit_mb=2048",
            "-print_final_stats=1"]
    said = subprocess.run([sys.executable, __file__, *args, str(folder)], capture_output=True, text=True)
    if said.returncode: sys.exit(said.stderr[-5000:])
    stat = lambda name: int(re.search(rf"stat::{name}:\s+(\d+)", said.stderr)[1])
    covered = re.findall(r"cov: (\d+)", said.stderr)[-1]
    return dict(executions=stat("number_of_executed_units"), slowest_s=stat("slowest_unit_time_sec"),
                peak_mb=stat("peak_rss_mb"), covered=int(covered))

def main(minutes):
    with tempfile.TemporaryDirectory() as d:
        all_of_it, small = Path(d)/"all", Path(d)/"small"
        for o in (all_of_it, small): o.mkdir()
        seeds = [b"\0" + o.read_bytes() for o in sorted(golden.rglob("*.qgv")) if o.stat().st_size < 1000]
        if corpus.exists(): seeds += map(bytes.fromhex, corpus.read_text().split())
        for i, o in enumerate(seeds): (all_of_it/f"{i}").write_bytes(o)
        result = run(all_of_it, minutes)
        merge = [sys.executable, __file__, "-merge=1", str(small), str(all_of_it)]
        subprocess.run(merge, check=True, capture_output=True)
        kept = sorted((o.read_bytes() for o in small.iterdir()), key=lambda o: (len(o), o))
        write_whole(corpus, "".join(f"{o.hex()}\n" for o in kept).encode())
    result = dict(minutes=minutes, **result, kept=len(kept), failures=0, **provenance())
    write_result("nbs/results/runs/benchmarks/codec_atheris.json", result)
    print(result)

if __name__ == "__main__":
    if any(re.match(r"-[a-z_]+=", o) for o in sys.argv):                   # options of the fuzzer: a process of `run`
        atheris.Setup([f"{sys.executable} {__file__}", *sys.argv[1:]], one_input)      # -merge starts it again
        atheris.Fuzz()
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--minutes", type=float, default=10)
        main(parser.parse_args().minutes)
