import { parseArgs } from 'node:util';
import { createKey, listKeys, openRecords, revokeKey } from '@darkroom/records';
import type { Command } from '../cli.ts';
import { SetupError } from '../terminal.ts';
import { databaseUrl } from './database.ts';

const roles = ['user', 'operator', 'admin'] as const;
type Role = (typeof roles)[number];

/** `npm run key`: makes, lists and revokes keys of the API, in the database of DATABASE_URL or of the running stack. */
export const key: Command = {
  help: `npm run key -- create --owner NAME [--role user|operator|admin] [--group NAME] [--priority 1-5]
npm run key -- list
npm run key -- revoke ID-OR-PREFIX

Works on DATABASE_URL, else on the stack that npm start keeps up.
  --role       user (own jobs), operator (everybody's jobs), admin (keys and limits too); default user
  --priority   1 goes first, 5 last; default 3`,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        owner: { type: 'string' },
        role: { type: 'string', default: 'user' },
        group: { type: 'string' },
        priority: { type: 'string', default: '3' },
      },
    });
    const [action, which] = positionals;
    const records = openRecords({ url: await databaseUrl(), pool: 1, application: 'darkroom-key' });
    try {
      if (action === 'create') {
        const made = await createKey(records.db, {
          owner: required(values.owner, '--owner NAME'),
          group: values.group,
          role: roleOf(values.role),
          priority: priorityOf(values.priority),
        });
        console.log(`${made.key}\n\nShown once. Its id is ${made.id}.`);
        return 0;
      }
      if (action === 'list') {
        const rows = (await listKeys(records.db)).map((row) => ({
          id: row.id,
          prefix: row.prefix,
          owner: row.owner,
          group: row.group ?? '',
          role: row.role,
          priority: row.priority,
          'last used': row.lastUsedAt?.toISOString() ?? 'never',
          revoked: row.revokedAt?.toISOString() ?? '',
        }));
        console.table(rows);
        return 0;
      }
      if (action === 'revoke') {
        const revoked = await revokeKey(
          records.db,
          required(which, 'the id or prefix of a key, as `list` shows it'),
        );
        if (revoked.length === 0)
          throw new SetupError(`No valid key has the id or prefix ${which}. See: npm run key -- list`);
        console.log(`Revoked ${revoked.map((row) => `${row.id} of ${row.owner}`).join(', ')}.`);
        return 0;
      }
    } finally {
      await records.close();
    }
    console.log(key.help);
    return 2;
  },
};

function required(value: string | undefined, what: string): string {
  if (!value) throw new SetupError(`Give ${what}. See: npm run key -- --help`);
  return value;
}

function roleOf(text: string): Role {
  const role = roles.find((known) => known === text);
  if (!role) throw new SetupError(`--role is one of ${roles.join(', ')}, not "${text}".`);
  return role;
}

function priorityOf(text: string): number {
  if (/^[1-5]$/.test(text)) return Number(text);
  throw new SetupError(`--priority is a number from 1 (first) to 5 (last), not "${text}".`);
}
