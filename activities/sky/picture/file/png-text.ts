/** Texts in PNG files (PNG, third edition, 11.3.3): tEXt where Latin-1 can say it, iTXt in UTF-8 otherwise. */
import { crc32 } from 'node:zlib';
import { SkyError } from '../../errors.ts';

/** Of the signature and IHDR, which is always the first chunk and 13 bytes long. */
const headLength = 8 + 12 + 13;

/** A PNG with texts after its header, in the order of the record; line ends are line feeds. */
export function withTexts(png: Buffer, texts: Readonly<Record<string, string>>): Buffer {
  const chunks = Object.entries(texts).map(([keyword, text]) => textChunk(keyword, text));
  return Buffer.concat([png.subarray(0, headLength), ...chunks, png.subarray(headLength)]);
}

/** What {@link withTexts} wrote. */
export function textsOf(png: Buffer): Record<string, string> {
  const texts: Record<string, string> = {};
  for (let at = 8; at + 12 <= png.length; ) {
    const length = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    const end = body.indexOf(0);
    const keyword = body.toString('latin1', 0, end);
    if (type === 'tEXt') texts[keyword] = body.toString('latin1', end + 1);
    // Not compressed (two zeros), without language and translated keyword (two more).
    else if (type === 'iTXt') texts[keyword] = body.toString('utf8', end + 5);
    at += 12 + length;
  }
  return texts;
}

const latin = /^[\n\x20-\x7e\xa1-\xff]*$/;
const keywordForm = /^(?! )(?!.* $)(?!.* {2})[\x20-\x7e\xa1-\xff]{1,79}$/;

function textChunk(keyword: string, text: string): Buffer {
  if (!keywordForm.test(keyword))
    throw new SkyError('invalid_cutout', `${JSON.stringify(keyword)} is no keyword of a PNG text.`);
  const plain = latin.test(text);
  const type = plain ? 'tEXt' : 'iTXt';
  const body = Buffer.concat([
    Buffer.from(keyword, 'latin1'),
    Buffer.alloc(plain ? 1 : 5),
    Buffer.from(text.replaceAll('\0', ''), plain ? 'latin1' : 'utf8'),
  ]);
  const chunk = Buffer.alloc(12 + body.length);
  chunk.writeUInt32BE(body.length, 0);
  chunk.write(type, 4, 'latin1');
  body.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + body.length)), 8 + body.length);
  return chunk;
}
