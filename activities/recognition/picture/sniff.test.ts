import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { SNIFF_BYTES, type Sniffed, sniff } from './sniff.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');
const ftyp = (major: string, ...compatible: string[]) => {
  const box = latin1(`\0\0\0\0ftyp${major}\0\0\0\0${compatible.join('')}`);
  box.writeUInt32BE(box.length);
  return Buffer.concat([box, latin1('\0\0\0\x08mdat')]);
};
const transport = (stride: number, first: number) => {
  const stream = Buffer.alloc(stride * 4, 0xff);
  for (let at = first; at < stream.length; at += stride) stream[at] = 0x47;
  return stream;
};

describe('sniff', () => {
  it.each(['jpeg', 'png', 'webp', 'tiff', 'gif', 'avif'] as const)(
    'knows %s as sharp writes it',
    async (format) => {
      const picture = sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } });
      expect(sniff(await picture.toFormat(format).toBuffer())).toEqual({ kind: 'photo', format });
    },
  );

  const cases: [string, Buffer, Sniffed][] = [
    ['nothing', Buffer.alloc(0), { kind: 'empty' }],
    ['an iPhone picture', ftyp('heic', 'mif1', 'heic'), { kind: 'heic' }],
    ['HEIC behind mif1', ftyp('mif1', 'mif1', 'heic'), { kind: 'heic' }],
    ['AVIF behind mif1', ftyp('mif1', 'avif', 'miaf'), { kind: 'photo', format: 'avif' }],
    ['animated AVIF', ftyp('avis', 'avif', 'msf1'), { kind: 'other', format: 'animated AVIF' }],
    ['a HEIF sequence', ftyp('hevc', 'msf1'), { kind: 'other', format: 'a HEIF image sequence' }],
    [
      'a still among sequences',
      Buffer.from(ftyp('msf1', 'heic').toString('latin1').replace('mdat', 'meta'), 'latin1'),
      { kind: 'heic' },
    ],
    ['JPEG-LS', latin1('\xff\xd8\xff\xf7'), { kind: 'other', format: 'JPEG-LS' }],
    ['JPEG XR', latin1('II\xbc\x01'), { kind: 'other', format: 'JPEG XR' }],
    ['a raw of Fujifilm', latin1('FUJIFILMCCD-RAW 0201'), { kind: 'other', format: 'Fujifilm raw' }],
    ['MP4', ftyp('isom', 'iso2', 'avc1', 'mp41'), { kind: 'video', format: 'mp4' }],
    ['QuickTime', ftyp('qt  '), { kind: 'video', format: 'mov' }],
    ['QuickTime without ftyp', latin1('\0\0\x10\0moov\0\0\0\x6cmvhd'), { kind: 'video', format: 'mov' }],
    ['Matroska', latin1('\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska'), { kind: 'video', format: 'mkv' }],
    [
      'WebM',
      latin1('\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm'),
      { kind: 'video', format: 'webm' },
    ],
    ['AVI', latin1('RIFF\x10\0\0\0AVI LIST'), { kind: 'video', format: 'avi' }],
    ['a transport stream', transport(188, 0), { kind: 'video', format: 'ts' }],
    ['an M2TS stream', transport(192, 4), { kind: 'video', format: 'ts' }],
    [
      'SVG',
      latin1('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'),
      { kind: 'other', format: 'SVG' },
    ],
    ['a PDF', latin1('%PDF-1.7\n'), { kind: 'other', format: 'PDF' }],
    ['text', Buffer.from('no picture, only words: Grüße\n'), { kind: 'text' }],
    ['UTF-16 text', latin1('\xff\xfeh\0i\0'), { kind: 'text' }],
    ['noise', Buffer.from([0, 1, 2, 3, 250, 251]), { kind: 'unknown' }],
  ];
  it.each(cases)('knows %s', (_, head, expected) => {
    expect(sniff(head)).toEqual(expected);
  });

  it('takes a character cut at the end of the window for text', () => {
    expect(sniff(Buffer.from('a'.repeat(SNIFF_BYTES - 1) + 'ü'.repeat(9)))).toEqual({ kind: 'text' });
  });

  it('answers for any bytes, and looks at the window only', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.uint8Array({ maxLength: 50 }), (head, more) => {
        const window = Buffer.alloc(SNIFF_BYTES, 1);
        window.set(head);
        expect(sniff(Buffer.concat([window, more]))).toEqual(sniff(window));
        expect(sniff(head)).toHaveProperty('kind');
      }),
    );
  });
});
