import { startHealth } from 'inference-health';
import { report } from './report.cjs';

await report(startHealth);
