/** Packets in, frames out, in order of presentation. */

import { ProblemError } from '@darkroom/contract';
import { AVERROR_EAGAIN, AVERROR_EOF, AVERROR_INVALIDDATA } from 'node-av/constants';
import { type Codec, CodecContext, FFmpegError, type Frame, type Packet, type Stream } from 'node-av/lib';
import { requireMemory } from './refusal.ts';

export class Decoder {
  readonly #context = new CodecContext();

  /** Pictures with more than `pixels` are refused, wherever in the stream they come; 0 threads: FFmpeg's choice. */
  constructor(
    codec: Codec,
    { codecpar, timeBase }: Pick<Stream, 'codecpar' | 'timeBase'>,
    { pixels, threads = 0 }: { readonly pixels: number; readonly threads?: number },
  ) {
    const context = this.#context;
    context.allocContext3(codec);
    requireReady(context.parametersToContext(codecpar));
    context.pktTimebase = timeBase;
    context.threadCount = threads;
    context.setOption('max_pixels', String(pixels));
    requireReady(context.open2Sync(codec));
  }

  /** Hands a packet over, null at the end; false if it is damaged. All frames must have been received before. */
  send(packet: Packet | null): boolean {
    const code = this.#context.sendPacketSync(packet);
    requireMemory(code);
    return code >= 0;
  }

  /** The next frame, if there is one already. `damaged` may be followed by more. */
  receive(frame: Frame): 'frame' | 'damaged' | 'none' {
    const code = this.#context.receiveFrameSync(frame);
    if (code >= 0) return 'frame';
    if (code === AVERROR_EAGAIN || code === AVERROR_EOF) return 'none';
    requireMemory(code);
    return 'damaged';
  }

  /** Forgets what came before, as at another place of the stream. */
  flush(): void {
    this.#context.flushBuffers();
  }

  close(): void {
    this.#context.freeContext();
  }
}

/** The configuration of a decoder is the file's: what cannot be made of it is damaged, or of a kind that it does not know. */
function requireReady(code: number): void {
  if (code >= 0) return;
  requireMemory(code);
  const detail = `The decoder cannot be set up as the file says (${FFmpegError.strerror(code)}).`;
  throw new ProblemError(code === AVERROR_INVALIDDATA ? 'damaged_video' : 'unsupported_video', detail);
}
