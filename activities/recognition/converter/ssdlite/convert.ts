/**
 * Turns the SSDLite-MobileNetV2 graph of TensorFlow.js into ONNX.
 *
 * What differs on purpose: NCHW instead of NHWC (a transpose is needed only before the reshapes of the six predictors),
 * and batch normalisation, biases and constant scales are folded into the convolutions.
 */
import { encodeOnnx, int64Tensor, type OnnxNode, type OnnxTensor } from '../../model/onnx/onnx.ts';
import { type Affine, batchNormAffine, foldInto } from '../folding.ts';
import { attributeIntegers, attributeText, type TfConstant, type TfGraph, type TfNode } from './tfjs.ts';

const INPUT = 'Preprocessor/sub';
const BOXES = 'Squeeze';
const SCORES = 'Postprocessor/convert_scores';
const ANCHORS = 'Postprocessor/ExpandDims';

/** A convolution still open to folding: weights are OIHW, one bias per output channel. */
interface Convolution {
  readonly output: string;
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/**
 * The detector as an ONNX file: input `image` [1,3,300,300] (RGB, pixel·2/255 − 1); outputs `boxes` [1,1917,4] (ty tx th tw),
 * `scores` [1,1917,91] (sigmoid, column 0 is background), `anchors` [1,1917,4] (ymin xmin ymax xmax, 0–1).
 * Throws when the graph holds an operation it does not know.
 */
export function ssdliteToOnnx(graph: TfGraph): Buffer {
  const emitter = new Emitter(graph);
  const boxes = emitter.visit(BOXES);
  const scores = emitter.visit(SCORES);
  const anchors = emitter.constant(ANCHORS);
  const count = anchors.dims[1] ?? 0;
  emitter.initializers.push({ name: 'anchors/value', dims: anchors.dims, data: floats(anchors) });
  emitter.nodes.push(
    { op: 'Identity', inputs: [boxes], output: 'boxes' },
    { op: 'Identity', inputs: [scores], output: 'scores' },
    { op: 'Identity', inputs: ['anchors/value'], output: 'anchors' },
  );
  return encodeOnnx({
    name: 'ssdlite-mobilenet-v2',
    inputs: [{ name: 'image', dims: [1, 3, 300, 300] }],
    outputs: [
      { name: 'boxes', dims: [1, count, 4] },
      { name: 'scores', dims: [1, count, 91] },
      { name: 'anchors', dims: [1, count, 4] },
    ],
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
  private readonly graph: TfGraph;
  private readonly done = new Map<string, string>([[INPUT, 'image']]);
  private readonly convolutions = new Map<string, Convolution>();
  private readonly consumers = new Map<string, number>();

  constructor(graph: TfGraph) {
    this.graph = graph;
    for (const node of graph.nodes.values())
      for (const input of node.inputs) this.consumers.set(input, (this.consumers.get(input) ?? 0) + 1);
  }

  constant(name: string): TfConstant {
    const constant = this.graph.constants.get(name);
    if (constant === undefined) throw new Error(`${name} is not a constant of the graph`);
    return constant;
  }

  /** Emits what `name` needs and returns the ONNX name of its value (NCHW where it has four axes). */
  visit(name: string): string {
    const known = this.done.get(name);
    if (known !== undefined) return known;
    const node = this.graph.nodes.get(name);
    if (node === undefined) throw new Error(`the graph has no node ${name}`);
    const output = this.emit(node);
    this.done.set(name, output);
    return output;
  }

  private emit(node: TfNode): string {
    const [first = '', second = ''] = node.inputs;
    switch (node.op) {
      case 'Conv2D':
      case 'DepthwiseConv2dNative':
        return this.convolve(node);
      case 'BiasAdd':
      case 'Add':
        return this.foldOperand(node, (values) => ({ scale: values.map(() => 1), shift: values }));
      case 'Mul':
        return this.foldOperand(node, (values) => ({ scale: values, shift: values.map(() => 0) }));
      case 'FusedBatchNorm':
        return this.fold(first, this.batchNorm(node));
      case 'Relu6':
        return this.push('Clip', node.name, [this.visit(first), 'zero', 'six']);
      case 'AddN':
        return this.push('Add', node.name, [this.visit(first), this.visit(second)]);
      case 'Sigmoid':
        return this.push('Sigmoid', node.name, [this.visit(first)]);
      case 'Reshape':
        return this.reshape(node);
      case 'Squeeze':
        return this.squeeze(node);
      case 'ConcatV2': {
        const axis = this.integers(node.inputs.at(-1) ?? '')[0] ?? 0;
        const inputs = node.inputs.slice(0, -1).map((input) => this.visit(input));
        return this.push('Concat', node.name, inputs, { axis });
      }
      default:
        throw new Error(`the operation ${node.op} of ${node.name} is not supported`);
    }
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

  private convolve(node: TfNode): string {
    const [input = '', kernel = ''] = node.inputs;
    if (attributeText(node, 'data_format') !== 'NHWC') throw new Error(`${node.name} is not NHWC`);
    const { dims } = this.constant(kernel);
    const [height = 0, width = 0, channels = 0, last = 0] = dims;
    const source = floats(this.constant(kernel));
    const depthwise = node.op === 'DepthwiseConv2dNative';
    // HWIO → OIHW; of a depthwise kernel, HWC1 → C1HW (multiplier 1).
    if (depthwise && last !== 1) throw new Error(`${node.name} has a channel multiplier of ${last}`);
    const outputs = depthwise ? channels : last;
    const inputs = depthwise ? 1 : channels;
    const weights = new Float32Array(source.length);
    const area = height * width;
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < inputs; i++)
        for (let p = 0; p < area; p++) {
          const from = depthwise ? p * channels + o : (p * channels + i) * last + o;
          weights[(o * inputs + i) * area + p] = source[from] ?? 0;
        }
    const bias = new Float32Array(outputs);
    const output = node.name;
    this.convolutions.set(output, { output, weights, bias });
    this.initializers.push(
      { name: `${output}/weights`, dims: [outputs, inputs, height, width], data: weights },
      { name: `${output}/bias`, dims: [outputs], data: bias },
    );
    const padding = attributeText(node, 'padding');
    if (padding !== 'SAME') throw new Error(`${node.name} has the padding ${padding}, not SAME`);
    return this.push('Conv', output, [this.visit(input), `${output}/weights`, `${output}/bias`], {
      auto_pad: 'SAME_UPPER',
      kernel_shape: [height, width],
      strides: attributeIntegers(node, 'strides').slice(1, 3),
      dilations: attributeIntegers(node, 'dilations').slice(1, 3),
      group: depthwise ? channels : 1,
    });
  }

  /** Folds a sum or product whose one operand, on either side, is constant. */
  private foldOperand(node: TfNode, affine: (values: Float32Array) => Affine): string {
    const [first = '', second = ''] = node.inputs;
    const [input, constant] = this.graph.constants.has(second) ? [first, second] : [second, first];
    return this.fold(input, affine(floats(this.constant(constant))));
  }

  /** Folds y = x·scale + shift (per channel) into the convolution that makes x. */
  private fold(input: string, { scale, shift }: Affine): string {
    const name = this.visit(input);
    const node = this.graph.nodes.get(input);
    if (node?.op === 'AddN' && this.consumers.get(input) === 1 && scale.every((factor) => factor === 1)) {
      // (convolution + residual) + shift: the shift belongs to the convolution.
      this.fold(node.inputs[0] ?? '', { scale, shift });
      return name;
    }
    const convolution = this.convolutions.get(name);
    if (convolution === undefined || this.consumers.get(input) !== 1)
      throw new Error(`${input} is not a convolution with one consumer, so nothing can be folded into it`);
    foldInto(convolution.weights, convolution.bias, { scale, shift });
    return name;
  }

  private batchNorm(node: TfNode): Affine {
    const [gamma, beta, mean, variance] = node.inputs.slice(1).map((input) => floats(this.constant(input)));
    const epsilon = node.attributes.epsilon?.f;
    if (!gamma || !beta || !mean || !variance || epsilon === undefined)
      throw new Error(`${node.name} lacks a parameter`);
    return batchNormAffine({ gamma, beta, mean, variance, epsilon });
  }

  private reshape(node: TfNode): string {
    const [input = '', shape = ''] = node.inputs;
    const nhwc = this.push('Transpose', `${node.name}/nhwc`, [this.visit(input)], { perm: [0, 2, 3, 1] });
    this.initializers.push(int64Tensor(`${node.name}/shape`, this.integers(shape)));
    return this.push('Reshape', node.name, [nhwc, `${node.name}/shape`]);
  }

  private squeeze(node: TfNode): string {
    this.initializers.push(int64Tensor(`${node.name}/axes`, attributeIntegers(node, 'squeeze_dims')));
    return this.push('Squeeze', node.name, [this.visit(node.inputs[0] ?? ''), `${node.name}/axes`]);
  }

  /** The integers a node stands for. `StridedSlice(Shape(x))` is the batch size, always 1 here. */
  private integers(name: string): number[] {
    const constant = this.graph.constants.get(name);
    if (constant !== undefined) return [...constant.data];
    const node = this.graph.nodes.get(name);
    if (node?.op === 'Pack') return node.inputs.flatMap((input) => this.integers(input));
    if (node?.op === 'StridedSlice' && this.graph.nodes.get(node.inputs[0] ?? '')?.op === 'Shape') return [1];
    throw new Error(`${name} is not made of constants`);
  }
}

function floats(constant: TfConstant): Float32Array {
  if (!(constant.data instanceof Float32Array)) throw new Error('float32 values are needed here');
  return constant.data;
}
