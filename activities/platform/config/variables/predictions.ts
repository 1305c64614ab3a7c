/** Variables of predictions: what one may be, and how many are taken in. */
import { amount, whole } from './values.ts';

const MiB = 1024 * 1024;

export const predictions = {
  LIMIT_PREDICTION_BYTES: whole(1)
    .default(20 * MiB)
    .meta({ description: 'Size of the picture of one prediction.', example: '20971520' }),
  LIMIT_PREDICTIONS_PER_SECOND: amount(0.01, 1_000_000).default(1000).meta({
    description:
      'Predictions a second of one key, over time: against floods. More than can be made are refused by PREDICTION_QUEUE and the deadline.',
    example: '1000',
  }),
  LIMIT_PREDICTION_BURST: whole(1, 10_000_000)
    .default(2000)
    .meta({ description: 'Predictions of one key at once, after a rest.', example: '2000' }),
  PREDICTION_DEADLINE_SECONDS: amount(0.05, 60).default(2).meta({
    description:
      'How long a prediction is waited for where the request does not say; it may ask for up to 60.',
    example: '2',
  }),
  PREDICTION_QUEUE: whole(1, 1_000_000).default(512).meta({
    description: 'Predictions of one model version that wait in one API process; more are refused with 503.',
    example: '512',
  }),
  PREDICTION_MEMORY_BYTES: whole(MiB)
    .default(128 * MiB)
    .meta({
      description:
        'Pictures to be predicted, and answers of /v2 not yet taken, that one API process holds; more are refused with 503.',
      example: '134217728',
    }),
  PREDICTION_BATCH: whole(1, 256).default(32).meta({
    description: 'Predictions that are one durable unit at most; 8 MB is another bound of it.',
    example: '32',
  }),
  PREDICTION_BATCH_WAIT_MS: amount(0, 1000).default(10).meta({
    description: 'How long the first of a batch waits for others, where another batch is under way.',
    example: '10',
  }),
  BATCH_NICE: whole(0, 19).default(10).meta({
    description:
      'How much the system prefers others to the processes that batch predictions are worked on in (beyond LANE_NICE), and to the threads that decode tiles for jobs of cutouts, as `nice` has it: real-time goes first. 0: a batch has its share.',
    example: '5',
  }),
  PREDICTION_KEY_HOURS: amount(0.01, 8760).default(168).meta({
    description: 'How long the Idempotency-Key of a prediction stands for it.',
    example: '168',
  }),
  LIMIT_INFERENCE_BYTES: whole(1024)
    .default(32 * MiB)
    .meta({
      description: 'Size of a request of /v2, decompressed, and of the tensors that it describes.',
      example: '33554432',
    }),
  LIMIT_INFERENCE_JSON_BYTES: whole(1024)
    .default(4 * MiB)
    .meta({
      description:
        'Size of the JSON of a request of /v2, texts such as base64 not counted, and of the numbers in the JSON of its answer. What is larger goes as binary data.',
      example: '4194304',
    }),
  LIMIT_INFERENCE_OUTPUT_BYTES: whole(1024)
    .default(16 * MiB)
    .meta({
      description:
        'Size of what a model itself gives for one request of /v2, for all of its pictures together.',
      example: '16777216',
    }),
  RETENTION_PREDICTION_DAYS: amount(0.0001, 36_500).optional().meta({
    description: 'How long predictions are kept.',
    example: '90',
    absent: 'kept until deleted',
  }),
};
