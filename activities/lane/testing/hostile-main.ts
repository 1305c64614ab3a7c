/** The child of `hostile.ts`. */
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';
import { z } from 'zod';
import { each, serve } from '../child/serve.ts';
import { type CallName, numberOf } from '../sandbox/calls.ts';
import { cString, openKernel } from '../sandbox/kernel.ts';
import type { hostileShape } from './hostile.ts';

const kernel = openKernel();
const isCall = (name: string): name is CallName => numberOf(name as CallName) !== undefined;

function call(name: string, args: readonly (number | string)[]): number {
  if ('reason' in kernel) throw new Error(kernel.reason);
  if (!isCall(name)) throw new Error(`There is no call ${name}.`);
  return kernel.call(name, ...args.map((arg) => (typeof arg === 'string' ? cString(arg) : arg)));
}

const inThread = (name: string, args: readonly (number | string)[]) => `
  const { parentPort } = require('node:worker_threads');
  Promise.all([import(${url('kernel.ts')})]).then(([{ openKernel, cString }]) => {
    const args = ${JSON.stringify(args)}.map((arg) => (typeof arg === 'string' ? cString(arg) : arg));
    parentPort.postMessage(openKernel().call(${JSON.stringify(name)}, ...args));
  });`;
const url = (file: string) => JSON.stringify(new URL(`../sandbox/${file}`, import.meta.url).href);

/** Of the modules of Node itself that were loaded, what it takes types out of sources by. */
const isStripper = (name: string): boolean => name.includes('amaro');

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

async function attempt(what: 'read' | 'run' | 'tcp' | 'udp' | 'signal', of: string): Promise<unknown> {
  if (what === 'read') return readFileSync(of, 'utf8');
  if (what === 'run') {
    const { error } = spawnSync(of);
    throw error;
  }
  if (what === 'signal') return process.kill(Number(of), 0);
  if (what === 'tcp') return once(connect(Number(of), '127.0.0.1'), 'connect');
  const socket = createSocket('udp4');
  const failed = once(socket, 'error').then(([error]) => Promise.reject(error));
  socket.send('hello', Number(of), '127.0.0.1');
  return Promise.race([failed, once(socket, 'listening')]);
}

serve<typeof hostileShape>({
  open: () => ({}),
  tasks: {
    call: each(async (item) => {
      const { name, args, thread } = item.params;
      if (!thread) return item.answer({ returned: call(name, args) });
      const [returned] = await once(new Worker(inThread(name, args), { eval: true }), 'message');
      item.answer({ returned });
    }),
    node: each(async (item) => {
      const { what, of } = item.params;
      const code = await attempt(what, of).then(() => 'it can', codeOf);
      item.answer({ code });
    }),
    look: each((item) => {
      const descriptors = readdirSync('/proc/self/fd').flatMap((name) => {
        try {
          return [readlinkSync(`/proc/self/fd/${name}`)];
        } catch {
          // The one that the list itself was read by.
          return [];
        }
      });
      item.answer({
        environment: Object.fromEntries(
          Object.entries(process.env).map(([name, value]) => [name, value ?? '']),
        ),
        environ: readFileSync('/proc/self/environ', 'latin1'),
        descriptors,
        status: readFileSync('/proc/self/status', 'latin1'),
        stripped: z.array(z.string()).parse(Reflect.get(process, 'moduleLoadList')).some(isStripper),
      });
    }),
  },
});
