/**
 * Reads the few pickles that a PyTorch state dict is made of. A pickle is a program for a stack machine, which in Python may import and
 * call anything: here it can name only what `globals` lists, call only what that does, and anything else is refused.
 * Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
 */

/** A tuple and a list alike. */
export type Sequence = readonly Value[];
export type Value = null | boolean | number | bigint | string | Sequence | Dict | Named | Opaque;

/** A dict, an OrderedDict too. */
export class Dict extends Map<Value, Value> {}

/** Something that a pickle names (`torch FloatStorage`), with what a call of it gives where it may be called. */
export class Named {
  readonly name: string;
  readonly call: ((parameters: Sequence) => Value) | undefined;

  constructor(name: string, call?: (parameters: Sequence) => Value) {
    this.name = name;
    this.call = call;
  }
}

/** A value that only whoever made it understands. */
export class Opaque {}

export interface PickleRules {
  /** By `module name`; a name that is not listed is refused. */
  readonly globals: ReadonlyMap<string, Named>;
  /** What a persistent id stands for. */
  persistent(id: Value): Value;
}

const mark = Symbol('mark');
/** Protocol 2 is what `torch.save` writes. */
const PROTOCOL = 2;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads the pickle that begins at `start`; gives its value and where it ends. Memory and time grow with its length, which is the caller's
 * to bound. Throws an Error on anything but the opcodes known here, and a RangeError where the bytes end early.
 */
export function readPickle(bytes: Buffer, start: number, rules: PickleRules): { value: Value; end: number } {
  const stack: (Value | typeof mark)[] = [];
  const memo = new Map<number, Value>();
  /** Those that may still grow. */
  const lists = new Map<Value, Value[]>();
  let at = start;

  const take = (length: number): number => {
    const from = at;
    at += length;
    if (at > bytes.length) throw new RangeError('a pickle ends early');
    return from;
  };
  const byte = () => bytes.readUInt8(take(1));
  const text = (length: number): string => {
    const from = take(length);
    return utf8.decode(bytes.subarray(from, from + length));
  };
  const line = (): string => {
    const end = bytes.indexOf(0x0a, at);
    if (end === -1) throw new RangeError('a pickle ends early');
    const found = bytes.toString('latin1', at, end);
    at = end + 1;
    return found;
  };
  const pop = (): Value => {
    const value = stack.pop();
    if (value === undefined || value === mark) throw new Error('a pickle takes a value that is not there');
    return value;
  };
  const popMarked = (): Value[] => {
    const from = stack.lastIndexOf(mark);
    if (from === -1) throw new Error('a pickle takes values up to a mark that is not there');
    return stack.splice(from).flatMap((value) => (value === mark ? [] : [value]));
  };
  const remember = (key: number) => {
    const value = pop();
    stack.push(value);
    memo.set(key, value);
  };
  const recall = (key: number) => {
    const value = memo.get(key);
    if (value === undefined) throw new Error('a pickle takes back what it did not keep');
    stack.push(value);
  };
  const setItems = (items: readonly Value[]) => {
    const dict = pop();
    if (!(dict instanceof Dict)) throw new Error('a pickle puts items into what is no dict');
    for (let i = 0; i + 1 < items.length; i += 2) dict.set(items[i] ?? null, items[i + 1] ?? null);
    stack.push(dict);
  };

  for (;;) {
    const opcode = String.fromCharCode(byte());
    switch (opcode) {
      case '\x80': {
        const protocol = byte();
        if (protocol !== PROTOCOL) throw new Error(`a pickle has the protocol ${protocol}, not ${PROTOCOL}`);
        break;
      }
      case '.': {
        const value = pop();
        if (stack.length > 0) throw new Error('a pickle ends with values that nothing took');
        return { value, end: at };
      }
      case '(':
        stack.push(mark);
        break;
      case 'N':
        stack.push(null);
        break;
      case '\x88':
        stack.push(true);
        break;
      case '\x89':
        stack.push(false);
        break;
      case 'K':
        stack.push(byte());
        break;
      case 'M':
        stack.push(bytes.readUInt16LE(take(2)));
        break;
      case 'J':
        stack.push(bytes.readInt32LE(take(4)));
        break;
      case '\x8a': {
        const length = byte();
        const from = take(length);
        stack.push(signed(bytes.subarray(from, from + length)));
        break;
      }
      case 'X':
        stack.push(text(bytes.readUInt32LE(take(4))));
        break;
      case ')':
        stack.push([]);
        break;
      case '\x85':
        stack.push([pop()]);
        break;
      case '\x86': {
        const second = pop();
        stack.push([pop(), second]);
        break;
      }
      case '\x87': {
        const third = pop();
        const second = pop();
        stack.push([pop(), second, third]);
        break;
      }
      case 't':
        stack.push(popMarked());
        break;
      case ']': {
        const list: Value[] = [];
        lists.set(list, list);
        stack.push(list);
        break;
      }
      case 'e': {
        const items = popMarked();
        const list = lists.get(pop());
        if (list === undefined) throw new Error('a pickle adds to what is no list');
        for (const item of items) list.push(item);
        stack.push(list);
        break;
      }
      case '}':
        stack.push(new Dict());
        break;
      case 's': {
        const value = pop();
        setItems([pop(), value]);
        break;
      }
      case 'u':
        setItems(popMarked());
        break;
      case 'q':
        remember(byte());
        break;
      case 'r':
        remember(bytes.readUInt32LE(take(4)));
        break;
      case 'h':
        recall(byte());
        break;
      case 'j':
        recall(bytes.readUInt32LE(take(4)));
        break;
      case 'c': {
        const name = `${line()} ${line()}`;
        const found = rules.globals.get(name);
        if (found === undefined)
          throw new Error(`a pickle names ${JSON.stringify(name)}, which is not known here`);
        stack.push(found);
        break;
      }
      case 'R': {
        const parameters = pop();
        const called = pop();
        if (!(called instanceof Named) || called.call === undefined || !Array.isArray(parameters))
          throw new Error('a pickle calls what cannot be called');
        stack.push(called.call(parameters));
        break;
      }
      case 'Q':
        stack.push(rules.persistent(pop()));
        break;
      case 'b': {
        // Attributes of an OrderedDict (`_metadata` of a state dict) say nothing about its items.
        const state = pop();
        const object = pop();
        if (!(object instanceof Dict && state instanceof Dict))
          throw new Error('a pickle gives attributes to what is no dict');
        stack.push(object);
        break;
      }
      default:
        throw new Error(
          `a pickle has the opcode 0x${opcode.charCodeAt(0).toString(16)}, which is not known here`,
        );
    }
  }
}

/** A little-endian integer in two's complement. */
function signed(bytes: Uint8Array): bigint {
  const value = bytes.reduceRight((high, low) => (high << 8n) | BigInt(low), 0n);
  return BigInt.asIntN(8 * bytes.length, value);
}
