/** The evidence of each picture as CSV, for people who choose a threshold or wonder about a cut. Pure. */
import { csvLine } from '@darkroom/platform/csv.ts';
import type { PictureEvidence } from './scenes.ts';

const columns = [
  'time',
  'change',
  'ratio',
  'novelty',
  'usual_novelty',
  'hue',
  'lasting',
  'returned',
  'brightness',
  'contrast',
  'detail',
  'begins',
  'score',
];

/** The first line of the file. */
export const statisticsHeader = csvLine(columns);

/** A line (RFC 4180); what was not looked at, as the verdict was clear without it, is empty. Seconds to six decimals, the rest to four. */
export const statisticsLine = ({ at, boundary, score, ...rest }: PictureEvidence): string =>
  csvLine([
    tidy(at, 6),
    ...(
      [
        rest.change,
        rest.ratio,
        rest.novelty,
        rest.usualNovelty,
        rest.hue,
        rest.lasting,
        rest.returned,
        rest.brightness,
        rest.contrast,
        rest.detail,
      ] as const
    ).map((value) => (value === undefined ? null : tidy(value, 4))),
    boundary ?? null,
    score === undefined ? null : tidy(score, 4),
  ]);

const tidy = (value: number, digits: number): number => Number(value.toFixed(digits));
