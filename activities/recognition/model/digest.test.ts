import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { defaultModelOptions } from '../testing/models.ts';
import { defaultModelPath, modelCard } from './card/card.ts';
import { readCard } from './card/file.ts';
import { digestOfBoth, sha256Of } from './digest.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

it('a model with another card is another version of it, wherever it is from', () => {
  const file = Buffer.from('a model');
  const of = (card: object) => digestOfBoth(sha256(file), modelCard.parse(card));
  expect(of({})).toBe(sha256(file));
  expect(of({ source: 'here', license: 'MIT' })).toBe(sha256(file));
  const cards = [
    {},
    { version: '2' },
    { labels: ['cat', 'dog'] },
    { labels: ['dog', 'cat'] },
    { labels: ['cat', 'dog'], head: 'yolov8' },
    { input: { width: 320 } },
    { suppress: { iou: 0.5 } },
  ];
  expect(new Set(cards.map(of)).size).toBe(cards.length);
  const [a, b] = [
    { input: { height: 320, width: 640 }, head: 'yolov8', source: 'here' },
    { head: 'yolov8', input: { width: 640, height: 320 } },
  ];
  expect(of(a)).toBe(of(b));
  expect(digestOfBoth(sha256(Buffer.from('another')), modelCard.parse(a))).not.toBe(of(a));
});

it('the default detector is of the version that it was before cards counted', async () => {
  const path = defaultModelPath((await defaultModelOptions()).modelsDir);
  const file = await readFile(path);
  expect(digestOfBoth(sha256(file), await readCard(path))).toBe(sha256(file));
});

it('a large file is hashed in parts, whole', async () => {
  const file = randomBytes(9_000_000);
  expect(await sha256Of(file)).toBe(sha256(file));
  expect(await sha256Of(Buffer.alloc(0))).toBe(sha256(Buffer.alloc(0)));
});
