// A frontend in a process of its own: `fork(frontend-process.mjs, [JSON of options])` tells { url }.
import { createRequire } from 'node:module';
import './tell-memory.mjs';

const { startFrontend, startHealth } = createRequire(import.meta.url)('../../../dist/cjs/index.js');
const health = await startHealth({ port: 0, host: '127.0.0.1' });
const frontend = await startFrontend({ port: 0, health, ...JSON.parse(process.argv[2]) });
process.on('disconnect', () => process.exit());
process.send({ url: frontend.url });
