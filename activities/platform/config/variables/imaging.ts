/** Variables of what pictures may be and how they are worked on. */
import { z } from 'zod';
import { amount, text, whole } from './values.ts';

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;

export const limits = {
  LIMIT_UPLOAD_BYTES: whole(1)
    .default(200 * MiB)
    .meta({ description: 'Size of one photo.', example: '209715200' }),
  LIMIT_PHOTO_PIXELS: whole(1)
    .default(100_000_000)
    .meta({ description: 'Pixels of one photo, width × height.', example: '100000000' }),
  LIMIT_PHOTO_FRAMES: whole(1).default(10_000).meta({
    description:
      'Pages of one TIFF, of which the largest is analysed; of an animation only the first frame is read.',
    example: '10000',
  }),
  LIMIT_PHOTOS_PER_TASK: whole(1).default(1000).meta({ description: 'Photos of one task.', example: '1000' }),
  LIMIT_VIDEO_BYTES: whole(1)
    .default(32 * GiB)
    .meta({ description: 'Size of one video.', example: '34359738368' }),
  LIMIT_VIDEO_SECONDS: amount(1, 1_000_000)
    .default(6 * 3600)
    .meta({ description: 'Length of one video.', example: '21600' }),
  LIMIT_VIDEO_PIXELS: whole(1)
    .default(8192 * 4320)
    .meta({ description: 'Pixels of one frame of a video, width × height.', example: '35389440' }),
  LIMIT_VIDEO_SCENES: whole(1)
    .default(20_000)
    .meta({ description: 'Scenes of one video; with sampleEvery, frames of it.', example: '20000' }),
  LIMIT_PLAN_ROWS: whole(1, 2_000_000_000).default(1_000_000).meta({
    description: 'Rows of the list that a job is planned from, and the items that they come to.',
    example: '1000000',
  }),
  LIMIT_PLAN_ROW_BYTES: whole(16)
    .default(64 * 1024)
    .meta({ description: 'Size of one row of such a list.', example: '65536' }),
  LIMIT_PLAN_BYTES: whole(1)
    .default(GiB)
    .meta({ description: 'Size of such a list.', example: '1073741824' }),
  LIMIT_MODEL_BYTES: whole(1)
    .default(GiB)
    .meta({ description: 'Size of a model file that is registered.', example: '1073741824' }),
  LIMIT_ARCHIVE_BYTES: whole(1)
    .default(16 * GiB)
    .meta({ description: 'Size of an archive of pictures.', example: '17179869184' }),
  LIMIT_ARCHIVE_UNPACKED_BYTES: whole(1)
    .default(64 * GiB)
    .meta({ description: 'What such an archive may unpack to.', example: '68719476736' }),
  LIMIT_ARCHIVE_RATIO: amount(1, 1_000_000).default(100).meta({
    description: 'How many times its own size that may be, beyond the first 64 MiB.',
    example: '100',
  }),
  LIMIT_JSON_BYTES: whole(1024)
    .default(64 * 1024)
    .meta({ description: 'Size of a JSON request.', example: '65536' }),
  LIMIT_PAGE_SIZE: whole(1, 10_000)
    .default(1000)
    .meta({ description: 'Rows of one page of a list.', example: '1000' }),
  LIMIT_LOG_BYTES: whole(1024)
    .default(MiB)
    .meta({ description: 'Size of the log that one job keeps.', example: '1048576' }),
};

