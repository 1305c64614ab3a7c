/** What Prometheus is told of predictions, by model and version. */
import type { ModelIdentity, PredictionTimings } from '@darkroom/contract';
import { metrics } from '@darkroom/platform';
import type { Predictor, Seen } from '@darkroom/prediction/predictor/predictor.ts';
import { Counter, Gauge, Histogram } from 'prom-client';

const { registry } = metrics;
const registers = [registry];
const byVersion = ['model', 'version'] as const;
const buckets = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];

/** Of the predictor that was made last. */
let forgetGone = (): void => {};

const requests = new Counter({
  name: 'darkroom_predictions_total',
  help: 'Predictions, by what they came to: succeeded, or the code of their problem.',
  labelNames: [...byVersion, 'outcome'],
  registers,
  collect: () => forgetGone(),
});
const batchItems = new Histogram({
  name: 'darkroom_prediction_batch_items',
  help: 'Predictions of one batch.',
  labelNames: byVersion,
  buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
  registers,
});
const seconds = new Histogram({
  name: 'darkroom_prediction_seconds',
  help: 'From the whole request to its answer.',
  labelNames: byVersion,
  buckets,
  registers,
});
const stepSeconds = new Histogram({
  name: 'darkroom_prediction_step_seconds',
  help: 'Steps of a prediction: gather, queue, fetch, decode, infer.',
  labelNames: [...byVersion, 'step'],
  buckets,
  registers,
});

type Labels = Readonly<Record<(typeof byVersion)[number], string>>;
type Version = Pick<ModelIdentity, 'name' | 'version'>;

interface Counted {
  readonly labels: Labels;
  readonly outcomes: Set<string>;
  readonly steps: Set<string>;
  /** Since when nobody knows it, milliseconds. */
  goneSince: number | undefined;
}

/** Series of a version go when it has been gone for so long: their last values were scraped by then, and a worker that restarts is back. */
const forgottenMs = 600_000;

/** What has series: of each version, which outcomes and steps. */
const counted = new Map<string, Counted>();

function countedOf(model: Version | undefined): Counted {
  const labels = labelsOf(model);
  const key = JSON.stringify([labels.model, labels.version]);
  const known = counted.get(key) ?? { labels, outcomes: new Set(), steps: new Set(), goneSince: undefined };
  counted.set(key, known);
  return known;
}

/**
 * Tells of what is seen, and at each scrape of `loads`: those of the predictor that was made last, of several in a process. Series of a version go
 * some minutes after `isKnown` says that it is gone.
 */
export function measures(
  loads: () => Predictor['loads'],
  isKnown: (version: Version) => boolean,
  now: () => number = () => performance.now(),
): Seen {
  forgetGone = () => {
    for (const [key, of] of counted) {
      const { labels, outcomes, steps } = of;
      const isThere =
        labels.model === noModel.name || isKnown({ name: labels.model, version: labels.version });
      of.goneSince = isThere ? undefined : (of.goneSince ?? now());
      if (of.goneSince === undefined || now() - of.goneSince < forgottenMs) continue;
      counted.delete(key);
      for (const outcome of outcomes) requests.remove({ ...labels, outcome });
      for (const step of steps) stepSeconds.remove({ ...labels, step });
      batchItems.remove(labels);
      seconds.remove(labels);
    }
  };
  report('darkroom_predictions_waiting', 'Predictions that wait in this process.', ({ waiting }) => waiting);
  report('darkroom_predictions_under_way', 'Predictions that were handed over.', ({ items }) => items);

  function report(
    name: string,
    help: string,
    of: (load: Predictor['loads'][number]['load']) => number,
  ): void {
    registry.removeSingleMetric(name);
    new Gauge({
      name,
      help,
      labelNames: byVersion,
      registers,
      collect() {
        this.reset();
        for (const { model, load } of loads())
          if (of(load) > 0 || isKnown(model)) this.set(labelsOf(model), of(load));
      },
    });
  }

  const count = (model: ModelIdentity | undefined, outcome: string): void => {
    const { labels, outcomes } = countedOf(model);
    outcomes.add(outcome);
    requests.inc({ ...labels, outcome });
  };
  return {
    sent: (model, items) => batchItems.observe(countedOf(model).labels, items),
    answered(model, { problem, timings }, totalMs) {
      count(model, problem?.code ?? 'succeeded');
      const { labels, steps } = countedOf(model);
      seconds.observe(labels, totalMs / 1000);
      for (const [step, ms] of Object.entries(timings) as [keyof PredictionTimings, number][]) {
        steps.add(step);
        stepSeconds.observe({ ...labels, step }, ms / 1000);
      }
    },
    refused: count,
  };
}

/** Of no model that is known: an empty label is none to Prometheus. */
const noModel = { name: '', version: '' };

const labelsOf = ({ name, version }: Version = noModel): Labels => ({
  model: name,
  version,
});
