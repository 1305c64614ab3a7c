/** What analysis found, of photos and videos alike: tasks, their segments, the search over them. */
export * from './labels.ts';
export * from './records.ts';
export * from './search.ts';
export * from './segments.ts';
export * from './tasks.ts';
