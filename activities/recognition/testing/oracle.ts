/** What PyTorch answers, as `test/oracle/efficientnet_lite0.py` has recorded it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const recorded = new URL('../../../test/oracle/efficientnet-lite0.json', import.meta.url);

const oracle = z
  .looseObject({
    inputs: z.record(z.string(), z.string()),
    values: z.object({
      tensors: z.record(z.string(), z.array(z.number())),
      pictures: z.record(z.string(), z.tuple([z.int(), z.number()])),
    }),
  })
  .parse(JSON.parse(readFileSync(recorded, 'utf8')));

/** Logits of each tensor; class and probability of what each picture most likely shows. */
export const { tensors, pictures } = oracle.values;

/** Throws when the input of that name is no longer the one that the oracle was asked about. */
export function requireSameInput(name: string, bytes: Uint8Array): void {
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== oracle.inputs[name])
    throw new Error(
      `${name} is another input than the recorded one: run the oracle again (test/oracle/efficientnet_lite0.py)`,
    );
}
