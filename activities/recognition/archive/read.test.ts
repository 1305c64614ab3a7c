import { deflateRawSync, gzipSync } from 'node:zlib';
import type { ArchiveFormat } from '@darkroom/contract';
import { describe, expect, it } from 'vitest';
import { tarOf, zipOf } from '../testing/archives.ts';
import { type ArchiveLimits, faultOfName, freeBytes, marksOf } from './gate.ts';
import { type ArchiveEntry, type From, readArchive } from './read.ts';

const limits: ArchiveLimits = { members: 100, memberBytes: 1000, unpackedBytes: 1e9, ratio: 10 };
const one = Buffer.from('one');
const two = Buffer.from('two, and more of it');

async function entriesOf(
  bytes: Uint8Array,
  format: ArchiveFormat,
  { from, ...changes }: Partial<ArchiveLimits> & { from?: From } = {},
): Promise<ArchiveEntry[]> {
  const archive = {
    size: bytes.length,
    read: (offset: number, length: number) => bytes.subarray(offset, offset + length),
  };
  const entries: ArchiveEntry[] = [];
  for await (const entry of readArchive(archive, format, { ...limits, ...changes }, from))
    entries.push(entry);
  return entries;
}

/** What each comes to: its text, or the code of its problem. */
const summary = (entries: readonly ArchiveEntry[]) =>
  entries.map((entry) => [
    entry.number,
    entry.name,
    'body' in entry ? String(entry.body) : entry.problem.code,
  ]);

const files = [
  { name: 'a/', type: '5' },
  { name: 'a/one.jpg', body: one },
  { name: '__MACOSX/a/._one.jpg', body: one },
  { name: 'b/ünï.jpg', body: two },
];

describe.each([
  ['zip', zipOf],
  ['tar', tarOf],
  ['tar.gz', (packed: Parameters<typeof tarOf>[0]) => gzipSync(tarOf(packed))],
] as const)('%s', (format, pack) => {
  it('gives its files in their order, without folders and what systems add', async () => {
    expect(summary(await entriesOf(pack(files), format))).toEqual([
      [1, 'a/one.jpg', 'one'],
      [2, 'b/ünï.jpg', String(two)],
    ]);
  });

  it('goes on behind those that are known', async () => {
    expect(summary(await entriesOf(pack(files), format, { from: { after: 1 } }))).toEqual([
      [2, 'b/ünï.jpg', String(two)],
    ]);
  });

  it('refuses by name what would leave the archive, is there twice, is an archive, or is too large, and gives the others', async () => {
    const hostile = pack([
      { name: '../up.jpg', body: one },
      { name: '/etc/passwd', body: one },
      { name: 'a/../../up.jpg', body: one },
      { name: 'C:\\windows.jpg', body: one },
      { name: 'good.jpg', body: one },
      { name: 'good.jpg', body: two },
      { name: 'inner.zip', body: one },
      { name: 'large.jpg', body: new Uint8Array(1001) },
      { name: 'last.jpg', body: two },
    ]);
    const entries = await entriesOf(hostile, format);
    expect(summary(entries).map(([, , what]) => what)).toEqual([
      'refused_entry',
      'refused_entry',
      'refused_entry',
      'refused_entry',
      'one',
      'refused_entry',
      'refused_entry',
      'too_large',
      String(two),
    ]);
    expect(entries[5]).toMatchObject({
      problem: { detail: '"good.jpg" is there twice: the first one was taken.' },
    });
  });

  it('is refused whole with more entries than a list may have rows, those counted that are passed over', async () => {
    await expect(entriesOf(pack(files), format, { members: 3 })).rejects.toMatchObject({
      code: 'too_many_items',
    });
  });

  it('is refused whole where it ends in its middle', async () => {
    const whole = pack(files);
    await expect(entriesOf(whole.subarray(0, whole.length - 1100), format)).rejects.toMatchObject({
      code: 'damaged_archive',
    });
    await expect(entriesOf(Buffer.from('no archive at all'.repeat(100)), format)).rejects.toMatchObject({
      code: 'damaged_archive',
    });
  });
});

