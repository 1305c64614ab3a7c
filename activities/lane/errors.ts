/** How lanes end, told apart so that whoever holds one knows what to do with the tasks that were in it. */

/**
 * The lane ended under its tasks, and nothing says which of them was the cause. What was not answered is to be done again, alone, in a
 * fresh lane: what ends that one too is the cause.
 */
export class LaneEnded extends Error {
  override readonly name: string = 'LaneEnded';
}

/** The child ended by itself. */
export class LaneDied extends LaneEnded {
  override readonly name = 'LaneDied';
  readonly signal: NodeJS.Signals | null;
  readonly exitCode: number | null;
  /** The end of what it wrote to stderr. */
  readonly stderr: string;

  constructor(lane: string, { signal, exitCode, stderr }: Pick<LaneDied, 'signal' | 'exitCode' | 'stderr'>) {
    const how = signal === null ? `with exit code ${exitCode}` : `by ${signal}`;
    super(`The ${lane} process ended ${how}. ${stderr.trim().slice(-500)}`.trim());
    this.signal = signal;
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

/** The child was not open in time. */
export class LaneLate extends LaneEnded {
  override readonly name = 'LaneLate';

  constructor(lane: string, seconds: number) {
    super(`The ${lane} process was not open after ${seconds} s.`);
  }
}

/** The child gave no sign of life for too long. */
export class LaneStalled extends LaneEnded {
  override readonly name = 'LaneStalled';

  constructor(lane: string, seconds: number) {
    super(`The ${lane} process gave no sign of life for ${seconds} s.`);
  }
}
