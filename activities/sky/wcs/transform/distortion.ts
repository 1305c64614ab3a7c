/** Distortions as two polynomials of two variables, SIP's of pixels and TPV's of degrees: applied, and inverted by Newton's way. */

/** Σ c(i, j) xⁱ yʲ + Σ r(k) rᵏ, r = √(x² + y²). */
export interface Polynomial {
  /** i + j ≤ order. */
  readonly order: number;
  /** c(i, j) at `j * (order + 1) + i`. */
  readonly coefficients: Float64Array;
  /** r(1), r(3), r(5), r(7); absent where all are 0. */
  readonly radial: Float64Array | undefined;
}

/** Value, derivative by x, derivative by y. */
const first = new Float64Array(3);
const second = new Float64Array(3);

/** More are of no use: each doubles the digits. */
const STEPS = 25;
/** Pixels, of the last step. */
const TOLERANCE = 1e-10;
/** So many times the tolerance. */
const NEARLY = 1e4;
/** Of the walk to places where Newton's way from afar fails. */
const WALK = 16;

export class Distortion {
  readonly #x: Polynomial;
  readonly #y: Polynomial;
  readonly #start: Distortion | undefined;
  readonly #tolerance: number;

  /** `start`: an inverse that is good for a first guess (AP, BP). `pixel`: how large a pixel is in the unit of the polynomials. */
  constructor(x: Polynomial, y: Polynomial, pixel: number, start?: Distortion) {
    this.#x = x;
    this.#y = y;
    this.#start = start;
    this.#tolerance = TOLERANCE * pixel;
  }

  apply(x: number, y: number, out: Float64Array): void {
    evaluate(this.#x, x, y, first);
    evaluate(this.#y, x, y, second);
    out[0] = first[0]!;
    out[1] = second[0]!;
  }

  /** Of the derivatives: how much larger an area becomes; negative where the polynomials have folded back. */
  determinant(x: number, y: number): number {
    evaluate(this.#x, x, y, first);
    evaluate(this.#y, x, y, second);
    return first[1]! * second[2]! - first[2]! * second[1]!;
  }

  /** What {@link apply} leads to x, y; NaN, NaN where nothing does that can be reached from 0, 0 without a fold. */
  invert(x: number, y: number, out: Float64Array): void {
    out[0] = x;
    out[1] = y;
    if (this.#start) this.#start.apply(x, y, out);
    if (this.#newton(x, y, out)) return;
    // From 0, 0 outwards in small steps, each beginning where the last one ended: on the one sheet that is meant.
    out[0] = 0;
    out[1] = 0;
    evaluate(this.#x, 0, 0, first);
    evaluate(this.#y, 0, 0, second);
    const x0 = first[0]!;
    const y0 = second[0]!;
    for (let i = 1; i <= WALK; i++) {
      const t = i / WALK;
      if (this.#newton(x0 + (x - x0) * t, y0 + (y - y0) * t, out)) continue;
      out[0] = Number.NaN;
      out[1] = Number.NaN;
      return;
    }
  }

  #newton(x: number, y: number, out: Float64Array): boolean {
    let u = out[0]!;
    let v = out[1]!;
    let before = Number.POSITIVE_INFINITY;
    for (let i = 0; i < STEPS; i++) {
      evaluate(this.#x, u, v, first);
      evaluate(this.#y, u, v, second);
      const determinant = first[1]! * second[2]! - first[2]! * second[1]!;
      // Also NaN. Axes that change places have a negative one everywhere: SIP and TPV have a linear part of nearly 1.
      if (!(determinant > 0)) return false;
      const dx = x - first[0]!;
      const dy = y - second[0]!;
      const du = (dx * second[2]! - dy * first[2]!) / determinant;
      const dv = (dy * first[1]! - dx * second[1]!) / determinant;
      u += du;
      v += dv;
      const step = Math.max(Math.abs(du), Math.abs(dv));
      // A step of 1e-6 pixel leaves less than 1e-10 behind, except beside a fold. Far from CRPIX the last digits of u are worth more than the
      // tolerance: there the steps stop to become smaller.
      const small = step <= NEARLY * this.#tolerance;
      if (step <= this.#tolerance || (small && (determinant > 0.1 || step >= before))) {
        out[0] = u;
        out[1] = v;
        return true;
      }
      before = step;
    }
    return false;
  }
}

/** Horner's way for the value and both derivatives at once. */
function evaluate(polynomial: Polynomial, x: number, y: number, out: Float64Array): void {
  const { order, coefficients, radial } = polynomial;
  let value = 0;
  let dx = 0;
  let dy = 0;
  for (let j = order; j >= 0; j--) {
    let row = 0;
    let slope = 0;
    const at = j * (order + 1);
    for (let i = order - j; i >= 0; i--) {
      slope = slope * x + row;
      row = row * x + coefficients[at + i]!;
    }
    dy = dy * y + value;
    value = value * y + row;
    dx = dx * y + slope;
  }
  if (radial) {
    const square = x * x + y * y;
    const r = Math.sqrt(square);
    // r × polynomial of r².
    const odd = radial[0]! + square * (radial[1]! + square * (radial[2]! + square * radial[3]!));
    const even = radial[0]! + square * (3 * radial[1]! + square * (5 * radial[2]! + square * 7 * radial[3]!));
    value += r * odd;
    // At 0 the cone has no slope.
    if (r > 0) {
      dx += (even * x) / r;
      dy += (even * y) / r;
    }
  }
  out[0] = value;
  out[1] = dx;
  out[2] = dy;
}
