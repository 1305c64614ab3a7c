/** Who may read a survey. */
import type { SurveyDefinition } from './definition.ts';

export interface Reader {
  readonly group: string | null;
  readonly role: string;
}

/** Everybody where it is public, else members of its groups, and administrators. */
export const mayRead = ({ readers }: Pick<SurveyDefinition, 'readers'>, { group, role }: Reader): boolean =>
  readers === 'public' || role === 'admin' || (group !== null && readers.includes(group));
