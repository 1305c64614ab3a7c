/** From zod's schemas to those of the document: JSON Schema as zod itself writes it, the named ones as components. */
import { z } from 'zod';

export type JsonSchema = Record<string, unknown>;

/** Whether a value goes in, where defaults may be left out, or comes out, where they are filled in. */
export type Direction = 'input' | 'output';

export interface Schemas {
  /** The schema, or a reference to it where it has an id. */
  of(schema: z.ZodType, direction: Direction): JsonSchema;
  /** What was referred to so far, by name. A name that goes in otherwise than it comes out is there as `…Input`, too. */
  components(): Record<string, JsonSchema>;
  /** The document with the names of what only went in made final. Call it last. */
  settle<T>(document: T): T;
}

const place = '#/components/schemas/';
/** Ends the name of a schema that went in, until it is known whether it comes out the same. */
const marked = '@input';

/** Collects the components of one document. */
export function createSchemas(): Schemas {
  const found = new Map<string, JsonSchema>();

  const of: Schemas['of'] = (schema, direction) => {
    const { $schema, $defs, ...root } = z.toJSONSchema(schema, {
      io: direction,
      unrepresentable: 'any',
      override: ({ zodSchema, jsonSchema, path }) => {
        plain(zodSchema, jsonSchema, direction);
        if (path.length > 0) sayDefault(jsonSchema, direction);
      },
    });
    const suffix = direction === 'input' ? marked : '';
    const named = { ...$defs } as Record<string, JsonSchema>;
    const id = z.globalRegistry.get(schema)?.id;
    if (id !== undefined) named[id] ??= root;
    for (const [name, definition] of Object.entries(named)) {
      const { id: _, ...rest } = definition;
      found.set(name + suffix, referring(rest, suffix));
    }
    return id === undefined ? referring(root, suffix) : { $ref: place + id + suffix };
  };

  const finalName = (name: string): string => {
    const bare = name.slice(0, -marked.length);
    const other = found.get(bare);
    const same = other === undefined || bareText(other) === bareText(found.get(name));
    return same ? bare : `${bare}Input`;
  };

  return {
    of,
    components: () => Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1))),
    settle<T>(document: T): T {
      let text = JSON.stringify(document);
      for (const name of found.keys())
        if (name.endsWith(marked)) text = text.replaceAll(`${name}"`, `${finalName(name)}"`);
      return JSON.parse(text) as T;
    },
  };
}

const bareText = (schema: unknown): string => JSON.stringify(schema).replaceAll(`${marked}"`, '"');

/** References of zod's lead to `$defs` of the same schema; those of the document to its components. */
function referring(schema: JsonSchema, suffix: string): JsonSchema {
  const text = JSON.stringify(schema).replaceAll(
    /"#\/\$defs\/([^"]+)"/g,
    (_, name) => `"${place}${name}${suffix}"`,
  );
  return JSON.parse(text, (_, value) => withTypes(value)) as JsonSchema;
}

const scalars = ['string', 'number', 'integer', 'boolean'];

/** A text or a number is one schema of two types, whose other words each say something of one of them: nothing tells members of a union apart there. */
function withTypes(value: unknown): unknown {
  const { anyOf, ...rest } = (value ?? {}) as { anyOf?: readonly JsonSchema[] };
  if (!Array.isArray(anyOf)) return value;
  const types = anyOf.map(({ type }) => type);
  const areScalars = types.every((type) => typeof type === 'string' && scalars.includes(type));
  if (!areScalars || new Set(types).size < types.length) return value;
  return { ...Object.assign({}, ...anyOf), ...rest, type: types };
}

/** What zod writes, without what says nothing to a reader, and with what tells the members of a union apart. */
function plain(schema: z.core.$ZodType, json: JsonSchema, direction: Direction): void {
  const { def } = (schema as z.ZodType)._zod;
  // zod-openapi's own notes on parameters.
  delete json.param;
  if (json.minimum === Number.MIN_SAFE_INTEGER) delete json.minimum;
  if (json.maximum === Number.MAX_SAFE_INTEGER) delete json.maximum;
  // A format says the same as the pattern that zod checks it by.
  if (json.format !== undefined) delete json.pattern;
  if (json.contentEncoding === 'binary') delete json.contentEncoding;
  if (isText(json.propertyNames)) delete json.propertyNames;
  // Answers may gain fields: a client that refuses them would break on the next version.
  if (direction === 'output' && json.additionalProperties === false) delete json.additionalProperties;
  if ('example' in json) {
    json.examples = [json.example];
    delete json.example;
  }
  if ('discriminator' in def && typeof def.discriminator === 'string' && 'options' in def) {
    const mapping = mappingOf(def.discriminator, def.options as readonly z.ZodType[], direction);
    json.discriminator = { propertyName: def.discriminator, mapping };
  }
}

/**
 * Generators differ on fields with a default: some send it unasked, some ask for the field. So it is told in words and shown as the
 * example, which the reference page fills in; and in an answer, where it is filled in, not at all.
 */
function sayDefault(json: JsonSchema, direction: Direction): void {
  if (!('default' in json)) return;
  const { default: value, description = '' } = json;
  delete json.default;
  if (direction === 'output') return;
  json.description = `${description} Default: ${JSON.stringify(value)}.`.trim();
  json.examples = [value];
}

const isText = (json: unknown): boolean => JSON.stringify(json) === '{"type":"string"}';

/** Which member of a union is meant by which value. Members need an id. */
function mappingOf(property: string, members: readonly z.ZodType[], direction: Direction) {
  const suffix = direction === 'input' ? marked : '';
  const entries = members.map((member) => {
    const value = (member as z.ZodObject).shape[property] as z.ZodLiteral<string>;
    return [value.value, `${place}${z.globalRegistry.get(member)?.id}${suffix}`] as const;
  });
  return Object.fromEntries(entries);
}
