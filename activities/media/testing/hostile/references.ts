/** Real films whose headers point at other files. */
import { box, bytes, chunk, element, fullBox, le32, list, times, u16, u32, zeros } from '../boxes.ts';
import { type Bait, file, type HostileFile } from './hostile-file.ts';

/** Real films whose headers point at other files. */
export function references(mov: Buffer, mkv: Buffer, { file: path, url }: Bait): HostileFile[] {
  const external = (kind: string, ...content: (Uint8Array | string)[]) =>
    box('dref', u32(0), u32(1), fullBox(kind, 0, ...content));
  const alias = bytes(
    zeros(150),
    u16(2),
    u16(path.length),
    path,
    u16(18),
    u16(path.length),
    path,
    u16(0xffff),
    u16(0),
  );
  return [
    file('alias.mov', reference(mov, external('alis', alias)), 'damaged_video', 'read'),
    file('data-url.mov', reference(mov, external('url ', `file://${path}\0`)), 'damaged_video', 'read'),
    file('data-urn.mov', reference(mov, external('urn ', `urn:x\0${url}/urn\0`)), 'damaged_video', 'read'),
    file(
      'reference-movie.mov',
      bytes(
        box('ftyp', 'qt  ', u32(0), 'qt  '),
        box(
          'moov',
          box('rmra', box('rmda', fullBox('rdrf', 0, 'url ', u32(url.length + 8), `${url}/rdrf\0\0\0`))),
        ),
      ),
      'damaged_video',
      'no_video_stream',
    ),
    file('attachment.mkv', bytes(mkv, attachment(path)), 'read'),
    file('linked-segments.mkv', linked(mkv, path), 'read', 'damaged_video'),
  ];
}

/** A movie with its data reference box put in the place of its own; the boxes around grow with it, as the movie lies last. */
function reference(movie: Buffer, dref: Buffer): Buffer {
  const name = movie.lastIndexOf('dref', undefined, 'latin1');
  const start = name - 4;
  const old = movie.readUInt32BE(start);
  const changed = bytes(movie.subarray(0, start), dref, movie.subarray(start + old));
  for (const type of ['moov', 'trak', 'mdia', 'minf', 'dinf']) {
    const at = movie.indexOf(type, 0, 'latin1') - 4;
    changed.writeUInt32BE(movie.readUInt32BE(at) + dref.length - old, at);
  }
  return changed;
}

const attachment = (path: string) =>
  element(
    '1941a469',
    element(
      '61a7',
      element('466e', `../../..${path}`),
      element('4660', 'font/ttf'),
      element('465c', 'OTTO'),
      element('46ae', [7]),
    ),
  );

/** Its segment information names a segment before and after, by id and by file name. */
function linked(mkv: Buffer, path: string): Buffer {
  const link = bytes(
    element('3cb923', times(16, [1])),
    element('3c83ab', path),
    element('3eb923', times(16, [2])),
    element('3e83bb', path),
    element(
      '1043a770',
      element(
        '45b9',
        element('b6', element('73c4', [1]), element('91', [0]), element('6e67', times(16, [3]))),
      ),
    ),
  );
  const info = mkv.indexOf(Buffer.from('1549a966', 'hex'));
  // A second information element right before the first.
  return bytes(
    mkv.subarray(0, info),
    element('1549a966', element('2ad7b1', [0x0f, 0x42, 0x40]), link),
    mkv.subarray(info),
  );
}

/** AVI: subtitles that are playlists (GAB2), indexes that lie or go in circles. */
export function aviFiles(avi: Buffer, { file: path, url }: Bait): HostileFile[] {
  const playlist = bytes('#EXTM3U\n#EXTINF:1,\n', `file://${path}\n${url}/gab2\n#EXT-X-ENDLIST\n`);
  const gab2 = bytes('GAB2\0', [2, 0], le32(0), [4, 0], le32(playlist.length), playlist);
  const main = chunk('avih', le32(40_000), zeros(8), le32(0x10), le32(1), le32(0), le32(1), zeros(28));
  const subtitles = list(
    'strl',
    chunk('strh', 'txtsGAB2', zeros(12), le32(1), le32(1), le32(0), le32(1), zeros(20)),
    chunk('strf', zeros(4)),
  );
  const circle = avi.indexOf('idx1', 0, 'latin1');
  const lying = Buffer.from(avi);
  for (let at = circle + 16; at + 8 <= lying.length; at += 16) lying.writeUInt32LE(0xfffffff0, at);
  const counting = Buffer.from(avi);
  counting.writeUInt32LE(0x7ffffff0, circle + 4);
  const superIndex = chunk(
    'indx',
    [4, 0, 0, 0],
    le32(0x10000000),
    '00dc',
    zeros(12),
    le32(8),
    le32(0),
    le32(0xffffffff),
    le32(1),
  );
  return [
    file(
      'gab2.avi',
      chunk('RIFF', 'AVI ', list('hdrl', main, subtitles), list('movi', chunk('00tx', gab2))),
      'no_video_stream',
      'damaged_video',
    ),
    file('index-beyond-the-end.avi', lying, 'read', 'damaged_video'),
    file('index-without-end.avi', counting, 'read', 'damaged_video'),
    file('index-of-itself.avi', patched(avi, 'JUNK', superIndex), 'read', 'damaged_video'),
  ];
}

/** Puts `piece` over the content of the first chunk of a type that has room for it. */
function patched(avi: Buffer, type: string, piece: Buffer): Buffer {
  const changed = Buffer.from(avi);
  for (let at = changed.indexOf(type, 0, 'latin1'); at >= 0; at = changed.indexOf(type, at + 4, 'latin1'))
    if (changed.readUInt32LE(at + 4) >= piece.length) {
      piece.copy(changed, at);
      changed.writeUInt32LE(changed.readUInt32LE(at + 4), at + 4);
      return changed;
    }
  throw new Error(`There is no ${type} with room.`);
}
