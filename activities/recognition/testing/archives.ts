/** Archives, made byte by byte, so that they can be what no packer makes. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface Packed {
  readonly name: string;
  readonly body?: Uint8Array;
  /** ZIP: the file's mode of Unix. */
  readonly mode?: number;
  /** ZIP: general purpose flags. */
  readonly flags?: number;
  /** ZIP: 0 stored, 8 deflated; anything else is stored under that number. */
  readonly method?: number;
  /** ZIP: what the directory says its size is, where that is a lie. */
  readonly saysBytes?: number;
  readonly saysCrc?: number;
  /** tar: type flag. */
  readonly type?: string;
  readonly link?: string;
}

const utf8 = 0x800;

export function zipOf(files: readonly Packed[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const file of files) {
    const { body = new Uint8Array(), method = 8, flags = 0, mode = 0o100644 } = file;
    const data = method === 8 ? deflateRawSync(body) : Buffer.from(body);
    const name = Buffer.from(file.name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags | utf8, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(file.saysCrc ?? crc32(body), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(file.saysBytes ?? body.length, 18);
    common.writeUInt16LE(name.length, 22);
    parts.push(Buffer.from('PK\x03\x04'), common, name, data);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((mode << 16) >>> 0, 6);
    rest.writeUInt32LE(at, 10);
    // Made on Unix.
    directory.push(Buffer.from('PK\x01\x02'), Buffer.from([20, 3]), common, rest, name);
    at += 30 + name.length + data.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, listed, end]);
}

export function tarOf(files: readonly Packed[]): Buffer {
  const parts = files.flatMap(({ name, body = new Uint8Array(), type = '0', link = '' }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write('0000644\0', 100);
    header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        ', 148);
    header.write(type, 156);
    header.write(link, 157, 100);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}
