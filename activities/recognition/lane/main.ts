/** The child of a recognition lane. Its event loop stands still while the model runs; libvips decodes and encodes beside it. */
import { toldMemory } from '@darkroom/lane/child/memory.ts';
import { each, type Item, serve } from '@darkroom/lane/child/serve.ts';
import { z } from 'zod';
import { analyse, type ForeignDecoder } from '../analyse.ts';
import { analyseFrame } from '../analyse-frame.ts';
import { classifyPhoto } from '../classify.ts';
import { inferTensors } from '../infer.ts';
import { type AnyModel, openAnyModel } from '../model/session.ts';
import { requireClassifier, requireDetector } from '../model/understanding/understand.ts';
import type { Stage } from '../stages.ts';
import type { recognitionShape } from './shape.ts';

/** What the module of `setup.foreign` exports. It is loaded with the first file that is for it. */
const foreignModule = z.object({
  decodeForeign: z.custom<ForeignDecoder>((value) => typeof value === 'function'),
});
export type ForeignModule = z.infer<typeof foreignModule>;

let model: AnyModel;
let decodeForeign: ForeignDecoder | undefined;

serve<typeof recognitionShape>({
  async open({ model: { modelPath, ...options }, foreign }) {
    model = await openAnyModel({ modelPath, ...options });
    if (foreign !== undefined)
      decodeForeign = async (bytes, limits) =>
        foreignModule.parse(await import(foreign)).decodeForeign(bytes, limits);
    const { room, infer, inferRaw, close, ...understanding } = model;
    return understanding;
  },
  tasks: {
    photo: each(async (item) => {
      const options = {
        ...item.params,
        model: requireDetector(model),
        ...(decodeForeign && { decodeForeign }),
      };
      const {
        annotated,
        model: _,
        ...result
      } = await analyse(bodyOf(item, 0), options, {
        onStage: (stage) => item.stage(stage),
      }).catch((error: unknown) => {
        throw toldMemory(error);
      });
      item.answer({ ...result, detections: [...result.detections] }, annotated ? [annotated] : []);
    }),
    classify: each(async (item) => {
      const options = {
        ...item.params,
        model: requireClassifier(model),
        ...(decodeForeign && { decodeForeign }),
      };
      const {
        classes,
        outputs,
        model: _,
        ...result
      } = await classifyPhoto(bodyOf(item, 0), options, { onStage: (stage) => item.stage(stage) }).catch(
        (error: unknown) => {
          throw toldMemory(error);
        },
      );
      item.answer(
        { ...result, classes: [...classes], ...(outputs && { outputs: outputs.map(headerOf) }) },
        outputs?.map(({ data }) => data),
      );
    }),
    infer: each(async (item) => {
      const { inputs, ...options } = item.params;
      const tensors = inputs.map((header, i) => ({ ...header, data: bodyOf(item, i) }));
      const hooks = { onStage: (stage: Stage) => item.stage(stage) };
      const { outputs, ...result } = await inferTensors(tensors, { ...options, model }, hooks);
      item.answer(
        { ...result, outputs: outputs.map(headerOf) },
        outputs.map(({ data }) => data),
      );
    }),
    frame: each(async (item) => {
      const { size, ...options } = item.params;
      const frame = { input: bodyOf(item, 0), size, picture: async () => bodyOf(item, 1) };
      const { annotated, detections } = await analyseFrame(
        frame,
        { ...options, model: requireDetector(model) },
        { onStage: (stage) => item.stage(stage) },
      ).catch((error: unknown) => {
        throw toldMemory(error);
      });
      item.answer({ detections: [...detections] }, annotated ? [annotated] : []);
    }),
  },
});

const headerOf = <T extends { readonly data: Uint8Array }>({ data: _, ...header }: T): Omit<T, 'data'> =>
  header;

/** A body of an item, without a copy. */
function bodyOf({ bodies }: Pick<Item<never>, 'bodies'>, index: number): Buffer {
  const body = bodies[index];
  if (body === undefined) throw new Error(`The item has no body ${index}.`);
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}
