import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MultipartLimits, type Part, readParts } from './multipart.ts';

const limits: MultipartLimits = { files: 5, fields: 5, fieldBytes: 1000, headerBytes: 4096 };
const type = 'multipart/form-data; boundary=cut-here';

type Sent = { name: string; value: string } | { name: string; filename: string; bytes: Uint8Array };

function encode(parts: Sent[]): Buffer {
  const pieces = parts.flatMap((part) => {
    const filename = 'filename' in part ? `; filename="${part.filename}"` : '';
    const head = `--cut-here\r\nContent-Disposition: form-data; name="${part.name}"${filename}\r\n\r\n`;
    return [head, 'bytes' in part ? part.bytes : part.value, '\r\n'];
  });
  return Buffer.concat([...pieces, '--cut-here--\r\n'].map((p) => Buffer.from(p as string)));
}

async function* inChunks(body: Uint8Array, size: number) {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
}

async function collect(parts: AsyncIterable<Part>): Promise<Sent[]> {
  const got: Sent[] = [];
  for await (const part of parts) {
    if (part.kind === 'field') got.push({ name: part.name, value: part.value });
    else {
      const chunks: Uint8Array[] = [];
      for await (const chunk of part.content) chunks.push(chunk);
      const bytes = new Uint8Array(Buffer.concat(chunks));
      got.push({ name: part.name, filename: part.filename, bytes });
    }
  }
  return got;
}

