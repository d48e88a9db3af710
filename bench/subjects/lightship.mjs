import { createLightship } from '../peers/lightship.mjs';
import busy from './busy.cjs';

// Without `detectKubernetes: false` it ignores the port outside a cluster and does not tell which one it took.
const lightship = await createLightship({ detectKubernetes: false, port: busy.options.port });
lightship.signalReady();
busy.serve(busy.options.port);
