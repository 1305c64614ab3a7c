import type { ProcessSpec } from './processes.ts';

export const s3Region = 'us-east-1';

export interface S3Settings {
  readonly program: string;
  readonly folder: string;
  readonly port: number;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly logFile: string;
  readonly env: Readonly<Record<string, string>>;
}

/** How to run versitygw, a real S3 server, over a folder. */
export function embeddedS3(settings: S3Settings): ProcessSpec {
  const address = `127.0.0.1:${settings.port}`;
  return {
    name: 's3',
    command: settings.program,
    args: [
      '--port',
      address,
      '--region',
      s3Region,
      // Without it every request opens a connection anew.
      '--keep-alive',
      '--quiet',
      '--health',
      '/health',
      'posix',
      settings.folder,
    ],
    // Keys go by the environment: a command line is for everybody to read.
    env: {
      ...settings.env,
      ROOT_ACCESS_KEY_ID: settings.accessKeyId,
      ROOT_SECRET_ACCESS_KEY: settings.secretAccessKey,
    },
    cwd: settings.folder,
    logFile: settings.logFile,
    probe: (signal) => answers(`http://${address}/health`, signal),
    stop: { signal: 'SIGTERM', graceMilliseconds: 10_000 },
  };
}

/** Resolves when a GET of `url` is answered with a 2xx. */
export async function answers(
  url: string,
  signal: AbortSignal,
  headers: Record<string, string> = {},
): Promise<void> {
  const response = await fetch(url, { signal, headers });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
}
