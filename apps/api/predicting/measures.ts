/** What Prometheus is told of predictions, by model and version. */
import type { ModelIdentity, PredictionTimings } from '@darkroom/contract';
import { metrics } from '@darkroom/platform';
import type { Predictor, Seen } from '@darkroom/prediction/predictor/predictor.ts';
import { Counter, Gauge, Histogram } from 'prom-client';

const { registry } = metrics;
const registers = [registry];
const byVersion = ['model', 'version'] as const;
const buckets = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];

const requests = new Counter({
  name: 'darkroom_predictions_total',
  help: 'Predictions, by what they came to: succeeded, or the code of their problem.',
  labelNames: [...byVersion, 'outcome'],
  registers,
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

/** Tells of what is seen, and at each scrape of `loads`: those of the predictor that was made last, of several in a process. */
export function measures(loads: () => Predictor['loads']): Seen {
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
        for (const { model, load } of loads()) this.set(labelsOf(model), of(load));
      },
    });
  }

  return {
    sent: (model, items) => batchItems.observe(labelsOf(model), items),
    answered(model, { problem, timings }, totalMs) {
      requests.inc({ ...labelsOf(model), outcome: problem?.code ?? 'succeeded' });
      seconds.observe(labelsOf(model), totalMs / 1000);
      for (const [step, ms] of Object.entries(timings) as [keyof PredictionTimings, number][])
        stepSeconds.observe({ ...labelsOf(model), step }, ms / 1000);
    },
    refused: (model, outcome) => requests.inc({ ...labelsOf(model), outcome }),
  };
}

/** Of no model that is known: an empty label is none to Prometheus. */
const noModel = { name: '', version: '' };

const labelsOf = ({ name, version }: Pick<ModelIdentity, 'name' | 'version'> = noModel) => ({
  model: name,
  version,
});
