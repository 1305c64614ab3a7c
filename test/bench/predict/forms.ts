/** Requests of `POST /predict`: forms made once, and posted as they are. */
import { readFileSync } from 'node:fs';
import { type Agent, request } from 'node:http';
import { basename } from 'node:path';

const patienceMs = 60_000;
const boundary = '----darkroom-bench';
/** By file. */
const forms = new Map<string, Buffer>();

/** The body of a form with that picture. */
export function formOf(file: string): Buffer {
  const known = forms.get(file);
  if (known !== undefined) return known;
  const head =
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${basename(file)}"\r\n` +
    'Content-Type: image/jpeg\r\n\r\n';
  const form = Buffer.concat([Buffer.from(head), readFileSync(file), Buffer.from(`\r\n--${boundary}--\r\n`)]);
  forms.set(file, form);
  return form;
}

export interface Posted {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly agent: Agent;
  readonly body: Buffer;
}

/** What a form is answered with. */
export function post({ url, headers, agent, body }: Posted): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        agent,
        method: 'POST',
        timeout: patienceMs,
        headers: {
          ...headers,
          'content-type': `multipart/form-data; boundary=${boundary}`,
          'content-length': body.length,
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.on('error', reject);
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${patienceMs} ms`)));
    sent.on('error', reject);
    sent.end(body);
  });
}
