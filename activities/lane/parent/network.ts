/** A network namespace for the children of a worker that is not root: a process of several threads, as Node is, makes none by itself. */
import { spawn } from 'node:child_process';

// Not mapped to root: as it becomes the next program it has no capability, not even in its own namespace.
const wrapper = ['unshare', '--user', '--net', '--ipc'];

let found: Promise<readonly string[]> | undefined;

/** What starts the rest of its arguments in a network namespace, in its own place; empty where nothing does, or root needs nothing. */
export function networkWrapper(): Promise<readonly string[]> {
  found ??= process.getuid?.() === 0 ? Promise.resolve([]) : works().then((works) => (works ? wrapper : []));
  return found;
}

function works(): Promise<boolean> {
  const [file = '', ...args] = wrapper;
  return new Promise((resolve) => {
    const trial = spawn(file, [...args, 'true'], { stdio: 'ignore' });
    trial.once('error', () => resolve(false));
    trial.once('close', (code) => resolve(code === 0));
  });
}
