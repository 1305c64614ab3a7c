import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frameMessage, MessageParser, NoMessage } from './wire.ts';

const shown = ({ head, bodies }: { head: unknown; bodies: readonly Uint8Array[] }) =>
  [JSON.stringify(head), ...bodies.map((body) => Buffer.from(body).toString('hex'))].join(' ');

describe('messages', () => {
  it('arrive whole, however they are cut up on the way, each body in memory of its own', () => {
    const message = fc.record({
      head: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 })),
      bodies: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), fc.integer({ min: 1, max: 50 }), (messages, size) => {
        const sent = Buffer.concat(messages.flatMap(({ head, bodies }) => frameMessage(head, bodies)));
        const parser = new MessageParser(1000);
        const arrived: string[] = [];
        for (let at = 0; at < sent.length; at += size)
          for (const one of parser.push(sent.subarray(at, at + size))) {
            arrived.push(shown(one));
            for (const body of one.bodies) expect(body.byteLength).toBe(body.buffer.byteLength);
          }
        expect(arrived).toEqual(messages.map(shown));
      }),
    );
  });

  it('that are none, or too large, are refused before memory is taken for them', () => {
    expect(() => [...new MessageParser(1000).push(Buffer.alloc(64, 0xff))]).toThrow(NoMessage);
    const large = Buffer.concat(frameMessage({}, [new Uint8Array(600), new Uint8Array(600)]));
    expect(() => [...new MessageParser(1000).push(large)]).toThrow(NoMessage);
  });
});
