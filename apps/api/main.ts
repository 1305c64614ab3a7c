/** The API process: serves until it is told to stop. */
import { runApi } from './run.ts';

await runApi();
