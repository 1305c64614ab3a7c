/** Analyses a photo in a process of its own, for one that is suspected of ending the process that works on it. */
import { type ChildProcess, fork } from 'node:child_process';
import { type ProblemCode, ProblemError } from '@darkroom/contract';
import type { AnalyseOptions, Analysis, Hooks, Stage } from '../analyse.ts';
import type { Wanted } from '../model/detect.ts';
import type { ModelOptions } from '../model/session.ts';

export interface IsolatedOptions extends AnalyseOptions {
  readonly model: ModelOptions;
  /** Of the photo, for messages. */
  readonly name?: string;
  /** Until the child is ended, milliseconds; its start and the loading of the model count. Two minutes when absent. */
  readonly timeoutMs?: number;
}

/** Parent → child. The first message is the task; each later one lets the child enter the stage it has named. */
export type ToChild =
  | { readonly type: 'analyse'; readonly bytes: Buffer; readonly options: ChildOptions }
  | { readonly type: 'go' };
export type ChildOptions = Wanted & Pick<IsolatedOptions, 'annotate' | 'limits' | 'model'>;

/** Child → parent. */
export type ToParent =
  | { readonly type: 'stage'; readonly stage: Stage }
  | { readonly type: 'done'; readonly analysis: Analysis }
  | { readonly type: 'failed'; readonly code: ProblemCode | undefined; readonly detail: string };

const DEFAULT_TIMEOUT_MS = 120_000;

/**
 * The same as `analyse`, in a forked process. Throws what `analyse` throws, `poisonous_item` when the process dies, `item_timeout`
 * when it takes too long, the signal's reason when aborted. The child is gone when this settles.
 */
export async function analyseIsolated(
  bytes: Buffer,
  options: IsolatedOptions,
  hooks: Hooks = {},
): Promise<Analysis> {
  options.signal?.throwIfAborted();
  const child = fork(new URL('isolated-main.ts', import.meta.url), [], {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  try {
    return await converse(child, bytes, options, hooks);
  } finally {
    child.kill('SIGKILL');
    await gone;
  }
}

function converse(
  child: ChildProcess,
  bytes: Buffer,
  options: IsolatedOptions,
  hooks: Hooks,
): Promise<Analysis> {
  const {
    signal,
    timeoutMs = DEFAULT_TIMEOUT_MS,
    name = 'The photo',
    decodeForeign: _,
    ...forChild
  } = options;
  return new Promise<Analysis>((resolve, reject) => {
    const timer = setTimeout(
      () =>
        reject(
          new ProblemError(
            'item_timeout',
            `${name} took longer than ${timeoutMs} ms in a process of its own.`,
          ),
        ),
      timeoutMs,
    );
    const abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    // A send that fails means the child is gone, which `exit` tells with its reason.
    const send = (message: ToChild) => child.send(message, () => {});
    child.once('error', reject);
    child.once('exit', (code, killedBy) => {
      settle();
      const how = killedBy === null ? `with exit code ${code}` : `by ${killedBy}`;
      reject(
        new ProblemError('poisonous_item', `${name} ended the process that worked on it alone, ${how}.`),
      );
    });
    child.on('message', (message: ToParent) => {
      if (message.type === 'done') resolve(message.analysis);
      else if (message.type === 'failed')
        reject(
          message.code === undefined
            ? new Error(message.detail)
            : new ProblemError(message.code, message.detail),
        );
      else enter(message.stage);
    });
    const enter = (stage: Stage) => {
      Promise.resolve()
        .then(() => hooks.onStage?.(stage, child.pid ?? 0))
        .then(() => send({ type: 'go' }), reject);
    };
    send({
      type: 'analyse',
      bytes,
      options: forChild,
    });
  });
}
