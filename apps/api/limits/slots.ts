/** Counts what somebody has open at once; who has nothing open takes no memory. */

/** Takes one of the subject's slots and returns what gives it back (once, however often it is called); undefined when none is free. */
export type TakeSlot = (subject: string) => (() => void) | undefined;

export function createSlots(most: number): TakeSlot {
  const open = new Map<string, number>();
  return (subject) => {
    const count = open.get(subject) ?? 0;
    if (count >= most) return undefined;
    open.set(subject, count + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (open.get(subject) ?? 1) - 1;
      if (left === 0) open.delete(subject);
      else open.set(subject, left);
    };
  };
}
