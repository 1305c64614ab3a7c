/** How noisy a tile is, as CFITSIO estimates it before it quantises: the step between quantised levels is a part of this. */

export interface TileStatistics {
  /** Pixels that are not NaN. */
  readonly good: number;
  /** Of these; Infinity and −Infinity where there are none. */
  readonly min: number;
  readonly max: number;
  /** Standard deviation, from the median absolute differences of neighbouring pixels; 0 where too few differ. */
  readonly noise: number;
}

/**
 * The least of three estimates that is not zero, each the median over rows of a median in the row: of differences of second, third and fifth order
 * (CFITSIO, `FnNoise5_float`, `FnNoise5_double`), whose float arithmetic it repeats for Float32Array: the same step gives the same tile bytes.
 */
export function tileStatistics(
  tile: Float32Array | Float64Array,
  width: number,
  height: number,
): TileStatistics {
  // Rows need nine pixels: narrower tiles count as one row.
  const columns = width < 9 ? width * height : width;
  const rows = width < 9 ? 1 : height;
  const single = tile instanceof Float32Array;
  if (row.length < columns) {
    row = new Float64Array(columns);
    second = new Float64Array(columns);
    third = new Float64Array(columns);
    fifth = new Float64Array(columns);
  }
  second.fill(0, 0, columns);
  const medians2: number[] = [];
  const medians3: number[] = [];
  const medians5: number[] = [];
  let good = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let y = 0; y < rows; y++) {
    let count = 0;
    for (let i = y * columns, end = i + columns; i < end; i++) {
      const value = tile[i]!;
      if (Number.isNaN(value)) continue;
      row[count++] = value;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    good += count;
    if (columns < 9) break;

    let count2 = 0;
    let count3 = 0;
    for (let i = 4; i < count - 4; i++) {
      const left = row[i - 2]!;
      const before = row[i - 1]!;
      const middle = row[i]!;
      const after = row[i + 1]!;
      const right = row[i + 2]!;
      // Constant stretches say nothing of noise.
      const level = middle === after && after === right;
      if (!level)
        second[count2++] = single ? Math.abs(Math.fround(middle - right)) : Math.abs(middle - right);
      if (level && left === before && before === middle) continue;
      if (single) {
        third[count3] = Math.abs(Math.fround(Math.fround(2 * middle - left) - right));
        fifth[count3] = Math.abs(
          Math.fround(
            Math.fround(
              Math.fround(Math.fround(Math.fround(6 * middle) - 4 * left) - 4 * right) + row[i - 4]!,
            ) + row[i + 4]!,
          ),
        );
      } else {
        third[count3] = Math.abs(2 * middle - left - right);
        fifth[count3] = Math.abs(6 * middle - 4 * left - 4 * right + row[i - 4]! + row[i + 4]!);
      }
      count3++;
    }
    if (count3 === 0) continue;
    if (count3 === 1) {
      if (count2 === 1) medians2.push(second[0]!);
    } else if (count2 > 1) {
      // Of the first `count3`, though fewer are this row's: CFITSIO's median takes what earlier rows of the tile left behind them.
      medians2.push(lowerMedian(second, count3));
    }
    medians3.push(lowerMedian(third, count3));
    medians5.push(lowerMedian(fifth, count3));
  }
  let noise = 0.6052697 * median(medians3);
  for (const other of [1.0483579 * median(medians2), 0.1772048 * median(medians5)]) {
    if (other !== 0 && other < noise) noise = other;
  }
  return { good, min, max, noise };
}

// Scratch of the widest row so far: tiles come by the ten thousand.
let row = new Float64Array(0);
let second = new Float64Array(0);
let third = new Float64Array(0);
let fifth = new Float64Array(0);

function median(values: number[]): number {
  if (values.length === 0) return 0;
  values.sort((a, b) => a - b);
  return (values[(values.length - 1) >> 1]! + values[values.length >> 1]!) / 2;
}

/**
 * The lower median of the first `count` ≥ 1, which are reordered: Hoare's selection, swap for swap as CFITSIO's `quick_select`, since the order it
 * leaves is seen by the next row.
 */
function lowerMedian(values: Float64Array, count: number): number {
  const wanted = (count - 1) >> 1;
  let low = 0;
  let high = count - 1;
  for (;;) {
    if (high <= low) return values[wanted]!;
    if (high === low + 1) {
      if (values[low]! > values[high]!) swap(values, low, high);
      return values[wanted]!;
    }
    const middle = (low + high) >> 1;
    if (values[middle]! > values[high]!) swap(values, middle, high);
    if (values[low]! > values[high]!) swap(values, low, high);
    if (values[middle]! > values[low]!) swap(values, middle, low);
    swap(values, middle, low + 1);
    const pivot = values[low]!;
    let left = low + 1;
    let right = high;
    for (;;) {
      do left++;
      while (pivot > values[left]!);
      do right--;
      while (values[right]! > pivot);
      if (right < left) break;
      swap(values, left, right);
    }
    swap(values, low, right);
    if (right <= wanted) low = left;
    if (right >= wanted) high = right - 1;
  }
}

function swap(values: Float64Array, a: number, b: number): void {
  const value = values[a]!;
  values[a] = values[b]!;
  values[b] = value;
}
