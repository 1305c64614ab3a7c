import { expect, it } from 'vitest';
import { PictureMemory } from './memory.ts';

const overloaded = expect.objectContaining({ code: 'overloaded', retryAfterSeconds: 1 });

it('has room for so many bytes together, and for one that is alone whatever it has', () => {
  const memory = new PictureMemory(100);
  const large = memory.open('ada');
  large.grow(150);
  const small = memory.open('bob');
  expect(() => small.grow(1)).toThrow(overloaded);
  large.free();
  large.free();
  small.grow(1);
  expect(memory.held).toBe(1);
  small.free();
  expect(memory.held).toBe(0);
});

it('keeps some for others, however much one owner sends', () => {
  const memory = new PictureMemory(100);
  const rooms = [1, 2, 3].map(() => memory.open('ada'));
  for (const room of rooms) room.grow(25);
  expect(() => memory.open('ada').grow(1)).toThrow(overloaded);
  memory.open('bob').grow(25);
});

it('has an answer in place of its picture, refused only where it is the larger', () => {
  const memory = new PictureMemory(100);
  const [first, second] = [memory.open('ada'), memory.open('bob')];
  first.grow(60);
  second.grow(40);
  second.become(30);
  expect(memory.held).toBe(90);
  expect(() => second.become(41)).toThrow(overloaded);
  second.become(40);
  second.free();
  expect(memory.held).toBe(60);
});
