import { once } from 'node:events';
import { parseArgs } from 'node:util';
import type { Command } from '../cli.ts';
import { homeFolder } from '../home/layout.ts';
import { withStack } from '../stack/stopping.ts';
import { createTerminal } from '../terminal.ts';
import { Timings } from '../timings.ts';

/** `npm start`: the stack, staying up. */
export const start: Command = {
  help: `npm start [-- options]

Brings up Postgres, S3, Temporal with its Web UI, the API and a worker, and keeps them up until Ctrl-C.
Everything it makes lies in .darkroom (or DARKROOM_HOME); .darkroom/stack.json tells scripts where all is.

  --servers      only Postgres, S3 and Temporal: for working on the API or the worker
  --ephemeral    free ports instead of the usual ones
  --timings      tell which step took how long
  --prepare      with DATABASE_URL: apply the migrations and make a first key there; with S3_ENDPOINT: make the
                 buckets and put the samples there. Unasked neither is done

Each server is taken from the environment (DATABASE_URL; S3_ENDPOINT with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY;
TEMPORAL_ADDRESS), else from a program on the PATH (versitygw, temporal 1.9 or later), else the pinned program is fetched,
once (versitygw is built with Go where its release cannot be reached).

Ports: API_PORT (8000), DARKROOM_TEMPORAL_PORT (7233), DARKROOM_TEMPORAL_UI_PORT (8233), DARKROOM_POSTGRES_PORT (54329),
DARKROOM_S3_PORT (7070), WORKER_METRICS_PORT (9464), WORKER_SDK_METRICS_PORT (9465).
DARKROOM_TEMPORAL_SYNCHRONOUS: full (a commit of Temporal's database outlives a power cut) or normal (a kill); default full.`,
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        servers: { type: 'boolean', default: false },
        ephemeral: { type: 'boolean', default: false },
        timings: { type: 'boolean', default: false },
        prepare: { type: 'boolean', default: false },
      },
    });
    const terminal = createTerminal();
    const timings = new Timings();
    const parts = values.servers ? 'servers' : 'all';
    terminal.say('Starting Postgres, S3 and Temporal, then the API and a worker.');
    const options = {
      home: homeFolder(),
      ports: values.ephemeral ? 'free' : 'fixed',
      parts,
      terminal,
      timings,
      prepare: values.prepare,
    } as const;
    await withStack(options, async (running, interrupted) => {
      const { stack, layout } = running;
      terminal.say(terminal.paint('green', `Ready in ${timings.seconds()} s.`));
      if (parts === 'all') {
        terminal.say(`  API              ${stack.api}  (reference: ${stack.api}/docs)`);
        const shown =
          stack.key === undefined
            ? 'none: make one in your database with npm run key -- create --owner NAME --role admin'
            : running.isNewKey
              ? `${stack.key}  (shown once; scripts find it in stack.json)`
              : 'as before, in stack.json';
        terminal.say(`  Your key         ${shown}`);
      }
      terminal.say(`  Temporal Web UI  ${stack.temporal.ui}`);
      terminal.say(`  Files and logs   ${layout.home}`);
      if (values.timings) for (const line of timings.table()) terminal.say(line);
      terminal.say('Ctrl-C stops it.');
      await once(interrupted, 'abort');
    });
    terminal.say('Stopped.');
    return 0;
  },
};
