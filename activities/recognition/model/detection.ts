/** What recognition finds, and the tensors it finds it in. */

/** Pixels of the source picture, EXIF orientation applied; x, y = top left corner. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Detection {
  readonly label: string;
  readonly classId: number;
  /** 0–1. */
  readonly score: number;
  readonly box: Box;
}

/** An output of a model: row-major values and their dimensions. */
export interface Output {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

export type Outputs = Readonly<Record<string, Output>>;

/** A box before it is a detection: corners in pixels of the model's input. */
export interface Candidate {
  readonly classId: number;
  readonly score: number;
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** What a decoder needs to know besides the outputs. */
export interface DecodeContext {
  /** Size of the model's input in pixels. */
  readonly width: number;
  readonly height: number;
  /** Lowest score that becomes a candidate, 0–1. */
  readonly threshold: number;
}

/** Turns the outputs of one picture into candidates; pure. Throws `unsupported_model` when the outputs are not the family's. */
export type Decoder = (outputs: Outputs, context: DecodeContext) => Candidate[];
