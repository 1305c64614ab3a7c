import '../../activities/records/postgres/drizzle-files.ts';
import fc from 'fast-check';

// CI draws the same cases every time, so that what it finds is of the change it tests; everywhere else each run draws new ones.
if (process.env.CI) fc.configureGlobal({ seed: 20_261_125 });