describe('zip', () => {
  it.each([
    ['a symbolic link', { mode: 0o120777 }, 'is a symbolic link'],
    ['a device', { mode: 0o060600 }, 'is a device'],
    ['what is encrypted', { flags: 1 }, 'is encrypted'],
    ['another compression', { method: 12 }, 'is compressed by method 12'],
    ['a wrong checksum', { saysCrc: 1 }, 'is damaged: its checksum differs'],
    ['more bytes than it says', { saysBytes: 2 }, 'is damaged'],
    ['fewer bytes than it says', { saysBytes: 200 }, 'is damaged'],
  ])('refuses %s by name', async (_, odd, why) => {
    const entries = await entriesOf(
      zipOf([
        { name: 'odd.jpg', body: one, ...odd },
        { name: 'b', body: two },
      ]),
      'zip',
    );
    expect(summary(entries)).toEqual([
      [1, 'odd.jpg', 'refused_entry'],
      [2, 'b', String(two)],
    ]);
    expect(entries[0]).toMatchObject({ problem: { detail: expect.stringContaining(`"odd.jpg" ${why}`) } });
  });

  it('counts those that are known among what all may unpack to', async () => {
    const three = zipOf(['a', 'b', 'c'].map((name) => ({ name, body: new Uint8Array(900) })));
    const bounds = { from: { after: 2 }, unpackedBytes: 2700 };
    expect(await entriesOf(three, 'zip', bounds)).toHaveLength(1);
    await expect(entriesOf(three, 'zip', { ...bounds, unpackedBytes: 2699 })).rejects.toMatchObject({
      code: 'too_large',
    });
  });

  it('refuses one whose entries stand for the same bytes again and again', async () => {
    // Each of a hundred entries unpacks to a megabyte, and they are one and the same there.
    const name = (n: number) => `${String(n).padStart(2, '0')}.jpg`;
    const body = new Uint8Array(1 << 20);
    const first = zipOf([{ name: name(0), body }]);
    const directory = first.subarray(first.length - 22 - 46 - 6, first.length - 22);
    const entries = Array.from({ length: 100 }, (_, n) => {
      const copy = Buffer.from(directory);
      copy.write(name(n), 46);
      return copy;
    });
    const end = Buffer.from(first.subarray(-22));
    end.writeUInt16LE(100, 8);
    end.writeUInt16LE(100, 10);
    end.writeUInt32LE(100 * directory.length, 12);
    const data = first.subarray(0, first.length - 22 - directory.length);
    const bomb = Buffer.concat([data, ...entries, end]);
    expect(deflateRawSync(body).length).toBeLessThan(2000);
    await expect(entriesOf(bomb, 'zip', { memberBytes: 2 << 20 })).rejects.toMatchObject({
      code: 'too_large',
      message: expect.stringContaining('10 times its size'),
    });
  });
});

