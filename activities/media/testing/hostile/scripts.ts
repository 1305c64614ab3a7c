/** Scripts that name other files or addresses, and files of other kinds, under the names of videos. */
import { deflateSync } from 'node:zlib';
import { box, bytes, chunk, le32, times, u32, zeros } from '../boxes.ts';
import { random } from '../film/pictures.ts';
import { type Bait, file, type HostileFile, text } from './hostile-file.ts';

/** Scripts that name other files or addresses, under the names of videos. */
export function playlists({ file: path, url }: Bait): HostileFile[] {
  return [
    text(
      'hls-file.mp4',
      '#EXTM3U',
      '#EXT-X-TARGETDURATION:10',
      '#EXTINF:10,',
      `file://${path}`,
      '#EXT-X-ENDLIST',
    ),
    text(
      'hls-http.mp4',
      '#EXTM3U',
      '#EXT-X-TARGETDURATION:10',
      '#EXTINF:10,',
      `${url}/hls.ts`,
      '#EXT-X-ENDLIST',
    ),
    text(
      'hls-key.ts',
      '#EXTM3U',
      `#EXT-X-KEY:METHOD=AES-128,URI="${url}/key"`,
      '#EXTINF:1,',
      `concat:${path}|${url}/b`,
    ),
    text('hls-subfile.mov', '#EXTM3U', '#EXTINF:1,', `subfile,,start,0,end,64,,:${path}`, '#EXT-X-ENDLIST'),
    text(
      'dash.mp4',
      '<?xml version="1.0"?>',
      '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT10S">',
      `<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>${url}/dash.mp4</BaseURL>`,
      '</Representation></AdaptationSet></Period></MPD>',
    ),
    text('concat.mp4', 'ffconcat version 1.0', `file '${path}'`, 'duration 10', `file '${url}/concat'`),
    text(
      'session.mp4',
      'v=0',
      'o=- 0 0 IN IP4 127.0.0.1',
      's=x',
      'c=IN IP4 127.0.0.1',
      't=0 0',
      'm=video 5004 RTP/AVP 96',
    ),
    text(
      'imf.mov',
      '<?xml version="1.0"?>',
      '<AssetMap xmlns="http://www.smpte-ra.org/schemas/429-9/2007/AM"><AssetList><Asset><ChunkList><Chunk>',
      `<Path>${path}</Path></Chunk></ChunkList></Asset></AssetList></AssetMap>`,
    ),
    text(
      'vobsub.mkv',
      '# VobSub index file, v7 (do not modify this line!)',
      'size: 720x480',
      `id: en, index: 0`,
      path,
    ),
    text('redirect.asf', '[Reference]', `Ref1=${url}/asx`, `Ref2=file://${path}`),
    text('subtitles.webm', 'WEBVTT', '', '00:00.000 --> 00:01.000', `<v ${url}>${path}`),
    text(
      'picture.mp4',
      `<svg xmlns="http://www.w3.org/2000/svg"><image href="file://${path}"/><image href="${url}/svg"/></svg>`,
    ),
    text('script.avs', `AviSource("${path}")`),
  ];
}

/** Files of other kinds under the names of videos. */
export function otherThings(): HostileFile[] {
  const png = bytes(
    '\x89PNG\r\n\x1a\n',
    pngChunk('IHDR', u32(0x7fffffff), u32(0x7fffffff), [8, 2, 0, 0, 0]),
    pngChunk('IDAT', deflateSync(zeros(100))),
    pngChunk('IEND'),
  );
  const next = random(1);
  const noise = Buffer.from(Array.from({ length: 50_000 }, () => Math.floor(256 * next())));
  const ftyp = box('ftyp', 'isom', u32(512), 'isomiso2avc1mp41');
  const wave = chunk(
    'RIFF',
    'WAVE',
    chunk('fmt ', [1, 0, 1, 0], le32(8000), le32(16_000), [2, 0, 16, 0]),
    chunk('data', zeros(1000)),
  );
  return [
    file('empty.mp4', Buffer.alloc(0), 'empty_file'),
    text('text.mp4', 'This is no video.'),
    file('png.mp4', png, 'unsupported_video'),
    file('wave.avi', wave, 'unsupported_video'),
    file('zip.mkv', bytes('PK\x03\x04', zeros(500)), 'unsupported_video'),
    file('noise.ts', noise, 'unsupported_video'),
    file('ftyp-and-noise.mp4', bytes(ftyp, noise), 'damaged_video', 'no_video_stream'),
    file('ftyp-alone.mp4', ftyp, 'damaged_video', 'no_video_stream'),
    file(
      'sync-bytes.ts',
      times(400, bytes([0x47, 0x1f, 0xff, 0x10], zeros(184))),
      'unsupported_video',
      'no_video_stream',
      'damaged_video',
    ),
    file('elf.mov', bytes('\x7fELF\x02\x01\x01', zeros(2000)), 'unsupported_video'),
  ];
}

const pngChunk = (type: string, ...content: readonly (Uint8Array | number[])[]) => {
  const inner = bytes(...content);
  return bytes(u32(inner.length), type, inner, zeros(4));
};
