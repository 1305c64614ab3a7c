/** The access log: one JSON line per request. */
import { openRotatingFile } from './rotating-file.ts';
import { scrub } from './scrub.ts';

/** A request as it was answered. */
export interface AccessEntry {
  /** Owner of the key; undefined for a request without one. */
  readonly who: string | undefined;
  readonly method: string;
  /** The route's pattern, `/v1/jobs/{id}`. */
  readonly route: string;
  /** What was asked for, with its query; secrets in it are taken out. */
  readonly path: string;
  readonly status: number;
  /** Milliseconds until the answer was complete. */
  readonly ms: number;
  readonly jobId?: string | undefined;
  readonly predictionId?: number | undefined;
  readonly traceId?: string | undefined;
}

export interface AccessLog {
  write(entry: AccessEntry): void;
  /** Writes what is still held. */
  close(): Promise<void>;
}

export interface AccessLogOptions {
  /** Size at which the file is rotated. Default 50 MiB. */
  maxBytes?: number;
  /** Rotated files kept (`path.1` is the newest). Default 5. */
  keep?: number;
  /** Told of a write that failed; the process goes on. */
  onError?: (error: unknown) => void;
}

/** Opens the access log at `path`; lines are appended to what is there. */
export function accessLog(path: string, options: AccessLogOptions = {}): AccessLog {
  const file = openRotatingFile(path, {
    maxBytes: options.maxBytes ?? 50 * 1024 * 1024,
    keep: options.keep ?? 5,
    onError: options.onError ?? (() => {}),
  });
  return {
    write(entry) {
      const line = {
        at: new Date().toISOString(),
        ...entry,
        who: entry.who ?? null,
        path: scrub(entry.path),
        ms: Math.round(entry.ms * 10) / 10,
      };
      file.append(JSON.stringify(line));
    },
    close: () => file.close(),
  };
}
