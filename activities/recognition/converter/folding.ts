/** Folding what follows a convolution into its weights: the graph becomes shorter, its values stay (but for float32's rounding). */

/** y = x·scale + shift, one value per channel. */
export interface Affine {
  readonly scale: Float32Array;
  readonly shift: Float32Array;
}

/** What a trained batch normalisation does. */
export interface BatchNorm {
  readonly gamma: Float32Array;
  readonly beta: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  readonly epsilon: number;
}

/** (x − mean) / √(variance + ε) · γ + β as one product and one sum. */
export function batchNormAffine({ gamma, beta, mean, variance, epsilon }: BatchNorm): Affine {
  const scale = gamma.map((value, c) => value / Math.sqrt((variance[c] ?? 0) + epsilon));
  const shift = beta.map((value, c) => value - (mean[c] ?? 0) * (scale[c] ?? 0));
  return { scale, shift };
}

/** Puts `affine` into the weights (output channel first) and biases of the convolution that it follows. Throws when the channels differ. */
export function foldInto(weights: Float32Array, bias: Float32Array, { scale, shift }: Affine): void {
  if (scale.length !== bias.length || shift.length !== bias.length)
    throw new Error('there is not one factor per channel');
  const perChannel = weights.length / bias.length;
  for (let channel = 0; channel < bias.length; channel++) {
    const factor = scale[channel] ?? 1;
    for (let k = channel * perChannel; k < (channel + 1) * perChannel; k++)
      weights[k] = (weights[k] ?? 0) * factor;
    bias[channel] = (bias[channel] ?? 0) * factor + (shift[channel] ?? 0);
  }
}
