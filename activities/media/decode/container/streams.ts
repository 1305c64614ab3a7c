/** Which stream of a container is its video. */
import {
  AV_DISPOSITION_ATTACHED_PIC,
  AV_DISPOSITION_DEFAULT,
  AV_DISPOSITION_DEPENDENT,
  AV_DISPOSITION_TIMED_THUMBNAILS,
  AVMEDIA_TYPE_VIDEO,
} from 'node-av/constants';
import { type FormatContext, Packet, type Stream } from 'node-av/lib';

const passedOver = AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS | AV_DISPOSITION_DEPENDENT;

/** Whether a stream is video, and neither a cover nor a part of another. */
export function isVideo({ codecpar, disposition }: Stream): boolean {
  return codecpar.codecType === AVMEDIA_TYPE_VIDEO && (disposition & passedOver) === 0;
}

/** The default one; of several the one with most pixels, then the first. */
export function choose(streams: readonly Stream[]): Stream {
  const rank = ({ codecpar, disposition }: Stream) =>
    ((disposition & AV_DISPOSITION_DEFAULT) !== 0 ? 2 ** 40 : 0) + codecpar.width * codecpar.height;
  return streams.reduce((best, stream) => (rank(stream) > rank(best) ? stream : best));
}

/** A stream that has given one picture when another has given so many is a still picture; or when so many bytes were read. */
const PICTURES_OF_A_FILM = 250;
const MOST_LOOKED_THROUGH = 16 << 20;

/** Indexes of the streams that hold more than one picture; of all where none does. */
export function filmsAmong(streams: readonly Stream[], format: FormatContext): ReadonlySet<number> {
  const counts = new Map(streams.map(({ index }) => [index, 0]));
  const packet = new Packet();
  packet.alloc();
  const waits = () => [...counts.values()].some((count) => count < 2);
  for (let bytes = 0, most = 0; waits() && bytes < MOST_LOOKED_THROUGH && most < PICTURES_OF_A_FILM; ) {
    if (format.readFrameSync(packet) < 0) break;
    bytes += packet.size;
    const count = counts.get(packet.streamIndex);
    if (count !== undefined) {
      counts.set(packet.streamIndex, count + 1);
      most = Math.max(most, count + 1);
    }
    packet.unref();
  }
  packet.free();
  const films = streams.filter(({ index }) => counts.get(index)! > 1);
  return new Set((films.length > 0 ? films : streams).map(({ index }) => index));
}
