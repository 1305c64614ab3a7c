/** Answers of a lane on their way to whoever takes them: bounded, in order. */

const MOST_ANSWERS = 32;
const MOST_BYTES = 64 << 20;

interface WithBodies {
  readonly bodies: readonly Uint8Array[];
}

export class AnswerQueue<Answer extends WithBodies> {
  #answers: Answer[] = [];
  #bytes = 0;
  /** How it ends once all are taken. */
  #end: { readonly error: unknown } | 'well' | undefined;
  #taker: (() => void) | undefined;
  #putter: (() => void) | undefined;

  /** Settles when there is room for another. */
  async put(answer: Answer): Promise<void> {
    this.#answers.push(answer);
    this.#bytes += bytesOf(answer);
    this.#wakeTaker();
    while (this.#full()) await new Promise<void>((resolve) => (this.#putter = resolve));
  }

  /** No more will come. */
  end(): void {
    this.#end ??= 'well';
    this.#wakeTaker();
  }

  /** After those that wait, the taker fails. */
  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wakeTaker();
  }

  /** The taker fails at once. */
  failNow(error: unknown): void {
    this.close();
    this.#end = { error };
    this.#wakeTaker();
  }

  /** Lets go of what waits, and of whoever waits to put more. */
  close(): void {
    this.#answers = [];
    this.#bytes = 0;
    this.#wakePutter();
  }

  async *take(): AsyncGenerator<Answer, void, undefined> {
    for (;;) {
      const answer = this.#answers.shift();
      if (answer !== undefined) {
        this.#bytes -= bytesOf(answer);
        this.#wakePutter();
        yield answer;
      } else if (this.#end === 'well') return;
      else if (this.#end !== undefined) throw this.#end.error;
      else await new Promise<void>((resolve) => (this.#taker = resolve));
    }
  }

  #full(): boolean {
    return this.#answers.length >= MOST_ANSWERS || this.#bytes >= MOST_BYTES;
  }

  #wakeTaker(): void {
    this.#taker?.();
    this.#taker = undefined;
  }

  #wakePutter(): void {
    this.#putter?.();
    this.#putter = undefined;
  }
}

const bytesOf = ({ bodies }: WithBodies): number => bodies.reduce((sum, { length }) => sum + length, 0);
