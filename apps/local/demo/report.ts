import type { Job, Segment, StageProgress } from '@darkroom/contract';
import type { Terminal } from '../terminal.ts';

const barWidth = 24;
const nameWidth = 10;
/** Of one photo or scene, the best. */
const rowsPerPicture = 4;

type Paint = Terminal['paint'];

/** A job as lines of a live display: its name, then a bar per stage. */
export function jobLines(title: string, job: Job, paint: Paint): string[] {
  const percent = job.progress.percent === null ? '' : ` ${Math.floor(job.progress.percent)} %`;
  const eta = job.progress.etaSeconds === null ? '' : `, ${Math.ceil(job.progress.etaSeconds)} s left`;
  return [
    `${paint('bold', title)}  ${job.state}${percent}${job.finishedAt ? '' : eta}`,
    ...job.progress.stages.map((stage) => stageLine(stage, paint)),
  ];
}

/** One stage as a bar: how many of how many, and how long it worked. */
export function stageLine(stage: StageProgress, paint: Paint): string {
  const { name, done, total, unit, workSeconds, failed } = stage;
  const share = total ? Math.min(1, done / total) : stage.state === 'succeeded' ? 1 : 0;
  const filled = Math.round(share * barWidth);
  const bar = paint('green', '█'.repeat(filled)) + paint('dim', '░'.repeat(barWidth - filled));
  const count = `${done}/${total ?? '?'} ${unit}`;
  const trouble = failed > 0 ? paint('red', `  ${failed} failed`) : '';
  // Stages that one activity carries a photo through have their time in the one that is named after it.
  const work = workSeconds > 0 ? `${workSeconds.toFixed(1)} s` : '';
  return `  ${name.padEnd(nameWidth)} ${bar} ${count.padEnd(13)} ${work}${trouble}`.trimEnd();
}

/** One line when a stage moved on, for output that cannot be redrawn. Undefined when nothing new is to be told. */
export function plainNews(title: string, before: Job | undefined, now: Job): string | undefined {
  const moved = now.progress.stages.filter(
    (stage, index) => stage.done > 0 && stage.done !== before?.progress.stages[index]?.done,
  );
  const counts = moved.map((stage) => `${stage.name} ${stage.done}/${stage.total ?? '?'}`);
  if (before?.state !== now.state) counts.unshift(now.state);
  return counts.length === 0 ? undefined : `${title}: ${counts.join(', ')}`;
}

/** What was found in the photos and scenes, best first. */
export function findingsTable(segments: readonly Segment[], paint: Paint): string[] {
  const rows = segments.flatMap((segment) => {
    const { detections, problem } = segment;
    const picture = pictureName(segment);
    if (problem) return [[picture, problem.title, '']];
    const best = detections.toSorted((a, b) => b.score - a.score);
    const shown = best.slice(0, rowsPerPicture).map((found) => ['', found.label, found.score.toFixed(2)]);
    if (best.length > rowsPerPicture) shown.push(['', `… and ${best.length - rowsPerPicture} more`, '']);
    const [first = ['', '(nothing)', ''], ...others] = shown;
    return [[picture, ...first.slice(1)], ...others];
  });
  const table = [['picture', 'found', 'score'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table.map((row, index) => {
    const line = `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd();
    return index === 0 ? paint('bold', line) : line;
  });
}

/** A photo by its name, a scene by its video's and how it begins there. */
function pictureName({ filename, scene }: Segment): string {
  if (scene === null) return filename;
  const begins = {
    start: '',
    cut: 'cut',
    fade: 'fade',
    dissolve: 'dissolve',
    wipe: 'wipe',
    divided: 'goes on',
    sample: 'goes on',
  }[scene.begins];
  return `${filename} ${scene.start.toFixed(1)}–${scene.end.toFixed(1)} s ${begins}`.trimEnd();
}
