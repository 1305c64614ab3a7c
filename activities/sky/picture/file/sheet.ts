/** Many small pictures on one: what came of a list, to be looked at. */

export interface SheetOptions {
  /** Pictures of a row. */
  readonly columns: number;
  /** Pixels of a picture each way; others are scaled to that, whole. */
  readonly cell: number;
  /** Pixels between them. */
  readonly gap?: number;
}

/** A PNG of the pictures, files of any format, row by row. Throws what reading one throws. */
export async function contactSheet(
  pictures: readonly Uint8Array[],
  { columns, cell, gap = 2 }: SheetOptions,
): Promise<Buffer> {
  // Whoever makes no pictures has no native code of them in it.
  const { default: sharp } = await import('sharp');
  const rows = Math.max(1, Math.ceil(pictures.length / columns));
  const side = (count: number): number => count * (cell + gap) + gap;
  const placed = await Promise.all(
    pictures.map(async (picture, i) => ({
      input: await sharp(picture).resize(cell, cell, { fit: 'contain', background: '#000' }).png().toBuffer(),
      left: gap + (i % columns) * (cell + gap),
      top: gap + Math.floor(i / columns) * (cell + gap),
    })),
  );
  const background = { r: 32, g: 32, b: 32 };
  return sharp({ create: { width: side(columns), height: side(rows), channels: 3, background } })
    .composite(placed)
    .png()
    .toBuffer();
}
