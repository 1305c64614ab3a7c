/** Recorded histories of real runs, kept as JSON beside this file. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { temporal } from '@temporalio/proto';

type ProtoHistory = temporal.api.history.v1.IHistory;

/** A history as Temporal's own JSON, the part of it that is read here. */
export interface RecordedHistory {
  readonly events: readonly {
    readonly eventType: string;
    readonly workflowExecutionStartedEventAttributes?: {
      readonly workflowType: { readonly name: string };
      readonly input?: { readonly payloads?: readonly { readonly data: string }[] };
    };
  }[];
}

const folder = join(import.meta.dirname, 'histories');

/** All recorded histories by name, `WORKFLOW-what-happened`. */
export async function readHistories(): Promise<Map<string, RecordedHistory>> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  const read = async (name: string) =>
    [name.slice(0, -'.json'.length), JSON.parse(await readFile(join(folder, name), 'utf8'))] as const;
  return new Map(await Promise.all(names.map(read)));
}

/** The workflow a history is of, and the first argument it was started with. */
export function startOf(history: RecordedHistory): { workflow: string; input: unknown } {
  const started = history.events[0]?.workflowExecutionStartedEventAttributes;
  if (started === undefined) throw new Error('A history begins with the start of its run.');
  const data = started.input?.payloads?.[0]?.data;
  return {
    workflow: started.workflowType.name,
    input: data === undefined ? undefined : JSON.parse(Buffer.from(data, 'base64').toString()),
  };
}

/** Keeps a history, an event a line, without what tells of the machine it was recorded on. */
export async function writeHistory(name: string, history: ProtoHistory): Promise<void> {
  const { events } = JSON.parse(historyToJSON(history) as string) as { events: unknown[] };
  const lines = events.map((event) => JSON.stringify(event, withoutMachine));
  await writeFile(join(folder, `${name}.json`), `{"events":[\n${lines.join(',\n')}\n]}\n`);
}

function withoutMachine(key: string, value: unknown): unknown {
  if (key === 'identity') return 'recorded';
  if (key === 'stackTrace') return '';
  // The queue that one process alone polls is called by its host and pid.
  return isSticky(value) ? { ...value, name: 'recorded' } : value;
}

const isSticky = (value: unknown): value is { kind: string } =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'TASK_QUEUE_KIND_STICKY';
