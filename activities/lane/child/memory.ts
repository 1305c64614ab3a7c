/** The end of a lane's memory, as the libraries in it tell it. */
import { ProblemError } from '@darkroom/contract/problems/problem.ts';

/** What libvips, its codecs and V8 say when the process gets no more memory. */
const NO_MEMORY = /insufficient memory|out of memory|cannot allocate memory|bad_alloc|allocation failed/i;

/** `error`, as `memory_limit` where it is that there was no more memory: it is no word about the picture. */
export function toldMemory(error: unknown): unknown {
  if (error instanceof ProblemError || !(error instanceof Error) || !NO_MEMORY.test(error.message))
    return error;
  const [first = ''] = error.message.split('\n');
  return new ProblemError('memory_limit', `The process got no more memory: ${first}`, { cause: error });
}
