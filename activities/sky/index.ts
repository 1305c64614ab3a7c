/** Cutouts of sky surveys: FITS, WCS, cuts, pictures and mosaics, usable alone. */
export * from './bytes/counting.ts';
export * from './bytes/file.ts';
export * from './bytes/memory.ts';
export * from './bytes/object.ts';
export * from './bytes/source.ts';
export * from './cut/cut.ts';
export { cutFile, type NamedPlane } from './cut/file.ts';
export { cutBox, type Placed, placeCut } from './cut/place.ts';
export { type CutSize, type Length, parseDec, parsePixelScale, parseRa, parseSize } from './cut/request.ts';
export * from './cut/strips.ts';
export * from './errors.ts';
export * from './fits/card.ts';
export * from './fits/header/header.ts';
export * from './fits/limits.ts';
export * from './fits/read/cache.ts';
export * from './fits/read/file.ts';
export * from './fits/read/open.ts';
export * from './fits/read/physical.ts';
export { DecodeThreads, type DecodeThreadsOptions } from './fits/threads/threads.ts';
export { realCard } from './fits/write/cards.ts';
export { FitsWriter, type ImageHdu, type ImageSpec, writeFits } from './fits/write/file.ts';
export type { ImageWriter } from './fits/write/image.ts';
export { FileSink, type FitsSink, MemorySink, NamelessFile } from './fits/write/sink.ts';
export type { RiceOptions } from './fits/write/tiles/compressed.ts';
export {
  type ChecksumState,
  type HduChecksums,
  type VerifyOptions,
  verifyChecksums,
} from './fits/write/verify.ts';
export * from './image/plane.ts';
export { fitsTile, type TileImages } from './mosaic/fits-tile.ts';
export { type TargetGrid, tangentLike, tangentTarget } from './mosaic/grid/target.ts';
export {
  type Mosaic,
  type MosaicPlan,
  type MosaicRequest,
  type MosaicSummary,
  mosaic,
  mosaicStrips,
  planMosaic,
} from './mosaic/mosaic.ts';
export type { Quantity } from './mosaic/resampling/flux.ts';
export type { Overlap, Resampling } from './mosaic/resampling/resample.ts';
export type { MosaicStrip, MosaicTile, PixelType, PlaneReader } from './mosaic/tile.ts';
export * from './picture/algorithms/levels.ts';
export * from './picture/area-average.ts';
export { drawPicture } from './picture/draw.ts';
export * from './picture/file/encode.ts';
export * from './picture/look.ts';
export * from './picture/orientation.ts';
export * from './picture/overlay/marks.ts';
export * from './picture/picture.ts';
export * from './picture/raster.ts';
export * from './sphere/area.ts';
export * from './sphere/healpix.ts';
export * from './sphere/moc/forms.ts';
export { coarser, type Moc, type MocBounds, mocOf } from './sphere/moc/moc.ts';
export * from './sphere/polygon.ts';
export * from './sphere/vector.ts';
export * from './survey/checked/checksums.ts';
export * from './survey/checked/verify.ts';
export * from './survey/definition/access.ts';
export { degreesOf, type SurveyDefinition, surveyDefinition } from './survey/definition/definition.ts';
export * from './survey/definition/read.ts';
export * from './wcs/frames.ts';
export * from './wcs/geometry.ts';
export * from './wcs/parse.ts';
export * from './wcs/tangent.ts';
export * from './wcs/wcs.ts';
