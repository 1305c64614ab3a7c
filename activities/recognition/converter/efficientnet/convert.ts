/**
 * EfficientNet-Lite0 as ONNX, from the state dict of its PyTorch version.
 * Architecture: https://github.com/tensorflow/tpu/blob/master/models/official/efficientnet/lite/efficientnet_lite_builder.py; names of
 * the weights: https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch/blob/master/efficientnet_lite_pytorch/model.py.
 *
 * What differs on purpose: batch normalisation is folded into the convolutions.
 */
import { encodeOnnx, int64Tensor, type OnnxNode, type OnnxTensor } from '../../model/onnx/onnx.ts';
import { batchNormAffine, foldInto } from '../folding.ts';
import type { TorchTensor } from './state-dict.ts';

const SIDE = 224;
const CLASSES = 1000;
const EPSILON = 1e-3;

/** Repeats, kernel, stride of the first block, factor that a block is wider by inside, output channels. */
const STAGES = [
  [1, 3, 1, 1, 16],
  [2, 3, 2, 6, 24],
  [2, 5, 2, 6, 40],
  [3, 3, 2, 6, 80],
  [3, 5, 1, 6, 112],
  [4, 5, 2, 6, 192],
  [1, 3, 1, 6, 320],
] as const;
const STEM = 32;
const HEAD = 1280;

type State = ReadonlyMap<string, TorchTensor>;

interface Convolution {
  /** Names of its weights and of the batch normalisation behind it. */
  readonly weights: string;
  readonly norm: string;
  readonly kernel: number;
  readonly stride: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly depthwise?: boolean;
  /** Whether its output is cut to 0…6. */
  readonly relu6: boolean;
}

/**
 * The classifier as an ONNX file: input `image` [1,3,224,224] (RGB, (pixel − 127) / 128), output `logits` [1,1000], before softmax, in
 * ImageNet's order. Throws when a tensor is missing, has another shape, or is one that the network has no place for.
 */
export function efficientNetLite0ToOnnx(state: State): Buffer {
  const emitter = new Emitter(state);
  let value = emitter.convolve('image', {
    weights: '_conv_stem',
    norm: '_bn0',
    kernel: 3,
    stride: 2,
    inputs: 3,
    outputs: STEM,
    relu6: true,
  });
  let channels: number = STEM;
  let block = 0;
  for (const [repeats, kernel, firstStride, expansion, outputs] of STAGES)
    for (let repeat = 0; repeat < repeats; repeat++) {
      const shape = { kernel, stride: repeat === 0 ? firstStride : 1, expansion, inputs: channels, outputs };
      value = emitter.invertedBottleneck(value, `_blocks.${block++}`, shape);
      channels = outputs;
    }
  value = emitter.convolve(value, {
    weights: '_conv_head',
    norm: '_bn1',
    kernel: 1,
    stride: 1,
    inputs: channels,
    outputs: HEAD,
    relu6: true,
  });
  emitter.classify(value);
  emitter.requireAllUsed();
  return encodeOnnx({
    name: 'efficientnet-lite0',
    inputs: [{ name: 'image', dims: [1, 3, SIDE, SIDE] }],
    outputs: [{ name: 'logits', dims: [1, CLASSES] }],
    nodes: emitter.nodes,
    initializers: emitter.initializers,
  });
}

class Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [
    { name: 'zero', dims: [], data: Float32Array.of(0) },
    { name: 'six', dims: [], data: Float32Array.of(6) },
  ];
  private readonly state: State;
  private readonly used = new Set<string>();

  constructor(state: State) {
    this.state = state;
  }

  /** Expansion, depthwise convolution, projection; added to its input where the two are of one shape. */
  invertedBottleneck(
    input: string,
    name: string,
    shape: Record<'kernel' | 'stride' | 'expansion' | 'inputs' | 'outputs', number>,
  ): string {
    const { kernel, stride, expansion, inputs, outputs } = shape;
    const inside = inputs * expansion;
    const plain = { kernel: 1, stride: 1 };
    // Named by what there is: a block that does not expand counts on from its depthwise convolution.
    const expanded =
      expansion === 1
        ? input
        : this.convolve(input, {
            ...plain,
            weights: `${name}._expand_conv`,
            norm: `${name}._bn0`,
            inputs,
            outputs: inside,
            relu6: true,
          });
    const filtered = this.convolve(expanded, {
      weights: `${name}._depthwise_conv`,
      norm: `${name}._bn1`,
      kernel,
      stride,
      inputs: inside,
      outputs: inside,
      depthwise: true,
      relu6: true,
    });
    const projected = this.convolve(filtered, {
      ...plain,
      weights: `${name}._project_conv`,
      norm: `${name}._bn2`,
      inputs: inside,
      outputs,
      relu6: false,
    });
    return stride === 1 && inputs === outputs
      ? this.push('Add', `${name}/sum`, [projected, input])
      : projected;
  }

  convolve(input: string, convolution: Convolution): string {
    const { weights: name, norm, kernel, stride, inputs, outputs, depthwise = false, relu6 } = convolution;
    const dims = [outputs, depthwise ? 1 : inputs, kernel, kernel];
    // Copied: it is folded into.
    const weights = this.tensor(`${name}.weight`, dims).slice();
    const bias = new Float32Array(outputs);
    foldInto(
      weights,
      bias,
      batchNormAffine({
        gamma: this.tensor(`${norm}.weight`, [outputs]),
        beta: this.tensor(`${norm}.bias`, [outputs]),
        mean: this.tensor(`${norm}.running_mean`, [outputs]),
        variance: this.tensor(`${norm}.running_var`, [outputs]),
        epsilon: EPSILON,
      }),
    );
    this.initializers.push(
      { name: `${name}/weights`, dims, data: weights },
      { name: `${name}/bias`, dims: [outputs], data: bias },
    );
    const convolved = this.push('Conv', name, [input, `${name}/weights`, `${name}/bias`], {
      auto_pad: 'SAME_UPPER',
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      group: depthwise ? outputs : 1,
    });
    return relu6 ? this.push('Clip', `${name}/relu6`, [convolved, 'zero', 'six']) : convolved;
  }

  classify(features: string): void {
    this.initializers.push(
      int64Tensor('flat', [1, HEAD]),
      { name: 'fc/weights', dims: [CLASSES, HEAD], data: this.tensor('_fc.weight', [CLASSES, HEAD]) },
      { name: 'fc/bias', dims: [CLASSES], data: this.tensor('_fc.bias', [CLASSES]) },
    );
    const pooled = this.push('GlobalAveragePool', 'pooled', [features]);
    const flat = this.push('Reshape', 'features', [pooled, 'flat']);
    this.push('Gemm', 'logits', [flat, 'fc/weights', 'fc/bias'], { transB: 1 });
  }

  /** Weights that were left over would mean that this is another network. */
  requireAllUsed(): void {
    const left = [...this.state.keys()].find((name) => !this.used.has(name));
    if (left !== undefined) throw new Error(`the network has no place for ${left}`);
  }

  private push(
    op: string,
    output: string,
    inputs: readonly string[],
    attributes: NonNullable<OnnxNode['attributes']> = {},
  ): string {
    this.nodes.push({ op, inputs, output, attributes });
    return output;
  }

  private tensor(name: string, dims: readonly number[]): Float32Array {
    const tensor = this.state.get(name);
    if (tensor === undefined || tensor.dims.join() !== dims.join())
      throw new Error(`${name} is [${tensor?.dims ?? 'missing'}], not [${dims}]`);
    this.used.add(name);
    return tensor.data;
  }
}
