/** What a lane is: the tasks both sides know of, and how its child is built. */
import type { z } from 'zod';
import type { SandboxMode } from './sandbox/report.ts';

/** A task: what is asked for each item, what each item is answered with, and what may be told before that. */
export interface TaskShape {
  readonly params: z.ZodType;
  readonly result: z.ZodType;
  readonly event?: z.ZodType;
  /** Names of steps that the child may enter. */
  readonly stages?: readonly string[];
}

/** All that parent and child say to each other. What the child says is parsed by these; what the parent says, before it is sent. */
export interface LaneShape {
  /** What a child is opened with, once, such as the model it holds. */
  readonly setup: z.ZodType;
  /** What a child tells once it is open. */
  readonly told: z.ZodType;
  readonly tasks: Readonly<Record<string, TaskShape>>;
}

export type Setup<S extends LaneShape> = z.input<S['setup']>;
export type SetupTaken<S extends LaneShape> = z.output<S['setup']>;
export type Told<S extends LaneShape> = z.output<S['told']>;
export type TaskName<S extends LaneShape> = keyof S['tasks'] & string;
export type Params<T extends TaskShape> = z.input<T['params']>;
export type ParamsTaken<T extends TaskShape> = z.output<T['params']>;
export type Result<T extends TaskShape> = z.output<T['result']>;
export type ResultGiven<T extends TaskShape> = z.input<T['result']>;
type EventType<T extends TaskShape> = T extends { readonly event: infer E extends z.ZodType }
  ? E
  : z.ZodNever;
export type EventTaken<T extends TaskShape> = z.output<EventType<T>>;
export type EventGiven<T extends TaskShape> = z.input<EventType<T>>;
export type StageName<T extends TaskShape> = T extends {
  readonly stages: readonly (infer N extends string)[];
}
  ? N
  : never;

/** How a child is made and held. */
export interface LaneBuild<S extends LaneShape> {
  /** For messages: “The NAME process ended …”. */
  readonly name: string;
  readonly shape: S;
  /** The child's module; it calls `serve`. */
  readonly main: URL;
  /** Files and folders it may read besides the repository's code and the system's libraries. */
  readonly reads?: readonly string[];
  /** Resident memory it may take, bytes. */
  readonly memoryBytes: number;
  /** With a task in hand, seconds without a word from it; waiting for its parent does not count. */
  readonly stallSeconds: number;
  /** Seconds until it is open. */
  readonly startSeconds?: number;
  /** Bytes that one message of it may have. */
  readonly messageBytes?: number;
  /** How much of a sandbox there must be; `auto` (what there is) when absent. */
  readonly sandbox?: SandboxMode;
  /** How much the system prefers others to it, 0 to 19, as `nice` has it: for work that makes way for what somebody waits for. 0 when absent. */
  readonly nice?: number;
  /** Folder that compiled code of its modules is kept in, which makes it open sooner; none when absent. */
  readonly codeFolder?: string;
  /** All of its environment, but what Node finds the code by. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** A build, its types inferred. */
export const laneBuild = <const S extends LaneShape>(build: LaneBuild<S>): LaneBuild<S> => build;
/** A shape, its types inferred. */
export const laneShape = <const S extends LaneShape>(shape: S): S => shape;
