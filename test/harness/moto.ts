import { answers } from '@darkroom/servers/run/s3.ts';
import { pythonTools } from './python.ts';
import { type ServerCommand, startS3, startServer, type TestS3 } from './s3.ts';

/** An S3 server to test against. `missing` says why it cannot be started here; its tests are then left out. */
export interface TestStore {
  title: string;
  missing: string | undefined;
  /** Whether a key may not lie below another, as a file may not lie below a file. */
  keysAreFiles: boolean;
  /** Whether ListParts tells the checksums of parts, which AWS does; where it does not, a resumed upload starts anew. */
  listsChecksums: boolean;
  /** Whether a request whose signature does not fit is refused. */
  checksSignatures: boolean;
  start(): Promise<TestS3>;
}

const moto = await pythonTools('moto');

/**
 * S3 servers by two makers. moto keeps objects in memory, and checks neither signatures nor what a client must send: it shows what
 * another reading of the API answers, not what AWS refuses.
 */
export const stores: readonly TestStore[] = [
  {
    title: 'on versitygw',
    missing: undefined,
    keysAreFiles: true,
    listsChecksums: true,
    checksSignatures: true,
    start: startS3,
  },
  {
    title: 'on moto (needs Python 3.11 or later)',
    missing: moto.missing,
    keysAreFiles: false,
    listsChecksums: false,
    checksSignatures: false,
    start: startMoto,
  },
];

function startMoto(): Promise<TestS3> {
  return startServer(
    async ({ port }): Promise<ServerCommand> => ({
      command: moto.python ?? 'python3',
      args: ['-m', 'moto.server', '--host', '127.0.0.1', '--port', String(port)],
      env: { PATH: process.env.PATH ?? '' },
      probe: (signal) => answers(`http://127.0.0.1:${port}/moto-api/`, signal),
      directory: undefined,
    }),
  );
}
