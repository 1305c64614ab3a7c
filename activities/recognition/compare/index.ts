/** Where the numbers of a Python pipeline and ours part: `npm run model -- compare`. */
export { type Comparison, compareModel, type Row, type Tolerances } from './compare.ts';
export { table } from './table.ts';
