"""Records what Pillow makes of pictures of noise: test/oracle/pillow.json, which `activities/recognition/picture/resize` is held to.

    pip install pillow==13.0.0
    python test/oracle/pillow.py > test/oracle/pillow.json

The pictures are made here and by the test from the same seeds (Numerical Recipes' generator, its top bytes).
"""
import hashlib
import json

import PIL
from PIL import Image, ImageOps

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
FILTERS = {"pillow-bilinear": Image.BILINEAR, "pillow-bicubic": Image.BICUBIC}


def noise(seed, length):
    out, state = bytearray(length), seed
    for i in range(length):
        state = (state * 1664525 + 1013904223) % 2**32
        out[i] = state >> 24
    return bytes(out)


def picture(width, height, channels, seed):
    return Image.frombytes(MODES[channels], (width, height), noise(seed, width * height * channels))


def opaque(image, alpha):
    if image.mode == "RGBA" and alpha == "white":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def resized(image, mode, size, filter):
    if mode == "squash":
        return image.resize(size, FILTERS[filter])
    if mode == "cover":
        return ImageOps.fit(image, size, FILTERS[filter])
    # torchvision.transforms.Resize(size)
    short, long = sorted(image.size)
    longer = int(size * long / short)
    return image.resize((size, longer) if image.width <= image.height else (longer, size), FILTERS[filter])


def cropped(image, size):
    # torchvision.transforms.CenterCrop(size)
    left, top = int(round((image.width - size) / 2.0)), int(round((image.height - size) / 2.0))
    return image.crop((left, top, left + size, top + size))


def case(source, mode, size, filter, crop=None, alpha="white"):
    image = picture(*source)
    pixels = opaque(image, alpha)
    result = resized(pixels, mode, size, filter)
    if crop is not None:
        result = cropped(result, crop)
    data = result.tobytes()
    every = max(1, len(data) // 64)
    return {
        "picture": dict(zip(("width", "height", "channels", "seed"), source)),
        "sha256OfInput": hashlib.sha256(image.tobytes()).hexdigest(),
        "alpha": alpha,
        "resize": {"mode": mode, "size": {"width": size[0], "height": size[1]} if mode != "shortest-edge" else size, "filter": filter},
        **({"crop": {"mode": "center", "size": crop}} if crop is not None else {}),
        "width": result.width,
        "height": result.height,
        "sha256": hashlib.sha256(data).hexdigest(),
        "every": every,
        "values": list(data[::every]),
    }


LINEAR, CUBIC = "pillow-bilinear", "pillow-bicubic"
values = [
    # Down, up, both at once, by odd factors and by none.
    case((101, 67, 3, 1), "squash", (31, 29), LINEAR),
    case((101, 67, 3, 1), "squash", (31, 29), CUBIC),
    case((13, 11, 3, 2), "squash", (64, 57), LINEAR),
    case((13, 11, 3, 2), "squash", (64, 57), CUBIC),
    case((40, 9, 3, 3), "squash", (17, 33), CUBIC),
    case((33, 50, 3, 4), "squash", (33, 20), LINEAR),
    case((50, 33, 3, 4), "squash", (20, 33), CUBIC),
    case((32, 32, 3, 5), "squash", (32, 32), CUBIC),
    # Much higher than wide: Pillow goes down first.
    case((30, 301, 3, 6), "squash", (24, 24), LINEAR),
    case((30, 301, 3, 6), "squash", (24, 24), CUBIC),
    case((1, 1, 3, 7), "squash", (9, 8), CUBIC),
    # Parts that begin at fractions of pixels.
    case((101, 67, 3, 8), "cover", (32, 32), CUBIC),
    case((67, 101, 3, 8), "cover", (40, 24), LINEAR),
    case((19, 23, 3, 9), "cover", (48, 31), CUBIC),
    # As torchvision's presets; margins of half a pixel.
    case((97, 61, 3, 10), "shortest-edge", 40, LINEAR, 33),
    case((61, 98, 3, 11), "shortest-edge", 32, CUBIC, 28),
    case((61, 401, 3, 12), "shortest-edge", 32, LINEAR, 32),
    # Grey, and what is transparent.
    case((51, 37, 1, 13), "shortest-edge", 24, CUBIC, 20),
    case((51, 37, 4, 14), "squash", (24, 20), LINEAR, None, "drop"),
    case((51, 37, 4, 14), "squash", (24, 20), LINEAR, None, "white"),
]
record = {
    "tool": "Pillow",
    "version": PIL.__version__,
    "command": "python test/oracle/pillow.py > test/oracle/pillow.json",
}
rows = ",\n    ".join(json.dumps(value) for value in values)
print(json.dumps(record, indent=2)[:-2] + ',\n  "values": [\n    ' + rows + "\n  ]\n}")
