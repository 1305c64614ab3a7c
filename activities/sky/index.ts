/** Cutouts of sky surveys: FITS, WCS, cuts, pictures and mosaics, usable alone. */
export * from './bytes/source.ts';
export * from './errors.ts';
export * from './fits/card.ts';
export * from './image/plane.ts';
export * from './sphere/area.ts';
export * from './sphere/healpix.ts';
export * from './sphere/polygon.ts';
export * from './sphere/vector.ts';
export * from './wcs/wcs.ts';