describe('readParts', () => {
  it('gives back what was encoded, however it is cut into chunks, fields before or after files', async () => {
    const name = fc.stringMatching(/^[a-zA-Z0-9_]{1,10}$/);
    const field = fc.record({ name, value: fc.stringMatching(/^[ -~äöü]{0,40}$/) });
    const file = fc.record({
      name,
      filename: fc.stringMatching(/^[a-z0-9äß ./]{1,20}$/),
      bytes: fc.uint8Array({ maxLength: 300 }),
    });
    const sent = fc.array(fc.oneof(field, file), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(sent, fc.integer({ min: 1, max: 400 }), async (parts, size) => {
        expect(await collect(readParts(inChunks(encode(parts), size), type, limits))).toEqual(parts);
      }),
      { numRuns: 150 },
    );
  });

  it('reads no faster than the file is read', async () => {
    const chunk = 64 * 1024;
    const body = encode([{ name: 'file', filename: 'a', bytes: randomBytes(100 * chunk) }]);
    let read = 0;
    async function* counted() {
      for await (const piece of inChunks(body, chunk)) {
        read += 1;
        yield piece;
      }
    }
    let checked = false;
    for await (const part of readParts(counted(), type, limits)) {
      if (part.kind !== 'file') continue;
      await sleep(50);
      expect(read).toBeLessThan(5);
      checked = true;
    }
    expect(checked).toBe(true);
    expect(read).toBeGreaterThan(99);
  });

  it('discards what is left of a file when the next part is asked for', async () => {
    const body = encode([
      { name: 'file', filename: 'a', bytes: randomBytes(300_000) },
      { name: 'model', value: 'x' },
    ]);
    const names: string[] = [];
    for await (const part of readParts(inChunks(body, 1000), type, limits)) names.push(part.name);
    expect(names).toEqual(['file', 'model']);
  });

  it('stops reading when the iteration is left in the middle of a file, and closes the body', async () => {
    const body = encode([{ name: 'file', filename: 'a', bytes: randomBytes(5_000_000) }]);
    let read = 0;
    let closed = false;
    async function* watched() {
      try {
        for await (const piece of inChunks(body, 65_536)) {
          read += piece.length;
          yield piece;
        }
      } finally {
        closed = true;
      }
    }
    for await (const part of readParts(watched(), type, limits)) {
      if (part.kind === 'file') for await (const _ of part.content) break;
      break;
    }
    await sleep(20);
    expect(closed).toBe(true);
    expect(read).toBeLessThan(1_000_000);
  });

  it('fails the file and the iteration when the body is cut off or breaks', async () => {
    const body = encode([{ name: 'file', filename: 'a', bytes: randomBytes(200_000) }]);
    async function* broken() {
      yield body.subarray(0, 100_000);
      throw new Error('aborted');
    }
    const cut = readParts(inChunks(body.subarray(0, 150_000), 10_000), type, limits);
    await expect(collect(cut)).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(collect(readParts(broken(), type, limits))).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('aborted'),
    });
  });

  it.each([
    ['no boundary', 'multipart/form-data', encode([]), 'invalid_request'],
    ['not multipart', type, Buffer.from('hello'), 'invalid_request'],
    ['nothing at all', type, Buffer.alloc(0), 'invalid_request'],
    ['a field too long', type, encode([{ name: 'model', value: 'x'.repeat(1001) }]), 'validation_failed'],
    ['too many fields', type, encode(Array(6).fill({ name: 'a', value: 'b' })), 'validation_failed'],
    [
      'too many files',
      type,
      encode(Array(6).fill({ name: 'files', filename: 'a', bytes: new Uint8Array(9) })),
      'too_many_items',
    ],
  ])('refuses %s', async (_what, contentType, body, code) => {
    await expect(collect(readParts(inChunks(body, 64), contentType, limits))).rejects.toMatchObject({
      code,
    });
  });

  it.each([
    ['a line break', 'filename="a\nb.jpg"', 'ab.jpg'],
    ['a carriage return', 'filename="a\rb.jpg"', 'ab.jpg'],
    ['both', 'filename="a\r\nb.jpg"', 'ab.jpg'],
    ['an encoded line break', "filename*=UTF-8''a%0D%0Ab.jpg", 'ab.jpg'],
    ['a folded header', 'filename="x.jpg";\r\n size=3', 'x.jpg'],
    ['NUL', 'filename="a\0b.jpg"', 'a\0b.jpg'],
    ['a quote', 'filename="a\\"b.jpg"', 'a"b.jpg'],
    ['a name of its own in Unicode', "filename=x.jpg; filename*=UTF-8''%E2%82%AC%20rates.jpg", '€ rates.jpg'],
    ['directions', 'filename="a\u202egpj.exe"', 'a\u202egpj.exe'],
    ['directories', 'filename="C:\\photos\\a.jpg"', 'C:\\photos\\a.jpg'],
  ])('takes a file whose name has %s', async (_what, parameter, filename) => {
    const disposition = `Content-Disposition: form-data; name="file"; ${parameter}`;
    const head = `--cut-here\r\n${disposition}\r\nContent-Type: image/jpeg\r\n\r\n`;
    const body = Buffer.from(`${head}\nx: y\r\n\r\n\r\n--cut-here--\r\n`);
    for (const size of [1, 7, body.length])
      expect(await collect(readParts(inChunks(body, size), type, limits))).toEqual([
        { name: 'file', filename, bytes: new Uint8Array(Buffer.from('\nx: y\r\n\r\n')) },
      ]);
  });

  it.each([
    ['folded after its colon', 'Content-Disposition:\r\n form-data; name="file"; filename="a.jpg"'],
    ['folded twice', 'content-disposition: \r\n\t\r\n form-data; name="file"; filename="a.jpg"'],
    ['folded before a semicolon', 'Content-Disposition: form-data\r\n ; name="file"\r\n\t; filename="a.jpg"'],
    ['spaced', 'Content-Disposition :\t  form-data ; name="file"; filename="a.jpg"'],
    ['not spaced at all', 'Content-Disposition:form-data;name="file";filename="a.jpg"'],
    [
      'the last of several',
      'X-A: b\r\nContent-Type:\r\n image/jpeg\r\nContent-Disposition:\r\n form-data; name="file"; filename="a.jpg"',
    ],
  ])('takes a part whose header is %s', async (_what, header) => {
    const body = Buffer.from(`--cut-here\r\n${header}\r\n\r\nx\r\n--cut-here--\r\n`);
    for (const size of [1, 7, body.length])
      expect(await collect(readParts(inChunks(body, size), type, limits))).toEqual([
        { name: 'file', filename: 'a.jpg', bytes: new Uint8Array(Buffer.from('x')) },
      ]);
  });

  it('names a part that says not what it is', async () => {
    const body = Buffer.from('--cut-here\r\nContent-Type: image/jpeg\r\n\r\nx\r\n--cut-here--\r\n');
    await expect(collect(readParts(inChunks(body, 9), type, limits))).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('Part 1'),
    });
  });

  it('survives a part header longer than the limit', async () => {
    const filename = 'x'.repeat(50_000);
    const body = encode([{ name: 'file', filename, bytes: new Uint8Array([1, 2, 3]) }]);
    const [file] = await collect(readParts(inChunks(body, 999), type, limits));
    expect(file).toMatchObject({ name: 'file', bytes: new Uint8Array([1, 2, 3]) });
    expect((file as { filename: string }).filename.length).toBeLessThan(4097);
  });
});
