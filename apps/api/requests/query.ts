/** Options in the query, where all is text: each is read as what its schema takes. */
import type { z } from 'zod';

/**
 * The options as the query gives them, to be parsed by the schema: a text as it is, what is no text as JSON (`4`, `true`, `null`), a list
 * by repeating the parameter. What fits in no way, and what is not known, is left to the schema to refuse.
 */
export function optionsInQuery(
  options: z.ZodObject,
  query: Readonly<Record<string, readonly string[]>>,
): Record<string, unknown> {
  const schemas = new Map<string, z.ZodType>(Object.entries(options.shape));
  return Object.fromEntries(
    Object.entries(query).map(([name, texts]) => {
      const values = texts.map(jsonOr);
      const readings = texts.length === 1 ? [texts[0], values[0], texts, values] : [texts, values];
      const fitting = readings.find((reading) => schemas.get(name)?.safeParse(reading).success);
      // What the schema says of a number is of more use than that it is none.
      return [name, fitting ?? (texts.length === 1 ? values[0] : values)];
    }),
  );
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
