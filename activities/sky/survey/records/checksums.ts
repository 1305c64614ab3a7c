/** What files were verified by. */
import { type Db, read } from '@darkroom/records';
import { and, eq } from 'drizzle-orm';
import { surveyChecksums } from '../../schema.ts';
import type { FileChecksums } from '../checked/checksums.ts';

/** For `verifiedSource`; undefined where that version of the file was not verified. */
export const checksumsOf = read(
  async (
    db: Db,
    { survey, uri, etag }: { readonly survey: string; readonly uri: string; readonly etag: string },
  ): Promise<FileChecksums | undefined> => {
    const { block, sums } = surveyChecksums;
    const [row] = await db
      .select({ block, sums, etag: surveyChecksums.etag })
      .from(surveyChecksums)
      .where(
        and(eq(surveyChecksums.survey, survey), eq(surveyChecksums.uri, uri), eq(surveyChecksums.etag, etag)),
      );
    return row;
  },
);
