/** Variables of where the results of jobs may be delivered to, beside prefixes that DARKROOM_GRANTS grants for writing. */
import { z } from 'zod';
import { json } from './values.ts';

/** Stands in a path for the owner of the job. */
const placeholder = '{owner}';

const isPlain = (segment: string): boolean =>
  segment !== '' && segment !== '.' && segment !== '..' && !/\p{Cc}/u.test(segment);

const directory = z
  .strictObject({
    owner: z.string().min(1).optional(),
    group: z.string().min(1).optional(),
    everyone: z.literal(true).optional(),
    path: z
      .string()
      .transform((path) => path.replace(/\/$/, ''))
      .refine(
        (path) => path.startsWith('/') && path.slice(1).split('/').every(isPlain),
        'expected an absolute path such as /data/lab, not the root, without . and ..',
      )
      .refine(
        (path) => path.split('/').every((part) => part === placeholder || !part.includes(placeholder)),
        `expected ${placeholder} as a whole folder of the path, as in /home/${placeholder}`,
      ),
  })
  .refine(
    ({ owner, group, everyone }) => owner !== undefined || group !== undefined || everyone === true,
    'expected one of owner, group, everyone',
  );

export const delivery = {
  DELIVERY_DIRECTORIES: json
    .pipe(z.array(directory))
    .optional()
    .meta({
      description:
        'Directories that the results of a job may be written to as well (`file:///home/ada/cutouts/`), for whom: a JSON array of ' +
        `{owner | group | everyone: true, path}; ${placeholder} in a path is the owner of the job. Workers that deliver, and the API, have to see them.`,
      example: '[{"everyone":true,"path":"/home/{owner}"},{"group":"lab","path":"/data/lab"}]',
      absent: 'none',
    }),
};
