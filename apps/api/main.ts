/** The API process: serves until it is told to stop. */
import { runApi } from './serving/run.ts';

await runApi();
