// A process that registers one instance: node registrant.mjs SETTINGS INSTANCE (JSON). Steered by messages
// { state }, { blockMs }: blocks the main thread, { stands }: its engine moves no more, { close }. Tells { registered }.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { openDiscovery } = require('../../dist/cjs/discovery/open.js');
const [settings, instance] = process.argv.slice(2).map((text) => JSON.parse(text));
const discovery = await openDiscovery(settings, { log: () => undefined });
let count = 0;
let stands = false;
const registration = await discovery.register(instance, () => {
  if (!stands) count += 1;
  return count;
});
process.on('unhandledRejection', (error) => {
  process.send({ unhandled: String(error) });
});
process.on('message', async (message) => {
  if (message.state !== undefined) registration.setState(message.state);
  if (message.stands !== undefined) stands = message.stands;
  if (message.blockMs !== undefined) {
    const end = Date.now() + message.blockMs;
    while (Date.now() < end);
  }
  if (message.close === true) {
    await discovery.close();
    process.disconnect();
  }
});
process.on('disconnect', () => {
  if (process.exitCode === undefined) setTimeout(() => process.exit(3), 5000).unref();
});
process.send({ registered: String(registration.instanceId) });
