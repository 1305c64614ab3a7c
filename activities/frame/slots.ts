/** The slots of this process that activities of jobs take, by task queue. */
const taken = new Map<string, number>();

/** Takes a slot of the queue until it is disposed of. */
export function takeSlot(queue: string): Disposable {
  taken.set(queue, slotsTaken(queue) + 1);
  return {
    [Symbol.dispose]: () => {
      taken.set(queue, slotsTaken(queue) - 1);
    },
  };
}

export const slotsTaken = (queue: string): number => taken.get(queue) ?? 0;
