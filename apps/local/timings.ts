import { z } from 'zod';

/** Times in milliseconds since the epoch. */
interface Step {
  readonly name: string;
  readonly from: number;
  to: number | undefined;
}

const before = z.object({
  began: z.number(),
  steps: z.array(z.object({ name: z.string(), from: z.number(), to: z.number() })),
});
/** In which bootstrap.mjs tells what it did before this process began. */
const beforeVariable = 'DARKROOM_BOOTSTRAP';

/** Children of this process have a beginning of their own. */
function takeBefore(): string | undefined {
  const told = process.env[beforeVariable];
  delete process.env[beforeVariable];
  return told;
}

/** Which step of a start took from when to when. Steps run side by side, so their seconds do not add up to the whole. */
export class Timings {
  readonly began: number;
  readonly #steps: Step[] = [];

  /** `told` is what bootstrap.mjs did before, as JSON. */
  constructor(told: string | undefined = takeBefore()) {
    const known = told ? before.parse(JSON.parse(told)) : { began: Date.now(), steps: [] };
    this.began = known.began;
    this.#steps.push(...known.steps);
  }

  /** Since the beginning, for people. */
  seconds(): string {
    return ((Date.now() - this.began) / 1000).toFixed(1);
  }

  /** Times a step until its work settles. */
  async measure<T>(name: string, work: () => Promise<T>): Promise<T> {
    const step: Step = { name, from: Date.now(), to: undefined };
    this.#steps.push(step);
    try {
      return await work();
    } finally {
      step.to = Date.now();
    }
  }

  /** Notes a moment: once, however often it is called. */
  mark(name: string): void {
    if (this.#steps.some((step) => step.name === name)) return;
    this.#steps.push({ name, from: this.began, to: Date.now() });
  }

  /** The steps in the order of their beginnings: from which second, to which, and how many. */
  table(): string[] {
    const second = (time: number) => ((time - this.began) / 1000).toFixed(1);
    const rows = this.#steps
      .toSorted((a, b) => a.from - b.from)
      .map(({ name, from, to }) => [
        name,
        second(from),
        to === undefined ? '…' : second(to),
        to === undefined ? '' : ((to - from) / 1000).toFixed(1),
      ]);
    const all = [['step', 'from s', 'to s', 'took s'], ...rows];
    const width = Math.max(...all.map(([name = '']) => name.length));
    return all.map(([name = '', ...times]) =>
      `  ${name.padEnd(width)}${times.map((time) => time.padStart(9)).join('')}`.trimEnd(),
    );
  }
}
