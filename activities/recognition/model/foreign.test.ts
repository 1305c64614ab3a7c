import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openRecogniser } from '../lane/recogniser.ts';
import { defaultModelOptions, keepsCode, openFile, temporaryFolder } from '../testing/models.ts';

/** As `torch.save` and Keras leave them, of which only names count: local headers, then the directory. */
const archive = (...names: string[]) =>
  `PK\x03\x04${'\0'.repeat(40)}${names.map((name) => `PK\x01\x02${name}`).join('')}`;
const refused = (way: RegExp) => ({ code: 'unsupported_model', message: expect.stringMatching(way) });

describe('a file of another framework', () => {
  it.each<[string, string, RegExp]>([
    ['best.pt', 'x', /`yolo export model=best\.pt format=onnx`.*torch\.onnx\.export/],
    ['net.pth', 'x', /torch\.load\('net\.pth'/],
    ['net.safetensors', 'x', /optimum-cli export onnx/],
    ['forest.pkl', 'x', /never opened.*skl2onnx\.to_onnx/],
    ['digits.h5', 'x', /tf2onnx\.convert --keras digits\.h5/],
    ['digits.keras', 'x', /load_model\('digits\.keras'\)\.export\('model\.onnx', format='onnx'\)/],
    ['frozen.pb', '\x0a\x07', /tf2onnx\.convert --graphdef frozen\.pb/],
    ['lite.tflite', 'x', /--tflite lite\.tflite/],
    // Whatever it is called.
    ['renamed.onnx', archive('best/data.pkl', 'best/version'), /PyTorch.*torch\.onnx\.export/],
    ['renamed.onnx', archive('config.json', 'model.weights.h5'), /Keras/],
    ['renamed.onnx', '\x89HDF\r\n\x1a\n', /Keras/],
    ['renamed.onnx', '\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.', /PyTorch/],
    ['renamed.onnx', '\x80\x04\x95\x10', /pickle/],
    ['renamed.onnx', `\x0c\0\0\0\0\0\0\0{"w":{"a":1}}`, /safetensors/],
    ['renamed.onnx', '\x1c\0\0\0TFL3', /tflite/],
    ['saved_model.pb', '\x08\x01\x12\x20', /--saved-model [\w-]+ /],
    ['digits.pt', archive('config.json', 'model.weights.h5'), /Keras/],
    ['a name; rm -rf.pt', 'x', /model=FILE format/],
    ['other.onnx', archive('weights.npy'), /ONNX Runtime cannot open/],
    ['broken.onnx', 'this is no model', /ONNX Runtime cannot open/],
  ])('%s is refused in a line, with the way out', async (name, content, way) => {
    const path = join(await temporaryFolder(), name);
    await writeFile(path, content, 'latin1');
    const error = await openFile(path).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject(refused(way));
    expect(error).toMatchObject({ message: expect.not.stringContaining('\n') });
  });
});

it('a folder is refused with what to take of it, in a lane too', async () => {
  const folder = join(await temporaryFolder(), 'exported');
  await mkdir(folder);
  await writeFile(join(folder, 'digits.onnx'), 'x');
  await expect(openFile(folder)).rejects.toMatchObject(refused(/is a folder.*digits\.onnx/));
  await writeFile(join(folder, 'saved_model.pb'), 'x');
  await expect(openFile(folder)).rejects.toMatchObject(refused(/--saved-model exported --output/));
  const recognition = {
    ...(await defaultModelOptions()),
    modelPath: folder,
    lanes: 1,
    memoryBytes: 2e9,
    seconds: 60,
  };
  const recogniser = openRecogniser({ recognition, lane: keepsCode });
  try {
    await expect(recogniser.model()).rejects.toMatchObject(refused(/--saved-model exported --output/));
  } finally {
    await recogniser.close();
  }
});
