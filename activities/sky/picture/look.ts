/** What a picture is made of, how, and with what: the words of {@link drawPicture}. */
import type { BandLevels, Level } from './algorithms/levels.ts';
import type { FloatPlane } from './raster.ts';

export interface PictureBand {
  readonly name: string;
  readonly plane: FloatPlane;
}

/** One for all bands, or one for each. */
export type PerBand<T> = T | readonly T[];

/** STIFF's GREYLEVEL: so that the sky is shown as this part of white, before the gamma of the screen. */
export interface GreyLevel {
  readonly type: 'greylevel';
  readonly grey: number;
}

/**
 * How bands become a picture. Three bands are red, green and blue; of two, the first is red, the second blue, and green the mean of both (of what is
 * there), with the means of their levels; one is grey.
 */
export type Look =
  | {
      /** `lupton`: as astropy 8; `lupton-paper`: with the function as it is printed. Grey for one band, by the same function. */
      readonly algorithm: 'lupton' | 'lupton-paper';
      /** Manual 0 unless given. */
      readonly minimum?: PerBand<Level>;
      /** The range shown linearly, in the bands' unit: 5. */
      readonly stretch?: number;
      /** 8. */
      readonly q?: number;
    }
  | {
      readonly algorithm: 'stiff';
      /** Grey level 0.001 unless given. */
      readonly minimum?: PerBand<Level | GreyLevel>;
      /** Quantile 0.999 unless given. */
      readonly maximum?: PerBand<Level>;
      /** For grey levels: the median unless given. */
      readonly sky?: PerBand<Level>;
      /** 2.2. */
      readonly gamma?: number;
      /** 1. */
      readonly gammaFactor?: number;
      /** 1. */
      readonly saturation?: number;
    }
  | {
      readonly algorithm: 'zscale';
      /** 0.25. */
      readonly contrast?: number;
    }
  | {
      readonly algorithm: 'asinh';
      /** Quantile 0.0025 and 0.9975 unless given. */
      readonly minimum?: PerBand<Level>;
      readonly maximum?: PerBand<Level>;
      /** Where the function turns from linear to logarithmic, as a part of the range: 0.1. */
      readonly softening?: number;
    };

/** What a picture was made with: JSON, enough to make it again by hand. */
export interface PictureLevels {
  readonly algorithm: Look['algorithm'];
  readonly bands: readonly BandLevels[];
  /** The other settings of the algorithm, as they were used. */
  readonly settings: Readonly<Record<string, number>>;
  /** Pixels without a value in any band: transparent. */
  readonly noData: number;
}