export const recognition = {
  MODEL_PATH: text.optional().meta({
    description:
      'ONNX file that /predict predicts with, a classifier or a detector; a model card may lie beside it. A detector recognises as well, where RECOGNITION_MODEL_PATH names no other.',
    example: '/models/yolo11n.onnx',
    absent: 'the models that set-up makes',
  }),
  RECOGNITION_MODEL_PATH: text.optional().meta({
    description: 'ONNX file of a detector to recognise with, where it is not that of MODEL_PATH.',
    example: '/models/yolo11x.onnx',
    absent: 'the detector of MODEL_PATH, else the one that set-up makes',
  }),
  DARKROOM_MODELS: text.optional().meta({
    description: 'Folder of the models that set-up makes.',
    example: '/var/lib/darkroom/models',
    absent: 'DARKROOM_HOME/models',
  }),
  RECOGNITION_DEVICE: z
    .enum(['cpu', 'cuda'])
    .default('cpu')
    .meta({ description: 'Where the model runs.', example: 'cuda' }),
  RECOGNITION_LANES: whole(1, 64).optional().meta({
    description:
      'Processes of one worker that decode, recognise and draw with one model version; each holds it in memory.',
    example: '2',
    absent: 'one for every core, 4 at most',
  }),
  RECOGNITION_LANES_TOGETHER: whole(1, 1024).optional().meta({
    description:
      'Such processes of all model versions together, of jobs and of predictions each: their memory is at most this times RECOGNITION_MEMORY_BYTES. Versions that are not used give way; one more is there for a moment where a version is tried and there is no room.',
    example: '4',
    absent: 'twice RECOGNITION_LANES, so that two versions are served beside each other',
  }),
  MODEL_CACHE_BYTES: whole(1024 * 1024)
    .default(20 * GiB)
    .meta({
      description:
        'Model files that a machine keeps in DARKROOM_HOME/model-cache, of versions that are not its own; those used least recently go first.',
      example: '21474836480',
    }),
  RECOGNITION_THREADS: whole(0, 256)
    .default(0)
    .meta({ description: 'Threads of one inference; 0 shares the cores among the lanes.', example: '0' }),
  RECOGNITION_MEMORY_BYTES: whole(256 * MiB)
    .default(2048 * MiB)
    .meta({
      description: 'Memory of one of these processes; it is ended beyond that.',
      example: '2147483648',
    }),
  RECOGNITION_SECONDS: amount(1, 3600).default(120).meta({
    description: 'Time that one picture may take there; its process is ended then.',
    example: '120',
  }),
};

export const lane = {
  SANDBOX: z.enum(['auto', 'required', 'off']).default('auto').meta({
    description:
      'The processes that decode, recognise and draw are held by the system (Landlock, seccomp, no capabilities, no network). auto: as far as it can, the worker’s log and /status/ready say what is missing; required: workers refuse to start without; off: for looking for faults.',
    example: 'required',
  }),
  LANE_NICE: whole(0, 19).default(5).meta({
    description:
      'How much the system prefers others to these processes, as `nice` has it: what answers requests and tells that work is alive is not to wait for a core while pictures have them all.',
    example: '0',
  }),
};

export const program = {
  PROGRAM_DIR: text.optional().meta({
    description:
      'Folder in which external programs run, with their inputs and outputs: on a disk of this machine that all of its workers share, and no other machine.',
    example: '/var/lib/darkroom/programs',
    absent: 'DARKROOM_HOME/programs',
  }),
  PROGRAM_ORPHAN_SECONDS: amount(1, 86_400).default(120).meta({
    description:
      'How long an external program goes on without a worker: a deploy has to start the next worker within it.',
    example: '120',
  }),
};

export const media = {
  DECODER_PROCESSES: whole(1, 256)
    .default(1)
    .meta({ description: 'Videos that one worker decodes at once, each on all cores.', example: '1' }),
  DECODER_PROCESSES_KEPT: whole(0, 256).default(2).meta({
    description:
      'Decoding processes that one worker keeps while their videos wait for their next page, beside those that decode: they hold their memory, but need not decode seconds of video again.',
    example: '2',
  }),
  DECODER_MEMORY_BYTES: whole(64 * MiB)
    .default(2048 * MiB)
    .meta({
      description:
        'Memory of one process that decodes a video or draws its previews; it is ended beyond that.',
      example: '2147483648',
    }),
  DECODER_STALL_SECONDS: amount(1, 3600).default(60).meta({
    description:
      'Silence after which a process that decodes a video or draws its previews counts as hung and is ended.',
    example: '60',
  }),
  CANDIDATE_BYTES: whole(MiB)
    .default(256 * MiB)
    .meta({
      description:
        'Memory for decoded frames of a scene among which the one in its middle is chosen when it ends.',
      example: '268435456',
    }),
};

export const sky = {
  SURVEYS_PATH: text.optional().meta({
    description:
      'Folder of the YAML files of sky surveys, which `npm run survey -- index NAME` looks for NAME in; docs/surveys.md says what they hold.',
    example: '/etc/darkroom/surveys',
    absent: 'DARKROOM_HOME/surveys, where set-up puts those of the samples',
  }),
};
