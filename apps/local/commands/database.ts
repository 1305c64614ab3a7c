import { homeFolder, layoutOf } from '../home/layout.ts';
import { readStack } from '../home/stackfile.ts';
import { SetupError } from '../terminal.ts';

/** The database that an operator's command works on: DATABASE_URL, else that of the stack which is up. */
export async function databaseUrl(): Promise<string> {
  if (process.env.DATABASE_URL) return process.env.DATABASE_URL;
  const stack = await readStack(layoutOf(homeFolder()).stackFile);
  if (stack?.pids.supervisor !== undefined) return stack.postgres;
  throw new SetupError('No stack is up. Run npm start in another terminal, or set DATABASE_URL.');
}
