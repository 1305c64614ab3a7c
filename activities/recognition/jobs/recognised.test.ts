import { type AnalysisOptions, analysisOptions } from '@darkroom/contract';
import { expect, it } from 'vitest';
import { heads } from '../model/heads/index.ts';
import { recognitionOptions } from './frame-activities.ts';
import { photoDigest, resultDigest } from './recognised.ts';

const identity = { name: 'm', version: '1', digest: 'd'.repeat(64) };
const digest = (
  options: Partial<AnalysisOptions>,
  head: 'ssdlite' | 'yolov8' = 'ssdlite',
  suppress = heads[head].suppress,
) =>
  resultDigest(['etag', 7], analysisOptions.parse({ labels: ['dog', 'cat'], ...options }), {
    identity,
    head,
    suppress,
  });

it('a digest without anything new is that of before, and everything new changes it', () => {
  const before = digest({});
  expect(before).toBe('ec7d02b4d01c67ab4895a74a8f7d5c42352bcc47509d7eb0eab37c979d46f31a');
  expect(digest({ thresholds: {} })).toBe(before);
  // A card that says what the family was suppressed at before leaves the results as they were.
  expect(digest({}, 'yolov8', { iou: 0.45, iouAcrossClasses: 1 })).toBe(before);
  const others = [
    digest({}, 'yolov8'),
    digest({ iou: 0.5 }),
    digest({ classAgnostic: false }),
    digest({ classAgnostic: true }),
    digest({ maxDetections: 300 }),
    digest({ thresholds: { cat: 0.4 } }),
    digest({ thresholds: { dog: 0.4 } }),
  ];
  expect(new Set([before, ...others]).size).toBe(8);
  const inOrder = digest({ thresholds: { cat: 0.1, dog: 0.2 } });
  expect(digest({ thresholds: { dog: 0.2, cat: 0.1 } })).toBe(inOrder);
});

it('a photo that is decoded otherwise than before is another one, and a JPEG is not', () => {
  const of = (filename: string) =>
    photoDigest({ etag: 'etag', bytes: 7, filename }, analysisOptions.parse({ labels: ['dog', 'cat'] }), {
      identity,
      head: 'ssdlite',
      suppress: heads.ssdlite.suppress,
    });
  const before = digest({});
  for (const name of ['a.jpg', 'A.JPEG', 'a.webp', 'a.gif', 'a.png', 'a']) expect(of(name)).toBe(before);
  for (const name of ['a.TIF', 'a.tiff', 'a.avif', 'IMG_1.HEIC', 'a.heif']) expect(of(name)).not.toBe(before);
});

it('a video is recognised by all options that photos have', () => {
  const options = {
    thresholds: { cat: 0.5 },
    iou: 0.5,
    classAgnostic: true,
    maxDetections: 7,
    labels: ['cat'],
  };
  expect(recognitionOptions({ ...options, mode: 'fast' })).toEqual(analysisOptions.parse(options));
});
