export { SetupError } from '@darkroom/servers/setup-error.mjs';

/** Where lines go; tests give their own. */
export interface Terminal {
  /** One finished line. */
  say(line: string): void;
  /** A line that changes in place on a terminal, and is repeated now and then elsewhere. */
  progress(label: string): Progress;
  /** Lines that change in place on a terminal; nothing elsewhere. */
  block(): Block;
  /** Whether lines can be rewritten. */
  readonly live: boolean;
  /** Paints text when colour is wanted (`NO_COLOR` and pipes say no). */
  paint(style: Style, text: string): string;
}

export interface Progress {
  update(text: string): void;
  /** Ends the line; with no text the line disappears from a terminal. */
  done(text?: string): void;
}

export interface Block {
  draw(lines: readonly string[]): void;
  /** Leaves the last lines standing. */
  done(): void;
}

export type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan';

const codes: Record<Style, number> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };
const repeatMilliseconds = 10_000;

/** The terminal of this process. Without a TTY it writes plain lines and repeats progress every ten seconds. */
export function createTerminal(stream: NodeJS.WriteStream = process.stdout, env = process.env): Terminal {
  // A terminal that was closed, or a pipe whose reader left, must not end us before the stack has stopped.
  stream.on('error', () => {});
  const live = stream.isTTY === true && env.CI === undefined;
  const coloured = live && !env.NO_COLOR && env.TERM !== 'dumb';
  const works = new Set<{ label: string; started: number; detail: string }>();
  let current: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  const clear = () => live && current !== undefined && stream.write('\r\x1b[K');
  const draw = () => {
    if (live && current !== undefined)
      stream.write(current.slice(0, Math.max(20, (stream.columns ?? 80) - 1)));
  };
  const say = (line: string) => {
    clear();
    stream.write(`${line}\n`);
    draw();
  };
  return {
    live,
    say,
    paint: (style, text) => (coloured ? `\x1b[${codes[style]}m${text}\x1b[0m` : text),
    block: () => (live ? liveBlock(stream) : { draw: () => {}, done: () => {} }),
    progress(label) {
      const work = { label, started: Date.now(), detail: '' };
      works.add(work);
      // What goes on side by side shares one line.
      const redraw = () => {
        clear();
        current = works.size === 0 ? undefined : [...works].map(progressText).join(' · ');
        draw();
      };
      const repeat = () => say([...works].map(progressText).join(' · '));
      if (!live) say(`${label} …`);
      timer ??= setInterval(live ? redraw : repeat, live ? 500 : repeatMilliseconds).unref();
      return {
        update(next) {
          work.detail = next;
        },
        done(line) {
          works.delete(work);
          if (works.size === 0) {
            clearInterval(timer);
            timer = undefined;
          }
          if (live) redraw();
          if (line !== undefined) say(line);
        },
      };
    },
  };
}

function progressText({
  label,
  started,
  detail,
}: {
  label: string;
  started: number;
  detail: string;
}): string {
  const seconds = Math.round((Date.now() - started) / 1000);
  return `${label} ${seconds} s${detail ? `  ${detail}` : ''}`;
}

function liveBlock(stream: NodeJS.WriteStream): Block {
  let height = 0;
  return {
    draw(lines) {
      const up = height > 0 ? `\x1b[${height}A` : '';
      stream.write(`${up}${lines.map((line) => `\x1b[2K${line}\n`).join('')}\x1b[0J`);
      height = lines.length;
    },
    done() {
      height = 0;
    },
  };
}

/** A terminal that keeps silent, for embedding the stack in tests. */
export const silent: Terminal = {
  live: false,
  say: () => {},
  paint: (_style, text) => text,
  block: () => ({ draw: () => {}, done: () => {} }),
  progress: () => ({ update: () => {}, done: () => {} }),
};
