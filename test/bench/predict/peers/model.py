"""The same models as a Python service has them: Pillow, NumPy, ONNX Runtime. What a card says is done as it says."""

import io
import json
import pathlib

import numpy
import onnxruntime
from PIL import Image, ImageOps

THRESHOLD = 0.4


class Model:
    """A classifier, or the default detector. `threads`: of one inference."""

    def __init__(self, path: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # As ours: waiting threads that spin take the cores from those that decode.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.card = json.loads(pathlib.Path(path).with_suffix(".json").read_text())
        self.name = self.session.get_inputs()[0].name
        self.is_classifier = self.card.get("task") == "classifier"

    def predict(self, content: bytes) -> int | None:
        """The class of a picture; None where the detector finds nothing."""
        with Image.open(io.BytesIO(content)) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        return self._classify(picture) if self.is_classifier else self._detect(picture)

    def _classify(self, picture: Image.Image) -> int:
        how = self.card["preprocess"]
        size, crop = how["resize"]["size"], how["crop"]["size"]
        scale = size / min(picture.size)
        width, height = (round(side * scale) for side in picture.size)
        left, top = round((width - crop) / 2), round((height - crop) / 2)
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
        picture = picture.crop((left, top, left + crop, top + crop))
        (logits,) = self._run(picture, how)
        return int(logits[0].argmax())

    def _detect(self, picture: Image.Image) -> int | None:
        how = self.card["input"]
        width, height = how["width"], how["height"]
        scale = min(width / picture.width, height / picture.height)
        fitted = (round(picture.width * scale), round(picture.height * scale))
        canvas = Image.new("RGB", (width, height))
        canvas.paste(
            picture.resize(fitted, Image.Resampling.LANCZOS), ((width - fitted[0]) // 2, (height - fitted[1]) // 2)
        )
        _, scores, _ = self._run(canvas, how)
        # What is surest of all survives any suppression: the boxes of the others are not what is asked for.
        best = scores[0, :, 1:]
        at = int(best.argmax())
        return at % best.shape[1] + 1 if best.flat[at] >= THRESHOLD else None

    def _run(self, picture: Image.Image, how: dict) -> list[numpy.ndarray]:
        values = numpy.asarray(picture, dtype=numpy.float32) * numpy.float32(how["scale"])
        values = (values - numpy.float32(how["mean"])) / numpy.float32(how["std"])
        return self.session.run(None, {self.name: values.transpose(2, 0, 1)[None].copy()})
