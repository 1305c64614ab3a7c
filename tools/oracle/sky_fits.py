"""Records how other programs read compressed FITS images: test/oracle/sky/fits.json, which activities/sky/fits is held to.

    pip install -r tools/oracle/requirements.txt; apt-get install libcfitsio-bin    # fpack and funpack 1.7.0, CFITSIO 4.2.0
    python tools/oracle/sky_fits.py make      # packs new inputs: fits.bin.gz (40 x 37 pixels each) and fits.json
    python tools/oracle/sky_fits.py record    # reads the inputs that are there again, and ../shared/samples/sky
    python tools/oracle/sky_fits.py --verify  # the same, and fails where anything is no longer what was recorded

Three programs read each file: funpack, astropy, and CFITSIO through fitsio. A value is recorded where two of them agree; where one of them differs,
its name is listed under `differ`. Arrays are the stored values (no BSCALE, BZERO), big-endian, every NaN the same (7fc00000, 7ff8000000000000).
"""
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import astropy
import fitsio
import numpy as np
from astropy.io import fits

from stored import VERIFY, keep

warnings.simplefilter("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "..", "test", "oracle", "sky")
SAMPLES = os.environ.get("SKY_SAMPLES", os.path.join(HERE, "..", "..", "..", "shared", "samples", "sky"))
FIXTURES = os.path.join(OUT, "fixtures")
SEED = 14
W, H = 40, 37


# ---- pixels

def pictures():
    rng = np.random.default_rng(SEED)
    sky = rng.normal(100, 7, (H, W))
    y, x = np.mgrid[0:H, 0:W]
    for cx, cy, peak in ((9, 8, 900), (27, 21, 3000), (34, 33, 400)):
        sky += peak * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 5)
    f32 = sky.astype("f4")
    nan = f32.copy()
    nan[3, 4:9] = np.nan
    nan[20:24, 30:] = np.nan
    nan[36, 39] = np.nan
    zero = f32.copy()
    zero[10:18, 5:12] = 0
    zero[30, :] = 0
    flat = f32.copy()
    flat[12:20] = 42.5
    mask = ((x // 5 + y // 4) % 4 * ((x > 10) & (y < 30))).astype("u1") * 21
    i32 = rng.integers(-(2 ** 31), 2 ** 31, (H, W), dtype="i8").astype("i4")
    i32[:, 20:] = np.round(sky[:, 20:] * 1000)
    return {
        "u8": mask,
        "i16": np.round(sky - 120).astype("i2"),
        "i16mask": mask.astype("i2") * 97,
        "u16": np.round(sky * 12).astype("u2"),
        "i32": i32,
        "i32faint": np.round(sky * 30 - 4000).astype("i4"),
        "f32": f32,
        "f32nan": nan,
        "f32zero": zero,
        "f32flat": flat,
        "f64": sky,
    }


# The standard lets ZSCALE and ZZERO be keywords; CFITSIO takes such floats for lossless, and gives the integers' bits as floats. What is recorded
# is what all three read of the same tile with columns.
KEYWORDS = "variant-scale-keywords"

TILES = {"row": [], "square": ["-t", "16,16"], "ragged": ["-t", "7,5"], "whole": ["-w"]}


def plain(data, extra=()):
    hdu = fits.PrimaryHDU(data)
    for key, value in extra:
        hdu.header[key] = value
    out = io.BytesIO()
    hdu.writeto(out)
    return out.getvalue()


def fpack(data, flags, extra=()):
    with tempfile.TemporaryDirectory() as d:
        source, target = d + "/in.fits", d + "/out.fz"
        open(source, "wb").write(plain(data, extra))
        subprocess.run(["fpack", "-C", *flags, "-O", target, source], check=True, capture_output=True)
        return open(target, "rb").read()


def packed():
    """Name to file, as fpack makes them."""
    p = pictures()
    files = {}
    for kind in ("u8", "i16", "u16", "i32"):
        for tile, t in TILES.items():
            files[f"{kind}-{tile}-rice"] = fpack(p[kind], ["-r", *t])
        for tile in ("row", "square"):
            files[f"{kind}-{tile}-gzip1"] = fpack(p[kind], ["-g1", *TILES[tile]])
            files[f"{kind}-{tile}-gzip2"] = fpack(p[kind], ["-g2", *TILES[tile]])
    for kind in ("u8", "i16mask", "u16"):
        for tile in ("row", "square", "ragged", "whole"):
            files[f"{kind}-{tile}-plio"] = fpack(p[kind], ["-p", *TILES[tile]])
    for kind in ("u8", "i16", "u16", "i32", "i32faint"):
        for tile in ("square", "whole"):
            files[f"{kind}-{tile}-hcompress"] = fpack(p[kind], ["-h", *TILES[tile]])
    files["i16-whole-hcompress-lossy"] = fpack(p["i16"], ["-h", "-w", "-s", "2"])
    files["i32faint-square-hcompress-lossy"] = fpack(p["i32faint"], ["-h", "-t", "16,16", "-s", "3"])
    for kind in ("f32", "f32nan", "f32zero"):
        for tile in ("row", "square", "ragged"):
            t = TILES[tile]
            files[f"{kind}-{tile}-rice-plain"] = fpack(p[kind], ["-r", "-q0", "4", *t])
            files[f"{kind}-{tile}-rice-dither1"] = fpack(p[kind], ["-r", "-q4711", "4", *t])
            files[f"{kind}-{tile}-rice-dither2"] = fpack(p[kind], ["-r", "-qz9991", "4", *t])
        files[f"{kind}-square-gzip1-dither1"] = fpack(p[kind], ["-g1", "-q1", "4", "-t", "16,16"])
        files[f"{kind}-row-gzip2-dither2"] = fpack(p[kind], ["-g2", "-qz2", "4"])
        files[f"{kind}-square-hcompress-dither1"] = fpack(p[kind], ["-h", "-q33", "4", "-t", "16,16"])
        files[f"{kind}-row-gzip1-lossless"] = fpack(p[kind], ["-g1", "-q", "0"])
        files[f"{kind}-ragged-gzip2-lossless"] = fpack(p[kind], ["-g2", "-q", "0", "-t", "7,5"])
    files["f32flat-row-rice-dither1"] = fpack(p["f32flat"], ["-r", "-q77", "4"])
    files["f64-row-rice-dither1"] = fpack(p["f64"], ["-r", "-q9999", "4"])
    files["f64-square-gzip2-lossless"] = fpack(p["f64"], ["-g2", "-q", "0", "-t", "16,16"])
    for kind in ("u8", "i16", "i32", "f32nan", "f64"):
        files[f"{kind}-plain"] = plain(p[kind])
    files["i16-plain-blank"] = plain(p["i16"], [("BLANK", -21)])
    return files


# ---- variants that fpack does not write

class Table:
    """The table of a compressed image: header cards, columns, and for each tile its values; arrays as bytes."""

    def __init__(self, data):
        with fits.open(io.BytesIO(data), disable_image_compression=True) as hdus:
            hdu = hdus[1]
            self.primary = data[: hdus[0].fileinfo()["datLoc"]]
            h = hdu.header
            self.cards = [c.image for c in h.cards]
            self.columns = [(h[f"TTYPE{i}"], h[f"TFORM{i}"]) for i in range(1, h["TFIELDS"] + 1)]
            raw = data[hdu.fileinfo()["datLoc"]:]
            heap = h.get("THEAP", h["NAXIS1"] * h["NAXIS2"])
            self.rows = []
            for r in range(h["NAXIS2"]):
                at = r * h["NAXIS1"]
                row = {}
                for name, form in self.columns:
                    if form.startswith("1P"):
                        count, start = np.frombuffer(raw[at: at + 8], ">i4")
                        size = {"B": 1, "I": 2, "J": 4, "E": 4}[form[2]]
                        row[name] = raw[heap + start: heap + start + count * size]
                        at += 8
                    else:
                        size = {"1D": 8, "1J": 4, "1E": 4}[form.strip()]
                        row[name] = raw[at: at + size]
                        at += size
                self.rows.append(row)

    def write(self, gap=0, wide=False, edit=lambda cards: cards):
        heap, table = b"", b""
        for row in self.rows:
            for name, form in self.columns:
                if form[1] not in "PQ":
                    table += row[name]
                    continue
                size = {"B": 1, "I": 2, "J": 4, "E": 4}[form[2]]
                value = row[name]
                table += np.array([len(value) // size, len(heap) if value else 0], ">i8" if wide else ">i4").tobytes()
                heap += value
        forms = {name: (form.replace("1P", "1Q") if wide else form) for name, form in self.columns}
        skip = ("NAXIS1", "PCOUNT", "TFIELDS", "THEAP", "CHECKSUM", "DATASUM", "TTYPE", "TFORM")
        cards = [c for c in self.cards if not c.startswith(skip)]
        at = next(i for i, c in enumerate(cards) if c.startswith("GCOUNT")) + 1
        new = [card("TFIELDS", len(self.columns))]
        for i, (name, _) in enumerate(self.columns, 1):
            new += [card(f"TTYPE{i}", name), card(f"TFORM{i}", forms[name])]
        if gap:
            new.append(card("THEAP", len(table) + gap))
        naxis2 = next(i for i, c in enumerate(cards) if c.startswith("NAXIS2"))
        cards[at:at] = new
        at = next(i for i, c in enumerate(cards) if c.startswith("GCOUNT"))
        cards.insert(at, card("PCOUNT", gap + len(heap)))
        cards.insert(naxis2, card("NAXIS1", len(table) // len(self.rows)))
        header = "".join([*edit(cards), "END".ljust(80)]).encode("latin1")
        return self.primary + pad(header, b" ") + pad(table + b"\xaa" * gap + heap, b"\0")

    def drop(self, *keys):
        self.cards = [c for c in self.cards if c[:8].strip() not in keys]


def pad(data, fill):
    return data + fill * (-len(data) % 2880)


def card(key, value):
    return str(fits.Card(key, value))


def rice(values, block):
    """A RICE_1 stream of 32-bit integers, with the smallest fs that fits: CFITSIO always takes 32 pixels a block."""
    bits = format(int(values[0]) & 0xFFFFFFFF, "032b")
    diffs = np.diff(np.concatenate([[values[0]], values]).astype("i8"))
    mapped = [int(2 * d if d >= 0 else -2 * d - 1) for d in diffs]
    for i in range(0, len(mapped), block):
        part = mapped[i: i + block]
        fs = min(range(25), key=lambda f: sum((m >> f) + 1 + f for m in part))
        if max(part) == 0:
            bits += "00000"
        elif sum((m >> fs) + 1 + fs for m in part) >= 32 * len(part):
            bits += "11010" + "".join(format(m & 0xFFFFFFFF, "032b") for m in part)
        else:
            bits += format(fs + 1, "05b")
            for m in part:
                bits += "0" * (m >> fs) + "1" + (format(m & ((1 << fs) - 1), f"0{fs}b") if fs else "")
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def variants(files):
    p = pictures()
    out = {}
    source = files["f32nan-square-rice-dither1"]
    out["variant-wide-descriptors"] = Table(source).write(wide=True)
    out["variant-heap-gap"] = Table(files["f32-square-rice-dither1"]).write(gap=2880 + 17)
    t = Table(source)
    t.columns.append(("ZBLANK", "1J"))
    for row in t.rows:
        row["ZBLANK"] = np.array([-2147483648], ">i4").tobytes()
    t.drop("ZBLANK")
    out["variant-blank-column"] = t.write()
    t = Table(source)
    t.columns.reverse()
    out["variant-columns-reversed"] = t.write()
    t = Table(files["i16-square-rice"])
    out["variant-bscale-among-columns"] = t.write(
        edit=lambda cards: [*sum(([c, card("BSCALE", 1.0), card("BZERO", 0.0)] if c.startswith("TFIELDS") else [c] for c in cards), [])]
    )
    t = Table(files["f32flat-row-rice-dither1"])
    # What CFITSIO wrote before 2011: a tile that cannot be quantised as it is.
    t.columns = [("UNCOMPRESSED_DATA", "1PE(40)") if n == "GZIP_COMPRESSED_DATA" else (n, f) for n, f in t.columns]
    for row in t.rows:
        zipped = row.pop("GZIP_COMPRESSED_DATA")
        row["UNCOMPRESSED_DATA"] = gzip.decompress(zipped) if zipped else b""
    out["variant-uncompressed-tiles"] = t.write()
    files["f32-whole-rice-plain"] = fpack(p["f32"], ["-r", "-q0", "4", "-w"])
    t = Table(files["f32-whole-rice-plain"])
    scale, zero = (float(np.frombuffer(t.rows[0][k], ">f8")[0]) for k in ("ZSCALE", "ZZERO"))
    t.columns = [c for c in t.columns if c[0] not in ("ZSCALE", "ZZERO")]
    t.cards += [card("ZSCALE", scale), card("ZZERO", zero)]
    out[KEYWORDS] = t.write()
    t = Table(files["i32-row-rice"])
    for y, row in enumerate(t.rows):
        row["COMPRESSED_DATA"] = rice(p["i32"][y].astype("i8"), 16)
    t.cards = [c.replace("  32 /", "  16 /") if c.startswith("ZVAL1") else c for c in t.cards]
    out["variant-block-16"] = t.write()
    t = Table(files["i16-row-gzip1"])
    for row in t.rows:
        row["COMPRESSED_DATA"] = gzip.decompress(row["COMPRESSED_DATA"])
    t.cards = [card("ZCMPTYPE", "NOCOMPRESS") if c.startswith("ZCMPTYPE") else c for c in t.cards]
    out["variant-nocompress"] = t.write()
    t = Table(files["f32-ragged-gzip2-lossless"])
    t.drop("ZQUANTIZ")
    t.cards.append(card("ZQUANTIZ", "SUBTRACTIVE_DITHER_1"))
    out["variant-lossless-that-says-dither"] = t.write()
    t = Table(files["f32-square-rice-dither1"])
    t.cards += [card("BSCALE", 2.0), card("BZERO", 10.0)]
    out["variant-floats-scaled"] = t.write()
    t = Table(files["i32faint-square-hcompress"])
    t.cards.append(card("ZBLANK", int(p["i32faint"][5, 5])))
    out["variant-integer-zblank"] = t.write()
    return out


# ---- how others read them

def canonical(a):
    a = np.array(a)
    if a.dtype.kind == "f":
        a[np.isnan(a)] = np.nan
    return np.ascontiguousarray(a.astype(a.dtype.newbyteorder(">")))


def by_funpack(path):
    with tempfile.TemporaryDirectory() as d:
        target = d + "/out.fits"
        done = subprocess.run(["funpack", "-C", "-O", target, path], capture_output=True, text=True)
        if done.returncode != 0 or not os.path.exists(target):
            return None
        with fits.open(target, do_not_scale_image_data=True, disable_image_compression=True) as hdus:
            images = [(h.header, canonical(h.data)) for h in hdus if h.is_image and h.data is not None]
    return images


def by_astropy(path):
    try:
        with fits.open(path, do_not_scale_image_data=True) as hdus:
            images = [h for h in hdus if isinstance(h, fits.CompImageHDU) or h.is_image]
            return [canonical(h.data) for h in images if h.data is not None]
    except Exception:
        return None


def by_fitsio(path):
    """Unscaled by hand: CFITSIO applies BSCALE and BZERO, and fitsio has no switch."""
    try:
        out = []
        with fitsio.FITS(path) as hdus:
            for hdu in hdus:
                if hdu.get_exttype() != "IMAGE_HDU" or hdu.get_info()["ndims"] == 0:
                    continue
                header = hdu.read_header()
                a = hdu.read()
                scale, zero = header.get("BSCALE", 1), header.get("BZERO", 0)
                if a.dtype.kind == "u" and a.dtype.itemsize > 1:
                    a = (a.astype("i8") - int(zero)).astype(f"i{a.dtype.itemsize}")
                elif scale != 1 or zero != 0:
                    return None
                out.append(canonical(a))
        return out
    except Exception:
        return None


def sha(data):
    return hashlib.sha256(data).hexdigest()


def described(a, header, agree, differ):
    flat = a.reshape(-1)
    numbers = flat.astype("f8")
    known = numbers[~np.isnan(numbers)]
    places = np.linspace(0, flat.size - 1, 12).astype(int)
    value = {
        "bitpix": {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}[a.dtype.str[1:]],
        "width": a.shape[-1],
        "height": a.shape[-2],
        "sha256": sha(a.tobytes()),
        "nan": int(np.isnan(numbers).sum()),
        "min": float(known.min()),
        "max": float(known.max()),
        "samples": {int(i): (None if np.isnan(numbers[i]) else float(numbers[i])) for i in places},
        "agree": agree,
    }
    if differ:
        value["differ"] = differ
    if header is not None:
        texts = [c.image for c in header.cards if c.keyword not in ("CHECKSUM", "DATASUM")]
        value["keywords"] = sha("\n".join(sorted({t[:8].strip() for t in texts})).encode())
    return value


def read(path):
    """What each image of a file is: where two of the three agree."""
    readers = {"funpack": by_funpack(path), "astropy": by_astropy(path), "fitsio": by_fitsio(path)}
    arrays = {name: ([a for _, a in found] if name == "funpack" and found else found) for name, found in readers.items()}
    arrays = {name: found for name, found in arrays.items() if found}
    count = max((len(found) for found in arrays.values()), default=0)
    values = []
    for i in range(count):
        by_hash = {}
        for name, found in arrays.items():
            if i < len(found):
                by_hash.setdefault(sha(found[i].tobytes() + repr(found[i].shape).encode()), []).append(name)
        agree = max(by_hash.values(), key=len)
        if len(agree) < 2 and len(arrays) > 1:
            values.append({"disagree": sorted(sum(by_hash.values(), []))})
            continue
        differ = sorted(set(sum(by_hash.values(), [])) - set(agree))
        header = readers["funpack"][i][0] if readers["funpack"] and "funpack" in agree else None
        values.append(described(arrays[agree[0]][i], header, agree, differ))
    return values


def read_bytes(data):
    with tempfile.NamedTemporaryFile(suffix=".fits") as f:
        f.write(data)
        f.flush()
        return read(f.name)


def load_inputs():
    with open(os.path.join(OUT, "fits.json")) as f:
        index = json.load(f)["inputs"]
    data = gzip.decompress(open(os.path.join(OUT, "fits.bin.gz"), "rb").read())
    return {name: data[i["offset"]: i["offset"] + i["bytes"]] for name, i in index.items()}


def record(inputs):
    index, at = {}, 0
    for name, data in inputs.items():
        index[name] = {"offset": at, "bytes": len(data), "sha256": sha(data)}
        at += len(data)
    values = {name: read_bytes(data) for name, data in inputs.items()}
    values[KEYWORDS] = [{**v, "differ": ["funpack", "fitsio", "astropy"]} for v in values["f32-whole-rice-plain"]]
    for name, images in values.items():
        if name.startswith("variant-"):
            # They may have keywords that fpack's files have not, which funpack does not know for those of a table.
            for image in images:
                image.pop("keywords", None)
    files = {}
    for folder in (SAMPLES, FIXTURES):
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if name.endswith(".fits"):
                path = os.path.join(folder, name)
                key = ("samples/" if folder == SAMPLES else "fixtures/") + name
                files[key] = {"sha256": sha(open(path, "rb").read()), "images": read(path)}
    return {
        "tool": "funpack, astropy, fitsio",
        "version": {
            "funpack": subprocess.run(["funpack", "-V"], capture_output=True, text=True).stdout.strip(),
            "astropy": astropy.__version__,
            "fitsio": fitsio.__version__,
            "cfitsio of fitsio": fitsio.cfitsio_version(asfloat=False) if hasattr(fitsio, "cfitsio_version") else "",
        },
        "command": "python tools/oracle/sky_fits.py record",
        "settings": {"arrays": "stored values, big-endian, NaN as 7fc00000 and 7ff8000000000000"},
        "seed": SEED,
        "inputs": index,
        "values": values,
        "files": files,
    }


def main():
    command = sys.argv[1] if len(sys.argv) > 1 else "record" if VERIFY else ""
    if command == "make" and not VERIFY:
        files = packed()
        files.update(variants(files))
        os.makedirs(OUT, exist_ok=True)
        with open(os.path.join(OUT, "fits.bin.gz"), "wb") as f:
            f.write(gzip.compress(b"".join(files.values()), 9, mtime=0))
        result = record(files)
    elif command == "record":
        result = record(load_inputs())
    else:
        sys.exit(__doc__)
    keep(Path(OUT) / "fits.json", json.dumps(result, indent=1) + "\n")
    odd = [(k, v) for k, vs in [*result["values"].items(), *((k, f["images"]) for k, f in result["files"].items())] for v in vs if "differ" in v or "disagree" in v or len(v.get("agree", [])) < 3]
    for name, value in odd:
        print(name, {k: value[k] for k in ("agree", "differ", "disagree") if k in value})
    print(len(result["values"]), "inputs,", len(result["files"]), "files")


main()
