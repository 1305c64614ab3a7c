/** Real films that say of themselves what is not so. */
import { patch, patchBox } from '../boxes.ts';
import { file, type HostileFile } from './hostile-file.ts';

/** Real films that say of themselves what is not so. */
export function lies(mp4: Buffer, fast: Buffer, mkv: Buffer): HostileFile[] {
  const change = (type: string, work: (content: Buffer) => void) => patchBox(mp4, type, work);
  const coded = (from: Buffer) =>
    patchBox(from, 'avc1', (content) => {
      content.writeUInt16BE(65_535, 24);
      content.writeUInt16BE(65_535, 26);
    });
  const half = mp4.indexOf('moov', 0, 'latin1');
  return [
    file('huge-size.mp4', coded(mp4), 'read', 'too_many_pixels', 'damaged_video'),
    file('huge-size.mkv', patch(mkv, [0xb0, 0x81, 64], [0xb0, 0x81, 0]), 'read', 'damaged_video'),
    file(
      'hundred-thousand-a-second.mp4',
      change('mdhd', (c) => c.writeUInt32BE(51_200_000, 12)),
      'read',
    ),
    file(
      'endless.mp4',
      change('mdhd', (c) => c.writeUInt32BE(1, 12)),
      'damaged_video',
      'video_too_long',
    ),
    file(
      'no-timescale.mp4',
      change('mdhd', (c) => c.writeUInt32BE(0, 12)),
      'read',
      'damaged_video',
    ),
    file(
      'no-duration.mp4',
      change('stts', (c) => c.writeUInt32BE(0, 12)),
      'read',
      'damaged_video',
    ),
    file(
      'backwards.mp4',
      change('stts', (c) => c.writeUInt32BE(0xfffffff0, 12)),
      'read',
      'damaged_video',
      'video_too_long',
    ),
    file(
      'negative-times.mp4',
      change('ctts', (c) => c.writeInt32BE(-2_000_000_000, 12)),
      'read',
      'damaged_video',
      'video_too_long',
    ),
    file(
      'chunks-elsewhere.mp4',
      change('stco', (c) => c.fill(0xff, 8)),
      'damaged_video',
    ),
    file(
      'huge-samples.mp4',
      change('stsz', (c) => c.fill(0x7f, 12)),
      'read',
      'damaged_video',
    ),
    file('cut-header.mp4', mp4.subarray(0, half + 300), 'damaged_video', 'no_video_stream'),
    file('no-header.mp4', mp4.subarray(0, half - 4), 'damaged_video', 'no_video_stream'),
    file('cut-data.mp4', fast.subarray(0, fast.indexOf('mdat', 0, 'latin1') + 300), 'damaged_video', 'read'),
    file('cut.mkv', mkv.subarray(0, Math.floor(mkv.length / 3)), 'read', 'damaged_video', 'no_video_stream'),
  ];
}
