import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cocoJson, csv, type ExportPhoto } from './export.ts';

const photo: fc.Arbitrary<ExportPhoto> = fc.record({
  segmentId: fc.nat(),
  filename: fc.string({ unit: 'grapheme' }),
  width: fc.nat(),
  height: fc.nat(),
  detections: fc.array(
    fc.record({
      label: fc.oneof(fc.constantFrom('cat', 'person'), fc.string({ unit: 'grapheme' })),
      score: fc.double({ min: 0, max: 1, noNaN: true }),
      box: fc.record({ x: fc.nat(), y: fc.nat(), width: fc.nat(), height: fc.nat() }),
    }),
    { maxLength: 4 },
  ),
});
const photos = fc.array(photo, { maxLength: 5 });

async function joined(pieces: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}

/** A reader by the grammar of RFC 4180. */
function parse(text: string): string[][] {
  const records: string[][] = [[]];
  const cells = text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g);
  for (const [, quoted, bare = '', end] of cells) {
    records.at(-1)?.push(quoted?.replaceAll('""', '"') ?? bare);
    if (end === '\r\n') records.push([]);
  }
  records.pop();
  return records;
}

describe('csv', () => {
  it('can be read back, and starts no formula', async () => {
    await fc.assert(
      fc.asyncProperty(photos, async (all) => {
        const [header, ...records] = parse(await joined(csv(all)));
        expect(header).toHaveLength(11);
        const expected = all.flatMap(({ filename, detections }) =>
          detections.map(({ label, score }) => ({ filename, label, score })),
        );
        expect(records).toHaveLength(expected.length);
        records.forEach(([, filename = '', , , label = '', score], i) => {
          for (const [cell, text] of [
            [filename, expected[i]?.filename],
            [label, expected[i]?.label],
          ]) {
            expect([text, `'${text}`]).toContain(cell);
            expect(cell).not.toMatch(/^[=+\-@\t\r\n]/);
          }
          expect(Number(score)).toBe(expected[i]?.score);
        });
      }),
    );
  });

  it('quotes as the RFC says', async () => {
    const row: ExportPhoto = {
      segmentId: 1,
      filename: 'a "b", c.jpg',
      width: 10,
      height: 20,
      detections: [{ label: '=cmd()', classId: 7, score: 0.5, box: { x: 1, y: 2.25, width: 3, height: 4 } }],
    };
    expect(await joined(csv([row]))).toBe(
      'segment_id,filename,image_width,image_height,label,score,x,y,width,height,class_id\r\n' +
        `1,"a ""b"", c.jpg",10,20,'=cmd(),0.5,1,2.25,3,4,7\r\n`,
    );
  });
});

describe('coco json', () => {
  it('is valid, whole, and keeps its references', async () => {
    await fc.assert(
      fc.asyncProperty(photos, async (all) => {
        const coco = JSON.parse(await joined(cocoJson(() => all, 'a task'))) as {
          images: { id: number; file_name: string }[];
          annotations: { id: number; image_id: number; category_id: number; bbox: number[]; area: number }[];
          categories: { id: number; name: string }[];
        };
        expect(coco.images.map(({ file_name }) => file_name)).toEqual(all.map(({ filename }) => filename));
        const names = new Map(coco.categories.map(({ id, name }) => [id, name]));
        expect(names.size).toBe(coco.categories.length);
        const flat = all.flatMap(({ segmentId, detections }) => detections.map((d) => ({ ...d, segmentId })));
        expect(coco.annotations.map((a) => [a.image_id, names.get(a.category_id)])).toEqual(
          flat.map((d) => [d.segmentId, d.label]),
        );
        for (const { bbox, area } of coco.annotations) expect(area).toBe((bbox[2] ?? 0) * (bbox[3] ?? 0));
        for (const { id, name } of coco.categories) if (name === 'cat') expect(id).toBe(17);
      }),
    );
  });

  describe('has as category ids', () => {
    const box = { x: 0, y: 0, width: 1, height: 1 };
    const photos = (...found: [string, number | undefined][]): ExportPhoto[] =>
      found.map(([label, classId], n) => ({
        segmentId: n + 1,
        filename: `${n}.jpg`,
        width: 1,
        height: 1,
        detections: [{ label, classId, score: 0.5, box }],
      }));
    const ids = async (all: ExportPhoto[], labels?: string[]) => {
      const list = labels?.map((label, classId) => ({ classId, label }));
      const coco = JSON.parse(await joined(cocoJson(() => all, 'a task', list)));
      expect(coco.categories).toHaveLength(new Set(all.map((one) => one.detections[0]?.label)).size);
      return coco.annotations.map(({ category_id }: { category_id: number }) => category_id);
    };

    it("the model's own numbers, in whichever order its labels appear", async () => {
      const labels = ['scratch', 'person', 'dent'];
      expect(await ids(photos(['dent', 2], ['scratch', 0], ['person', 1]), labels)).toEqual([2, 0, 1]);
      expect(await ids(photos(['person', 1], ['dent', 2]), labels)).toEqual([1, 2]);
    });

    it("COCO's, where all of its labels are COCO's", async () => {
      expect(await ids(photos(['cat', 1], ['person', 0]), ['person', 'cat'])).toEqual([17, 1]);
    });

    it('those of before, where the results are of before or nobody knows the model', async () => {
      expect(await ids(photos(['dent', undefined], ['cat', undefined]))).toEqual([91, 17]);
      // No number of the model's own is given to what has none.
      expect(await ids(photos(['dent', undefined], ['cat', 0]), ['cat', 'dent'])).toEqual([91, 0]);
    });
  });
});
