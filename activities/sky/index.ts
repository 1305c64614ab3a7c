/** Cutouts of sky surveys: FITS, WCS, cuts, pictures and mosaics, usable alone. */
export * from './bytes/source.ts';
export * from './errors.ts';
export * from './fits/card.ts';
export * from './image/plane.ts';
export * from './wcs/wcs.ts';