describe('tar', () => {
  it.each([
    ['2', 'a symbolic link'],
    ['1', 'a link'],
    ['3', 'a device'],
    ['4', 'a device'],
    ['6', 'a pipe'],
    ['S', 'an entry of the type SparseFile'],
  ])('refuses what is of the type %s by name: %s', async (type, what) => {
    const link = '12'.includes(type) ? '/etc/passwd' : '';
    const entries = await entriesOf(
      tarOf([
        { name: 'odd', type, link },
        { name: 'b', body: two },
      ]),
      'tar',
    );
    expect(entries).toMatchObject([
      { number: 1, problem: { detail: `"odd" is ${what}.` } },
      { number: 2, body: two },
    ]);
  });

  describe('goes on at a place that was reached', () => {
    const pax = (text: string) => Buffer.from(`${Buffer.byteLength(text) + 4} ${text}\n`);
    const long = `${'long/'.repeat(30)}name.jpg`;
    const whole = tarOf([
      { name: 'a/', type: '5' },
      { name: 'one.jpg', body: one },
      { name: 'odd.jpg', type: '2', link: '/etc/passwd' },
      { name: '._one.jpg', body: one },
      { name: '././@LongLink', type: 'L', body: Buffer.from(`${long}\0`) },
      { name: 'cut', body: two },
      { name: 'PaxHeader', type: 'x', body: pax('path=ünï.jpg') },
      { name: 'cut', body: two },
      { name: 'odd.jpg', body: one },
      { name: 'one.jpg', body: two },
    ]);
    const taken = (entries: readonly ArchiveEntry[]) =>
      marksOf(entries.flatMap((entry) => ('body' in entry ? entry.name : [])));

    it('with what is behind it, whatever the place, and reads nothing before it', async () => {
      const all = await entriesOf(whole, 'tar');
      expect(summary(all)).toEqual([
        [1, 'one.jpg', 'one'],
        [2, 'odd.jpg', 'refused_entry'],
        [3, long, String(two)],
        [4, 'ünï.jpg', String(two)],
        [5, 'odd.jpg', 'one'],
        [6, 'one.jpg', 'refused_entry'],
      ]);
      for (const { number, place } of all) {
        if (place === undefined) throw new Error(`There is no place behind entry ${number}.`);
        const known = { ...place, numbered: number, names: taken(all.slice(0, number)) };
        const unread = Buffer.from(whole).fill(0xff, 0, place.offset);
        const rest = await entriesOf(unread, 'tar', { from: { after: number, place: known } });
        expect(rest).toEqual(all.slice(number));
        // Another process goes on in the middle of what this one was to do.
        const later = await entriesOf(unread, 'tar', { from: { after: number + 1, place: known } });
        expect(later).toEqual(all.slice(number + 1));
      }
    });

    it('counting all members of the archive', async () => {
      const [first] = await entriesOf(whole, 'tar');
      const from: From = {
        after: 1,
        place: { ...first!.place!, numbered: 1, names: marksOf(['one.jpg']) },
      };
      expect(await entriesOf(whole, 'tar', { from, members: 8 })).toHaveLength(5);
      await expect(entriesOf(whole, 'tar', { from, members: 7 })).rejects.toMatchObject({
        code: 'too_many_items',
      });
    });

    it('where a header stands whose checksum is right, and nowhere else', async () => {
      for (const offset of [1, 512 + 1, whole.length - 100]) {
        const place = { offset, members: 1, numbered: 1, names: new Uint8Array() };
        await expect(entriesOf(whole, 'tar', { from: { after: 1, place } })).rejects.toMatchObject({
          code: 'damaged_archive',
        });
      }
    });

    it('but not behind a header that is for all members, nor in what is compressed', async () => {
      const global = { name: 'PaxHeader', type: 'g', body: pax('comment=of all') };
      const entries = await entriesOf(tarOf([global, { name: 'one.jpg', body: one }]), 'tar');
      expect(entries).toEqual([{ number: 1, name: 'one.jpg', body: one }]);
      for (const entry of await entriesOf(gzipSync(whole), 'tar.gz')) expect(entry.place).toBeUndefined();
    });
  });

  it('takes no name that is megabytes long', async () => {
    const body = Buffer.alloc(100_000, 'x');
    const long = tarOf([
      { name: '././@LongLink', type: 'L', body },
      { name: 'short', body: one },
    ]);
    await expect(entriesOf(long, 'tar')).rejects.toMatchObject({ code: 'damaged_archive' });
  });

  it('refuses what is compressed twice, and unpacks no further than its bounds', async () => {
    const twice = gzipSync(gzipSync(tarOf(files)));
    await expect(entriesOf(twice, 'tar.gz')).rejects.toMatchObject({ code: 'damaged_archive' });
    // The first byte comes alone: it is a member of the outer gzip by itself, and the next one begins with a name that fills a block.
    const inner = gzipSync(tarOf(files));
    const rest = gzipSync(inner.subarray(1));
    rest.writeUInt8(8, 3);
    const name = Buffer.concat([Buffer.alloc(300_000, 'x'), Buffer.alloc(1)]);
    const split = Buffer.concat([
      gzipSync(inner.subarray(0, 1)),
      rest.subarray(0, 10),
      name,
      rest.subarray(10),
    ]);
    await expect(entriesOf(split, 'tar.gz')).rejects.toMatchObject({ code: 'damaged_archive' });
    const bomb = gzipSync(tarOf([{ name: 'zeros', body: new Uint8Array(freeBytes + (1 << 20)) }]));
    await expect(entriesOf(bomb, 'tar.gz')).rejects.toMatchObject({ code: 'too_large' });
    await expect(entriesOf(gzipSync(tarOf(files)), 'tar.gz', { unpackedBytes: 100 })).rejects.toMatchObject({
      code: 'too_large',
      message: expect.stringContaining('LIMIT_ARCHIVE_UNPACKED_BYTES'),
    });
  });
});

it('takes as a name what is a path within the archive', () => {
  for (const name of ['a.jpg', 'a/b..c/.d.jpg', 'ünï/…', 'a\\b.jpg'])
    expect(faultOfName(name)).toBeUndefined();
  for (const name of ['', 'a\0b', '..', '..\\a', '\\\\host\\a', 'x'.repeat(1025), 'a\nb'])
    expect(faultOfName(name)).toBeDefined();
});
