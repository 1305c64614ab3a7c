/** Few bytes that stand for very many. */
import { deflateSync } from 'node:zlib';
import { box, bytes, element, fullBox, times, u16, u32, zeros } from '../boxes.ts';
import { file, type HostileFile } from './hostile-file.ts';

/** Few bytes that stand for very many. */
export function bombs(mp4: Buffer): HostileFile[] {
  const ftyp = box('ftyp', 'isom', u32(512), 'isom');
  const header = fullBox('mvhd', 0, zeros(8), u32(1000), u32(1000), zeros(80));
  const movie = (...tables: Buffer[]) => {
    const entry = box(
      'avc1',
      zeros(6),
      u16(1),
      zeros(16),
      u16(64),
      u16(64),
      u32(0x480000),
      u32(0x480000),
      zeros(36),
      u16(24),
      u16(0xffff),
    );
    const sampleTable = box('stbl', fullBox('stsd', 0, u32(1), entry), ...tables);
    const media = box(
      'mdia',
      fullBox('mdhd', 0, zeros(8), u32(1000), u32(1000), zeros(4)),
      fullBox('hdlr', 0, zeros(4), 'vide', zeros(12), [0]),
      box('minf', fullBox('vmhd', 1, zeros(8)), sampleTable),
    );
    return bytes(
      ftyp,
      box('moov', header, box('trak', fullBox('tkhd', 3, zeros(80)), media)),
      box('mdat', zeros(64)),
    );
  };
  const samples = (count: number) =>
    movie(
      fullBox('stts', 0, u32(1), u32(count), u32(1)),
      fullBox('stsc', 0, u32(1), u32(1), u32(count), u32(1)),
      fullBox('stsz', 0, u32(1), u32(count)),
      fullBox('stco', 0, u32(1), u32(40)),
    );
  const nested = (depth: number): Buffer => {
    let inner = zeros(0) as Buffer;
    for (let n = 0; n < depth; n++) inner = box(n % 2 === 0 ? 'udta' : 'trak', inner);
    return inner;
  };
  const zipped = deflateSync(zeros(64 << 20), { level: 9 });
  const track = (number: number) =>
    element(
      'ae',
      element('d7', u16(number)),
      element('73c5', u16(number)),
      element('83', [1]),
      element('86', 'V_MPEG4/ISO/AVC'),
    );
  const ebml = element('1a45dfa3', element('4282', 'matroska'), element('4287', [4]), element('4285', [2]));
  const tracks = (count: number) =>
    bytes(
      ebml,
      element('18538067', element('1654ae6b', ...Array.from({ length: count }, (_, n) => track(n + 1)))),
    );
  const master = (depth: number): Buffer =>
    depth === 0 ? Buffer.alloc(0) : element('b6', master(depth - 1));
  const edits = 60_000;
  return [
    file(
      'half-a-billion-samples.mp4',
      samples(500_000_000),
      'memory_limit',
      'damaged_video',
      'too_many_pixels',
      'item_timeout',
    ),
    file('two-billion-samples.mp4', samples(0x7ffffff0), 'memory_limit', 'damaged_video'),
    file(
      'tables-longer-than-the-file.mp4',
      movie(fullBox('stsz', 0, u32(0), u32(0x0fffffff)), fullBox('stts', 0, u32(0x0fffffff))),
      'damaged_video',
      'no_video_stream',
    ),
    file('nested.mp4', bytes(ftyp, box('moov', nested(5000))), 'damaged_video', 'no_video_stream'),
    file(
      'zipped-header.mov',
      bytes(ftyp, box('moov', box('cmov', box('dcom', 'zlib'), box('cmvd', u32(0xfffffff0), zipped)))),
      'damaged_video',
      'no_video_stream',
      'memory_limit',
    ),
    file('many-edits.mp4', withEdits(mp4, edits), 'damaged_video'),
    file('thousand-streams.mkv', tracks(1000), 'damaged_video', 'unsupported_video'),
    file('twenty-thousand-streams.mkv', tracks(20_000), 'damaged_video', 'unsupported_video'),
    file(
      'nested.mkv',
      bytes(ebml, element('18538067', element('1043a770', element('45b9', master(300))))),
      'damaged_video',
      'no_video_stream',
    ),
    file(
      'endless-element.mkv',
      bytes(
        ebml,
        Buffer.from('1853806701ffffffffffffff', 'hex'),
        Buffer.from('1654ae6b01fffffffffffffe', 'hex'),
        zeros(100),
      ),
      'damaged_video',
      'no_video_stream',
    ),
  ];
}

/** Fits an edit list of `count` entries into the film's track. */
function withEdits(mp4: Buffer, count: number): Buffer {
  const at = mp4.indexOf('edts', 0, 'latin1') - 4;
  const list_ = box(
    'edts',
    fullBox('elst', 0, u32(count), times(count, bytes(u32(1), u32(0), u32(0x10000)))),
  );
  const old = mp4.readUInt32BE(at);
  const changed = bytes(mp4.subarray(0, at), list_, mp4.subarray(at + old));
  for (const type of ['moov', 'trak']) {
    const outer = mp4.indexOf(type, 0, 'latin1') - 4;
    changed.writeUInt32BE(mp4.readUInt32BE(outer) + list_.length - old, outer);
  }
  return changed;
}
