/** The child of `probe.ts`. */
import { serve } from '../child/serve.ts';
import type { probe } from './probe.ts';

serve<(typeof probe)['shape']>({ open: () => ({}), tasks: {} });
