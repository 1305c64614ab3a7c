import { parseArgs } from 'node:util';
import { ProblemError } from '@darkroom/contract';
import type { Command } from '../cli.ts';
import { SetupError } from '../terminal.ts';

const hops = ['decoded', 'resized', 'tensor', 'output', 'top1'] as const;

/** `npm run model`: what people do with models of their own. */
export const model: Command = {
  help: `npm run model -- compare CARD EXPECTED.json [--tolerance HOP=NUMBER]...

Shows where the numbers of a Python pipeline and ours part. CARD is a model card, YAML or JSON, its model beside it under its name (digits.onnx for
digits.yaml); of a classifier the model may lack, and the hops before it are compared. EXPECTED.json tells a picture and what the pipeline had of it;
docs/models.md has the ten lines of Python that write it.

  decoded   pixels as they come from the file, upright        resized   pixels that the network sees
  tensor    the numbers that go into it                       output    the numbers that come out of it
  top1      the best class, and its probability

A hop is held to what comes of theirs before it, where all values of that are told, else to what comes of the picture.
  --tolerance   largest difference that is none; decoded=2 resized=1 tensor=0.0001 output=0.0001 top1=0.02 by default, more where it is of the picture

Exit code 0 where they agree, 1 where they part.`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { tolerance: { type: 'string', multiple: true, default: [] } },
    });
    const [action, card, expected, ...more] = positionals;
    if (action !== 'compare' || card === undefined || expected === undefined || more.length > 0) {
      console.log(model.help);
      return 2;
    }
    const tolerances = Object.fromEntries(values.tolerance.map(toleranceOf));
    // The runtime and libvips are loaded where they are needed alone.
    const { compareModel, table } = await import('@darkroom/recognition/compare/index.ts');
    const comparison = await compareModel(card, expected, tolerances).catch((error: unknown) => {
      if (error instanceof ProblemError || isMissing(error)) throw new SetupError(error.message);
      throw error;
    });
    console.log(table(comparison));
    return comparison.parts === undefined ? 0 : 1;
  },
};

function toleranceOf(text: string): readonly [(typeof hops)[number], number] {
  const [, name, number] = /^(\w+)=(\d+(?:\.\d+)?(?:e-?\d+)?)$/.exec(text) ?? [];
  const hop = hops.find((known) => known === name);
  if (hop === undefined || number === undefined)
    throw new SetupError(
      `--tolerance is one of ${hops.join(', ')} and a number, as in resized=1, not "${text}".`,
    );
  return [hop, Number(number)];
}

const isMissing = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';
