import { describe, expect, it } from 'vitest';
import { thumbnailsVtt } from './webvtt.ts';

const place = { x: 4, y: 8, width: 240, height: 135 };

describe('thumbnailsVtt', () => {
  it('names a piece of the sheet per cue', () => {
    const cues = [
      { start: 0, end: 4.5, ...place },
      { start: 4.5, end: 3725.0406, ...place, x: 248 },
      { start: 3725.0406, end: 360_000, ...place },
    ];
    expect(thumbnailsVtt(cues, 'storyboard.jpg')).toBe(`WEBVTT

00:00:00.000 --> 00:00:04.500
storyboard.jpg#xywh=4,8,240,135

00:00:04.500 --> 01:02:05.041
storyboard.jpg#xywh=248,8,240,135

01:02:05.041 --> 100:00:00.000
storyboard.jpg#xywh=4,8,240,135
`);
  });

  it('leaves out cues that would end when they begin', () => {
    expect(thumbnailsVtt([{ start: 1, end: 1.0001, ...place }], 's.jpg')).toBe('WEBVTT\n\n');
  });
});
