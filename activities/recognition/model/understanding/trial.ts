/** A run on an empty picture: whether the model runs at all, and what it gives. */
import { type ModelIdentity, ProblemError } from '@darkroom/contract';
import type { Tensor } from '../../picture/prepare.ts';
import type { ModelInput } from '../card/card.ts';
import type { Outputs } from '../detection.ts';
import type { Feeds } from '../inference.ts';
import type { Feeding } from './feeds.ts';
import type { InputShape, Port } from './guess.ts';

export interface ModelFile {
  /** For its name and for messages; nothing is read there. */
  readonly path: string;
  readonly bytes: Buffer;
  readonly identity: ModelIdentity;
}

/** A session of the runtime. */
export interface Session {
  readonly inputs: readonly Port[];
  run(feeds: Feeds): Promise<Outputs>;
}

/**
 * What the model gives for an empty picture. The first run is slow in any case, and it tells the real shapes where the file leaves them
 * open. Throws `unsupported_model` when the model does not run on it.
 */
export async function trial(
  session: Session,
  { feeds, first }: Feeding,
  shape: InputShape,
): Promise<Outputs> {
  return session.run(feeds(blank(shape))).then(first, (cause: unknown) => {
    throw new ProblemError(
      'unsupported_model',
      `The model does not run on an empty picture of ${shape.width} × ${shape.height}: ${String(cause)}. ` +
        'Put the right input into its model card.',
      { cause },
    );
  });
}

function blank({
  width,
  height,
  layout,
  dtype,
}: Pick<ModelInput, 'width' | 'height' | 'layout' | 'dtype'>): Tensor {
  const dims = layout === 'nchw' ? [1, 3, height, width] : [1, height, width, 3];
  const length = 3 * width * height;
  return { dims, data: dtype === 'uint8' ? new Uint8Array(length) : new Float32Array(length) };
}
