import { describe, expect, it } from 'vitest';
import { sceneOf } from '../testing/scenes.ts';
import { edl } from './edl.ts';

const clip = { filename: 'film.mp4', framesPerSecond: 25 };

/** Events as their columns. */
const events = (list: string): string[][] =>
  list
    .split('\n')
    .filter((line) => /^\d/.test(line))
    .map((line) => line.split(/\s+/));

describe('edl', () => {
  it('lists cuts and dissolves as CMX 3600 has them', () => {
    const scenes = [
      sceneOf(1, 0, 4.48),
      sceneOf(2, 4.48, 9.5),
      sceneOf(3, 9.5, 20, { begins: 'dissolve', transition: { from: 9, to: 10 } }),
    ];
    expect(edl(scenes, clip)).toBe(`TITLE: film.mp4
FCM: NON-DROP FRAME

001  AX       V     C        00:00:00:00 00:00:04:12 00:00:00:00 00:00:04:12
* FROM CLIP NAME: film.mp4

002  AX       V     C        00:00:04:12 00:00:09:00 00:00:04:12 00:00:09:00
* FROM CLIP NAME: film.mp4

003  AX       V     C        00:00:09:00 00:00:09:00 00:00:09:00 00:00:09:00
003  AX       V     D    025 00:00:09:00 00:00:20:00 00:00:09:00 00:00:20:00
* FROM CLIP NAME: film.mp4
* TO CLIP NAME: film.mp4
`);
  });

  it('drops numbers at 29.97', () => {
    const list = edl([sceneOf(1, 0, 60.06), sceneOf(2, 60.06, 600.6)], {
      ...clip,
      framesPerSecond: 30_000 / 1001,
    });
    expect(list).toContain('FCM: DROP FRAME');
    expect(events(list).map((columns) => columns.slice(4, 6))).toEqual([
      ['00:00:00;00', '00:01:00;02'],
      ['00:01:00;02', '00:10:00;18'],
    ]);
  });

  it('begins the record side at zero, also of a part of a video', () => {
    const list = edl([sceneOf(1, 100, 104), sceneOf(2, 104, 110)], clip);
    expect(events(list).map((columns) => columns.slice(4))).toEqual([
      ['00:01:40:00', '00:01:44:00', '00:00:00:00', '00:00:04:00'],
      ['00:01:44:00', '00:01:50:00', '00:00:04:00', '00:00:10:00'],
    ]);
  });

  it('has a wipe with its length', () => {
    const wipe = sceneOf(2, 2, 4, { begins: 'wipe', transition: { from: 1.8, to: 2.2 } });
    const list = events(edl([sceneOf(1, 0, 2), wipe], clip));
    expect(list.map((columns) => columns.slice(3, -2))).toEqual([
      ['C', '00:00:00:00', '00:00:01:20'],
      ['C', '00:00:01:20', '00:00:01:20'],
      ['W001', '010', '00:00:01:20', '00:00:04:00'],
    ]);
  });

  it('joins its events, leaves out what has no frame, and holds a dissolve within its event', () => {
    const scenes = [
      sceneOf(1, 0, 1),
      sceneOf(2, 1, 1.01),
      sceneOf(3, 1.01, 2, { begins: 'dissolve', transition: { from: 0.9, to: 5 } }),
      sceneOf(4, 2, 3, { begins: 'fade', transition: { from: 1.8, to: 2.2 } }),
    ];
    const list = events(edl(scenes, clip));
    expect(list.map((columns) => [...columns.slice(0, 1), ...columns.slice(3, -2)])).toEqual([
      ['001', 'C', '00:00:00:00', '00:00:00:23'],
      ['002', 'C', '00:00:00:23', '00:00:00:23'],
      ['002', 'D', '027', '00:00:00:23', '00:00:02:00'],
      ['003', 'C', '00:00:02:00', '00:00:03:00'],
    ]);
  });

  it('lets a name begin no line of its own', () => {
    const filename = 'a\n999  AX  V  C\u2028.mp4';
    const list = edl([sceneOf(1, 0, 1)], { ...clip, filename });
    expect(events(list)).toHaveLength(1);
    expect(list).toContain('TITLE: a 999  AX  V  C .mp4\n');
  });

  it.each([
    ['drops where the source does', '01:00:00;00', 'DROP FRAME', ['01:00:00;00', '01:01:00;02']],
    ['does not where the source does not', '01:00:00:00', 'NON-DROP FRAME', ['01:00:00:00', '01:01:00:00']],
    ['begins again after a day', '23:59:59;28', 'DROP FRAME', ['23:59:59;28', '00:00:59;28']],
  ])('has the time code of the source at 29.97, and %s', (_what, timecode, fcm, columns) => {
    const scenes = [sceneOf(1, 0, (1800 * 1001) / 30_000), sceneOf(2, (1800 * 1001) / 30_000, 70)];
    const list = edl(scenes, { filename: 'a.mov', framesPerSecond: 30_000 / 1001, timecode });
    expect(list).toContain(`\nFCM: ${fcm}\n`);
    const [first, second] = events(list);
    expect(first?.slice(4, 6)).toEqual(columns);
    expect(first?.[6]).toMatch(/^00:00:00[:;]00$/);
    expect(second?.[4]).toBe(columns[1]);
  });

  it('takes what is no time code of its rate as none', () => {
    for (const timecode of ['01:00:00:25', '24:00:00:00', 'hello', '']) {
      const list = edl([sceneOf(1, 0, 1)], { ...clip, timecode });
      expect(events(list)[0]?.slice(4, 6)).toEqual(['00:00:00:00', '00:00:01:00']);
    }
    // At 25 there is none that drops.
    const list = edl([sceneOf(1, 0, 1)], { ...clip, timecode: '10:00:00;05' });
    expect(list).toContain('FCM: NON-DROP FRAME');
    expect(events(list)[0]?.slice(4, 6)).toEqual(['10:00:00:05', '10:00:01:05']);
  });
});
