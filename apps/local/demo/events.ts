/** One server-sent event, its data read as JSON. */
export interface StreamEvent {
  readonly type: string;
  readonly data: unknown;
}

/** The events of a text/event-stream body, as they come; comments and what breaks off in the middle are left out. */
export async function* readEvents(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<StreamEvent, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = block.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line));
      const of = (name: string) =>
        fields.filter((field) => field?.[1] === name).map((field) => field?.[2] ?? '');
      const data = of('data').join('\n');
      if (data) yield { type: of('event')[0] ?? 'message', data: JSON.parse(data) };
    }
  }
}
