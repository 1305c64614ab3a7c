import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isPackable, type Pack, type PackedItem, Packs, packOf } from './packs.ts';

const itemOf = (ordinal: number, ...texts: string[]): PackedItem => ({
  ordinal,
  objects: texts.map((text) => ({
    path: `${ordinal} ${text}`,
    body: Buffer.from(text),
    contentType: 'text/plain',
  })),
});

describe('a pack', () => {
  it('has the files of its items in their order, whichever came first', () => {
    const { pack, filesOf } = packOf([itemOf(7, 'seven', '7'), itemOf(3, 'three')]);
    expect(String(pack.body)).toBe('threeseven7');
    expect(pack.ordinals).toEqual([3, 7]);
    expect(filesOf.map((files) => files.map(({ path, range, bytes }) => [path, range, bytes]))).toEqual([
      [
        ['7 seven', { start: 5, length: 5 }, 5],
        ['7 7', { start: 10, length: 1 }, 1],
      ],
      [['3 three', { start: 0, length: 5 }, 5]],
    ]);
    expect(filesOf[1]![0]).toMatchObject({ sha256: hash('sha256', 'three'), contentType: 'text/plain' });
  });

  it('is named by what is in it', () => {
    const digestOf = (...items: PackedItem[]): string => packOf(items).pack.digest;
    const digest = digestOf(itemOf(1, 'ab'), itemOf(2, 'c'));
    expect(digestOf(itemOf(2, 'c'), itemOf(1, 'ab'))).toBe(digest);
    for (const other of [
      [itemOf(1, 'ab')],
      [itemOf(1, 'c'), itemOf(2, 'ab')],
      [itemOf(1, 'a'), itemOf(2, 'bc')],
    ])
      expect(digestOf(...other)).not.toBe(digest);
  });

  it('takes small files, and none without a byte', () => {
    const sizes = [0, 1, 256 * 1024, 256 * 1024 + 1];
    expect(sizes.map((size) => isPackable({ body: Buffer.alloc(size) }))).toEqual([false, true, true, false]);
  });
});

describe('packs', () => {
  /** What was written, each held until it is let go. */
  function watched() {
    const written: Pack[] = [];
    const gates: PromiseWithResolvers<string>[] = [];
    const packs = new Packs((pack) => {
      written.push(pack);
      const gate = Promise.withResolvers<string>();
      gates.push(gate);
      return gate.promise;
    });
    return { packs, written, gates };
  }
  const ordinalsOf = (written: readonly Pack[]): number[][] => written.map(({ ordinals }) => [...ordinals]);

  it('are written when they are full, or have waited, or at once with what has come before', async () => {
    const { packs, written, gates } = watched();
    const files = [1, 2].map((n) => packs.add(itemOf(n, String(n)), { atOnce: n === 2 }));
    expect(ordinalsOf(written)).toEqual([[1, 2]]);
    gates[0]!.resolve('s3://b/one');
    expect((await Promise.all(files)).flat().map(({ uri, range }) => [uri, range?.start])).toEqual([
      ['s3://b/one', 0],
      ['s3://b/one', 1],
    ]);
    for (let n = 1; n <= 128; n++) void packs.add(itemOf(n, 'x'), { atOnce: false });
    expect(written[1]!.ordinals).toHaveLength(128);
    void packs.add(itemOf(200, 'late'), { atOnce: false });
    expect(written).toHaveLength(2);
    await expect.poll(() => ordinalsOf(written)[2], { timeout: 10_000 }).toEqual([200]);
  });

  it('are full at so many bytes', () => {
    const { packs, written } = watched();
    const objectsOf = () => [{ path: 'p', body: Buffer.alloc(256 * 1024), contentType: 'a/b' }];
    for (let n = 1; n <= 32; n++) void packs.add({ ordinal: n, objects: objectsOf() }, { atOnce: false });
    expect(written[0]!.body).toHaveLength(8 * 1024 * 1024);
  });

  it('have room while fewer than two are under way', async () => {
    const { packs, gates } = watched();
    await packs.room();
    for (const n of [1, 2]) void packs.add(itemOf(n, 'x'), { atOnce: true });
    let hasRoom = false;
    const room = packs.room().then(() => {
      hasRoom = true;
    });
    await new Promise(setImmediate);
    expect(hasRoom).toBe(false);
    gates[1]!.resolve('s3://b/k');
    await room;
  });

  it('that fail do so for all in them, and for none in others', async () => {
    const { packs, gates } = watched();
    const one = [1, 2].map((n) => packs.add(itemOf(n, 'x'), { atOnce: n === 2 }));
    const other = packs.add(itemOf(3, 'x'), { atOnce: true });
    gates[0]!.reject(new Error('away'));
    gates[1]!.resolve('s3://b/k');
    expect((await Promise.allSettled(one)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await other).toHaveLength(1);
    await packs.room();
  });
});
