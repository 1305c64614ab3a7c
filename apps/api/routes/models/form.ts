/** The form that a model is sent by: what is said of it, its card, and its file, stored as it comes in. */
import { ProblemError } from '@darkroom/contract';
import type { ModelCard } from '@darkroom/recognition/model/card/card.ts';
import { parseCard } from '@darkroom/recognition/model/card/file.ts';
import { safeName } from '@darkroom/storage';
import type { ApiContext } from '../../context.ts';
import { requestBody } from '../../requests/body.ts';
import { fieldProblem, readParts } from '../../requests/multipart.ts';
import { optionsInQuery } from '../../requests/query.ts';
import { discardModel, type IncomingModel, receiveModel } from './receive.ts';
import { type Received, registration, wantedOf } from './wanted.ts';

/** ImageNet's labels take 30 kB. */
const cardBytes = 1024 * 1024;
const formLimits = { files: 2, fields: 10, fieldBytes: cardBytes, headerBytes: 16_384 };

/** Reads the form whole. Throws ZodError, `validation_failed`, and what {@link receiveModel} and `readParts` throw; then nothing is left of it. */
export async function readModelForm(c: ApiContext): Promise<Received> {
  const { deps } = c.var;
  const mostBytes = deps.config.limits.modelBytes;
  const { signal } = c.req.raw;
  const fields = new Map<string, string[]>();
  let card: ModelCard = {};
  let incoming: IncomingModel | undefined;
  const said = () =>
    wantedOf(registration.parse(optionsInQuery(registration, Object.fromEntries(fields))), card);
  try {
    for await (const part of readParts(requestBody(c), c.req.header('content-type') ?? '', formLimits)) {
      if (part.name === 'card') {
        card = await cardIn(part.kind === 'field' ? part.value : await textOf(part.content));
      } else if (part.kind === 'field') {
        if (part.name === 'file') throw fieldProblem('file', 'has to be a file, with a filename');
        fields.set(part.name, [...(fields.get(part.name) ?? []), part.value]);
      } else {
        if (part.name !== 'file' || incoming !== undefined)
          throw fieldProblem(part.name, 'is no field for a file; send one ONNX file as file');
        // Before a byte is stored, where the fields came first.
        if (fields.has('name') && fields.has('version')) said();
        const filename = safeName(part.filename);
        incoming = await receiveModel(deps, part.content, { filename, mostBytes, signal });
      }
    }
    if (incoming === undefined) throw fieldProblem('file', 'is missing; send the ONNX file as file');
    return { incoming, wanted: said() };
  } catch (error) {
    if (incoming !== undefined) await discardModel(deps, incoming);
    throw error;
  }
}

async function cardIn(text: string): Promise<ModelCard> {
  try {
    // JSON is YAML, too.
    return await parseCard('card.yaml', text);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    throw fieldProblem('card', error.message);
  }
}

async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > cardBytes) throw fieldProblem('card', `has more than ${cardBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes).toString('utf8');
}
