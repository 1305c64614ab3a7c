/** Documents of jobs as text, kept for the next list: whoever watches jobs asks for the same ones again and again. */
import { getJobs, type MarkedJob } from '@darkroom/records';
import type { ApiDeps } from '../../context.ts';
import { jobDocument } from './shared.ts';

/** What all kept texts have at most; a job has some two thousand. */
const mostCharacters = 8_000_000;

/**
 * Returns a function that tells the documents of a page's jobs, as JSON, in their order. A text is used again only under the mark it was
 * kept with, which Postgres has just told: it is never older than the page. What was deleted since is left out.
 */
export function createJobTexts(
  most = mostCharacters,
): (deps: ApiDeps, page: readonly MarkedJob[]) => Promise<string[]> {
  // In the order of their last use: a text is put back at the end.
  const kept = new Map<string, { readonly mark: string; readonly text: string }>();
  let characters = 0;
  const drop = (id: string): void => {
    characters -= kept.get(id)?.text.length ?? 0;
    kept.delete(id);
  };
  const keep = (id: string, mark: string, text: string): void => {
    drop(id);
    kept.set(id, { mark, text });
    characters += text.length;
    for (const [oldest] of kept) {
      if (characters <= most) break;
      drop(oldest);
    }
  };
  return async (deps, page) => {
    const texts = new Map<string, string>();
    for (const { id, mark } of page) {
      const known = kept.get(id);
      if (known?.mark !== mark) continue;
      texts.set(id, known.text);
      keep(id, mark, known.text);
    }
    const missing = page.flatMap(({ id }) => (texts.has(id) ? [] : id));
    for (const found of missing.length === 0 ? [] : await getJobs(deps.records.db, missing)) {
      const { id, state } = found.job;
      const text = JSON.stringify(jobDocument(deps, found));
      texts.set(id, text);
      // How long it still takes is told anew each time.
      if (state !== 'running') keep(id, found.mark, text);
    }
    return page.flatMap(({ id }) => texts.get(id) ?? []);
  };
}
