/** The child of `trial.ts`. */
import fs from 'node:fs';
import { ProblemError } from '@darkroom/contract/problems/problem.ts';
import { each, serve } from '../child/serve.ts';
import { TALK } from '../wire.ts';
import type { trialShape } from './trial.ts';

const hoard: Uint8Array[] = [];

serve<typeof trialShape>({
  open({ greeting }) {
    if (greeting === 'no') throw new ProblemError('unsupported_model', 'Said no.');
    return { greeting, pid: process.pid };
  },
  tasks: {
    reverse: each(async (item) => {
      await item.stage('look');
      const sums = item.bodies.map((body) => body.reduce((sum, byte) => sum + byte, item.params.add));
      await item.stage('turn');
      item.answer(
        { sums },
        item.bodies.map((body) => body.reverse()),
      );
    }),
    stream: each((item) => {
      const { events, bytes } = item.params;
      for (let number = 0; number < events; number++) item.event({ number }, [new Uint8Array(bytes)]);
      item.answer({ told: events });
    }),
    read: each((item) => {
      const { size, step } = item.params;
      const parts: Uint8Array[] = [];
      for (let at = 0; at < size; at += step) parts.push(item.read(at, step));
      item.answer({}, parts);
    }),
    misbehave: each((item) => {
      const { how, begun } = item.params;
      if (begun === true) item.begun();
      if (how === 'spin') for (;;);
      else if (how === 'exit') {
        process.stderr.write('going away');
        process.exit(7);
      } else if (how === 'abort') process.kill(process.pid, 'SIGSEGV');
      else if (how === 'throw') throw new Error('nobody foresaw this');
      else if (how === 'problem') throw new ProblemError('truncated_image', 'Half of it is missing.');
      else if (how === 'lack') throw new ProblemError('memory_limit', 'There was no more.');
      else if (how === 'memory') for (;;) hoard.push(new Uint8Array(4 << 20).fill(1));
      // What the types forbid.
      else if (how === 'lie') item.answer(JSON.parse('{"number":"ten"}'));
      else fs.writeSync(TALK, Buffer.alloc(64, 0xff));
    }),
  },
});
