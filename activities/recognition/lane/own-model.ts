/** The model that a worker was configured with, as its file lies there now. */

import { stat } from 'node:fs/promises';
import type { ModelVersion } from '../model/read.ts';
import { readModel } from '../model/read.ts';
import { filesOf, ownPaths, type RecogniserConfig } from './build.ts';

export interface OwnFile extends ModelVersion {
  readonly path: string;
  /** Of the file alone: its size, and SHA-256 in hexadecimal. */
  readonly bytes: number;
  readonly sha256: string;
  /** Whether there is more of it than this file: weights beside it, without which another worker cannot open it. */
  readonly hasMore: boolean;
}

/** Read when somebody looks, and again where the file or its card has changed since. */
export class OwnModel {
  readonly #config: RecogniserConfig;
  #seen: { readonly mark: string; readonly file: Promise<OwnFile> } | undefined;

  constructor(config: RecogniserConfig) {
    this.#config = config;
  }

  /** Throws `unsupported_model` for what is not there or is none. */
  async look(): Promise<OwnFile> {
    const mark = await this.#mark();
    if (this.#seen?.mark !== mark) {
      const file = this.#read();
      // Whoever looks again is told again.
      file.catch(() => {});
      this.#seen = { mark, file };
    }
    return this.#seen.file;
  }

  /** It was seen to be another one by now, whatever its times say. */
  forget(): void {
    this.#seen = undefined;
  }

  /** Size, time and place of all that it may consist of: of a file that was replaced or written to, another one. */
  async #mark(): Promise<string> {
    const files = await Promise.all(ownPaths(this.#config).map(filesOf));
    const marks = files.flat().map(async (path) => {
      const about = await stat(path).catch(() => undefined);
      return [path, about?.size, about?.mtimeMs, about?.ino];
    });
    return JSON.stringify(await Promise.all(marks));
  }

  async #read(): Promise<OwnFile> {
    const { modelsDir, modelPath, sharedPath = false } = this.#config.recognition;
    const named = await readModel({ modelPath, modelsDir });
    const { path, bytes, sha256, card, identity } =
      sharedPath && named.card.task === 'classifier'
        ? await readModel({ modelPath: undefined, modelsDir })
        : named;
    const others = (await filesOf(path)).filter((other) => other !== path && !/\.(json|ya?ml)$/.test(other));
    const hasMore = others.length > 0;
    return { path, card, identity, bytes: bytes.length, sha256, hasMore };
  }
}
