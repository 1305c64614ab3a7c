/** The process of a program's supervisor: the folder as it was made, and as it is to be called. */
import { supervise } from './supervisor.ts';

const [, , draft, folder] = process.argv;
if (draft === undefined || folder === undefined) throw new Error('Usage: supervisor-main.ts DRAFT FOLDER');
// It ends when nobody wants the program, and not because a terminal or a service manager asks the group of a worker to.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => {});
await supervise(draft, folder);
