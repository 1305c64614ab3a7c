"""Records what astropy and STIFF make of small skies: test/oracle/sky/colour.json, which `activities/sky/picture` is held to.

    pip install numpy==2.4.6 astropy==8.0.2 pillow==13.0.0   # and Debian's stiff 2.4.0
    python tools/oracle/sky_colour.py [--verify]

The skies are made here and by the tests (`picture/testing/scene.ts`) from the same seeds by exact arithmetic; the SHA-256 of their
big-endian pixels tells a changed generator. Pictures are rows in the order of the file, red, green and blue beside each other, as base64 of zlib.
Lupton's colours are recorded where astropy's two implementations (`make_lupton_rgb`, the older `AsinhMapping`) differ by one count at most.
STIFF is compared with sky and levels manual alone: what it takes from the picture rests on a background model of its own.
"""
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import astropy
import numpy as np
from astropy.io import fits
from astropy.visualization import (AsinhStretch, AsymmetricPercentileInterval, LinearStretch, ManualInterval, ZScaleInterval,
                                   make_lupton_rgb, make_rgb)
from astropy.visualization.lupton_rgb import AsinhMapping
from PIL import Image

from stored import keep


def scene(width, height, seed, peak, sky, noise):
    state = seed

    def variate():
        nonlocal state
        state = (state * 1664525 + 1013904223) % 2**32
        return state / 4294967296

    sources = []
    for n in range(12):
        x = variate() * width
        y = variate() * height
        size = 1 + 2 * variate()
        sources.append((x, y, size, (peak * (0.25 + variate())) / (1 + n * n)))
    data = np.empty((height, width), np.float64)
    for y in range(height):
        for x in range(width):
            value = sky + noise * (variate() + variate() + variate() + variate() - 2)
            for sx, sy, size, flux in sources:
                dx = x - sx
                dy = y - sy
                q = 1 + (dx * dx + dy * dy) / (size * size)
                value += flux / (q * q)
            data[y, x] = value
    return data


def sha256(array):
    return hashlib.sha256(array.astype(array.dtype.newbyteorder(">")).tobytes()).hexdigest()


def raw(picture):
    return base64.b64encode(zlib.compress(np.ascontiguousarray(picture).tobytes(), 9)).decode()


SIZE = {"width": 44, "height": 32}
SCENES = {
    "red": {**SIZE, "seed": 11, "peak": 90.0, "sky": 0.0, "noise": 0.4},
    "green": {**SIZE, "seed": 12, "peak": 60.0, "sky": 0.1, "noise": 0.3},
    "blue": {**SIZE, "seed": 13, "peak": 30.0, "sky": -0.2, "noise": 0.2},
    "tall": {"width": 37, "height": 64, "seed": 14, "peak": 4000.0, "sky": 812.5, "noise": 60.0},
    "flat": {"width": 30, "height": 20, "seed": 15, "peak": 0.0, "sky": 3.0, "noise": 0.0},
    "few": {"width": 3, "height": 1, "seed": 16, "peak": 1.0, "sky": 3.0, "noise": 1.0},
}
made = {name: scene(**of) for name, of in SCENES.items()}
BANDS = ("red", "green", "blue")


def lupton():
    cases = []
    for precision in ("float32", "float64"):
        bands = [made[b].astype(precision) for b in BANDS]
        for minimum, stretch, q in ((None, 5, 8), ([0.05, 0.1, -0.1], 0.5, 10), ([-0.4, -0.2, -0.6], 2.5, 3), (0.02, 20, 0), (0, 0.08, 20)):
            rgb = make_lupton_rgb(*bands, minimum=minimum, stretch=stretch, Q=q)
            each = [0, 0, 0] if minimum is None else minimum if isinstance(minimum, list) else [minimum] * 3
            older = AsinhMapping(each, stretch, q).make_rgb_image(*bands)
            assert np.abs(rgb.astype(int) - older.astype(int)).max() <= 1
            cases.append({"precision": precision, "minimum": each, "stretch": stretch, "q": q, "rgb": raw(rgb)})
    return cases


def stretches():
    cases = []
    for precision in ("float32", "float64"):
        bands = [made[b].astype(precision) for b in BANDS]
        for a, low, high in ((0.1, 0.25, 99.5), (0.02, 1.0, 99.9)):
            intervals = [AsymmetricPercentileInterval(low, high)] * 3
            rgb = make_rgb(*bands, interval=intervals, stretch=AsinhStretch(a))
            cases.append({"algorithm": "asinh", "precision": precision, "a": a, "quantiles": [low / 100, high / 100],
                          "levels": [[float(v) for v in i.get_limits(b)] for i, b in zip(intervals, bands)], "rgb": raw(rgb)})
        intervals = [ManualInterval(-0.5, 12.0), ManualInterval(-0.25, 9.0), ManualInterval(-0.75, 3.0)]
        rgb = make_rgb(*bands, interval=intervals, stretch=AsinhStretch(0.1))
        cases.append({"algorithm": "asinh", "precision": precision, "a": 0.1,
                      "levels": [list(i.get_limits(b)) for i, b in zip(intervals, bands)], "rgb": raw(rgb)})
        rgb = make_rgb(*bands, interval=ZScaleInterval(), stretch=LinearStretch())
        cases.append({"algorithm": "zscale", "precision": precision, "levels": [[float(v) for v in ZScaleInterval().get_limits(b)] for b in bands],
                      "rgb": raw(rgb)})
    return cases


