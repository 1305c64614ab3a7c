/** A comparison as people read it in a terminal. */
import type { Comparison, Row } from './compare.ts';
import type { Difference } from './difference.ts';

const where: Readonly<Record<Row['hop'], string>> = {
  decoded: 'the decoder, the EXIF orientation, the colour profile (ours is always upright sRGB) or alpha',
  resized: 'mode, size or filter of resize, or crop and its rounding',
  tensor: 'colour (RGB or BGR), scale, mean, std, layout or type',
  output: 'the model itself: another export, or another precision',
  top1: 'outputs (logits or probabilities), or what the hops before it add up to',
};

const heads = ['hop', 'from theirs: largest', 'mean', 'from the picture: largest', 'mean', 'at most', ''];

/** Rows of the hops, and a line that says where they part. */
export function table({ rows, parts, uninferred }: Comparison): string {
  const cells = rows.map((row) => [
    row.hop,
    ...(row.fromTheirs ? shown(row.fromTheirs) : ['', '']),
    ...shown(row.fromPicture),
    number(row.tolerance),
    row.within ? 'agrees' : 'PARTS',
  ]);
  const lines = [heads, ...cells];
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const drawn = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [
    ...drawn,
    '',
    verdict(rows, parts),
    ...(uninferred ? ['The model is not beside its card: nothing was inferred.'] : []),
  ].join('\n');
}

function verdict(rows: readonly Row[], parts: Row['hop'] | undefined): string {
  if (rows.length === 0) return 'Nothing was told that could be compared.';
  if (parts === undefined) return 'They agree.';
  return `They part at "${parts}". Look at ${where[parts]}.`;
}

function shown(difference: Difference): [string, string] {
  switch (difference.kind) {
    case 'numbers':
      return [number(difference.largest), number(difference.mean)];
    case 'unlike':
      return ['another SHA-256', ''];
    case 'shape':
      return [`${difference.ours.join(' × ')}, not ${difference.theirs.join(' × ')}`, ''];
  }
}

const number = (value: number): string =>
  value === 0 || value >= 0.01 ? String(Number(value.toFixed(4))) : value.toExponential(1);
