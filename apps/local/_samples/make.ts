/**
 * Makes the sample photos from their originals: `node apps/local/_samples/make.ts FOLDER`, where FOLDER holds astronaut.png,
 * chelsea.png, coffee.png, rocket.jpg and hubble_deep_field.jpg (see LICENSES.md). JPEGs under 300 kB of several sizes.
 */
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';

const target = import.meta.dirname;

async function make(originals: string): Promise<void> {
  const original = (name: string) => sharp(join(originals, name)).removeAlpha();
  const save = (picture: Sharp, name: string, quality = 85) =>
    picture.jpeg({ quality, mozjpeg: true }).toFile(join(target, name));

  await save(original('astronaut.png'), 'astronaut.jpg');
  await save(original('chelsea.png'), 'cat.jpg');
  await save(original('coffee.png'), 'espresso.jpg');
  await save(original('rocket.jpg'), 'rocket.jpg');
  await save(original('hubble_deep_field.jpg'), 'deep-field.jpg', 72);
  await save(original('astronaut.png').resize(200), 'astronaut-small.jpg');

  // As a phone held upright saves it: pixels lie on their side, EXIF says how to turn them.
  await save(original('chelsea.png').rotate(270).withMetadata({ orientation: 6 }), 'cat-turned.jpg');

  const tile = async (name: string) => original(name).resize(800, 600, { fit: 'cover' }).toBuffer();
  await save(
    sharp({ create: { width: 1600, height: 1200, channels: 3, background: 'white' } }).composite([
      { input: await tile('astronaut.png'), left: 0, top: 0 },
      { input: await tile('chelsea.png'), left: 800, top: 0 },
      { input: await tile('coffee.png'), left: 0, top: 600 },
      { input: await tile('rocket.jpg'), left: 800, top: 600 },
    ]),
    'four.jpg',
    80,
  );
}

const [originals] = process.argv.slice(2);
if (originals === undefined) {
  console.error('usage: node apps/local/_samples/make.ts FOLDER');
  process.exitCode = 2;
} else await make(originals);