def zscale():
    cases = []
    for name in SCENES:
        for precision in ("float32", "float64"):
            for settings in ({}, {"contrast": 0.5}, {"n_samples": 300, "contrast": 0.1}, {"krej": 1.0}):
                data = made[name].astype(precision)
                if name == "tall":
                    data[10:14, 5:30] = np.nan
                    data[0, 0] = np.inf
                low, high = ZScaleInterval(**settings).get_limits(data)
                cases.append({"scene": name, "precision": precision, "settings": settings, "levels": [float(low), float(high)]})
    return cases


STIFF = "SKY_TYPE MANUAL,MIN_TYPE MANUAL,MAX_TYPE MANUAL".split(",")


def stiff():
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for name in BANDS + ("tall",):
            fits.PrimaryHDU(made[name].astype(np.float32)).writeto(os.path.join(folder, f"{name}.fits"))
        colour = {"scenes": list(BANDS), "minimum": [-0.2, -0.1, -0.3], "maximum": [20.0, 15.0, 8.0]}
        for case in (
            {**colour},
            {**colour, "gammaFactor": 1.5, "saturation": 2.0},
            {**colour, "gammaFactor": 0.7, "saturation": 0.4, "gamma": 1.8},
            {**colour, "minimum": [1.0, 1.0, 1.0], "maximum": [2.0, 3.0, 2.5], "saturation": 1.7},
            {**colour, "bits": 16, "saturation": 1.3, "gammaFactor": 1.2},
            {**colour, "minimum": [0.001, 0.02, 0.005], "minimumType": "greylevel", "sky": [0.0, 0.1, -0.2], "gammaFactor": 1.3},
            {"scenes": ["tall"], "minimum": [780.0], "maximum": [3000.0]},
            {"scenes": ["tall"], "minimum": [820.0], "maximum": [1500.0], "gammaFactor": 2.0, "gamma": 1.0},
        ):
            settings = {
                "SKY_TYPE": "MANUAL", "SKY_LEVEL": ",".join(map(repr, case.get("sky", [0.0]))),
                "MIN_TYPE": case.get("minimumType", "manual").upper(), "MIN_LEVEL": ",".join(map(repr, case["minimum"])),
                "MAX_TYPE": "MANUAL", "MAX_LEVEL": ",".join(map(repr, case["maximum"])),
                "GAMMA_TYPE": "POWER-LAW", "GAMMA": repr(case.get("gamma", 2.2)), "GAMMA_FAC": repr(case.get("gammaFactor", 1.0)),
                "COLOUR_SAT": repr(case.get("saturation", 1.0)), "BITS_PER_CHANNEL": repr(case.get("bits", 8)),
                "IMAGE_TYPE": "TIFF", "COMPRESSION_TYPE": "NONE", "WRITE_XML": "N", "VERBOSE_TYPE": "QUIET", "OUTFILE_NAME": "out.tif",
            }
            command = ["stiff", *(f"{s}.fits" for s in case["scenes"])] + [word for k, v in settings.items() for word in (f"-{k}", v)]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            cases.append({**case, "rgb": raw(tiff(os.path.join(folder, "out.tif"))[::-1])})
    return cases


def tiff(path):
    """Pillow reads no colours of 16 bits: the strips are read here (no compression, channels beside each other)."""
    with Image.open(path) as image:
        tags = {key: image.tag_v2[key] for key in (256, 257, 258, 273, 279)}
        channels = image.tag_v2.get(277, 1)
    content = open(path, "rb").read()
    strips = b"".join(content[o:o + n] for o, n in zip(tags[273], tags[279]))
    little = content[:2] == b"II"
    kind = np.dtype("u1") if tags[258][0] == 8 else np.dtype("<u2" if little else ">u2")
    return np.frombuffer(strips, kind).astype("u1" if kind.itemsize == 1 else "<u2").reshape(tags[257], tags[256], channels)


values = {"lupton": lupton(), "stretches": stretches(), "zscale": zscale(), "stiff": stiff()}
keep(Path(__file__).resolve().parents[2] / "test/oracle/sky/colour.json", json.dumps({
    "tool": "astropy, stiff",
    "version": f"astropy {astropy.__version__}, numpy {np.__version__}, "
               + subprocess.run(["stiff", "-v"], capture_output=True, text=True).stdout.strip(),
    "command": "python tools/oracle/sky_colour.py",
    "inputs": {name: {"scene": of, "float32": sha256(made[name].astype(np.float32)), "float64": sha256(made[name])} for name, of in SCENES.items()},
    "values": values,
}, indent=1) + "\n")
