/** What makes cutouts for an API process, bound to its connections. */
import { setTimeout as sleep } from 'node:timers/promises';
import { cutoutActivity, cutoutAttempts, queues } from '@darkroom/contract';
import { type Dispatch, fairnessKeyOf } from '@darkroom/dispatch';
import type { Estimates } from '@darkroom/estimates';
import { type Config, metrics } from '@darkroom/platform';
import type { Records } from '@darkroom/records';
import { CutoutMaker } from '@darkroom/sky/realtime/maker.ts';
import { Counter, Gauge, Histogram } from 'prom-client';
import { v7 as uuid7 } from 'uuid';

export interface CuttingDeps {
  readonly config: Config;
  readonly estimates: Estimates;
  readonly records: Records;
  readonly dispatch: Pick<Dispatch, 'units'>;
}

/** Longest silence of an attempt: how late another worker takes over from one that died. */
const silenceSeconds = 3;
/** An attempt may take longer than anybody waits: its file is there for whoever asks again. */
const attemptsOfDeadline = 3;
/** What is on its way is waited for so long when the process is told to stop: it is made and found without it, too. */
const drainSeconds = 8;

const { registry } = metrics;
const registers = [registry];

const answered = new Counter({
  name: 'darkroom_cutouts_total',
  help: 'Requests for cutouts, by what they came to: succeeded, not_modified, or the code of their problem.',
  labelNames: ['survey', 'format', 'outcome'],
  registers,
});
const seconds = new Histogram({
  name: 'darkroom_cutout_seconds',
  help: 'From the request for a cutout to the first byte of its answer.',
  labelNames: ['format'],
  buckets: [0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 1, 2, 5, 10, 30],
  registers,
});
const gauge = 'darkroom_cutouts_under_way';

export interface Cutting {
  readonly maker: CutoutMaker;
  readonly estimates: Estimates;
  /** `survey` is '' where none that is known was asked for. */
  seen(of: {
    readonly survey: string;
    readonly format: string;
    readonly outcome: string;
    readonly seconds: number;
  }): void;
  /** Waits for what is under way, then lets go of the connections. */
  close(): Promise<void>;
}

/** Nothing is sent before the first request. */
export function createCutting({ config: { cutouts }, estimates, records, dispatch }: CuttingDeps): Cutting {
  const idOf = (unit: string): string => `cutout/${unit}`;
  const maker = new CutoutMaker({
    records,
    start: (call, owner) =>
      dispatch.units.start({
        id: idOf(call.unit),
        activity: cutoutActivity,
        queue: queues.skyRealtime,
        args: [call],
        priority: { priorityKey: 1, fairnessKey: fairnessKeyOf(owner) },
        attempts: cutoutAttempts,
        attemptSeconds: Math.max(10, attemptsOfDeadline * cutouts.deadlineSeconds),
        silenceSeconds,
        summary: `${call.request.survey} ${call.request.ra.toFixed(5)} ${call.request.dec.toFixed(5)}`,
      }),
    isOpen: async (unit) => (await dispatch.units.describe(idOf(unit))) === 'running',
    newUnit: uuid7,
    most: cutouts.queue,
  });
  registry.removeSingleMetric(gauge);
  new Gauge({
    name: gauge,
    help: 'Distinct cutouts that this process waits for.',
    registers,
    collect() {
      this.set(maker.underWay);
    },
  });
  return {
    maker,
    estimates,
    seen({ survey, format, outcome, seconds: taken }) {
      answered.inc({ survey, format, outcome });
      if (outcome === 'succeeded') seconds.observe({ format }, taken);
    },
    async close() {
      await Promise.race([maker.drained(), sleep(drainSeconds * 1000, undefined, { ref: false })]);
      await maker.close();
      await estimates.flush();
    },
  };
}
