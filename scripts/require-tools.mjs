// node scripts/require-tools.mjs GROUP...: what a step needs beyond npm, installed or asked for. One look through PATH
// for each command when all are there.
import { requireTools } from './lib/tools.mjs';

requireTools(...process.argv.slice(2));
