import { once } from 'node:events';
import { parseArgs } from 'node:util';
import type { Command } from '../cli.ts';
import { homeFolder } from '../layout.ts';
import { withStack } from '../stopping.ts';
import { createTerminal } from '../terminal.ts';

/** `npm start`: the stack, staying up. */
export const start: Command = {
  help: `npm start [-- options]

Brings up Postgres, S3, Temporal with its Web UI, the API and a worker, and keeps them up until Ctrl-C.
Everything it makes lies in .darkroom (or DARKROOM_HOME); .darkroom/stack.json tells scripts where all is.

  --servers      only Postgres, S3 and Temporal: for working on the API or the worker
  --ephemeral    free ports instead of the usual ones

Each server is taken from the environment (DATABASE_URL; S3_ENDPOINT with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY;
TEMPORAL_ADDRESS), else from a program on the PATH (versitygw, temporal 1.5 or later), else it is built once with Go.

Ports: API_PORT (8000), DARKROOM_TEMPORAL_PORT (7233), DARKROOM_TEMPORAL_UI_PORT (8233), DARKROOM_POSTGRES_PORT (54329),
DARKROOM_S3_PORT (7070).`,
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        servers: { type: 'boolean', default: false },
        ephemeral: { type: 'boolean', default: false },
      },
    });
    const terminal = createTerminal();
    const began = Date.now();
    const parts = values.servers ? 'servers' : 'all';
    terminal.say('Starting Postgres, S3 and Temporal, then the API and a worker.');
    const options = {
      home: homeFolder(),
      ports: values.ephemeral ? 'free' : 'fixed',
      parts,
      terminal,
    } as const;
    await withStack(options, async (running, interrupted) => {
      const { stack, layout } = running;
      terminal.say(terminal.paint('green', `Ready in ${((Date.now() - began) / 1000).toFixed(1)} s.`));
      if (parts === 'all') {
        terminal.say(`  API              ${stack.api}  (reference: ${stack.api}/docs)`);
        const shown = running.isNewKey
          ? `${stack.key}  (shown once; scripts find it in stack.json)`
          : 'as before, in stack.json';
        terminal.say(`  Your key         ${shown}`);
      }
      terminal.say(`  Temporal Web UI  ${stack.temporal.ui}`);
      terminal.say(`  Files and logs   ${layout.home}`);
      terminal.say('Ctrl-C stops it.');
      await once(interrupted, 'abort');
    });
    terminal.say('Stopped.');
    return 0;
  },
};
