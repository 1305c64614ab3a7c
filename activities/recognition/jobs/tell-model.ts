/** A worker's model is opened and tried when it starts, and the records are told what came of it. */

import { type ModelLabel, type OpenedModel, ProblemError, problemOf } from '@darkroom/contract';
import type { FrameDeps } from '@darkroom/frame';
import { keepTelling, type ModelNews, seenWorker, tellModel } from '@darkroom/models';
import type { ModelLabels } from '../model/card/card.ts';
import { inputSizeOf, type Preprocess } from '../model/card/preprocess.ts';
import { type AnyUnderstanding, isClassifier } from '../model/understanding/understand.ts';

/**
 * A model that cannot be opened is tried again with every so many beats, a minute apart: its file may have been mended. One that was open
 * is tried with the next beat, and then each time after twice as many.
 */
const beatsUntilRetry = 24;

/**
 * Opens the model and tells the records; goes on telling that the worker lives, which is what it returns the end of. Where `isOpen` says that
 * no process holds the model any more, it is opened again, and the records are told what came of that. Never throws: jobs
 * that come meanwhile say for what they wait, and records that are away are told with the next beat.
 */
export async function tellOfModel(
  {
    records,
    logger,
    worker,
    isOpen = () => true,
    ...about
  }: Pick<FrameDeps, 'records' | 'logger' | 'worker'> &
    Pick<ModelNews, 'serves' | 'lanes'> & { readonly isOpen?: () => boolean },
  open: () => Promise<AnyUnderstanding>,
): Promise<() => Promise<void>> {
  let news = await newsOf(open);
  const service = about.serves ?? 'recognition';
  if ('problem' in news) logger.error({ code: news.problem.code }, `no ${service}: ${news.problem.detail}`);
  else logger.info({ model: news.opened.name, version: news.opened.version }, news.opened.understood);
  let isTold = false;
  let waits = beatsUntilRetry;
  let beats = 0;
  const isDue = (): boolean => {
    if ('problem' in news) return ++beats >= waits;
    waits = 1;
    return !isOpen();
  };
  const tell = async (): Promise<void> => {
    try {
      if (isDue()) {
        news = await newsOf(open);
        [beats, waits] = [0, Math.min(2 * waits, beatsUntilRetry)];
        isTold = false;
      }
      if (isTold && (await seenWorker(records.db, worker))) return;
      await tellModel(records.db, worker, { ...news, ...about });
      isTold = true;
    } catch (error) {
      logger.debug({ err: error }, 'the records were not told of the model; trying again');
    }
  };
  await tell();
  return keepTelling(records, worker, tell);
}

async function newsOf(open: () => Promise<AnyUnderstanding>): Promise<ModelNews> {
  try {
    return { opened: openedModelOf(await open()) };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return {
      problem: error instanceof ProblemError ? error.problem : problemOf('unsupported_model', detail),
    };
  }
}

/** What others are told of a model. */
export function openedModelOf(model: AnyUnderstanding): OpenedModel {
  const { identity, head, guessed, understood, labels, tensors } = model;
  const input = isClassifier(model) ? inputOf(model.preprocess) : model.input;
  const told = { ...identity, family: head, guessed, understood, labels: labelList(labels), input };
  return tensors === undefined ? told : { ...told, tensors };
}

function inputOf(how: Preprocess): OpenedModel['input'] {
  const { resize, crop, alpha: _, ...numbers } = how;
  const pad = resize.mode === 'letterbox' ? resize.pad : 0;
  return { ...inputSizeOf(how), ...numbers, fit: crop === undefined ? fitOf(resize) : 'crop', pad };
}

function fitOf(resize: Preprocess['resize']): OpenedModel['input']['fit'] {
  switch (resize.mode) {
    case 'squash':
      return 'stretch';
    case 'letterbox':
      return resize.position === 'center' ? 'letterbox' : 'letterbox-topleft';
    case 'cover':
      return 'cover';
    case 'shortest-edge':
      return 'crop';
  }
}

const labelList = (labels: ModelLabels): ModelLabel[] =>
  Array.isArray(labels)
    ? labels.map((label, classId) => ({ classId, label }))
    : Object.entries(labels).map(([id, label]) => ({ classId: Number(id), label }));
