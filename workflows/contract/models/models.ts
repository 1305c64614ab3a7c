/** What workers understand of the models that they open. */
import { z } from 'zod';

/** Characters of the option `model` at most, of whatever takes it: a name, an `@` and what is behind it. */
export const modelOptionLength = 200;

const perChannel = z.array(z.number()).length(3);

/** How a picture becomes the input: value = (pixel · scale − mean) / std, pixel 0–255. */
const pictureInput = z
  .object({
    width: z.int().meta({ description: 'Pixels.' }),
    height: z.int(),
    layout: z.enum(['nchw', 'nhwc']),
    colour: z.enum(['rgb', 'bgr']),
    dtype: z.enum(['float32', 'float16', 'uint8']),
    scale: z.number(),
    mean: perChannel.meta({ description: 'In the order of `colour` rgb.' }),
    std: perChannel,
    fit: z.enum(['letterbox', 'letterbox-topleft', 'stretch', 'cover', 'crop']).meta({
      description:
        'How a picture is laid into the input: whole within it (`letterbox`, `stretch`), as much of its middle as fills it (`cover`), or the middle of what it is resized to (`crop`), which of both classifiers have.',
    }),
    pad: z.int().meta({ description: 'Pixel value beside the picture.' }),
  })
  .meta({
    id: 'PictureInput',
    description: 'What a picture is made into: (pixel · scale − mean) / std, pixel 0–255.',
  });

export const modelLabel = z
  .object({ classId: z.int().min(0), label: z.string() })
  .meta({ id: 'ModelLabel', description: "A class by its number in the model's own list." });
export type ModelLabel = z.infer<typeof modelLabel>;

const modelTensor = z
  .object({
    name: z.string(),
    datatype: z.string().meta({ description: 'As the Open Inference Protocol names them.', example: 'FP32' }),
    shape: z.array(z.int()).meta({ description: '-1 where the model leaves an axis open.' }),
  })
  .meta({ id: 'ModelTensor' });

export const modelTensors = z
  .object({ inputs: z.array(modelTensor), outputs: z.array(modelTensor) })
  .meta({ id: 'ModelTensors', description: 'What the model itself takes and gives.' });
export type ModelTensors = z.infer<typeof modelTensors>;

/** What a worker has a model open for: jobs that recognise, or predictions that somebody waits for. */
export const modelService = z.enum(['recognition', 'predictions']);
export type ModelService = z.infer<typeof modelService>;

/** Channel on which Postgres tells that something of the models has changed; what, is to be looked up. */
export const modelsChannel = 'darkroom_models';

/** What a worker has understood of a model that it has opened and tried. */
export const openedModel = z.object({
  name: z.string(),
  version: z.string(),
  digest: z.string().meta({
    description:
      'SHA-256 of the model file or, where a card says more, of both: another card is another version.',
  }),
  family: z.string().meta({ description: 'How its outputs are read.', example: 'yolov8' }),
  guessed: z.boolean().meta({ description: 'Whether its card left something to be guessed.' }),
  understood: z.string().meta({ description: 'What was guessed and by what, or that its card says it.' }),
  labels: z.array(modelLabel),
  input: pictureInput,
  /** Absent where a worker of before has told of it. */
  tensors: modelTensors.optional(),
});
export type OpenedModel = z.infer<typeof openedModel>;
