/** The slots of this process, by task queue, and those that activities of jobs take; a worker's own queue has no others. */
import { sharedQueue } from '@darkroom/contract';

const slots = new Map<string, number>();
const taken = new Map<string, number>();

/** Notes how many activities of a queue this process runs at once. */
export function offerSlots(queue: string, count: number): void {
  slots.set(queue, count);
}

/** Takes a slot of the queue until it is disposed of. */
export function takeSlot(queue: string): Disposable {
  const shared = sharedQueue(queue);
  taken.set(shared, takenOf(shared) + 1);
  return {
    [Symbol.dispose]: () => {
      taken.set(shared, takenOf(shared) - 1);
    },
  };
}

/** Whether the process has a slot of the queue free, so that nobody waits for one. */
export function hasFreeSlot(queue: string): boolean {
  const shared = sharedQueue(queue);
  return takenOf(shared) < (slots.get(shared) ?? 1);
}

const takenOf = (queue: string): number => taken.get(queue) ?? 0;
