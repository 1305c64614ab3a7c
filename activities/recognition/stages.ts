/** What a picture goes through, in this order. */
export const stages = ['probe', 'prepare', 'recognise', 'annotate'] as const;
export type Stage = (typeof stages)[number];
