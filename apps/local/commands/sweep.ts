import { hostname, userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import { confirmLostRuns, openRecords } from '@darkroom/records';
import type { Command } from '../cli.ts';
import { databaseUrl } from './database.ts';

/** `npm run sweep`: what the sweep cannot know by itself, in the database of DATABASE_URL or of the running stack. */
export const sweep: Command = {
  help: `npm run sweep -- --confirm-lost

Works on DATABASE_URL, else on the stack that npm start keeps up.
  --confirm-lost   the engine's store is lost for good: jobs that ran until now and have no run there are queued again by the
                   next sweep, however many; what they had finished is kept. Look at TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE
                   first: with a wrong one, runs that still work would be doubled (and fenced off)`,
  async run(args) {
    const { values } = parseArgs({ args: [...args], options: { 'confirm-lost': { type: 'boolean' } } });
    if (values['confirm-lost'] !== true) {
      console.log(sweep.help);
      return 2;
    }
    const records = openRecords({ url: await databaseUrl(), pool: 1, application: 'darkroom-sweep' });
    try {
      await confirmLostRuns(records.db, `${userInfo().username}@${hostname()}`);
    } finally {
      await records.close();
    }
    console.log('Noted. The next sweep queues again what the engine has lost.');
    return 0;
  },
};
